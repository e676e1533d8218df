//! Jobs: what TrueNAS runs in the background.

use jiff::Timestamp;
use serde::Serialize;

/// The number of a job. TrueNAS counts from 1 again after a restart, so it names a job only as
/// long as the NAS has not restarted.
pub type JobId = i64;

/// A job, as far as the NAS remembers it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What it runs, such as `replication.run`.
    pub method: String,
    /// The replication task that it runs, if it does that.
    pub replication_task: Option<i64>,
    /// How far it is.
    pub state: JobState,
    /// How much of it is done, 0 to 100, as it says itself.
    pub progress_percent: Option<f64>,
    /// What it is at, in its own words.
    pub progress_description: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was started, by the NAS's clock.
    pub time_started: Option<Timestamp>,
    /// When it ended, by the NAS's clock.
    pub time_finished: Option<Timestamp>,
}

impl Job {
    /// A job of which nothing more is known. For those who stand in for a NAS.
    #[must_use]
    pub fn new(id: JobId, method: impl Into<String>, state: JobState) -> Self {
        Self {
            id,
            method: method.into(),
            replication_task: None,
            state,
            progress_percent: None,
            progress_description: None,
            error: None,
            time_started: None,
            time_finished: None,
        }
    }
}

/// How far a [`Job`] is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobState {
    /// In the queue.
    Waiting,
    /// Running.
    Running,
    /// Ended well.
    Success,
    /// Ended badly.
    Failed,
    /// Ended by someone.
    Aborted,
    /// A word that is not known here.
    Unknown(String),
}

impl JobState {
    pub(crate) fn parse(word: &str) -> Self {
        match word {
            "WAITING" => Self::Waiting,
            "RUNNING" => Self::Running,
            "SUCCESS" => Self::Success,
            "FAILED" => Self::Failed,
            "ABORTED" => Self::Aborted,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// Whether the job has ended, well or badly. False for a word that is not known.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::Aborted)
    }
}
