use serde::Deserialize;
use serde_json::Value;

use crate::model::task_state::last_snapshot;
use crate::{NamingSchema, Schedule, SnapshotTask, TaskState};

/// An entry of `pool.snapshottask.query`.
#[derive(Debug, Deserialize)]
pub(crate) struct WireSnapshotTask {
    id: i64,
    dataset: String,
    recursive: bool,
    enabled: bool,
    naming_schema: String,
    allow_empty: bool,
    schedule: Schedule,
    #[serde(default)]
    state: Value,
}

impl From<WireSnapshotTask> for SnapshotTask {
    fn from(wire: WireSnapshotTask) -> Self {
        Self {
            id: wire.id,
            dataset: wire.dataset,
            recursive: wire.recursive,
            enabled: wire.enabled,
            naming_schema: NamingSchema::new(wire.naming_schema),
            allow_empty: wire.allow_empty,
            schedule: wire.schedule,
            state: TaskState::from_json(&wire.state),
            last_snapshot: last_snapshot(&wire.state),
        }
    }
}
