use serde::Deserialize;
use serde_json::Value;

use super::WireJob;
use crate::model::task_state::last_snapshot;
use crate::{
    Direction, Job, NamingSchema, ReplicationTask, ReplicationTransport, Schedule, TaskState,
};

/// An entry of `replication.query`.
#[derive(Debug, Deserialize)]
pub(crate) struct WireReplicationTask {
    id: i64,
    name: String,
    direction: String,
    transport: String,
    source_datasets: Vec<String>,
    target_dataset: String,
    recursive: bool,
    #[serde(default)]
    exclude: Vec<String>,
    auto: bool,
    enabled: bool,
    #[serde(default)]
    schedule: Option<Schedule>,
    #[serde(default)]
    restrict_schedule: Option<Schedule>,
    periodic_snapshot_tasks: Vec<WireBoundSnapshotTask>,
    #[serde(default)]
    naming_schema: Vec<String>,
    #[serde(default)]
    also_include_naming_schema: Vec<String>,
    #[serde(default)]
    state: Value,
    #[serde(default)]
    job: Value,
}

/// Not the same as an entry of `pool.snapshottask.query`: here, `state` is JSON within a string
/// from TrueNAS 25.10 on.
#[derive(Debug, Deserialize)]
struct WireBoundSnapshotTask {
    id: i64,
    naming_schema: String,
}

impl From<WireReplicationTask> for ReplicationTask {
    fn from(wire: WireReplicationTask) -> Self {
        let own = wire.naming_schema.into_iter();
        let bound = wire.periodic_snapshot_tasks.iter();
        let mut naming_schemas: Vec<NamingSchema> = Vec::new();
        for schema in own
            .chain(wire.also_include_naming_schema)
            .chain(bound.map(|task| task.naming_schema.clone()))
            .map(NamingSchema::new)
        {
            if !naming_schemas.contains(&schema) {
                naming_schemas.push(schema);
            }
        }
        Self {
            id: wire.id,
            name: wire.name,
            direction: match wire.direction.as_str() {
                "PUSH" => Direction::Push,
                "PULL" => Direction::Pull,
                _ => Direction::Other(wire.direction),
            },
            transport: match wire.transport.as_str() {
                "SSH" => ReplicationTransport::Ssh,
                "SSH+NETCAT" => ReplicationTransport::SshNetcat,
                "LOCAL" => ReplicationTransport::Local,
                _ => ReplicationTransport::Other(wire.transport),
            },
            source_datasets: wire.source_datasets,
            target_dataset: wire.target_dataset,
            recursive: wire.recursive,
            exclude: wire.exclude,
            auto: wire.auto,
            enabled: wire.enabled,
            snapshot_tasks: wire
                .periodic_snapshot_tasks
                .iter()
                .map(|task| task.id)
                .collect(),
            // With snapshot tasks of its own, `schedule` says at which times it does not wait for
            // them, and `restrict_schedule` at which it may run at all.
            schedule: wire.restrict_schedule.or(wire.schedule),
            naming_schemas,
            state: TaskState::from_json(&wire.state),
            last_snapshot: last_snapshot(&wire.state),
            // The job is a help for people, never a proof: one that cannot be read is no reason to
            // lose sight of the task.
            job: serde_json::from_value::<WireJob>(wire.job)
                .ok()
                .map(Job::from),
        }
    }
}
