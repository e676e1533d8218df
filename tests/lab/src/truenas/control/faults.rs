//! What goes wrong on demand.
//!
//! Faults wait in line: each happens once, to the next request or call that it is meant for.

use std::time::Duration;

use serde_json::Value;

use super::Control;
use crate::truenas::fault::{HttpFault, RpcFault};
use crate::truenas::refusal::rpc_error;

impl Control {
    /// Answers the next HTTP request with this, whatever it asks. The opening of a WebSocket is
    /// one, too.
    pub fn next_response(&self, status: u16, body: impl Into<String>) {
        self.plan(HttpFault::Answer {
            status,
            location: None,
            body: body.into(),
        });
    }

    /// Answers the next HTTP request with a redirect.
    pub fn next_redirect(&self, to: &str) {
        self.plan(HttpFault::Answer {
            status: 307,
            location: Some(to.to_owned()),
            body: String::new(),
        });
    }

    /// Answers the next HTTP request with an error that nobody foresaw, and where in the code.
    pub fn next_traceback(&self, message: &str) {
        let traceback = format!(
            "Traceback (most recent call last):\n  File \"zfs.py\", line 7\nValueError: {message}\n"
        );
        let body = serde_json::json!({ "message": message, "traceback": traceback });
        self.next_response(500, body.to_string());
    }

    /// Breaks the connection in the middle of the answer to the next HTTP request.
    pub fn next_cut(&self) {
        self.plan(HttpFault::Cut);
    }

    /// Sends only the first half of the answer to the next HTTP request, as if it were all.
    pub fn next_truncated(&self) {
        self.plan(HttpFault::Truncated);
    }

    /// Ends the next call that is no login in an error with this `code` and this `error.data`.
    pub fn next_rpc_error(&self, code: i64, data: Value) {
        self.plan_call(None, RpcFault::Error(rpc_error(code, Some(data))));
    }

    /// Ends the next call of one method, which may be a login, in an error.
    pub fn next_rpc_error_of(&self, method: &str, code: i64, data: Value) {
        self.plan_call(Some(method), RpcFault::Error(rpc_error(code, Some(data))));
    }

    /// Gives the next call that is no login this result.
    pub fn next_rpc_result(&self, result: Value) {
        self.plan_call(None, RpcFault::Result(result));
    }

    /// Gives the next call of one method, which may be a login, this result.
    pub fn next_rpc_result_of(&self, method: &str, result: Value) {
        self.plan_call(Some(method), RpcFault::Result(result));
    }

    /// Breaks the connection instead of an answer to the next call that is no login.
    pub fn next_rpc_cut(&self) {
        self.plan_call(None, RpcFault::Cut);
    }

    /// Sends only the first half of the answer to the next call that is no login.
    pub fn next_rpc_truncated(&self) {
        self.plan_call(None, RpcFault::Truncated);
    }

    /// Leaves the next call that is no login without an answer.
    pub fn next_rpc_silence(&self) {
        self.plan_call(None, RpcFault::Silence);
    }

    /// Closes the next connection for JSON-RPC with this code as soon as it is open: 1008 is how
    /// the list of allowed addresses says no.
    pub fn next_close(&self, code: u16) {
        self.world().faults.closes.push_back(code);
    }

    /// Lets every answer come so much later. Those that are asked for at the same time come at the
    /// same time.
    pub fn delay_answers(&self, by: Duration) {
        self.world().faults.delay = by;
    }

    /// Lets every call of JSON-RPC take so long. Ten are made at a time, ten more have to wait, and
    /// the rest are refused. It counts for calls that are being made, too.
    pub fn slow_calls(&self, take: Duration) {
        self.world().faults.work = take;
    }

    /// Answers in clear at the port where everybody expects TLS, or in TLS again. Connections that
    /// there are fall.
    pub fn speak_plain_http(&self, plain: bool) {
        self.world().faults.no_tls = plain;
        self.cut_connections();
    }

    pub(in crate::truenas) fn speaks_tls(&self) -> bool {
        !self.world().faults.no_tls
    }

    fn plan(&self, fault: HttpFault) {
        self.world().faults.http.push_back(fault);
    }

    fn plan_call(&self, method: Option<&str>, fault: RpcFault) {
        self.world().faults.plan_call(method, fault);
    }
}
