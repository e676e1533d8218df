//! What a snapshot task is worth.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use truenas_client::{SnapshotTask, TaskState};

/// What a snapshot task is worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SnapshotVerdict {
    /// It ran when it should.
    Fresh,
    /// It runs.
    Running,
    /// It has ended, but not since it should have run.
    Stale {
        /// When it ended, or what its last snapshot's name says.
        since: Timestamp,
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
    /// What there is proves nothing.
    Unknown {
        /// What is missing.
        why: String,
    },
}

impl fmt::Display for SnapshotVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh => f.write_str("fresh"),
            Self::Running => f.write_str("running"),
            Self::Stale { since } => write!(f, "stale: it has not run since {since:.0}"),
            Self::Failed { error } => write!(f, "failed: {error}"),
            Self::Held { why } => write!(f, "held: {why}"),
            Self::Disabled => f.write_str("disabled"),
            Self::Unknown { why } => write!(f, "unknown: {why}"),
        }
    }
}

/// Judges a task that should last have run at `expected_since`, and whose last snapshot was taken
/// when its name says.
pub(super) fn judge(
    task: &SnapshotTask,
    expected_since: Option<Timestamp>,
    taken: Option<Timestamp>,
) -> SnapshotVerdict {
    let is_late = |at: Timestamp| expected_since.is_some_and(|since| at < since);
    match &task.state {
        _ if !task.enabled => SnapshotVerdict::Disabled,
        TaskState::Running { .. } | TaskState::Waiting { .. } => SnapshotVerdict::Running,
        TaskState::Error { error, .. } => SnapshotVerdict::Failed {
            error: error.clone(),
        },
        TaskState::Hold { reason, .. } => SnapshotVerdict::Held {
            why: reason.clone(),
        },
        TaskState::Finished { at, .. } if is_late(*at) => SnapshotVerdict::Stale { since: *at },
        // Where a snapshot in which nothing has changed is not kept, the run is what counts.
        TaskState::Finished { .. } => match taken {
            Some(taken) if task.allow_empty && is_late(taken) => {
                SnapshotVerdict::Stale { since: taken }
            }
            _ => SnapshotVerdict::Fresh,
        },
        TaskState::Pending => SnapshotVerdict::Unknown {
            why: "it has not run, as far as the NAS remembers".to_owned(),
        },
        TaskState::Unstated => SnapshotVerdict::Unknown {
            why: "the NAS does not say how it goes".to_owned(),
        },
        TaskState::Unknown { raw } => SnapshotVerdict::Unknown {
            why: format!("the NAS describes its state as {raw}"),
        },
        other => SnapshotVerdict::Unknown {
            why: format!("its state is not known here: {other:?}"),
        },
    }
}
