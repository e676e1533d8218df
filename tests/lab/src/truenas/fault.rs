//! What goes wrong because a test wants it to.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;

/// What happens to one HTTP request.
#[derive(Debug)]
pub(super) enum HttpFault {
    /// It gets another answer than the right one.
    Answer {
        status: u16,
        location: Option<String>,
        body: String,
    },
    /// The connection breaks in the middle of the right answer.
    Cut,
    /// The right answer ends early, as if that were all of it.
    Truncated,
}

/// What happens to one call of JSON-RPC.
#[derive(Debug, Clone)]
pub(super) enum RpcFault {
    /// It ends in this `error`.
    Error(Value),
    /// It has this result.
    Result(Value),
    /// The connection breaks instead of an answer.
    Cut,
    /// The answer ends early, as if that were all of it.
    Truncated,
    /// There is no answer, and the connection stays.
    Silence,
}

#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) http: VecDeque<HttpFault>,
    /// For calls of one method, or of any that is no login.
    calls: VecDeque<(Option<String>, RpcFault)>,
    /// Codes with which the next connections are closed as soon as they are open.
    pub(super) closes: VecDeque<u16>,
    /// Every answer comes so much later.
    pub(super) delay: Duration,
    /// Every call of JSON-RPC takes so long, and counts as being made as long as it does.
    pub(super) work: Duration,
    /// The port for TLS speaks clear.
    pub(super) no_tls: bool,
}

impl Faults {
    pub(super) fn plan_call(&mut self, method: Option<&str>, fault: RpcFault) {
        self.calls.push_back((method.map(str::to_owned), fault));
    }

    /// What is to happen to a call of this method.
    pub(super) fn of_call(&mut self, method: &str) -> Option<RpcFault> {
        let fits = |planned: &Option<String>| match planned {
            Some(planned) => planned == method,
            None => !method.starts_with("auth."),
        };
        let index = self.calls.iter().position(|(planned, _)| fits(planned))?;
        self.calls.remove(index).map(|(_, fault)| fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_for_a_call_that_it_is_meant_for() {
        let mut faults = Faults::default();
        faults.plan_call(None, RpcFault::Cut);
        faults.plan_call(Some("auth.login_ex"), RpcFault::Truncated);
        assert!(matches!(
            faults.of_call("auth.login_ex"),
            Some(RpcFault::Truncated)
        ));
        assert!(faults.of_call("auth.login_ex").is_none());
        assert!(matches!(faults.of_call("core.ping"), Some(RpcFault::Cut)));
        assert!(faults.of_call("core.ping").is_none());
    }
}
