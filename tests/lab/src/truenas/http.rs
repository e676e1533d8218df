//! The HTTP side: addresses and keys.

mod record;
mod websocket;

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::control::Control;
use super::options::KeyRole;
use super::query::Query;
use super::records::KeySeen;
use super::refusal::{EINVAL, Refusal};
use super::resource;
use super::versions::SimulatedVersion;
use super::world::{Caller, World};

type Lister = fn(&World) -> Vec<Value>;

/// What answers at the port of a NAS. `encrypted` tells whether what comes here came through TLS.
pub(super) fn router(control: Control, encrypted: bool) -> Router {
    let version = control.version();
    let mut router = Router::new().route("/ui/", get(|| async { "<html>TrueNAS</html>" }));
    if version.speaks_rest() {
        router = router.nest("/api/v2.0", rest(&control, version));
    }
    if version.speaks_json_rpc() {
        let open = move |state: State<Control>, request: Request| async move {
            websocket::open(&state, request, encrypted)
        };
        router = router
            .route(
                "/api/versions",
                get(move || async move { answer(Ok(json!(version.api_versions()))) }),
            )
            .route("/api/current", get(open));
        for name in version.api_versions() {
            router = router.route(&format!("/api/{name}"), get(open));
        }
    }
    let lost = move || async move {
        if version.redirects_unknown_addresses() {
            respond(302, [(LOCATION, "/ui/".to_owned())], String::new())
        } else {
            (StatusCode::NOT_FOUND, "404: Not Found").into_response()
        }
    };
    let record = move |state: State<Control>, request: Request, next: Next| async move {
        record::record(&state, request, next, encrypted).await
    };
    router
        .fallback(lost)
        .layer(middleware::from_fn_with_state(control.clone(), record))
        .with_state(control)
}

fn rest(control: &Control, version: SimulatedVersion) -> Router<Control> {
    let (snapshots, _) = version.snapshots_at();
    let run = if version.runs_by_body() {
        Router::new().route("/replication/run", post(run_replication_by_body))
    } else {
        Router::new().route("/replication/id/{id}/run", post(run_replication))
    };
    Router::new()
        .route("/system/info", get(system_info))
        .route("/system/version", get(system_version))
        .route("/system/boot_id", get(system_boot_id))
        .route("/system/state", get(system_state))
        .route("/system/ready", get(system_ready))
        .route("/system/shutdown", post(shutdown))
        .route("/alert/list", get(alerts))
        .route("/pool/snapshottask/id/{id}/run", post(run_snapshot_task))
        .route(snapshots, get(list_snapshots))
        .route(&format!("{snapshots}/id/{{id}}"), get(one_snapshot))
        .merge(run)
        .merge(collection("/pool", resource::pools))
        .merge(collection("/pool/snapshottask", resource::snapshot_tasks))
        .merge(collection("/replication", resource::replications))
        .merge(collection("/core/get_jobs", resource::jobs))
        // Whoever is lost here is told so by every version.
        .fallback(|| async { (StatusCode::NOT_FOUND, "404: Not Found") })
        // Only addresses that exist ask for a key.
        .route_layer(middleware::from_fn_with_state(
            control.clone(),
            authenticate,
        ))
}

/// A list, and its entries by their id.
fn collection(path: &str, list: Lister) -> Router<Control> {
    let all = move |State(control): State<Control>, RawQuery(query): RawQuery, body: Bytes| async move {
        let query = read(&control, query.as_deref(), &body);
        answer(
            query.and_then(|query| query.apply(control.look(|world, _| list(world)).into_iter())),
        )
    };
    // An entry is asked for with its id as one segment, whatever is in it.
    let one = move |State(control): State<Control>, Path(id): Path<String>| async move {
        let number = id.parse::<i64>().ok();
        let mut entries = control.look(|world, _| list(world)).into_iter();
        let found = entries.find(|entry| number.is_some() && entry["id"].as_i64() == number);
        answer(found.ok_or_else(|| missing(&id)))
    };
    Router::new()
        .route(path, get(all))
        .route(&format!("{path}/id/{{id}}"), get(one))
}

fn read(control: &Control, query: Option<&str>, body: &Bytes) -> Result<Query, Refusal> {
    let longest = control.version().longest_list();
    Query::read(query.unwrap_or_default(), body, longest)
}

fn missing(id: &str) -> Refusal {
    Refusal::NotFound(format!("[ENOENT] {id} does not exist"))
}

async fn list_snapshots(
    State(control): State<Control>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let query = read(&control, query.as_deref(), &body);
    answer(
        query
            .and_then(|query| control.look(|world, _| world.snapshots.answer(&query, &world.zone))),
    )
}

async fn one_snapshot(State(control): State<Control>, Path(id): Path<String>) -> Response {
    let query = Query::from_arguments(&json!([["id", "=", id]]), &json!({}), None);
    let found = query
        .and_then(|query| control.look(|world, _| world.snapshots.answer(&query, &world.zone)));
    answer(found.and_then(|mut found| {
        let found = found.as_array_mut().and_then(Vec::pop);
        found.ok_or_else(|| missing(&id))
    }))
}

async fn system_info(State(control): State<Control>) -> Response {
    answer(Ok(control.look(resource::system_info)))
}

async fn system_version(State(control): State<Control>) -> Response {
    answer(Ok(json!(control.version().as_str())))
}

async fn system_state(State(control): State<Control>) -> Response {
    answer(Ok(control.look(resource::system_state)))
}

async fn system_ready(State(control): State<Control>) -> Response {
    answer(Ok(control.look(resource::system_ready)))
}

async fn system_boot_id(State(control): State<Control>) -> Response {
    answer(Ok(control.look(|world, _| resource::boot_id(world))))
}

async fn alerts(State(control): State<Control>) -> Response {
    answer(Ok(json!(control.look(|world, _| resource::alerts(world)))))
}

async fn run_snapshot_task(State(control): State<Control>, Path(id): Path<i64>) -> Response {
    answer(
        control
            .change(|world, now| world.run_snapshot_task(id, now))
            .map(|()| Value::Null),
    )
}

async fn run_replication(State(control): State<Control>, Path(id): Path<i64>) -> Response {
    answer(Ok(
        control.change(|world, now| json!(world.run_replication(id, now)))
    ))
}

async fn run_replication_by_body(State(control): State<Control>, body: Bytes) -> Response {
    let id = serde_json::from_slice(&body)
        .map_err(|_| Refusal::validation("id", "Input should be a valid integer", EINVAL));
    answer(id.map(|id| control.change(|world, now| json!(world.run_replication(id, now)))))
}

async fn shutdown(State(control): State<Control>, body: Bytes) -> Response {
    let body = if body.is_empty() {
        Ok(json!({}))
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| Refusal::BadRequest(format!("json parse error: {error}")))
    };
    answer(body.and_then(|body: Value| {
        let Value::Object(mut body) = body else {
            return Err(Refusal::BadRequest("object/dict expected".to_owned()));
        };
        if control.version().wants_reason_for_shutdown() {
            let options = body.remove("options").unwrap_or_else(|| json!({}));
            let reason = body.remove("reason");
            if let Some(unexpected) = body.keys().next() {
                return Err(Refusal::validation(
                    unexpected,
                    "Extra inputs are not permitted",
                    EINVAL,
                ));
            }
            shut_down(&control, reason.as_ref(), &options)
        } else {
            shut_down(&control, None, &Value::Object(body))
        }
    }))
}

/// Switches the NAS off, in a job, after what its options say.
pub(super) fn shut_down(
    control: &Control,
    reason: Option<&Value>,
    options: &Value,
) -> Result<Value, Refusal> {
    let refuse = |field: &str, message: &str| Err(Refusal::validation(field, message, EINVAL));
    let reason = match (control.version().wants_reason_for_shutdown(), reason) {
        (false, _) => None,
        (true, None) => return refuse("reason", "Field required"),
        (true, Some(Value::String(reason))) if !reason.is_empty() => Some(reason.clone()),
        (true, Some(_)) => return refuse("reason", "Input should be a string that is not empty"),
    };
    let Some(options) = options.as_object() else {
        return refuse("options", "Input should be a valid dictionary");
    };
    if let Some(unexpected) = options.keys().find(|name| *name != "delay") {
        return refuse(
            &format!("options.{unexpected}"),
            "Extra inputs are not permitted",
        );
    }
    let delay = match options.get("delay") {
        None | Some(Value::Null) => Duration::ZERO,
        Some(delay) => match delay.as_u64() {
            Some(delay) => Duration::from_secs(delay),
            None => return refuse("options.delay", "Input should be a valid integer"),
        },
    };
    Ok(control.change(|world, now| {
        let arguments = json!([reason, options]);
        let job = world.start_job("system.shutdown", arguments, Caller::Key, now);
        world.end_job(job, None, now);
        // Whoever asked gets the answer before the power goes off.
        world.shut_down(reason, delay.max(Duration::from_millis(300)), now);
        json!(job)
    }))
}

pub(super) fn answer(result: Result<Value, Refusal>) -> Response {
    let (status, body) = match result {
        Ok(body) => (200, body),
        Err(refusal) => refusal.rest(),
    };
    respond(
        status,
        [(CONTENT_TYPE, "application/json".to_owned())],
        body.to_string(),
    )
}

fn respond<const N: usize>(
    status: u16,
    headers: [(axum::http::HeaderName, String); N],
    body: String,
) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, headers, body).into_response()
}

async fn authenticate(
    State(control): State<Control>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let (valid, role) = control.look(|world, _| (world.keys.is_valid(), world.keys.role));
    if key(&control, &headers) != KeySeen::Right || !valid {
        return (StatusCode::UNAUTHORIZED, "401: Unauthorized").into_response();
    }
    // Roles are about methods, and REST asks about addresses.
    if control.version().keys_have_users() && role != KeyRole::FullAdmin {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}

fn key(control: &Control, headers: &HeaderMap) -> KeySeen {
    match headers.get(AUTHORIZATION).map(|value| {
        value
            .to_str()
            .ok()
            .and_then(|text| text.strip_prefix("Bearer "))
    }) {
        None => KeySeen::Absent,
        Some(Some(key)) if key == control.api_key() => KeySeen::Right,
        Some(_) => KeySeen::Wrong,
    }
}
