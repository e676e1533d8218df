//! The HTTP side: addresses, keys, faults, and a record of what was asked.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::control::Control;
use super::query::{Query, Refusal};
use super::resource;
use super::world::World;

/// A request that came through TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestSeen {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query string, as it was sent.
    pub query: String,
    /// The body.
    pub body: String,
    /// Whether there was a key with it.
    pub key: KeySeen,
}

/// Whether a request came with a key. The key itself is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySeen {
    /// There was none.
    Absent,
    /// There was one that is not this NAS's.
    Wrong,
    /// The right one.
    Right,
}

/// An answer that is given instead of the right one.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) body: String,
}

/// The largest request body that is read.
const BODY_LIMIT_BYTES: usize = 1 << 20;

type Lister = fn(&World) -> Vec<Value>;

pub(super) fn router(control: Control) -> Router {
    let api = Router::new()
        .route("/system/info", get(system_info))
        .route("/system/version", get(system_version))
        .route("/system/boot_id", get(system_boot_id))
        .route("/system/state", get(system_state))
        .route("/pool/snapshottask/id/{id}/run", post(run_snapshot_task))
        .route("/replication/id/{id}/run", post(run_replication))
        .merge(collection("/pool", resource::pools))
        .merge(collection("/pool/snapshottask", resource::snapshot_tasks))
        .merge(collection("/replication", resource::replications))
        .merge(collection("/zfs/snapshot", resource::snapshots))
        .merge(collection("/core/get_jobs", resource::jobs))
        // Only addresses that exist ask for a key.
        .route_layer(middleware::from_fn_with_state(
            control.clone(),
            authenticate,
        ));
    Router::new()
        .nest("/api/v2.0", api)
        .fallback(|| async { (StatusCode::NOT_FOUND, "404: Not Found") })
        .layer(middleware::from_fn_with_state(control.clone(), record))
        .with_state(control)
}

/// A list, and its entries by their id.
fn collection(path: &str, list: Lister) -> Router<Control> {
    let all = move |State(control): State<Control>, RawQuery(query): RawQuery, body: Bytes| async move {
        let query = Query::read(query.as_deref().unwrap_or_default(), &body);
        answer(query.and_then(|query| query.apply(control.look(|world, _| list(world)))))
    };
    // An entry is asked for with its id as one segment, whatever is in it.
    let one = move |State(control): State<Control>, Path(id): Path<String>| async move {
        let id = id
            .parse::<i64>()
            .map_or_else(|_| json!(id), |number| json!(number));
        let mut entries = control.look(|world, _| list(world)).into_iter();
        let found = entries.find(|entry| entry["id"] == id);
        answer(found.ok_or_else(|| Refusal::not_found(&format!("[ENOENT] {id} does not exist"))))
    };
    Router::new()
        .route(path, get(all))
        .route(&format!("{path}/id/{{id}}"), get(one))
}

async fn system_info(State(control): State<Control>) -> Response {
    answer(Ok(control.look(resource::system_info)))
}

async fn system_version(State(control): State<Control>) -> Response {
    answer(Ok(
        control.look(|world, _| json!(world.options.version.as_str()))
    ))
}

async fn system_boot_id(State(control): State<Control>) -> Response {
    answer(Ok(control.look(|world, _| resource::boot_id(world))))
}

async fn system_state() -> Response {
    answer(Ok(json!("READY")))
}

async fn run_snapshot_task(State(control): State<Control>, Path(id): Path<i64>) -> Response {
    answer(
        control
            .change(|world, now| world.run_snapshot_task(id, now))
            .map(|()| json!(true)),
    )
}

async fn run_replication(State(control): State<Control>, Path(id): Path<i64>) -> Response {
    answer(Ok(
        control.change(|world, now| json!(world.run_replication(id, now)))
    ))
}

fn answer(result: Result<Value, Refusal>) -> Response {
    let (status, body) = match result {
        Ok(body) => (200, body),
        Err(Refusal { status, body }) => (status, body),
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
    match key(&control, &headers) {
        KeySeen::Right => next.run(request).await,
        KeySeen::Absent | KeySeen::Wrong => {
            (StatusCode::UNAUTHORIZED, "401: Unauthorized").into_response()
        }
    }
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

/// Writes every request down, lets the tasks go on, and answers with a fault if one is planned.
async fn record(State(control): State<Control>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    control.go_on();
    let seen = RequestSeen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
        key: key(&control, &parts.headers),
    };
    let fault = control.change(|world, _: Timestamp| {
        world.requests.push(seen);
        world.faults.pop_front()
    });
    match fault {
        None => next.run(Request::from_parts(parts, Body::from(body))).await,
        Some(Fault {
            status,
            location: None,
            body,
        }) => respond(status, [], body),
        Some(Fault {
            status,
            location: Some(to),
            body,
        }) => respond(status, [(LOCATION, to)], body),
    }
}
