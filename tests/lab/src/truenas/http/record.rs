//! What happens to every request: it is written down, may meet a fault, and may have to wait.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, LOCATION};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};

use super::respond;
use crate::truenas::control::Control;
use crate::truenas::fault::HttpFault;
use crate::truenas::records::RequestSeen;
use crate::truenas::world::Outage;

/// The largest request body that is read.
const BODY_LIMIT_BYTES: usize = 1 << 20;

/// How long a connection that is to break stays, so that the first half of the answer gets out.
const BREAKS_AFTER: Duration = Duration::from_millis(20);

/// Writes a request down, lets the tasks go on, and answers with a fault if one is planned.
pub(super) async fn record(
    control: &Control,
    request: Request,
    next: Next,
    encrypted: bool,
) -> Response {
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
        key: super::key(control, &parts.headers),
        encrypted,
    };
    let (fault, outage, delay) = control.change(|world, _| {
        world.records.requests.push(seen);
        let delay = world.faults.delay;
        match world.outage {
            Some(outage) => (None, Some(outage), delay),
            None => (world.faults.http.pop_front(), None, delay),
        }
    });
    let response = match (outage, fault) {
        (Some(Outage::Gateway { .. } | Outage::Dark { .. }), _) => {
            respond(502, [], "<html><h1>502 Bad Gateway</h1></html>".to_owned())
        }
        (
            None,
            Some(HttpFault::Answer {
                status,
                location,
                body,
            }),
        ) => match location {
            None => respond(status, [], body),
            Some(to) => respond(status, [(LOCATION, to)], body),
        },
        (None, fault) => {
            let response = next.run(Request::from_parts(parts, Body::from(body))).await;
            match fault {
                Some(HttpFault::Cut) => halved(response, true).await,
                Some(HttpFault::Truncated) => halved(response, false).await,
                _ => response,
            }
        }
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    response
}

/// Half of an answer: all that comes before the connection breaks, or all that there seems to be.
async fn halved(response: Response, breaks: bool) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let half = whole.slice(..whole.len() / 2);
    parts.headers.remove(CONTENT_LENGTH);
    if !breaks {
        return Response::from_parts(parts, Body::from(half));
    }
    parts
        .headers
        .insert(CONTENT_LENGTH, HeaderValue::from(whole.len().max(1)));
    let broken = stream::once(async {
        tokio::time::sleep(BREAKS_AFTER).await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let body = stream::once(async { Ok::<Bytes, io::Error>(half) }).chain(broken);
    Response::from_parts(parts, Body::from_stream(body))
}
