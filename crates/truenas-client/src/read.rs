//! Reading what a NAS said elsewhere.
//!
//! The clients of this crate ask a NAS and read its answers. Whoever has an answer already, such as
//! what `midclt call replication.query` printed in a shell of the NAS or what another program kept,
//! reads it with these functions, which do what the clients do. They take JSON of any version.
//!
//! ```
//! use truenas_client::{Verdict, VerdictInput, judge, read};
//!
//! let printed = r#"[{"id": 1, "name": "docker to backup", "direction": "PUSH", "transport": "SSH",
//!     "source_datasets": ["tank/docker"], "target_dataset": "dozer/docker", "recursive": true,
//!     "auto": true, "enabled": false, "periodic_snapshot_tasks": [], "state": {"state": "PENDING"}}]"#;
//! let tasks = read::replication_tasks(printed.as_bytes())?;
//! let judgement = judge(tasks.first(), &VerdictInput::since("2026-11-27T03:00:00Z".parse()?));
//! assert_eq!(judgement.verdict, Verdict::Disabled);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

use serde::de::DeserializeOwned;

use crate::wire::{
    self, Misfit, WireAlert, WireJob, WirePool, WireReplicationTask, WireSnapshot,
    WireSnapshotTask, WireSystem,
};
use crate::{Alert, Job, Pool, ReplicationTask, Snapshot, SnapshotTask, System};

/// An answer that is not what TrueNAS is known to answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("understand the answer: at {at}, {what}")]
#[non_exhaustive]
pub struct ReadError {
    /// Where in the document, such as `[0].source_datasets` or `line 1 column 17`.
    pub at: String,
    /// What was expected or found.
    pub what: String,
}

fn document<T: DeserializeOwned>(json: &[u8]) -> Result<T, ReadError> {
    wire::read(json).map_err(|Misfit { at, what }| ReadError { at, what })
}

fn list<W, T>(json: &[u8]) -> Result<Vec<T>, ReadError>
where
    W: DeserializeOwned,
    T: From<W>,
{
    let wire: Vec<W> = document(json)?;
    Ok(wire.into_iter().map(T::from).collect())
}

/// Reads an answer of `replication.query`.
///
/// # Errors
/// If it is none.
pub fn replication_tasks(json: &[u8]) -> Result<Vec<ReplicationTask>, ReadError> {
    list::<WireReplicationTask, _>(json)
}

/// Reads an answer of `pool.snapshottask.query`.
///
/// # Errors
/// If it is none.
pub fn snapshot_tasks(json: &[u8]) -> Result<Vec<SnapshotTask>, ReadError> {
    list::<WireSnapshotTask, _>(json)
}

/// Reads an answer of `zfs.snapshot.query` or `pool.snapshot.query`, in its order.
///
/// # Errors
/// If it is none.
pub fn snapshots(json: &[u8]) -> Result<Vec<Snapshot>, ReadError> {
    list::<WireSnapshot, _>(json)
}

/// Reads an answer of `pool.query`.
///
/// # Errors
/// If it is none.
pub fn pools(json: &[u8]) -> Result<Vec<Pool>, ReadError> {
    list::<WirePool, _>(json)
}

/// Reads an answer of `alert.list`.
///
/// # Errors
/// If it is none.
pub fn alerts(json: &[u8]) -> Result<Vec<Alert>, ReadError> {
    list::<WireAlert, _>(json)
}

/// Reads an answer of `core.get_jobs`.
///
/// # Errors
/// If it is none.
pub fn jobs(json: &[u8]) -> Result<Vec<Job>, ReadError> {
    list::<WireJob, _>(json)
}

/// Reads an answer of `system.info`, which does not hold the boot's identity.
///
/// # Errors
/// If it is none.
pub fn system(json: &[u8]) -> Result<System, ReadError> {
    Ok(document::<WireSystem>(json)?.with_boot_id(None))
}
