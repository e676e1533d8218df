//! What a simulated NAS answers: its world in the JSON of TrueNAS.
//!
//! Complete as far as the API models go, so that a client meets the fields that it does not need.

mod alert;
mod job;
mod pool;
mod replication;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::tasks::SimSnapshotTask;
use super::world::{SnapshotTask, World, millis};

pub(super) use alert::alerts;
pub(super) use job::{job, jobs};
pub(super) use pool::pools;
pub(super) use replication::{raw_state, replications};

pub(super) fn system_info(world: &World, now: Timestamp) -> Value {
    let uptime = now.duration_since(world.booted).as_secs_f64();
    json!({
        "version": world.options.version.as_str(),
        "buildtime": millis(Timestamp::UNIX_EPOCH),
        "hostname": world.options.hostname,
        "physmem": 17_179_869_184_u64,
        "model": "Simulated CPU",
        "cores": 4,
        "physical_cores": 4,
        "loadavg": [0.1, 0.1, 0.1],
        "uptime": format!("{uptime} s"),
        "uptime_seconds": uptime,
        "system_serial": null,
        "system_product": null,
        "system_product_version": null,
        "license": null,
        "boottime": millis(world.booted),
        "datetime": millis(now),
        "timezone": world.options.time_zone,
        "system_manufacturer": null,
        "ecc_memory": true,
    })
}

/// `READY`, or not yet.
pub(super) fn system_state(world: &World, now: Timestamp) -> Value {
    json!(if is_ready(world, now) {
        "READY"
    } else {
        "BOOTING"
    })
}

pub(super) fn system_ready(world: &World, now: Timestamp) -> Value {
    json!(is_ready(world, now))
}

fn is_ready(world: &World, now: Timestamp) -> bool {
    let boots_for = SignedDuration::try_from(world.options.boots_for);
    boots_for.is_ok_and(|boots_for| now.duration_since(world.booted) >= boots_for)
}

pub(super) fn boot_id(world: &World) -> Value {
    json!(format!("{}-boot-{}", world.options.hostname, world.boots))
}

pub(super) fn snapshot_tasks(world: &World) -> Vec<Value> {
    let entry = |task: &SnapshotTask| {
        let mut entry = settings(&task.options);
        entry["vmware_sync"] = json!(false);
        entry["state"] = state(world, task);
        entry
    };
    world.snapshot_tasks.iter().map(entry).collect()
}

/// A snapshot task as a replication task shows it that is bound to it.
fn bound(world: &World, task: &SnapshotTask) -> Value {
    let mut entry = settings(&task.options);
    if world.options.version.shows_states_of_bound_tasks() {
        entry["state"] = json!(state(world, task).to_string());
    }
    entry
}

fn state(world: &World, task: &SnapshotTask) -> Value {
    match task.ran {
        Some(ran) if task.options.enabled => {
            let mut state = json!({ "state": "FINISHED", "datetime": millis(ran) });
            if world.options.version.keeps_states_of_snapshot_tasks() {
                state["last_snapshot"] = json!(task.last_snapshot);
            }
            state
        }
        _ => json!({ "state": "PENDING" }),
    }
}

fn settings(task: &SimSnapshotTask) -> Value {
    json!({
        "id": task.id,
        "dataset": task.dataset,
        "recursive": task.recursive,
        "lifetime_value": task.lifetime_value,
        "lifetime_unit": task.lifetime_unit,
        "enabled": task.enabled,
        "exclude": task.exclude,
        "naming_schema": task.naming_schema,
        "allow_empty": true,
        "schedule": task.schedule.json(),
    })
}
