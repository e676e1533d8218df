//! Several probes, asked again and again: ready means that all of them are answered.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use futures_util::stream::FuturesUnordered;
use reachability::{Answer, History, Observation, Probe};
use tokio::time::Instant;

/// What all probes said when they were asked together.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// How many looks there were before this one.
    number: usize,
    /// Whether there were none.
    pub(super) is_first: bool,
    /// What each probe said.
    pub(super) answers: Vec<Answer>,
    ended: Instant,
}

impl Look {
    /// Whether everything answered as it should.
    pub(super) fn is_up(&self) -> bool {
        self.answers.iter().all(Answer::is_up)
    }

    /// Whether anything came back from the host: it runs, whatever its services do.
    pub(super) fn hears_a_running_host(&self) -> bool {
        self.answers.iter().any(Answer::is_from_a_running_host)
    }

    /// Whether nothing came back, and every question could be asked.
    pub(super) fn is_silent(&self) -> bool {
        self.answers.iter().all(Answer::is_silent)
    }

    /// What was missing.
    pub(super) fn shown(&self) -> String {
        let mut shown: Vec<String> = self
            .answers
            .iter()
            .filter(|answer| !answer.is_up())
            .map(ToString::to_string)
            .collect();
        shown.dedup();
        shown.join("; ")
    }
}

/// The probes, and the looks that have begun.
pub(super) struct Asking<'a> {
    probes: &'a [Box<dyn Probe>],
    looks: FuturesUnordered<BoxFuture<'a, Look>>,
    begun: Instant,
    asked: usize,
    /// The newest look that has ended. Looks overlap, and an older one may end later.
    newest: Option<Look>,
    /// What each probe said, in looks that were the newest when they ended.
    histories: Vec<History>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(probes: &'a [Box<dyn Probe>]) -> Self {
        Self {
            probes,
            looks: FuturesUnordered::new(),
            begun: Instant::now(),
            asked: 0,
            newest: None,
            histories: vec![History::default(); probes.len()],
        }
    }

    /// Begins a look in which each probe may take this long.
    pub(super) fn ask(&mut self, timeout: Duration) {
        let number = self.asked;
        self.asked += 1;
        let probes = self.probes;
        let look = async move {
            let answers = probes.iter().map(|probe| ask_one(probe.as_ref(), timeout));
            Look {
                number,
                is_first: number == 0,
                answers: join_all(answers).await,
                ended: Instant::now(),
            }
        };
        self.looks.push(look.boxed());
    }

    /// The next look that ends, or `None` when none has begun.
    pub(super) async fn next(&mut self) -> Option<Look> {
        let look = self.looks.next().await?;
        let is_newer = |newest: &Look| newest.number < look.number;
        if self.newest.as_ref().is_none_or(is_newer) {
            let after = look.ended.duration_since(self.begun);
            let said = self.probes.iter().zip(&look.answers);
            for (history, (probe, answer)) in self.histories.iter_mut().zip(said) {
                history.add(&Observation::new(after, probe.target(), answer.clone()));
            }
            self.newest = Some(look.clone());
        }
        Some(look)
    }

    /// Whether the newest look heard the host.
    pub(super) fn hears_a_running_host(&self) -> bool {
        self.newest.as_ref().is_some_and(Look::hears_a_running_host)
    }

    /// What is asked.
    pub(super) fn target(&self) -> String {
        self.targets().collect::<Vec<_>>().join(" and ")
    }

    /// What each probe asks.
    pub(super) fn targets(&self) -> impl Iterator<Item = String> + '_ {
        self.probes.iter().map(|probe| probe.target())
    }

    /// What each probe said so far.
    pub(super) fn histories(&self) -> &[History] {
        &self.histories
    }

    /// What each probe said last, and how long after the beginning.
    pub(super) fn last_answers(&self) -> Vec<(String, Duration, Answer)> {
        let Some(newest) = &self.newest else {
            return Vec::new();
        };
        let after = newest.ended.duration_since(self.begun);
        self.targets()
            .zip(&newest.answers)
            .map(|(target, answer)| (target, after, answer.clone()))
            .collect()
    }
}

/// Asks once, and does not rely on the probe to end in time.
async fn ask_one(probe: &dyn Probe, timeout: Duration) -> Answer {
    const GRACE: Duration = Duration::from_secs(1);
    tokio::time::timeout(timeout + GRACE, probe.probe(timeout))
        .await
        .unwrap_or_else(|_| Answer::Failed {
            reason: format!("the probe did not end within its {timeout:?}"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answers: &[Answer]) -> Look {
        Look {
            number: 0,
            is_first: true,
            answers: answers.to_vec(),
            ended: Instant::now(),
        }
    }

    fn up() -> Answer {
        Answer::Up {
            detail: "x".to_owned(),
        }
    }

    #[tokio::test]
    async fn it_is_up_only_when_all_are() {
        assert!(of(&[up(), up()]).is_up());
        let one_is_missing = of(&[up(), Answer::Refused]);
        assert!(!one_is_missing.is_up());
        assert!(one_is_missing.shown().starts_with("refused"));
    }

    #[tokio::test]
    async fn one_answer_is_enough_to_know_that_the_host_is_not_off() {
        assert!(of(&[up(), Answer::Silent]).hears_a_running_host());
        assert!(!of(&[up(), Answer::Silent]).is_silent());
        assert!(of(&[Answer::Silent, Answer::Silent]).is_silent());
    }

    #[tokio::test]
    async fn what_taught_nothing_is_not_silence() {
        let failed = Answer::Failed {
            reason: "no such name".to_owned(),
        };
        let look = of(&[Answer::Silent, failed]);
        assert!(!look.is_silent());
        assert!(!look.hears_a_running_host());
        assert!(look.shown().contains("no such name"));
    }
}
