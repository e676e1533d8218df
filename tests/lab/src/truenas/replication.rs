//! How a simulated replication task gets on.
//!
//! `WAITING` (if it has to) → `RUNNING`, with progress while the other NAS is there → `FINISHED`,
//! or `ERROR` when the other NAS has been away for too long. Only the last two outlive a restart.

use std::collections::HashSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::snapshots::{SimSnapshot, Snapshots};
use super::tasks::SimReplication;
use super::versions::SimulatedVersion;
use super::world::millis;

/// A replication task and how it is doing.
#[derive(Debug)]
pub(super) struct Replication {
    pub(super) options: SimReplication,
    /// How it last ended.
    ended: Option<End>,
    pub(super) run: Option<Run>,
    /// It was triggered while it was running.
    again: bool,
    /// It does not come to an end until it is released.
    pub(super) held: bool,
    /// It gets no further and says nothing more, although it runs.
    pub(super) stalled: bool,
    /// Since when it is not allowed to run, and why.
    pub(super) on_hold: Option<(Timestamp, String)>,
    sent: HashSet<u64>,
    last_snapshot: Option<String>,
    /// What it says instead of the truth. As long as it does, it stands still.
    pub(super) says: Option<Value>,
}

#[derive(Debug, Clone)]
enum End {
    Finished {
        at: Timestamp,
        warnings: Vec<String>,
    },
    Error {
        at: Timestamp,
        error: String,
    },
}

/// A run that has not ended.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) job: i64,
    queued: Timestamp,
    started: Option<Timestamp>,
    /// When it was last looked at.
    seen: Timestamp,
    /// For how long it has been sending.
    sent_for: Duration,
    unreachable_since: Option<Timestamp>,
    snapshots: Vec<SimSnapshot>,
    delivery: Delivery,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Delivery {
    Sending,
    HandedOver,
    Arrived,
}

/// What happened to a run.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// These are to be put on the other NAS, under these names; then call [`Replication::arrived`].
    Deliver(Vec<SimSnapshot>),
    /// The run with this job has ended, well or with this error.
    Ended { job: i64, error: Option<String> },
}

/// The size that every snapshot claims to have.
const SNAPSHOT_BYTES: u64 = 64 << 20;

impl Replication {
    pub(super) fn running_since(&self) -> Option<Timestamp> {
        self.run.as_ref()?.started
    }

    pub(super) fn new(options: SimReplication) -> Self {
        Self {
            options,
            ended: None,
            run: None,
            again: false,
            held: false,
            stalled: false,
            on_hold: None,
            sent: HashSet::new(),
            last_snapshot: None,
            says: None,
        }
    }

    /// Whether it runs after the snapshot task of this number.
    pub(super) fn follows(&self, snapshot_task: i64) -> bool {
        self.options.enabled && self.options.snapshot_tasks.contains(&snapshot_task)
    }

    /// Starts a run under `job`, or remembers to if one is under way; then `job` is not used.
    pub(super) fn trigger(&mut self, now: Timestamp, job: i64) -> bool {
        if self.run.is_some() || self.says.is_some() {
            self.again = true;
            return false;
        }
        self.run = Some(Run {
            job,
            queued: now,
            started: None,
            seen: now,
            sent_for: Duration::ZERO,
            unreachable_since: None,
            snapshots: Vec::new(),
            delivery: Delivery::Sending,
        });
        true
    }

    /// Whether it wants to be triggered again, now that it has ended.
    pub(super) fn take_again(&mut self) -> bool {
        self.run.is_none() && self.says.is_none() && std::mem::take(&mut self.again)
    }

    /// The other NAS has what [`Outcome::Deliver`] handed over.
    pub(super) fn arrived(&mut self) {
        if let Some(run) = &mut self.run
            && run.delivery == Delivery::HandedOver
        {
            run.delivery = Delivery::Arrived;
        }
    }

    /// The NAS was switched off: what ran has never been.
    ///
    /// What it had sent is on the other NAS all the same, and the newer version knows.
    pub(super) fn forget(&mut self, version: SimulatedVersion) {
        if version.remembers_more_of_replications() {
            self.last_snapshot = self.last_sent();
        }
        self.run = None;
        self.stalled = false;
        self.again = false;
    }

    /// Goes on until `now`. `snapshots` are those of this NAS.
    pub(super) fn advance(
        &mut self,
        now: Timestamp,
        reachable: bool,
        snapshots: &Snapshots,
    ) -> Option<Outcome> {
        let run = self.run.as_mut()?;
        if self.stalled && run.started.is_some() {
            return None;
        }
        let passed = unsigned(now.duration_since(run.seen));
        run.seen = now;
        if self.says.is_some() {
            return None;
        }
        if run.started.is_none() {
            if unsigned(now.duration_since(run.queued)) < self.options.waits {
                return None;
            }
            run.started = Some(now);
            // What is taken later is left for the next run.
            run.snapshots = unsent(&self.options, &self.sent, snapshots);
        } else if run.delivery == Delivery::Arrived {
            for snapshot in &run.snapshots {
                self.sent.insert(snapshot.guid);
                self.last_snapshot = Some(format!("{}@{}", snapshot.dataset, snapshot.name));
            }
            self.ended = Some(End::Finished {
                at: now,
                warnings: self.options.warnings.clone(),
            });
            let job = run.job;
            self.run = None;
            return Some(Outcome::Ended { job, error: None });
        } else if reachable {
            run.unreachable_since = None;
            run.sent_for += passed;
        }
        if !reachable {
            let since = *run.unreachable_since.get_or_insert(now);
            if unsigned(now.duration_since(since)) < self.options.gives_up_after {
                return None;
            }
            let error = "Unable to connect to remote: [Errno 113] No route to host".to_owned();
            self.ended = Some(End::Error {
                at: now,
                error: error.clone(),
            });
            let job = run.job;
            self.run = None;
            return Some(Outcome::Ended {
                job,
                error: Some(error),
            });
        }
        if run.delivery == Delivery::Sending && run.sent_for >= self.options.takes && !self.held {
            run.delivery = Delivery::HandedOver;
            let delivered = run.snapshots.iter().map(|snapshot| SimSnapshot {
                dataset: self.options.target_of(&snapshot.dataset),
                ..snapshot.clone()
            });
            return Some(Outcome::Deliver(delivered.collect()));
        }
        None
    }

    /// What the engine holds of it, but for the job; without anything if it has no such task.
    pub(super) fn state(&self, version: SimulatedVersion) -> Value {
        let pending = json!({ "state": "PENDING" });
        if let Some(says) = &self.says {
            return says.clone();
        }
        // A disabled task is not in the definition that the engine works from.
        let remembers = version.remembers_more_of_replications();
        if !self.options.enabled && self.run.is_none() && !remembers {
            return pending;
        }
        if let (None, Some((at, reason))) = (&self.run, &self.on_hold) {
            return json!({ "state": "HOLD", "datetime": millis(*at), "reason": reason });
        }
        let mut state = match (&self.run, &self.ended) {
            (Some(run), _) => self.running(run),
            (None, Some(End::Finished { at, warnings })) => json!({
                "state": "FINISHED", "datetime": millis(*at), "warnings": warnings,
            }),
            (None, Some(End::Error { at, error })) => json!({
                "state": "ERROR", "datetime": millis(*at), "error": error,
            }),
            (None, None) if remembers && self.last_snapshot.is_some() => json!({}),
            (None, None) => return pending,
        };
        if let Some(last_snapshot) = self.last_sent() {
            state["last_snapshot"] = json!(last_snapshot);
        }
        state
    }

    /// The last snapshot that has been sent, be it by a run that has not ended.
    fn last_sent(&self) -> Option<String> {
        let of_this_run = self.run.as_ref().and_then(|run| {
            let sent = usize::try_from(self.snapshots_sent(run)).ok()?;
            run.snapshots.get(sent.checked_sub(1)?)
        });
        match of_this_run {
            Some(snapshot) => Some(format!("{}@{}", snapshot.dataset, snapshot.name)),
            None => self.last_snapshot.clone(),
        }
    }

    fn snapshots_sent(&self, run: &Run) -> u64 {
        run.snapshots.len() as u64 * self.done(run) / 100
    }

    /// How much of a run is done, in percent. A held run stops shortly before its end.
    fn done(&self, run: &Run) -> u64 {
        fraction(run.sent_for, self.options.takes).min(99)
    }

    /// How it last ended, and with what error.
    pub(super) fn last_end(&self) -> Option<(Timestamp, Option<&str>)> {
        match self.ended.as_ref()? {
            End::Finished { at, .. } => Some((*at, None)),
            End::Error { at, error } => Some((*at, Some(error))),
        }
    }

    fn running(&self, run: &Run) -> Value {
        if run.started.is_none() {
            return json!({
                "state": "WAITING", "datetime": millis(run.queued),
                "reason": "Waiting for 1 running replication task to finish",
            });
        }
        let mut state = json!({ "state": "RUNNING", "datetime": millis(run.seen) });
        let total = run.snapshots.len() as u64;
        let (done, sent) = (self.done(run), self.snapshots_sent(run));
        if let Some(current) = run
            .snapshots
            .get(usize::try_from(sent).unwrap_or(usize::MAX))
        {
            let current_bytes = SNAPSHOT_BYTES * (total * done % 100) / 100;
            state["progress"] = json!({
                "dataset": current.dataset, "snapshot": current.name,
                "snapshots_sent": sent, "snapshots_total": total,
                "bytes_sent": current_bytes, "bytes_total": SNAPSHOT_BYTES,
                "current": current_bytes, "total": SNAPSHOT_BYTES,
            });
        }
        state
    }

    /// How much of the current run is done, in percent.
    pub(super) fn percent(&self) -> u64 {
        self.run.as_ref().map_or(0, |run| self.done(run))
    }
}

/// The part of `whole` that `part` is, in percent, and not more than all of it.
fn fraction(part: Duration, whole: Duration) -> u64 {
    let percent = (part.as_millis() * 100)
        .checked_div(whole.as_millis())
        .unwrap_or(100);
    u64::try_from(percent.min(100)).unwrap_or(100)
}

fn unsigned(duration: SignedDuration) -> Duration {
    duration.try_into().unwrap_or(Duration::ZERO)
}

/// What a run that starts now sends, parents before children.
fn unsent(
    options: &SimReplication,
    sent: &HashSet<u64>,
    snapshots: &Snapshots,
) -> Vec<SimSnapshot> {
    let mut unsent: Vec<_> = snapshots
        .iter()
        .filter(|snapshot| options.includes(&snapshot.dataset) && !sent.contains(&snapshot.guid))
        .cloned()
        .collect();
    unsent.sort_by(|a, b| (&a.dataset, a.created_txg).cmp(&(&b.dataset, b.created_txg)));
    unsent
}

#[cfg(test)]
mod tests;
