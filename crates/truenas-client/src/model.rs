//! What a TrueNAS has, in this crate's own words: independent of transport and version.

pub(crate) mod alert;
pub(crate) mod job;
pub(crate) mod pool;
pub(crate) mod replication;
pub(crate) mod schedule;
pub(crate) mod snapshot;
pub(crate) mod snapshot_task;
pub(crate) mod system;
pub(crate) mod task_state;
