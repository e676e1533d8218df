//! What was done to a simulated NAS. No key is kept.

use serde_json::Value;

/// A request that came by HTTP.
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
    /// Whether it came through TLS.
    pub encrypted: bool,
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

/// A call of JSON-RPC.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CallSeen {
    /// What was called.
    pub method: String,
    /// With which arguments: a key among them is shown as `…`.
    pub params: Value,
    /// Whether there was a key among them.
    pub key: KeySeen,
    /// The connection that it came by: its place among [`Control::connections`](super::Control::connections).
    pub connection: usize,
}

/// A connection for JSON-RPC.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionSeen {
    /// Where it was opened.
    pub path: String,
    /// Whether it came through TLS.
    pub encrypted: bool,
    /// Whether a login has succeeded.
    pub logged_in: bool,
    /// Whether it is still there.
    pub open: bool,
}

#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) requests: Vec<RequestSeen>,
    pub(super) calls: Vec<CallSeen>,
    pub(super) connections: Vec<ConnectionSeen>,
}

impl Records {
    /// How many requests and calls came with a key, right or wrong.
    pub(super) fn keys_seen(&self) -> usize {
        let requests = self.requests.iter().map(|request| request.key);
        let calls = self.calls.iter().map(|call| call.key);
        requests
            .chain(calls)
            .filter(|key| *key != KeySeen::Absent)
            .count()
    }
}
