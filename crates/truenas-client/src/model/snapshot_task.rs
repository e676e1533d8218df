//! Periodic snapshot tasks.

use serde::{Deserialize, Serialize};

use super::snapshot::SnapshotName;
use super::task_state::TaskState;

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
    pub naming_schema: String,
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
            naming_schema: "auto-%Y-%m-%d_%H-%M".to_owned(),
            allow_empty: true,
            schedule: Schedule::default(),
            state: TaskState::Pending,
            last_snapshot: None,
        }
    }
}

/// When a snapshot task runs: the fields of `crontab(5)`, and the hours of the day between which
/// they count, by the NAS's time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Schedule {
    /// Minutes, such as `0` or `*/15`.
    pub minute: String,
    /// Hours.
    pub hour: String,
    /// Days of the month.
    pub dom: String,
    /// Months.
    pub month: String,
    /// Days of the week.
    pub dow: String,
    /// The first time of the day, such as `00:00`.
    pub begin: String,
    /// The last time of the day, such as `23:59`.
    pub end: String,
}

impl Default for Schedule {
    /// What TrueNAS takes for absent fields: every full hour.
    fn default() -> Self {
        let every = || "*".to_owned();
        Self {
            minute: "00".to_owned(),
            hour: every(),
            dom: every(),
            month: every(),
            dow: every(),
            begin: "00:00".to_owned(),
            end: "23:59".to_owned(),
        }
    }
}
