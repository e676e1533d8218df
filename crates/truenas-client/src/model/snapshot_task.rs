//! Periodic snapshot tasks.

use serde::Serialize;

use super::schedule::Schedule;
use super::snapshot::SnapshotName;
use super::task_state::TaskState;
use crate::NamingSchema;

/// A periodic snapshot task.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SnapshotTask {
    /// Its number.
    pub id: i64,
    /// The dataset it takes snapshots of.
    pub dataset: String,
    /// Whether the dataset's children are included.
    pub recursive: bool,
    /// Whether it runs at all.
    pub enabled: bool,
    /// How it names snapshots, in the fields of `strftime` and the NAS's time zone.
    pub naming_schema: NamingSchema,
    /// Whether it keeps a snapshot in which nothing has changed. If not, it may say that it has
    /// finished and there is yet no snapshot.
    pub allow_empty: bool,
    /// When it runs.
    pub schedule: Schedule,
    /// How its last run went. Until TrueNAS 25.10, [`TaskState::Pending`] after each boot.
    pub state: TaskState,
    /// Its last snapshot, which TrueNAS tells from 25.10 on.
    pub last_snapshot: Option<SnapshotName>,
}

impl SnapshotTask {
    /// An enabled task for `dataset` alone that has not run yet, with what TrueNAS takes for the
    /// rest. For those who stand in for a NAS.
    #[must_use]
    pub fn new(id: i64, dataset: impl Into<String>) -> Self {
        Self {
            id,
            dataset: dataset.into(),
            recursive: false,
            enabled: true,
            naming_schema: NamingSchema::new("auto-%Y-%m-%d_%H-%M"),
            allow_empty: true,
            schedule: Schedule::default(),
            state: TaskState::Pending,
            last_snapshot: None,
        }
    }
}
