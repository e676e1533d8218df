//! How a simulated replication task gets on.
//!
//! `WAITING` (if it has to) → `RUNNING`, with progress while the other NAS is there → `FINISHED`,
//! or `ERROR` when the other NAS has been away for too long. Only the last two outlive a restart.

use std::collections::HashSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::options::SimReplication;
use super::world::{SimSnapshot, is_within, millis};

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
    sent: HashSet<u64>,
    last_snapshot: Option<String>,
    /// What it says instead of the truth. As long as it does, it stands still.
    pub(super) says: Option<Value>,
}

#[derive(Debug, Clone)]
enum End {
    Finished { at: Timestamp },
    Error { at: Timestamp, error: String },
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
    pub(super) fn forget(&mut self) {
        self.run = None;
        self.again = false;
    }

    /// Goes on until `now`. `snapshots` are those of this NAS.
    pub(super) fn advance(
        &mut self,
        now: Timestamp,
        reachable: bool,
        snapshots: &[SimSnapshot],
    ) -> Option<Outcome> {
        let run = self.run.as_mut()?;
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
            self.ended = Some(End::Finished { at: now });
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
                dataset: target_of(&self.options, &snapshot.dataset),
                ..snapshot.clone()
            });
            return Some(Outcome::Deliver(delivered.collect()));
        }
        None
    }

    /// What the API shows under `state`.
    pub(super) fn state(&self) -> Value {
        if let Some(says) = &self.says {
            return says.clone();
        }
        // A disabled task is not in the definition that the engine works from.
        if !self.options.enabled && self.run.is_none() {
            return json!({ "state": "PENDING" });
        }
        let mut state = match (&self.run, &self.ended) {
            (Some(run), _) => self.running(run),
            (None, Some(End::Finished { at })) => json!({
                "state": "FINISHED", "datetime": millis(*at), "warnings": [],
            }),
            (None, Some(End::Error { at, error })) => json!({
                "state": "ERROR", "datetime": millis(*at), "error": error,
            }),
            (None, None) => return json!({ "state": "PENDING" }),
        };
        if let Some(last_snapshot) = &self.last_snapshot {
            state["last_snapshot"] = json!(last_snapshot);
        }
        state
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
        // A held run stops shortly before its end.
        let done = fraction(run.sent_for, self.options.takes).min(99);
        let sent = total * done / 100;
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
        self.run
            .as_ref()
            .map_or(0, |run| fraction(run.sent_for, self.options.takes).min(99))
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
    snapshots: &[SimSnapshot],
) -> Vec<SimSnapshot> {
    let included = |dataset: &str| {
        dataset == options.source || options.recursive && is_within(dataset, &options.source)
    };
    let mut unsent: Vec<_> = snapshots
        .iter()
        .filter(|snapshot| included(&snapshot.dataset) && !sent.contains(&snapshot.guid))
        .cloned()
        .collect();
    unsent.sort_by(|a, b| (&a.dataset, a.created_txg).cmp(&(&b.dataset, b.created_txg)));
    unsent
}

fn target_of(options: &SimReplication, dataset: &str) -> String {
    let rest = dataset.strip_prefix(&options.source).unwrap_or_default();
    format!("{}{rest}", options.target_dataset)
}

#[cfg(test)]
mod tests;
