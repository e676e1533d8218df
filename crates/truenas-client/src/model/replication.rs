//! Replication tasks.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::job::{Job, JobState};
use super::schedule::Schedule;
use super::snapshot::SnapshotName;
use super::task_state::TaskState;
use crate::{NamedTime, NamingSchema};

/// A replication task, on the NAS that runs it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ReplicationTask {
    /// Its number. A task that is made anew has another one; the name is what people know.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whether this NAS sends or fetches.
    pub direction: Direction,
    /// How the data travels.
    pub transport: ReplicationTransport,
    /// What is replicated: datasets of the sending NAS.
    pub source_datasets: Vec<String>,
    /// Where to: a dataset of the receiving NAS. See [`ReplicationTask::target_of`].
    pub target_dataset: String,
    /// Whether the children of the source datasets are included.
    pub recursive: bool,
    /// Which of those children are not.
    pub exclude: Vec<String>,
    /// Whether it runs by itself (after its snapshot tasks, or by schedule) or only when triggered.
    pub auto: bool,
    /// Whether it runs at all.
    pub enabled: bool,
    /// The snapshot tasks that it is bound to, by their number.
    pub snapshot_tasks: Vec<i64>,
    /// When it runs, where it has times of its own. One that is bound to snapshot tasks and has
    /// none runs after each of theirs.
    pub schedule: Option<Schedule>,
    /// How the snapshots are named that it sends: the schemas of its snapshot tasks and its own.
    pub naming_schemas: Vec<NamingSchema>,
    /// How its last or current run goes.
    pub state: TaskState,
    /// The last snapshot that it sent: the one fact about what has arrived. With several source
    /// datasets, or with children, that of the dataset sent last.
    pub last_snapshot: Option<SnapshotName>,
    /// The job of its last or current run, as long as the NAS remembers it: none after a restart.
    /// Never judge a task by it.
    pub job: Option<Job>,
}

/// Which NAS the data comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Direction {
    /// This NAS sends.
    Push,
    /// This NAS fetches.
    Pull,
    /// A word that is not known here.
    Other(String),
}

/// How the data travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReplicationTransport {
    /// Through SSH.
    Ssh,
    /// Controlled by SSH, sent unencrypted.
    SshNetcat,
    /// Within this NAS.
    Local,
    /// A word that is not known here.
    Other(String),
}

/// How long a replication has been running, as well as can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunningSince {
    /// Its job was started at this time.
    Started(Timestamp),
    /// When it started is not known; this is when it last got on.
    LastProgress(Timestamp),
}

impl ReplicationTask {
    /// An enabled task that pushes `source` to `target` over SSH and has not run yet. For those who
    /// stand in for a NAS.
    #[must_use]
    pub fn new(
        id: i64,
        name: impl Into<String>,
        source: impl Into<String>,
        target: impl Into<String>,
    ) -> Self {
        Self {
            id,
            name: name.into(),
            direction: Direction::Push,
            transport: ReplicationTransport::Ssh,
            source_datasets: vec![source.into()],
            target_dataset: target.into(),
            recursive: false,
            exclude: Vec::new(),
            auto: true,
            enabled: true,
            snapshot_tasks: Vec::new(),
            schedule: None,
            naming_schemas: Vec::new(),
            state: TaskState::Pending,
            last_snapshot: None,
            job: None,
        }
    }

    /// The dataset of the receiving NAS in which the snapshots of `source` arrive, or `None` if
    /// this task does not replicate `source`.
    ///
    /// The rule is zettarepl's (TrueNAS' replication engine, `replication/task/dataset.py`): what
    /// the source datasets have in common is replaced by the target dataset. One source dataset
    /// *becomes* the target dataset; of several, each keeps what follows their common parent.
    /// Patterns (`*`) in `exclude` are not looked at, so that a dataset which only a pattern
    /// excludes has a target here, in which no snapshot arrives.
    #[must_use]
    pub fn target_of(&self, source: &str) -> Option<String> {
        let listed = self
            .source_datasets
            .iter()
            .any(|listed| listed == source || (self.recursive && is_within(source, listed)));
        if !listed || self.excludes(source) {
            return None;
        }
        let base = common_parent(&self.source_datasets);
        let rest: Vec<&str> = components(source).skip(base.len()).collect();
        let target: Vec<&str> = components(&self.target_dataset).chain(rest).collect();
        Some(target.join("/"))
    }

    /// Whether the task leaves this dataset out. Patterns (`*`) in `exclude` are not looked at.
    pub(crate) fn excludes(&self, dataset: &str) -> bool {
        let mut excluded = self.exclude.iter();
        excluded.any(|excluded| is_within(dataset, excluded))
    }

    /// The time in the name of a snapshot, if it is named as this task's snapshots are.
    #[must_use]
    pub fn time_of(&self, snapshot: &str, time_zone: &TimeZone) -> Option<NamedTime> {
        let mut schemas = self.naming_schemas.iter();
        schemas.find_map(|schema| schema.time_of(snapshot, time_zone))
    }

    /// Since when it has been running, or `None` if it does not run.
    #[must_use]
    pub fn running_since(&self) -> Option<RunningSince> {
        let TaskState::Running { at, .. } = &self.state else {
            return None;
        };
        let started = self
            .job
            .as_ref()
            .filter(|job| job.state == JobState::Running)
            .and_then(|job| job.time_started);
        started
            .map(RunningSince::Started)
            .or_else(|| at.map(RunningSince::LastProgress))
    }
}

/// Whether `dataset` is `ancestor` or one of its descendants.
pub(crate) fn is_within(dataset: &str, ancestor: &str) -> bool {
    dataset
        .strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn components(dataset: &str) -> impl Iterator<Item = &str> {
    dataset.split('/').filter(|component| !component.is_empty())
}

/// The leading components that all `datasets` share.
fn common_parent(datasets: &[String]) -> Vec<&str> {
    let mut datasets = datasets.iter();
    let Some(first) = datasets.next() else {
        return Vec::new();
    };
    datasets.fold(components(first).collect(), |common: Vec<&str>, dataset| {
        common
            .into_iter()
            .zip(components(dataset))
            .take_while(|(a, b)| a == b)
            .map(|(component, _)| component)
            .collect()
    })
}

#[cfg(test)]
mod tests;
