//! The trait that stands for one TrueNAS, whatever it is reached by.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::Serialize;

use crate::{
    Alert, Job, JobId, Pool, ReplicationChanges, ReplicationTask, Snapshot, SnapshotQuery,
    SnapshotTask, System, SystemState, TrueNasError,
};

/// How a TrueNAS is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Transport {
    /// REST v2.0: CORE 13.0 to 25.10.
    Rest,
    /// JSON-RPC 2.0 over WebSocket: 25.04 and later.
    JsonRpc,
}

/// One TrueNAS.
///
/// # Contract
/// - Every method asks the NAS anew; nothing is cached.
/// - Methods without `run` or `shut_down` in their name change nothing on the NAS, and may be tried
///   again by the implementation when the connection fails. The others are tried once: after an
///   error the caller has to look what came of it.
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

    /// The versions of its JSON-RPC API, the oldest first, such as `v25.04.0`; none where it speaks
    /// REST alone.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn api_versions(&self) -> Result<Vec<String>, TrueNasError>;

    /// How it is spoken to. It may have to be asked for that.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn transport(&self) -> Result<Transport, TrueNasError>;

    /// Whether it has started.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn state(&self) -> Result<SystemState, TrueNasError>;

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

    /// The changes of its replication tasks from now on, or `None` where it tells none (over REST)
    /// and has to be asked again and again.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn replication_changes(&self) -> Result<Option<ReplicationChanges>, TrueNasError>;

    /// The snapshots that match, the oldest first. None for a dataset that does not exist.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn snapshots(&self, query: &SnapshotQuery) -> Result<Vec<Snapshot>, TrueNasError>;

    /// The pools, with what scrubs or resilvers them.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn pools(&self) -> Result<Vec<Pool>, TrueNasError>;

    /// The alerts that are active, dismissed ones included.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn alerts(&self) -> Result<Vec<Alert>, TrueNasError>;

    /// Has a snapshot task take its snapshot now. The snapshot is taken soon after, not before
    /// this returns.
    ///
    /// From TrueNAS 26 on, a job does it, which is returned: there it is that a task which is
    /// disabled, or which there is not, fails.
    ///
    /// # Errors
    /// See [`TrueNasError`]; before TrueNAS 26, [`TrueNasError::NotFound`] if there is no such task.
    async fn run_snapshot_task(&self, id: i64) -> Result<Option<JobId>, TrueNasError>;

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

    /// Switches the NAS off. `reason` is for its log.
    ///
    /// That it was told so is no proof that it goes off: watch it.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    async fn shut_down(&self, reason: &str) -> Result<(), TrueNasError>;
}
