//! From a request to a connection for JSON-RPC.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::response::{IntoResponse as _, Response};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tracing::debug;

use crate::truenas::control::Control;
use crate::truenas::jsonrpc;

/// The longest message that is looked at, to see that it is too long.
const LONGEST_MESSAGE_BYTES: usize = 4 << 20;

pub(super) fn open(control: &Control, mut request: Request, encrypted: bool) -> Response {
    let headers = request.headers();
    let is = |name, value: &str| {
        headers
            .get(name)
            .and_then(|header| header.to_str().ok())
            .is_some_and(|header| header.eq_ignore_ascii_case(value))
    };
    let key = headers.get(SEC_WEBSOCKET_KEY).cloned();
    let wanted = is(UPGRADE, "websocket") && is(SEC_WEBSOCKET_VERSION, "13");
    let (true, Some(key)) = (wanted, key) else {
        let text = "No WebSocket UPGRADE hdr: None\n Can \"Upgrade\" only to \"WebSocket\".";
        return (StatusCode::BAD_REQUEST, text).into_response();
    };
    let path = request.uri().path().to_owned();
    let upgrade = hyper::upgrade::on(&mut request);
    let control = control.clone();
    // Seen from here on, so that no cut is missed.
    let cuts = control.cuts();
    tokio::spawn(async move {
        match upgrade.await {
            Ok(io) => {
                let config = WebSocketConfig::default()
                    .max_message_size(Some(LONGEST_MESSAGE_BYTES))
                    .max_frame_size(Some(LONGEST_MESSAGE_BYTES));
                let io = TokioIo::new(io);
                let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
                jsonrpc::serve(control, socket, cuts, path, encrypted).await;
            }
            Err(error) => debug!(%error, "no WebSocket after all"),
        }
    });
    let accept = derive_accept_key(key.as_bytes());
    let headers = [
        (CONNECTION, "Upgrade".to_owned()),
        (UPGRADE, "websocket".to_owned()),
        (SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}
