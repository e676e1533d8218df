//! Wait until the replication tasks of the primary NAS have brought tonight's backup over.
//!
//! A NAS that tells of changes by itself is asked once, and then listened to; any other is asked
//! now and then, the more seldom the less happens. One that restarts or cannot be reached is waited
//! for until the deadline.

mod judging;
mod pace;
mod progress;
mod stall;
mod trigger;
mod watching;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use truenas_client::{
    ReplicationTask, Snapshot, SnapshotName, SnapshotQuery, TaskState, TrueNas, TrueNasError,
    VerdictInput, judge,
};

pub use progress::{ReplicationProgress, TaskProgress};

use self::judging::Judged;
use self::progress::Teller;
use self::stall::Stall;
use self::trigger::{Trigger, Turn};
use self::watching::{About, Watch};
use super::{Recorder, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::{nas_error, sentence};

/// How long the look at the deadline may take.
const LAST_LOOK: Duration = Duration::from_secs(30);

/// Which replication is waited for, and how.
#[derive(Debug, Clone)]
pub struct Replication {
    /// The names of the tasks.
    pub tasks: Vec<String>,
    /// How long to wait between two looks, where the NAS does not tell of changes by itself. While
    /// nothing happens, it becomes longer.
    pub poll_interval: Duration,
    /// How long a running task may stand still before somebody is told.
    pub stalled_after: Duration,
    /// Whether the snapshot tasks that the tasks are bound to are run, and then the tasks, rather
    /// than to wait for their time.
    pub trigger: bool,
    /// Who is told how far the tasks have come, if anybody is.
    pub progress: Option<Arc<dyn ReplicationProgress>>,
}

impl Replication {
    /// Waits for these tasks to run by themselves: with a look every ten seconds where the NAS does
    /// not tell, and a word after ten minutes in which nothing moves.
    #[must_use]
    pub fn new(tasks: Vec<String>) -> Self {
        Self {
            tasks,
            poll_interval: Duration::from_secs(10),
            stalled_after: Duration::from_mins(10),
            trigger: false,
            progress: None,
        }
    }
}

/// What to wait for, and how long.
#[derive(Debug, Clone)]
pub struct ReplicateOptions {
    /// Which replication, and how.
    pub replication: Replication,
    /// What it brings over must have been taken after this, by our clock.
    pub since: Timestamp,
    /// How long to wait at most.
    pub deadline: Duration,
}

/// Waits until every task has brought over a snapshot that is new enough.
pub async fn run(
    clock: &dyn Clock,
    primary: &dyn TrueNas,
    options: &ReplicateOptions,
    cancel: &CancellationToken,
) -> StepRecord {
    let mut recorder = Recorder::begin(Step::Replicate, clock);
    let mut waiting = Waiting::new(clock, primary, options);
    let ended = tokio::select! {
        biased;
        () = cancel.cancelled() => None,
        ended = waiting.until_ended(&mut recorder) => Some(ended),
    };
    match ended {
        Some((end, summary)) => recorder.end(end, summary),
        None => recorder.end(StepEnd::Cancelled, "ended by a signal"),
    }
}

/// The waiting, while it lasts.
#[derive(Debug)]
struct Waiting<'a> {
    clock: &'a dyn Clock,
    primary: &'a dyn TrueNas,
    options: &'a ReplicateOptions,
    deadline: Instant,
    watch: Watch<'a>,
    trigger: Option<Trigger>,
    stalls: HashMap<String, Stall>,
    /// The tasks that were last seen at work.
    active: Vec<String>,
    /// What the NAS said of itself when they began.
    boot: Option<About>,
    /// What is known of the snapshots that tasks say they sent last. Each is asked for once.
    sent: HashMap<SnapshotName, Vec<Snapshot>>,
    /// What became of a run that ended without a result, if one did.
    cut_off: Option<String>,
    teller: Teller,
}

impl<'a> Waiting<'a> {
    fn new(clock: &'a dyn Clock, primary: &'a dyn TrueNas, options: &'a ReplicateOptions) -> Self {
        let replication = &options.replication;
        let stall = |name: &String| (name.clone(), Stall::new(replication.stalled_after));
        Self {
            clock,
            primary,
            options,
            deadline: Instant::now() + options.deadline,
            watch: Watch::new(primary, clock, replication.poll_interval),
            trigger: replication.trigger.then(Trigger::default),
            stalls: replication.tasks.iter().map(stall).collect(),
            active: Vec::new(),
            boot: None,
            sent: HashMap::new(),
            cut_off: None,
            teller: Teller::new(replication.progress.clone()),
        }
    }

    async fn until_ended(&mut self, recorder: &mut Recorder<'_>) -> (StepEnd, String) {
        let mut last_seen = "nothing is known of it".to_owned();
        loop {
            let is_last = Instant::now() >= self.deadline;
            match timeout_at(self.deadline + LAST_LOOK, self.look(recorder)).await {
                Ok(Ok(Looked::Ended(end, summary))) => return (end, summary),
                Ok(Ok(Looked::Again)) if !is_last => {
                    self.watch.look_again();
                    continue;
                }
                Ok(Ok(Looked::Again)) => {}
                Ok(Ok(Looked::At(seen))) => last_seen = seen,
                Ok(Err(error)) if nas_error::may_pass(&error) => {
                    // A NAS that restarts its middleware answers again in a moment.
                    last_seen = sentence::failed_to(&error);
                    tracing::warn!("{last_seen}");
                    self.watch.is_lost();
                }
                Ok(Err(error)) => return (nas_error::end(&error), sentence::failed_to(&error)),
                Err(_) => last_seen = format!("{} does not answer", self.primary.url()),
            }
            if is_last {
                return (StepEnd::DeadlinePassed, self.too_late(&last_seen));
            }
            let due = self.stalls.values().filter_map(Stall::due).min();
            // Without an answer it cannot be said that something stands still.
            let due = due.filter(|_| self.watch.is_connected());
            let until = due.map_or(self.deadline, |due| due.min(self.deadline));
            self.watch.wait(until).await;
        }
    }

    /// Looks at the tasks, and does what is to be done.
    async fn look(&mut self, recorder: &mut Recorder<'_>) -> Result<Looked, TrueNasError> {
        self.watch.look().await?;
        let Some(about) = self.watch.about().cloned() else {
            return Ok(Looked::Again);
        };
        let since = about.clock.at_the_latest(self.options.since);
        let mut judged = Vec::new();
        for name in &self.options.replication.tasks {
            let task = self.watch.task(name).cloned();
            let source_snapshots = match &task {
                Some(task) => self.sent_last(task, since).await?,
                None => Vec::new(),
            };
            let input = VerdictInput {
                since,
                source_snapshots,
                time_zone: about.time_zone.clone(),
            };
            judged.push(Judged {
                name: name.clone(),
                verdict: judge(task.as_ref(), &input).verdict,
                task,
            });
        }
        self.notice_what_was_cut_off(recorder, &judged).await?;
        self.notice_what_stands_still(recorder, &judged);

        if let Some(trigger) = &mut self.trigger {
            trigger.note(&judged);
        }
        let url = self.primary.url();
        let is_old = |judged: &Judged| self.trigger.as_ref().is_some_and(|it| it.is_old(judged));
        let hopeless = judged
            .iter()
            .filter(|judged| !is_old(judged))
            .find_map(|judged| judged.hopeless(&url, self.watch.tasks()));
        if let Some(why) = hopeless {
            return Ok(Looked::Ended(StepEnd::Failed, why));
        }
        if let Some((end, summary)) = judging::arrived(recorder, &url, &judged) {
            return Ok(Looked::Ended(end, summary));
        }
        if let Some(trigger) = &mut self.trigger {
            let time_zone = about.time_zone.as_ref();
            let turn = trigger
                .turn(self.primary, &judged, since, time_zone)
                .await?;
            self.watch.attentive = trigger.is_pending();
            match turn {
                Turn::Wait => self.watch.hurry(),
                Turn::LookAgain => return Ok(Looked::Again),
                Turn::Hopeless(why) => return Ok(Looked::Ended(StepEnd::Failed, why)),
            }
        }
        Ok(Looked::At(self.describe(&judged)))
    }

    /// What the source says of the snapshot that a task sent last: asked for when the task says
    /// that it has ended, so that a look at a running task is cheap.
    async fn sent_last(
        &mut self,
        task: &ReplicationTask,
        since: Timestamp,
    ) -> Result<Vec<Snapshot>, TrueNasError> {
        let (TaskState::Finished { at, .. }, Some(last)) = (&task.state, &task.last_snapshot)
        else {
            return Ok(Vec::new());
        };
        if *at < since {
            return Ok(Vec::new());
        }
        if let Some(known) = self.sent.get(last) {
            return Ok(known.clone());
        }
        let query = SnapshotQuery::of(last.dataset.clone()).named(last.name.clone());
        let found = self.primary.snapshots(&query).await?;
        self.sent.insert(last.clone(), found.clone());
        Ok(found)
    }

    /// A task that was at work, is no more, and shows what it showed before: only what has ended
    /// outlives a restart of TrueNAS.
    async fn notice_what_was_cut_off(
        &mut self,
        recorder: &mut Recorder<'_>,
        judged: &[Judged],
    ) -> Result<(), TrueNasError> {
        let cut_off = judged
            .iter()
            .filter(|judged| judged.shows_no_result())
            .find(|judged| self.active.contains(&judged.name));
        if let Some(cut_off) = cut_off {
            let before = self.boot.take().or_else(|| self.watch.about().cloned());
            self.watch.ask_about().await?;
            let now = self.watch.about();
            let restarted = now
                .zip(before.as_ref())
                .filter(|(now, before)| now.is_after_a_restart(before));
            let what = match restarted {
                Some((now, _)) => format!("the NAS restarted at {:.0}", now.started),
                None => "TrueNAS forgot that it ran (its middleware was restarted)".to_owned(),
            };
            let sentence = format!(
                "replication \"{}\" was running, then {what}, and the run was cut off",
                cut_off.name
            );
            recorder.needs_attention(sentence.clone());
            self.cut_off = Some(sentence);
        }
        let active = judged.iter().filter(|judged| judged.is_active());
        let active: Vec<String> = active.map(|judged| judged.name.clone()).collect();
        if !active.is_empty() && self.active.is_empty() {
            self.boot = self.watch.about().cloned();
        }
        self.active = active;
        Ok(())
    }

    fn notice_what_stands_still(&mut self, recorder: &mut Recorder<'_>, judged: &[Judged]) {
        for judged in judged {
            let Some(state) = judged.state() else {
                continue;
            };
            self.teller.tell(&judged.name, state);
            let Some(stall) = self.stalls.get_mut(&judged.name) else {
                continue;
            };
            if let Some(since) = stall.observe(state, Instant::now(), self.clock.now()) {
                recorder.needs_attention(format!(
                    "replication \"{}\" says that it runs, but nothing has moved since {since:.0}",
                    judged.name
                ));
            }
        }
    }

    fn describe(&self, judged: &[Judged]) -> String {
        let describe = |judged: &Judged| {
            let still = self.stalls.get(&judged.name).and_then(Stall::since);
            let still = still.map_or_else(String::new, |since| {
                format!(", and nothing has moved since {since:.0}")
            });
            format!("\"{}\" {}{still}", judged.name, judged.verdict)
        };
        let tasks: Vec<String> = judged.iter().map(describe).collect();
        tasks.join("; ")
    }

    fn too_late(&self, last_seen: &str) -> String {
        let waited = SignedDuration::try_from(self.options.deadline).unwrap_or(SignedDuration::MAX);
        let cut_off = self
            .cut_off
            .as_ref()
            .map_or_else(String::new, |cut_off| format!("; {cut_off}"));
        format!("the replication had not ended after {waited:#}: {last_seen}{cut_off}")
    }
}

/// What came of a look.
#[derive(Debug)]
enum Looked {
    /// The waiting is over.
    Ended(StepEnd, String),
    /// It must be looked at once more, now.
    Again,
    /// There is something to wait for. It is described.
    At(String),
}

#[cfg(test)]
mod tests;
