//! The trait that stands for one TrueNAS, whatever it is reached by.

use std::fmt::Debug;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Job, JobId, Pool, ReplicationTask, Snapshot, SnapshotTask, System, TrueNasError};

/// Which snapshots [`TrueNas::snapshots`] lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotQuery {
    /// The dataset whose own snapshots are wanted, such as `tank/docker`; not those of its children.
    pub dataset: String,
    /// Only snapshots created at this time or later, by the NAS's clock.
    pub since: Option<Timestamp>,
}

impl SnapshotQuery {
    /// All snapshots of `dataset`.
    #[must_use]
    pub fn of(dataset: impl Into<String>) -> Self {
        Self {
            dataset: dataset.into(),
            since: None,
        }
    }

    /// Only those created at `since` or later.
    #[must_use]
    pub fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }
}

/// One TrueNAS.
///
/// # Contract
/// - Every method asks the NAS anew; nothing is cached.
/// - Methods without `run` in their name change nothing on the NAS, and may be tried again by the
///   implementation when the connection fails. Those with `run` are tried once: after an error the
///   caller has to look whether the task runs.
/// - A method returns by the deadline of its implementation ([`TrueNasError::Timeout`] at the
///   latest), and may be cancelled by dropping its future.
/// - All times are by the NAS's clock; compare them with [`System::datetime`], not with the
///   clock of this machine.
/// - A list is complete, or the method fails.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TrueNas: Debug + Send + Sync + 'static {
    /// The address of the NAS, safe to print.
    fn url(&self) -> String;

    /// Version, name, clock and uptime.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn system(&self) -> Result<System, TrueNasError>;

    /// The periodic snapshot tasks.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn snapshot_tasks(&self) -> Result<Vec<SnapshotTask>, TrueNasError>;

    /// The replication tasks that this NAS runs. Ask the NAS that *sends* in a push replication:
    /// the receiving one knows nothing of it.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn replication_tasks(&self) -> Result<Vec<ReplicationTask>, TrueNasError>;

    /// The snapshots of one dataset, the oldest first. None for a dataset that does not exist.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn snapshots(&self, query: &SnapshotQuery) -> Result<Vec<Snapshot>, TrueNasError>;

    /// The pools, with what scrubs or resilvers them.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn pools(&self) -> Result<Vec<Pool>, TrueNasError>;

    /// Has a snapshot task take its snapshot now. The snapshot is taken soon after, not before
    /// this returns.
    ///
    /// # Errors
    /// See [`TrueNasError`]; [`TrueNasError::NotFound`] if there is no such task.
    async fn run_snapshot_task(&self, id: i64) -> Result<(), TrueNasError>;

    /// Has a replication task run now, and returns the job that does it.
    ///
    /// A job is returned even for a task that is disabled, on hold or already running; the *job*
    /// fails then. So look at [`TrueNas::job`] as well as at the task's state.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn run_replication_task(&self, id: i64) -> Result<JobId, TrueNasError>;

    /// A job, or `None` if the NAS does not know it (any more): it keeps its last 1000 in memory,
    /// and none over a restart.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn job(&self, id: JobId) -> Result<Option<Job>, TrueNasError>;
}
