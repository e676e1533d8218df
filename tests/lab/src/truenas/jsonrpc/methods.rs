//! The methods.

use std::time::Duration;

use serde_json::{Value, json};

use super::login;
use super::session::Session;
use crate::truenas::control::Control;
use crate::truenas::http::shut_down;
use crate::truenas::options::KeyRole;
use crate::truenas::query::Query;
use crate::truenas::refusal::{EACCES, EINVAL, ENOTAUTHENTICATED, Refusal};
use crate::truenas::resource;
use crate::truenas::versions::SimulatedVersion;
use crate::truenas::world::{Caller, World};

/// What comes of a call.
pub(super) enum Outcome {
    /// A result.
    Now(Value),
    /// A job.
    Job(Value),
    /// Nothing, after some time.
    RefusedAfter(Duration, Refusal),
}

/// What there is besides the snapshots, and how many arguments it takes at most.
const METHODS: [(&str, usize); 20] = [
    ("alert.list", 0),
    ("auth.login_ex", 1),
    ("auth.login_with_api_key", 1),
    ("auth.me", 0),
    ("core.get_jobs", 2),
    ("core.ping", 0),
    ("core.set_options", 1),
    ("core.subscribe", 1),
    ("core.unsubscribe", 1),
    ("pool.query", 2),
    ("pool.snapshottask.query", 2),
    ("pool.snapshottask.run", 1),
    ("replication.query", 2),
    ("replication.run", 2),
    ("system.boot_id", 0),
    ("system.info", 0),
    ("system.ready", 0),
    ("system.shutdown", 2),
    ("system.state", 0),
    ("system.version", 0),
];

/// What changes something, and is for those who may do everything.
const CHANGES: [&str; 3] = [
    "pool.snapshottask.run",
    "replication.run",
    "system.shutdown",
];

fn most_arguments(version: SimulatedVersion, method: &str) -> Option<usize> {
    if method == version.snapshots_at().1 {
        return Some(2);
    }
    let known = METHODS.iter().find(|(name, _)| *name == method);
    known.map(|(_, arguments)| *arguments)
}

pub(super) fn exists(version: SimulatedVersion, method: &str) -> bool {
    most_arguments(version, method).is_some()
}

pub(super) fn call(session: &Session, method: &str, params: &[Value]) -> Result<Outcome, Refusal> {
    let control = &session.control;
    let version = control.version();
    let most = most_arguments(version, method).unwrap_or_default();
    if params.len() > most {
        let found = params.len();
        let message = format!("Too many arguments (expected {most}, found {found})");
        return Err(Refusal::validation("", &message, EINVAL));
    }
    let argument = |index: usize, name: &str| {
        params
            .get(index)
            .ok_or_else(|| Refusal::validation(name, "Field required", EINVAL))
    };
    let number = || {
        argument(0, "id")?
            .as_i64()
            .ok_or_else(|| Refusal::validation("id", "Input should be a valid integer", EINVAL))
    };
    if let Some(outcome) = log_in(session, method, argument)? {
        return Ok(outcome);
    }
    if !session.state().logged_in {
        return Err(Refusal::call(ENOTAUTHENTICATED, "Not authenticated"));
    }
    if CHANGES.contains(&method) && control.look(|world, _| world.keys.role) != KeyRole::FullAdmin {
        return Err(Refusal::call(EACCES, "Not authorized"));
    }
    let list = |entries: fn(&World) -> Vec<Value>| {
        let query = query(control, params)?;
        query.apply(control.look(|world, _| entries(world)).into_iter())
    };
    let now = match method {
        "alert.list" => json!(control.look(|world, _| resource::alerts(world))),
        "auth.me" => login::user_info(&control.username()),
        "core.get_jobs" => list(resource::jobs)?,
        "core.ping" => json!("pong"),
        "core.set_options" => set_options(session, argument(0, "options")?)?,
        "core.subscribe" => {
            let collection = text(argument(0, "event")?, "event")?;
            json!(session.state().subscriptions.add(collection))
        }
        "core.unsubscribe" => {
            let name = text(argument(0, "id")?, "id")?;
            session.state().subscriptions.remove(name);
            Value::Null
        }
        "pool.query" => list(resource::pools)?,
        "pool.snapshottask.query" => list(resource::snapshot_tasks)?,
        "pool.snapshottask.run" => return run_snapshot_task(control, number()?),
        "replication.query" => list(resource::replications)?,
        "replication.run" => {
            let id = number()?;
            let really = version.scheduled_run_options().is_object();
            if params.len() > 1 && !(really && params[1] == json!({})) {
                return Err(Refusal::validation(
                    "options",
                    "Extra inputs are not permitted",
                    EINVAL,
                ));
            }
            let job = control.change(|world, now| world.run_replication(id, now));
            return Ok(Outcome::Job(json!(job)));
        }
        "system.boot_id" => control.look(|world, _| resource::boot_id(world)),
        "system.info" => control.look(resource::system_info),
        "system.ready" => control.look(resource::system_ready),
        "system.shutdown" => {
            let options = params.get(1).cloned().unwrap_or_else(|| json!({}));
            return shut_down(control, params.first(), &options).map(Outcome::Job);
        }
        "system.state" => control.look(resource::system_state),
        "system.version" => json!(version.as_str()),
        // All that is left are the snapshots.
        _ => {
            let query = query(control, params)?;
            control.look(|world, _| world.snapshots.answer(&query, &world.zone))?
        }
    };
    Ok(Outcome::Now(now))
}

/// What anybody may call, but not too often.
fn log_in<'a>(
    session: &Session,
    method: &str,
    argument: impl Fn(usize, &str) -> Result<&'a Value, Refusal>,
) -> Result<Option<Outcome>, Refusal> {
    let by_name = match method {
        "auth.login_ex" => true,
        "auth.login_with_api_key" => false,
        _ => return Ok(None),
    };
    if let Some(outcome) = login::one_too_many(session, method) {
        return Ok(Some(outcome));
    }
    let result = if by_name {
        login::ex(session, argument(0, "login_data")?)
    } else {
        login::with_api_key(session, argument(0, "api_key")?)
    };
    result.map(|result| Some(Outcome::Now(result)))
}

fn query(control: &Control, params: &[Value]) -> Result<Query, Refusal> {
    let (no_filters, no_options) = (json!([]), json!({}));
    Query::from_arguments(
        params.first().unwrap_or(&no_filters),
        params.get(1).unwrap_or(&no_options),
        control.version().longest_list(),
    )
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    value
        .as_str()
        .ok_or_else(|| Refusal::validation(name, "Input should be a valid string", EINVAL))
}

fn set_options(session: &Session, options: &Value) -> Result<Value, Refusal> {
    for (name, value) in options.as_object().into_iter().flatten() {
        match (name.as_str(), value.as_bool()) {
            ("private_methods" | "py_exceptions", Some(_)) => {}
            ("legacy_jobs", Some(legacy)) if session.control.version().can_wait_for_jobs() => {
                session.state().waits_for_jobs = !legacy;
            }
            _ => {
                let field = format!("options.{name}");
                return Err(Refusal::validation(
                    &field,
                    "Extra inputs are not permitted",
                    EINVAL,
                ));
            }
        }
    }
    Ok(Value::Null)
}

/// Takes snapshots, in a job from the version on that makes it one.
fn run_snapshot_task(control: &Control, id: i64) -> Result<Outcome, Refusal> {
    let is_job = control.version().runs_snapshot_tasks_as_jobs();
    control.change(|world, now| {
        if !is_job {
            world.run_snapshot_task(id, now)?;
            return Ok(Outcome::Now(Value::Null));
        }
        let job = world.start_job("pool.snapshottask.run", json!([id]), Caller::Key, now);
        let error = world.run_snapshot_task(id, now).err();
        world.end_job(job, error.map(|refusal| refusal.to_string()), now);
        Ok(Outcome::Job(json!(job)))
    })
}
