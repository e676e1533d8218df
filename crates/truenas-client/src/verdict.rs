//! Verdicts: what a replication task's state is worth as evidence.
//!
//! The rules come from how TrueNAS behaves (`plugins/zettarepl.py`, `plugins/zettarepl_/state.py`
//! in `truenas/middleware`, `replication/run.py` in `truenas/zettarepl`):
//! - `FINISHED` is also said when there was nothing to send. Its time is new then, the last
//!   snapshot is not.
//! - After a restart in mid-run, the *previous* `FINISHED` or `ERROR` shows again, with its old time.
//! - A disabled task may show an old `FINISHED`.
//!
//! So the age of the snapshot decides, and everything else can only take away from it.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::model::replication::is_within;
use crate::{
    NamedTime, Progress, ReplicationTask, RunningSince, Snapshot, SnapshotName, TaskState,
};

/// What a replication task is judged by, next to its own state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictInput {
    /// What a snapshot must not be older than, by the NAS's clock: the end of tonight's backup.
    pub since: Timestamp,
    /// Snapshots of the source dataset in question, as
    /// [`TrueNas::snapshots`](crate::TrueNas::snapshots) on the sending NAS lists them: at least
    /// those created at `since` or later. With them, the creation time that ZFS gives decides.
    pub source_snapshots: Vec<Snapshot>,
    /// The time zone in which the sending NAS names snapshots ([`System::time_zone`]). With it,
    /// the time in the name of a snapshot that is not among `source_snapshots` decides.
    ///
    /// [`System::time_zone`]: crate::System::time_zone
    pub time_zone: Option<TimeZone>,
}

impl VerdictInput {
    /// Nothing but the time. What was sent is then known by the names that `time_zone` and
    /// `source_snapshots` explain.
    #[must_use]
    pub fn since(since: Timestamp) -> Self {
        Self {
            since,
            source_snapshots: Vec::new(),
            time_zone: None,
        }
    }
}

/// A verdict and what led to it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// What was found, in sentences for a report.
    pub reasons: Vec<String>,
}

/// What a replication task has achieved since a given time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// A snapshot that is young enough was sent, without warnings.
    Fresh {
        /// That snapshot, on the source.
        snapshot: SnapshotName,
        /// When it was created, or the time in its name, if nothing else is known of it.
        created: Timestamp,
    },
    /// It runs.
    Running {
        /// How far it is.
        progress: Option<Progress>,
    },
    /// It waits for something else on the NAS.
    Waiting {
        /// What for.
        why: String,
    },
    /// It has ended, well or badly, but not since.
    Stale {
        /// When it ended.
        since: Timestamp,
    },
    /// It has finished since, but the last snapshot that it sent is older.
    NothingSent,
    /// A snapshot that is young enough was sent, with warnings.
    Degraded {
        /// The warnings.
        warnings: Vec<String>,
    },
    /// It has failed.
    Failed {
        /// Why, in TrueNAS' words.
        error: String,
    },
    /// It cannot run.
    Held {
        /// Why, in TrueNAS' words.
        why: String,
    },
    /// It is switched off.
    Disabled,
    /// There is no such task.
    Missing,
    /// What there is proves nothing.
    Unknown {
        /// What is missing.
        why: String,
    },
}

impl Verdict {
    /// Whether it is as it should be: [`Verdict::Fresh`] and nothing else.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        matches!(self, Self::Fresh { .. })
    }

    /// Whether waiting is of no use: the task has done tonight's run, well or badly, or it does
    /// not run by itself. Held tasks go on when what holds them goes away.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Fresh { .. }
            | Self::Degraded { .. }
            | Self::Failed { .. }
            | Self::Disabled
            | Self::Missing => true,
            Self::Running { .. }
            | Self::Waiting { .. }
            | Self::Stale { .. }
            | Self::NothingSent
            | Self::Held { .. }
            | Self::Unknown { .. } => false,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh { snapshot, .. } => write!(f, "fresh: {snapshot} has been sent"),
            Self::Running { progress } => {
                f.write_str("running")?;
                match progress
                    .as_ref()
                    .and_then(|progress| progress.snapshots_sent.zip(progress.snapshots_total))
                {
                    Some((sent, total)) => write!(f, ": {sent} of {total} snapshots sent"),
                    None => Ok(()),
                }
            }
            Self::Waiting { why } => write!(f, "waiting: {why}"),
            Self::Stale { since } => write!(f, "stale: it has not run since {since}"),
            Self::NothingSent => f.write_str("nothing sent: it finished without a new snapshot"),
            Self::Degraded { warnings } => write!(f, "sent with warnings: {}", warnings.join("; ")),
            Self::Failed { error } => write!(f, "failed: {error}"),
            Self::Held { why } => write!(f, "held: {why}"),
            Self::Disabled => f.write_str("disabled"),
            Self::Missing => f.write_str("there is no such task"),
            Self::Unknown { why } => write!(f, "unknown: {why}"),
        }
    }
}

/// Judges what a replication task has achieved since `evidence.since`.
///
/// The verdict is about what the sending NAS says. That the snapshot is on the receiving NAS is
/// known when it has been seen there (see [`ReplicationTask::target_of`]); with several source
/// datasets, of which TrueNAS names only the one sent last, this is the only way to know.
#[must_use]
pub fn judge(task: Option<&ReplicationTask>, evidence: &VerdictInput) -> Judgement {
    let Some(task) = task else {
        return Judgement {
            verdict: Verdict::Missing,
            reasons: vec!["the NAS has no replication task of this name".to_owned()],
        };
    };
    let mut reasons = Vec::new();
    if !task.enabled {
        reasons.push(format!("the task {:?} is disabled", task.name));
    } else if !task.auto {
        reasons.push(format!(
            "the task {:?} runs only when it is triggered",
            task.name
        ));
    }
    let verdict = match &task.state {
        // Before anything else, and also for a task that has been disabled meanwhile: whoever
        // wants to switch something off has to know.
        TaskState::Running { progress, .. } => {
            reasons.extend(task.running_since().map(running));
            Verdict::Running {
                progress: progress.clone(),
            }
        }
        TaskState::Waiting { since, reason } => {
            reasons.extend(since.map(|since| format!("it has been waiting since {since}")));
            Verdict::Waiting {
                why: reason
                    .clone()
                    .unwrap_or_else(|| "no reason given".to_owned()),
            }
        }
        _ if !task.enabled => Verdict::Disabled,
        TaskState::Pending => Verdict::Unknown {
            why: "the task has not run, as far as the NAS remembers".to_owned(),
        },
        TaskState::Finished { at, warnings } => {
            finished(task, *at, warnings, evidence, &mut reasons)
        }
        TaskState::Error { at, error } => match at {
            Some(at) if *at < evidence.since => {
                reasons.push(format!(
                    "its last run failed at {at}, before {}: {error}",
                    evidence.since
                ));
                Verdict::Stale { since: *at }
            }
            at => {
                reasons.extend(at.map(|at| format!("it failed at {at}")));
                Verdict::Failed {
                    error: error.clone(),
                }
            }
        },
        TaskState::Hold { at, reason } => {
            reasons.extend(at.map(|at| format!("it has been on hold since {at}")));
            Verdict::Held {
                why: reason.clone(),
            }
        }
        TaskState::Unstated => Verdict::Unknown {
            why: "the NAS does not say how the task goes, as before its first end".to_owned(),
        },
        TaskState::Unknown { raw } => Verdict::Unknown {
            why: format!("the NAS describes the task's state as {raw}"),
        },
    };
    Judgement { verdict, reasons }
}

fn running(since: RunningSince) -> String {
    match since {
        RunningSince::Started(at) => format!("it has been running since {at}"),
        RunningSince::LastProgress(at) => {
            format!("it last got on at {at}; when it started is not known")
        }
    }
}

/// The one place that calls a task fresh.
fn finished(
    task: &ReplicationTask,
    at: Timestamp,
    warnings: &[String],
    evidence: &VerdictInput,
    reasons: &mut Vec<String>,
) -> Verdict {
    let since = evidence.since;
    reasons.extend(
        warnings
            .iter()
            .map(|warning| format!("it warned: {warning}")),
    );
    if at < since {
        reasons.push(format!("it last finished at {at}, before {since}"));
        return Verdict::Stale { since: at };
    }
    reasons.push(format!("it finished at {at}"));
    let Some(last) = &task.last_snapshot else {
        reasons.push("it names no snapshot that it has sent".to_owned());
        return Verdict::NothingSent;
    };
    let created = match time_of(task, last, evidence) {
        Known::Exactly(created) => created,
        Known::ByName(NamedTime { earliest, latest }) if earliest < since && latest >= since => {
            let why = format!(
                "the name of {last}, which it sent last, stands for {earliest} and for {latest}, \
                 because clocks were set back in between"
            );
            return Verdict::Unknown { why };
        }
        Known::ByName(NamedTime { earliest, .. }) => earliest,
        Known::Not => {
            // Most likely it is older than the ones that were listed, but that is not known.
            let why = format!(
                "{last}, which it sent last, is not among the source's snapshots since {since}"
            );
            return Verdict::Unknown { why };
        }
    };
    if created < since {
        reasons.push(format!(
            "the last snapshot that it sent, {last}, is from {created}"
        ));
        return Verdict::NothingSent;
    }
    reasons.push(format!(
        "{last}, which it sent last, was created at {created}"
    ));
    if task.source_datasets.len() > 1 {
        reasons.push(
            "it has several source datasets, of which this is only the one sent last".to_owned(),
        );
    }
    if warnings.is_empty() {
        Verdict::Fresh {
            snapshot: last.clone(),
            created,
        }
    } else {
        Verdict::Degraded {
            warnings: warnings.to_vec(),
        }
    }
}

/// What is known of the age of a snapshot.
enum Known {
    /// ZFS says when it was created.
    Exactly(Timestamp),
    /// Its name says when it was planned. It was created then or shortly after.
    ByName(NamedTime),
    Not,
}

fn time_of(task: &ReplicationTask, last: &SnapshotName, evidence: &VerdictInput) -> Known {
    if let Some(snapshot) = original(task, last, &evidence.source_snapshots) {
        return Known::Exactly(snapshot.created);
    }
    let by_name = evidence
        .time_zone
        .as_ref()
        .and_then(|time_zone| task.time_of(&last.name, time_zone));
    by_name.map_or(Known::Not, Known::ByName)
}

/// The snapshot on the source that the task sent last.
///
/// With children, a run sends them one after the other, parents first, and the name that remains
/// is that of the last child; so the snapshot of the same name of a dataset above it will do,
/// which the same recursive snapshot task took at the same moment.
fn original<'a>(
    task: &ReplicationTask,
    last: &SnapshotName,
    snapshots: &'a [Snapshot],
) -> Option<&'a Snapshot> {
    let named = || {
        snapshots
            .iter()
            .filter(|snapshot| snapshot.name == last.name)
    };
    named()
        .find(|snapshot| snapshot.dataset == last.dataset)
        .or_else(|| {
            named().find(|snapshot| task.recursive && is_within(&last.dataset, &snapshot.dataset))
        })
}

#[cfg(test)]
mod tests;
