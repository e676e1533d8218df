//! Whether a TrueNAS says that it has started: its pools are there then, and its tasks run.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reachability::{Answer, Probe, TcpProbe};
use tokio::time::Instant;
use truenas_client::{ErrorKind, SystemState, TrueNas};

use crate::sentence;

/// How long a NAS is left alone that does not want to tell. What keeps it from telling, such as a
/// key that it does not know, does not pass within a second; and from 25.04 on TrueNAS takes 20
/// logins a minute.
const LEFT_ALONE: Duration = Duration::from_secs(10);

/// Asks a TrueNAS for its state (`truenas:URL`).
///
/// Whether anybody is there is asked before, and without the API: silence is what proves that a host
/// is off, and of a question that got no answer nobody knows how far it came.
#[derive(Debug)]
pub struct TrueNasProbe {
    target: String,
    port: TcpProbe,
    nas: Box<dyn TrueNas>,
    /// When it last did not want to tell, and what came of that.
    refused: Mutex<Option<(Instant, Answer)>>,
}

impl TrueNasProbe {
    /// Asks `nas`, which listens at this host and port.
    #[must_use]
    pub fn new(host: &str, port: u16, nas: Box<dyn TrueNas>) -> Self {
        Self {
            target: format!("truenas:{}", nas.url()),
            port: TcpProbe::new(host, port),
            nas,
            refused: Mutex::new(None),
        }
    }

    /// What there is to say without asking.
    fn refused_lately(&self) -> Option<Answer> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, answer) = refused.as_ref()?;
        (at.elapsed() < LEFT_ALONE).then(|| answer.clone())
    }

    fn is_refused(&self, answer: &Answer) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        *refused = Some((Instant::now(), answer.clone()));
    }
}

#[async_trait]
impl Probe for TrueNasProbe {
    fn target(&self) -> String {
        self.target.clone()
    }

    async fn probe(&self, timeout: Duration) -> Answer {
        let begun = Instant::now();
        let listens = self.port.probe(timeout).await;
        if !listens.is_up() {
            return listens;
        }
        if let Some(answer) = self.refused_lately() {
            return answer;
        }
        let left = timeout.saturating_sub(begun.elapsed());
        let not_ready = |detail: &str| Answer::NotReady {
            detail: detail.to_owned(),
        };
        match tokio::time::timeout(left, self.nas.state()).await {
            Ok(Ok(SystemState::Ready)) => Answer::Up {
                detail: "it says that it is ready".to_owned(),
            },
            Ok(Ok(SystemState::Booting)) => not_ready("it says that it is booting"),
            Ok(Ok(SystemState::ShuttingDown)) => not_ready("it says that it is shutting down"),
            Ok(Ok(other)) => not_ready(&format!("it says {other:?}")),
            // A web server that is up before what stands behind it answers so.
            Ok(Err(error))
                if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Server) =>
            {
                not_ready(&sentence::failed_to(&error))
            }
            Ok(Err(error)) => {
                let answer = Answer::Failed {
                    reason: sentence::failed_to(&error),
                };
                self.is_refused(&answer);
                answer
            }
            Err(_) => not_ready("its API does not answer yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use truenas_client::{MockTrueNas, TrueNasError};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn nas(state: impl Fn() -> Result<SystemState, TrueNasError> + Send + 'static) -> MockTrueNas {
        let mut nas = MockTrueNas::new();
        nas.expect_url().return_const("https://nas");
        nas.expect_state().returning(state);
        nas
    }

    async fn answer(
        state: impl Fn() -> Result<SystemState, TrueNasError> + Send + 'static,
    ) -> Answer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let probe = TrueNasProbe::new("127.0.0.1", port, Box::new(nas(state)));
        assert_eq!(probe.target(), "truenas:https://nas");
        probe.probe(TIMEOUT).await
    }

    #[tokio::test]
    async fn only_ready_is_up() {
        assert!(answer(|| Ok(SystemState::Ready)).await.is_up());
        for state in [
            SystemState::Booting,
            SystemState::ShuttingDown,
            SystemState::Other("DREAMING".to_owned()),
        ] {
            let answer = answer(move || Ok(state.clone())).await;
            assert!(matches!(answer, Answer::NotReady { .. }), "{answer}");
        }
    }

    #[tokio::test]
    async fn a_starting_web_server_is_not_ready_and_a_wrong_key_teaches_nothing() {
        let request = || "GET https://nas/api/v2.0/system/state".to_owned();
        let starting = answer(move || {
            Err(TrueNasError::Server {
                request: request(),
                status: 502,
                message: String::new(),
                traceback: None,
            })
        });
        assert!(matches!(starting.await, Answer::NotReady { .. }));
        let denied = answer(move || Err(TrueNasError::Unauthorized { request: request() })).await;
        assert!(matches!(denied, Answer::Failed { .. }), "{denied}");
    }

    #[tokio::test]
    async fn a_nas_that_does_not_want_to_tell_is_asked_seldom() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut nas = MockTrueNas::new();
        nas.expect_url().return_const("https://nas");
        let request = || "auth.login_ex at https://nas".to_owned();
        nas.expect_state()
            .times(2)
            .returning(move || Err(TrueNasError::Unauthorized { request: request() }));
        let probe = TrueNasProbe::new("127.0.0.1", port, Box::new(nas));
        let first = probe.probe(TIMEOUT).await;
        for _ in 0..5 {
            assert_eq!(probe.probe(TIMEOUT).await, first);
        }
        tokio::time::pause();
        tokio::time::advance(LEFT_ALONE).await;
        tokio::time::resume();
        assert_eq!(probe.probe(TIMEOUT).await, first);
    }

    #[tokio::test]
    async fn a_port_at_which_nobody_listens_is_refused_without_a_question() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut nas = MockTrueNas::new();
        nas.expect_url().return_const("https://nas");
        nas.expect_state().never();
        let probe = TrueNasProbe::new("127.0.0.1", port, Box::new(nas));
        assert_eq!(probe.probe(TIMEOUT).await, Answer::Refused);
    }
}
