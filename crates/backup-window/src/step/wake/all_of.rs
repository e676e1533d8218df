//! Several probes as one: ready means that all of them are answered.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use reachability::{Answer, Probe};

/// Is answered when all of its probes are.
#[derive(Debug)]
pub struct AllOf(Vec<Box<dyn Probe>>);

impl AllOf {
    /// All of `probes`. An empty list is always up, which is why callers must not make one.
    #[must_use]
    pub fn new(probes: Vec<Box<dyn Probe>>) -> Self {
        Self(probes)
    }
}

#[async_trait]
impl Probe for AllOf {
    fn target(&self) -> String {
        self.0
            .iter()
            .map(|probe| probe.target())
            .collect::<Vec<_>>()
            .join(" and ")
    }

    /// The host is silent only if none of the probes hears anything; it is up only if all are
    /// answered; in between, the answer that is missing is given.
    async fn probe(&self, timeout: Duration) -> Answer {
        let answers = join_all(self.0.iter().map(|probe| probe.probe(timeout))).await;
        if answers.iter().all(Answer::is_up) {
            let details = answers.iter().filter_map(|answer| match answer {
                Answer::Up { detail } => Some(detail.as_str()),
                _ => None,
            });
            return Answer::Up {
                detail: details.collect::<Vec<_>>().join("; "),
            };
        }
        if answers.iter().any(Answer::is_from_a_running_host) {
            return answers
                .into_iter()
                .find(|answer| !answer.is_up() && !answer.is_silent())
                .unwrap_or(Answer::Mute);
        }
        answers
            .into_iter()
            .find(|answer| !answer.is_silent())
            .unwrap_or(Answer::Silent)
    }
}

#[cfg(test)]
mod tests {
    use reachability::MockProbe;

    use super::*;

    async fn of(answers: &[Answer]) -> Answer {
        let probes = answers
            .iter()
            .map(|answer| {
                let answer = answer.clone();
                let mut probe = MockProbe::new();
                probe.expect_probe().return_once(move |_| answer);
                Box::new(probe) as Box<dyn Probe>
            })
            .collect();
        AllOf::new(probes).probe(Duration::from_secs(1)).await
    }

    #[tokio::test]
    async fn it_is_up_only_when_all_are() {
        let up = |detail: &str| Answer::Up {
            detail: detail.to_owned(),
        };
        assert_eq!(of(&[up("a"), up("b")]).await, up("a; b"));
        assert_eq!(of(&[up("a"), Answer::Refused]).await, Answer::Refused);
    }

    #[tokio::test]
    async fn one_answer_is_enough_to_know_that_the_host_is_not_off() {
        let up = Answer::Up {
            detail: String::new(),
        };
        assert!(of(&[up, Answer::Silent]).await.is_from_a_running_host());
        assert_eq!(of(&[Answer::Silent, Answer::Silent]).await, Answer::Silent);
    }

    #[tokio::test]
    async fn what_taught_nothing_is_not_silence() {
        let failed = Answer::Failed {
            reason: "no such name".to_owned(),
        };
        assert_eq!(of(&[Answer::Silent, failed.clone()]).await, failed);
    }
}
