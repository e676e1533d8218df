//! Jobs.

use serde_json::{Value, json};

use crate::truenas::options::KeyRole;
use crate::truenas::world::{Caller, Job, World, millis};

/// Those that whoever has the key may see.
pub(in crate::truenas) fn jobs(world: &World) -> Vec<Value> {
    let own_only = world.options.version.keys_have_users() && world.keys.role == KeyRole::ReadOnly;
    world
        .jobs
        .iter()
        .filter(|entry| !own_only || entry.caller == Caller::Key)
        .map(|entry| job(world, entry))
        .collect()
}

pub(in crate::truenas) fn job(world: &World, job: &Job) -> Value {
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
    let credentials = match job.caller {
        Caller::Schedule => Value::Null,
        Caller::Key => json!({
            "type": "API_KEY",
            "data": {
                "username": world.options.username,
                "api_key": { "id": 1, "name": "backup" },
            },
        }),
    };
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
        "credentials": credentials,
    })
}
