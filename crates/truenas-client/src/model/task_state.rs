//! The state of a snapshot or replication task.
//!
//! TrueNAS describes it in an object of its own making, which its API models leave open
//! (`plugins/zettarepl.py` and `plugins/zettarepl_/state.py` in `truenas/middleware`). It has kept
//! its form from 13.0 to 26. Only `FINISHED` and `ERROR` outlive a restart of the NAS.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::snapshot::SnapshotName;

/// How the last or current run of a task goes.
///
/// Reading one never fails: what cannot be read is [`TaskState::Unknown`], which is good news for
/// nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TaskState {
    /// It has not run, as far as the NAS remembers; or, before TrueNAS 26, it is disabled.
    Pending,
    /// It waits for something else on the same NAS. A receiving NAS that is off is not what it
    /// waits for: with that, it is `Running` through its retries, and then `Error`.
    Waiting {
        /// Since when.
        since: Option<Timestamp>,
        /// What for, where the version tells it.
        reason: Option<String>,
    },
    /// It runs.
    Running {
        /// When it last got on; not when it started, for which see
        /// [`ReplicationTask::running_since`](crate::ReplicationTask::running_since).
        at: Option<Timestamp>,
        /// How far it is.
        progress: Option<Progress>,
    },
    /// It ended well, which does not mean that it sent anything.
    Finished {
        /// When.
        at: Timestamp,
        /// What it warned about on the way.
        warnings: Vec<String>,
    },
    /// It ended badly.
    Error {
        /// When.
        at: Option<Timestamp>,
        /// Why.
        error: String,
    },
    /// It cannot run: its pool is offline, its credentials are unusable, …
    Hold {
        /// Since when.
        at: Option<Timestamp>,
        /// Why not.
        reason: String,
    },
    /// The NAS describes the task without a word for its state, as TrueNAS 26 does before the first
    /// end of one. Nothing follows from that: it may run.
    Unstated,
    /// Something that is not known here.
    Unknown {
        /// What the NAS said, perhaps shortened.
        raw: String,
    },
}

/// How far a running replication is. TrueNAS fills in what it knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Progress {
    /// The dataset it is at.
    pub dataset: Option<String>,
    /// The snapshot of it that is being sent: the part after the `@`.
    pub snapshot: Option<String>,
    /// How many snapshots have been sent.
    pub snapshots_sent: Option<u64>,
    /// How many there are to send.
    pub snapshots_total: Option<u64>,
    /// How much of this snapshot has been sent.
    pub sent_bytes: Option<u64>,
    /// How much there is to send of it, as ZFS estimates.
    pub total_bytes: Option<u64>,
}

/// How much of an unreadable state is kept: enough to recognise it, not enough to fill a report.
const RAW_CHARS: usize = 300;

impl TaskState {
    /// Reads the object that TrueNAS has under `state`.
    pub(crate) fn from_json(value: &Value) -> Self {
        let at = time(value, "datetime");
        let unknown = || Self::Unknown {
            raw: value.to_string().chars().take(RAW_CHARS).collect(),
        };
        match value.get("state").and_then(Value::as_str) {
            Some("PENDING") => Self::Pending,
            Some("WAITING") => Self::Waiting {
                since: at,
                reason: text(value, "reason"),
            },
            Some("RUNNING") => Self::Running {
                at,
                progress: value
                    .get("progress")
                    .filter(|progress| progress.is_object())
                    .map(Progress::from_json),
            },
            // Without its time, it proves nothing about tonight.
            Some("FINISHED") => match (at, warnings(value)) {
                (Some(at), Some(warnings)) => Self::Finished { at, warnings },
                _ => unknown(),
            },
            Some("ERROR") => Self::Error {
                at,
                error: text(value, "error").unwrap_or_else(|| "no reason given".to_owned()),
            },
            Some("HOLD") => Self::Hold {
                at,
                reason: text(value, "reason").unwrap_or_else(|| "no reason given".to_owned()),
            },
            None if value.is_object() && value.get("state").is_none() => Self::Unstated,
            _ => unknown(),
        }
    }

    /// Whether the task runs or waits to run: reason enough not to switch anything off.
    ///
    /// `None` for a state that is not known, which should count as yes where it matters.
    #[must_use]
    pub fn is_active(&self) -> Option<bool> {
        match self {
            Self::Running { .. } | Self::Waiting { .. } => Some(true),
            Self::Pending | Self::Finished { .. } | Self::Error { .. } | Self::Hold { .. } => {
                Some(false)
            }
            Self::Unstated | Self::Unknown { .. } => None,
        }
    }
}

impl Progress {
    fn from_json(value: &Value) -> Self {
        let number = |key| value.get(key).and_then(Value::as_u64);
        Self {
            dataset: text(value, "dataset"),
            snapshot: text(value, "snapshot"),
            snapshots_sent: number("snapshots_sent"),
            snapshots_total: number("snapshots_total"),
            sent_bytes: number("bytes_sent"),
            total_bytes: number("bytes_total"),
        }
    }
}

/// The `last_snapshot` that TrueNAS puts next to a state.
pub(crate) fn last_snapshot(state: &Value) -> Option<SnapshotName> {
    state.get("last_snapshot")?.as_str()?.parse().ok()
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// A time as TrueNAS writes it: `{"$date": MILLISECONDS}`, since 1970 in UTC.
fn time(value: &Value, key: &str) -> Option<Timestamp> {
    let milliseconds = value.get(key)?.get("$date")?.as_i64()?;
    Timestamp::from_millisecond(milliseconds).ok()
}

/// The warnings of a finished task, or `None` if there is something in their place that is not a
/// list: a warning that cannot be read is not the absence of warnings.
fn warnings(value: &Value) -> Option<Vec<String>> {
    match value.get("warnings") {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(warnings)) => Some(
            warnings
                .iter()
                .map(|warning| {
                    warning
                        .as_str()
                        .map_or_else(|| warning.to_string(), str::to_owned)
                })
                .collect(),
        ),
        Some(_) => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
