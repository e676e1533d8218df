//! Replication tasks.

use serde_json::{Value, json};

use super::{bound, job};
use crate::truenas::replication::Replication;
use crate::truenas::tasks::{SimReplication, SimSchedule};
use crate::truenas::world::{World, millis};

pub(in crate::truenas) fn replications(world: &World) -> Vec<Value> {
    world
        .replications
        .iter()
        .map(|task| replication(world, task))
        .collect()
}

fn replication(world: &World, task: &Replication) -> Value {
    let SimReplication {
        id,
        name,
        sources,
        target_dataset,
        recursive,
        enabled,
        auto,
        snapshot_tasks,
        ..
    } = &task.options;
    let bound: Vec<Value> = world
        .snapshot_tasks
        .iter()
        .filter(|task| snapshot_tasks.contains(&task.options.id))
        .map(|task| bound(world, task))
        .collect();
    // The engine has the job in the state. A query lifts it out.
    let mut state = raw_state(world, task);
    let job = state
        .as_object_mut()
        .and_then(|state| state.remove("job"))
        .unwrap_or_default();
    let mut entry = json!({
        "id": id,
        "name": name,
        "source_datasets": sources,
        "target_dataset": target_dataset,
        "recursive": recursive,
        "periodic_snapshot_tasks": bound,
        "auto": auto,
        "enabled": enabled,
        "state": state,
        "job": job,
    });
    for part in [
        transport(&task.options),
        policy(&task.options),
        names(&task.options),
    ] {
        if let (Value::Object(entry), Value::Object(part)) = (&mut entry, part) {
            entry.extend(part);
        }
    }
    entry
}

/// What the engine holds of a task, as an event shows it.
pub(in crate::truenas) fn raw_state(world: &World, task: &Replication) -> Value {
    if let Some((at, error)) = &world.broken {
        return json!({ "state": "ERROR", "datetime": millis(*at), "error": error });
    }
    let mut state = task.state(world.options.version);
    let has_job = !matches!(state["state"].as_str(), Some("PENDING" | "HOLD"));
    if let (true, Value::Object(state)) = (has_job, &mut state) {
        let job = world.job_of(task.options.id).map(|entry| job(world, entry));
        state.insert("job".to_owned(), job.unwrap_or_default());
    }
    state
}

/// How a task gets its data across.
fn transport(task: &SimReplication) -> Value {
    let credentials = json!({
        "id": 1, "name": "backup", "type": "SSH_CREDENTIALS",
        "attributes": {
            "host": "backup", "port": 22, "username": "root", "private_key": 1,
            "remote_host_key": "ssh-ed25519 AAAA", "connect_timeout": 10,
        },
    });
    json!({
        "direction": task.direction,
        "transport": task.transport,
        "ssh_credentials": if task.transport == "LOCAL" { Value::Null } else { credentials },
        "netcat_active_side": null,
        "netcat_active_side_listen_address": null,
        "netcat_active_side_port_min": null,
        "netcat_active_side_port_max": null,
        "netcat_passive_side_connect_address": null,
        "sudo": false,
        "compression": null,
        "speed_limit": null,
        "large_block": true,
        "embed": false,
        "compressed": true,
        "retries": 5,
        "logging_level": null,
    })
}

/// What a task sends besides data, and what it keeps.
fn policy(task: &SimReplication) -> Value {
    let (value, unit) = match &task.lifetime {
        Some((value, unit)) => (json!(value), json!(unit)),
        None => (Value::Null, Value::Null),
    };
    json!({
        "exclude": task.exclude,
        "properties": true,
        "properties_exclude": [],
        "properties_override": {},
        "replicate": false,
        "encryption": false,
        "encryption_inherit": null,
        "encryption_key": null,
        "encryption_key_format": null,
        "encryption_key_location": null,
        "allow_from_scratch": false,
        "readonly": task.readonly,
        "hold_pending_snapshots": false,
        "retention_policy": task.retention_policy,
        "lifetime_value": value,
        "lifetime_unit": unit,
        "lifetimes": [],
        "has_encrypted_dataset_keys": false,
    })
}

/// Which snapshots a task sends, and when.
fn names(task: &SimReplication) -> Value {
    json!({
        "naming_schema": task.naming_schema,
        "also_include_naming_schema": task.also_include_naming_schema,
        "name_regex": task.name_regex,
        "schedule": task.schedule.as_ref().map(SimSchedule::json),
        "restrict_schedule": task.restrict_schedule.as_ref().map(SimSchedule::json),
        "only_matching_schedule": task.only_matching_schedule,
    })
}
