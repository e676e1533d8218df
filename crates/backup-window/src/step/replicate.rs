//! Wait until the replication tasks of the primary NAS have brought tonight's backup over.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use truenas_client::{
    ReplicationTask, Snapshot, SnapshotQuery, TaskState, TrueNas, TrueNasError, Verdict,
    VerdictInput, judge,
};

use super::{Recorder, Step, StepEnd, StepRecord, time_left};
use crate::clock::Clock;
use crate::evidence::Fact;
use crate::nas_clock::NasClock;
use crate::sentence;

/// What to wait for, and how long.
#[derive(Debug, Clone)]
pub struct ReplicateOptions {
    /// The names of the replication tasks.
    pub tasks: Vec<String>,
    /// What they bring over must have been taken after this, by our clock.
    pub since: Timestamp,
    /// How long to wait at most.
    pub deadline: Duration,
    /// How long to wait between two looks.
    pub poll_interval: Duration,
}

/// Waits until every task has brought over a snapshot that is new enough.
pub async fn run(
    clock: &dyn Clock,
    primary: &dyn TrueNas,
    options: &ReplicateOptions,
    cancel: &CancellationToken,
) -> StepRecord {
    let mut recorder = Recorder::begin(Step::Replicate, clock);
    let started = Instant::now();
    loop {
        let last_seen = match look(clock, primary, options).await {
            Ok(verdicts) => {
                if let Some((end, summary)) = conclude(&mut recorder, primary, &verdicts) {
                    return recorder.end(end, summary);
                }
                describe(&verdicts)
            }
            Err(error) if error.is_retryable() => {
                // A NAS that restarts its middleware answers again in a moment.
                let what = sentence::failed_to(&error);
                tracing::warn!("{what}");
                what
            }
            Err(error) => return recorder.end(StepEnd::Failed, sentence::failed_to(&error)),
        };
        let Some(remaining) = time_left(options.deadline, started) else {
            return recorder.end(
                StepEnd::DeadlinePassed,
                format!(
                    "the replication had not ended after {:?}: {last_seen}",
                    options.deadline
                ),
            );
        };
        tokio::select! {
            () = tokio::time::sleep(options.poll_interval.min(remaining)) => {}
            () = cancel.cancelled() => return recorder.end(StepEnd::Cancelled, "ended by a signal"),
        }
    }
}

/// What was judged of a task.
#[derive(Debug, Clone)]
struct Judged {
    task: String,
    verdict: Verdict,
    /// The snapshot that it says it sent last, as `dataset@name`.
    last_snapshot: String,
}

async fn look(
    clock: &dyn Clock,
    primary: &dyn TrueNas,
    options: &ReplicateOptions,
) -> Result<Vec<Judged>, TrueNasError> {
    let since = NasClock::ask(primary, clock)
        .await?
        .at_the_latest(options.since);
    let tasks = primary.replication_tasks().await?;
    let mut verdicts = Vec::new();
    for name in &options.tasks {
        let task = tasks.iter().find(|task| task.name == *name);
        let source_snapshots = match task {
            Some(task) => sent_snapshots(primary, task, since).await?,
            None => Vec::new(),
        };
        let input = VerdictInput {
            since,
            source_snapshots,
        };
        verdicts.push(Judged {
            task: name.clone(),
            verdict: judge(task, &input).verdict,
            last_snapshot: task
                .and_then(|task| task.last_snapshot.as_ref())
                .map_or_else(String::new, ToString::to_string),
        });
    }
    Ok(verdicts)
}

/// The source's snapshots that the one that was sent last may be among. Asked for only when the
/// task says that it has ended, so that a look at a running task is cheap.
async fn sent_snapshots(
    primary: &dyn TrueNas,
    task: &ReplicationTask,
    since: Timestamp,
) -> Result<Vec<Snapshot>, TrueNasError> {
    let (TaskState::Finished { at, .. }, Some(last)) = (&task.state, &task.last_snapshot) else {
        return Ok(Vec::new());
    };
    if *at < since {
        return Ok(Vec::new());
    }
    let query = SnapshotQuery::of(last.dataset.clone()).since(since);
    primary.snapshots(&query).await
}

fn describe(verdicts: &[Judged]) -> String {
    verdicts
        .iter()
        .map(|judged| format!("\"{}\" {}", judged.task, judged.verdict))
        .collect::<Vec<_>>()
        .join("; ")
}

/// The end of the waiting, when it has come.
fn conclude(
    recorder: &mut Recorder<'_>,
    primary: &dyn TrueNas,
    verdicts: &[Judged],
) -> Option<(StepEnd, String)> {
    if let Some(hopeless) = verdicts.iter().find(|judged| is_hopeless(judged)) {
        let why = format!("replication \"{}\" {}", hopeless.task, hopeless.verdict);
        return Some((StepEnd::Failed, why));
    }
    let all_ended = verdicts.iter().all(|judged| {
        matches!(
            judged.verdict,
            Verdict::Fresh { .. } | Verdict::Degraded { .. }
        )
    });
    if !all_ended {
        return None;
    }
    for judged in verdicts {
        recorder.saw(
            primary.url(),
            Fact::Replicated {
                task: judged.task.clone(),
                snapshot: judged.last_snapshot.clone(),
            },
        );
        if let Verdict::Degraded { warnings } = &judged.verdict {
            for warning in warnings {
                recorder.needs_attention(format!("replication \"{}\": {warning}", judged.task));
            }
        }
    }
    let count = verdicts.len();
    let tasks = if count == 1 {
        "1 replication task has"
    } else {
        &format!("{count} replication tasks have")
    };
    Some((
        StepEnd::Done,
        format!("{tasks} brought tonight's backup over"),
    ))
}

/// Whether no waiting helps any more. An error from before tonight's backup is no verdict on it:
/// the task may still run.
fn is_hopeless(judged: &Judged) -> bool {
    matches!(
        judged.verdict,
        Verdict::Missing | Verdict::Disabled | Verdict::Held { .. } | Verdict::Failed { .. }
    )
}
