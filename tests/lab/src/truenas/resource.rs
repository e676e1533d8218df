//! What a simulated NAS answers: its world in the JSON of TrueNAS.
//!
//! Complete as far as the API models go, so that a client meets the fields that it does not need.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::options::{SimReplication, SimSnapshotTask};
use super::replication::Replication;
use super::world::{Job, SimSnapshot, SnapshotTask, World, millis};

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
        "timezone": "UTC",
        "system_manufacturer": null,
        "ecc_memory": true,
    })
}

pub(super) fn boot_id(world: &World) -> Value {
    json!(format!("{}-boot-{}", world.options.hostname, world.boots))
}

pub(super) fn snapshot_tasks(world: &World) -> Vec<Value> {
    world.snapshot_tasks.iter().map(snapshot_task).collect()
}

fn snapshot_task(task: &SnapshotTask) -> Value {
    // Before 25.10, neither kept over a restart nor with its last snapshot.
    let state = match task.ran {
        Some(ran) if task.options.enabled => {
            json!({ "state": "FINISHED", "datetime": millis(ran) })
        }
        _ => json!({ "state": "PENDING" }),
    };
    let mut entry = snapshot_task_settings(&task.options);
    entry["vmware_sync"] = json!(false);
    entry["state"] = state;
    entry
}

fn snapshot_task_settings(task: &SimSnapshotTask) -> Value {
    json!({
        "id": task.id,
        "dataset": task.dataset,
        "recursive": task.recursive,
        "lifetime_value": 2,
        "lifetime_unit": "WEEK",
        "enabled": task.enabled,
        "exclude": [],
        "naming_schema": task.naming_schema,
        "allow_empty": true,
        "schedule": {
            "minute": "15", "hour": "3", "dom": "*", "month": "*", "dow": "*",
            "begin": "00:00", "end": "23:59",
        },
    })
}

pub(super) fn replications(world: &World) -> Vec<Value> {
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
        source,
        target_dataset,
        recursive,
        enabled,
        snapshot_tasks,
        ..
    } = &task.options;
    let bound = world.snapshot_tasks.iter().map(|task| &task.options);
    let bound: Vec<Value> = bound
        .filter(|task| snapshot_tasks.contains(&task.id))
        .map(snapshot_task_settings)
        .collect();
    let state = task.state();
    let job = match state["state"].as_str() {
        Some("PENDING" | "HOLD") => Value::Null,
        _ => world
            .job_of(*id)
            .map_or(Value::Null, |entry| job(world, entry)),
    };
    let mut entry = json!({
        "id": id,
        "name": name,
        "source_datasets": [source],
        "target_dataset": target_dataset,
        "recursive": recursive,
        "periodic_snapshot_tasks": bound,
        "auto": !snapshot_tasks.is_empty(),
        "enabled": enabled,
        "state": state,
        "job": job,
    });
    for fixed in [replication_transport(), replication_policy()] {
        if let (Value::Object(entry), Value::Object(fixed)) = (&mut entry, fixed) {
            entry.extend(fixed);
        }
    }
    entry
}

/// How every task gets its data across.
fn replication_transport() -> Value {
    json!({
        "direction": "PUSH",
        "transport": "SSH",
        "ssh_credentials": {
            "id": 1, "name": "backup", "type": "SSH_CREDENTIALS",
            "attributes": {
                "host": "backup", "port": 22, "username": "root", "private_key": 1,
                "remote_host_key": "ssh-ed25519 AAAA", "connect_timeout": 10,
            },
        },
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

/// What every task sends and keeps.
fn replication_policy() -> Value {
    json!({
        "exclude": [],
        "properties": true,
        "properties_exclude": [],
        "properties_override": {},
        "replicate": false,
        "encryption": false,
        "encryption_inherit": null,
        "encryption_key": null,
        "encryption_key_format": null,
        "encryption_key_location": null,
        "naming_schema": [],
        "also_include_naming_schema": [],
        "name_regex": null,
        "schedule": null,
        "restrict_schedule": null,
        "only_matching_schedule": false,
        "allow_from_scratch": false,
        "readonly": "SET",
        "hold_pending_snapshots": false,
        "retention_policy": "SOURCE",
        "lifetime_value": null,
        "lifetime_unit": null,
        "lifetimes": [],
        "has_encrypted_dataset_keys": false,
    })
}

pub(super) fn jobs(world: &World) -> Vec<Value> {
    world.jobs.iter().map(|entry| job(world, entry)).collect()
}

fn job(world: &World, job: &Job) -> Value {
    let running = world
        .replications
        .iter()
        .find(|task| task.run.as_ref().is_some_and(|run| run.job == job.id));
    let percent = match (running, job.state) {
        (Some(task), _) => task.percent(),
        (None, "SUCCESS") => 100,
        (None, _) => 0,
    };
    let exc_info = job.error.as_ref().map(|error| {
        json!({ "repr": format!("CallError('{error}')"), "type": "CALLERROR", "errno": 14, "extra": null })
    });
    json!({
        "id": job.id,
        "message_ids": [],
        "method": job.method,
        "arguments": job.arguments,
        "transient": false,
        "description": null,
        "abortable": false,
        "logs_path": null,
        "logs_excerpt": null,
        "progress": { "percent": percent, "description": "Sending", "extra": null },
        "result": null,
        "result_encoding_error": null,
        "error": job.error,
        "exception": job.error,
        "exc_info": exc_info,
        "state": job.state,
        "time_started": millis(job.started),
        "time_finished": job.finished.map(millis),
        "credentials": null,
    })
}

pub(super) fn snapshots(world: &World) -> Vec<Value> {
    world.snapshots.iter().map(snapshot).collect()
}

fn snapshot(snapshot: &SimSnapshot) -> Value {
    let SimSnapshot {
        dataset,
        name,
        created,
        guid,
        created_txg,
    } = snapshot;
    let full_name = format!("{dataset}@{name}");
    let property = |value: String, parsed: Value| json!({ "value": value, "rawvalue": value, "source": "NONE", "parsed": parsed });
    let mut creation = property(created.as_second().to_string(), millis(*created));
    creation["value"] = json!(created.strftime("%a %b %e %k:%M %Y").to_string());
    json!({
        "id": full_name,
        "properties": {
            "creation": creation,
            "createtxg": property(created_txg.to_string(), json!(created_txg.to_string())),
            "guid": property(guid.to_string(), json!(guid.to_string())),
            "used": property("0".to_owned(), json!(0)),
        },
        "pool": dataset.split('/').next(),
        "name": full_name,
        "type": "SNAPSHOT",
        "snapshot_name": name,
        "dataset": dataset,
        "createtxg": created_txg.to_string(),
    })
}

pub(super) fn pools(world: &World) -> Vec<Value> {
    let pools = world.pools();
    pools
        .iter()
        .zip(1..)
        .map(|(name, id)| pool(world, name, id))
        .collect()
}

fn pool(world: &World, name: &str, id: u32) -> Value {
    let scan = world.scrubs.get(name).map(|scrub| {
        json!({
            "function": "SCRUB",
            "state": if scrub.ended.is_some() { "FINISHED" } else { "SCANNING" },
            "start_time": millis(scrub.started),
            "end_time": scrub.ended.map(millis),
            "percentage": scrub.percent,
            "bytes_to_process": 1_000_000_000_u64,
            "bytes_processed": 0,
            "bytes_issued": 0,
            "pause": null,
            "errors": 0,
            "total_secs_left": if scrub.ended.is_some() { json!(null) } else { json!(60) },
        })
    });
    json!({
        "id": id,
        "name": name,
        "guid": format!("{}", 1_000_000_007_u64 + u64::from(id)),
        "status": "ONLINE",
        "path": format!("/mnt/{name}"),
        "scan": scan,
        "expand": null,
        "is_upgraded": true,
        "healthy": true,
        "warning": false,
        "status_code": "OK",
        "status_detail": null,
        "size": 4_000_000_000_000_u64,
        "allocated": 1_000_000_000_000_u64,
        "free": 3_000_000_000_000_u64,
        "freeing": 0,
        "dedup_table_size": 0,
        "dedup_table_quota": null,
        "fragmentation": "1",
        "size_str": "4000000000000",
        "allocated_str": "1000000000000",
        "free_str": "3000000000000",
        "freeing_str": "0",
        "autotrim": { "value": "off", "rawvalue": "off", "parsed": "off", "source": "DEFAULT" },
        "topology": { "data": [], "log": [], "cache": [], "spare": [], "special": [], "dedup": [] },
    })
}
