//! The loop that both waits share.

use std::ops::ControlFlow;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use tracing::debug;

use super::History;
use crate::{Answer, Observation, Probe};

/// How often to ask, and for how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) deadline: Duration,
}

/// One answer with what is needed to judge it.
#[derive(Debug)]
pub(super) struct Probed<'a> {
    /// When the question was asked, since the beginning of the wait.
    pub(super) asked: Duration,
    /// When the answer came, since the beginning of the wait.
    pub(super) answered: Duration,
    pub(super) answer: &'a Answer,
    /// Whether the probe had its whole timeout. One that the deadline cut short may be silent
    /// only because it was not given the time to hear the answer.
    pub(super) had_its_time: bool,
}

/// How the loop ended: with a verdict, or at the deadline.
#[derive(Debug)]
pub(super) struct Ended<T> {
    pub(super) verdict: Option<T>,
    pub(super) after: Duration,
    pub(super) history: History,
}

/// Asks until `judge` breaks or the deadline passes. At least one question is asked.
pub(super) async fn ask_until<T>(
    probe: &dyn Probe,
    pace: Pace,
    on_observation: &mut (dyn FnMut(&Observation) + Send),
    mut judge: impl FnMut(Probed<'_>) -> ControlFlow<T> + Send,
) -> Ended<T> {
    /// A pause this long keeps a probe that answers at once from taking a whole processor.
    const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

    let begin = Instant::now();
    let interval = pace.interval.max(SHORTEST_INTERVAL);
    let mut history = History::default();
    loop {
        let asked = begin.elapsed();
        let left = pace.deadline.saturating_sub(asked);
        let answer = ask(probe, pace.timeout.min(left)).await;
        let observation = Observation::new(begin.elapsed(), probe.target(), answer);
        debug!(target_asked = %observation.target, answer = %observation.answer, "probed");
        history.add(&observation);
        on_observation(&observation);

        let verdict = judge(Probed {
            asked,
            answered: observation.after,
            answer: &observation.answer,
            had_its_time: left >= pace.timeout,
        });
        if let ControlFlow::Break(verdict) = verdict {
            return Ended {
                verdict: Some(verdict),
                after: observation.after,
                history,
            };
        }

        // Measured from question to question: a host that takes its time to answer is not asked
        // less often for it.
        sleep_until(begin + (asked + interval).min(pace.deadline)).await;
        if begin.elapsed() >= pace.deadline {
            return Ended {
                verdict: None,
                after: begin.elapsed(),
                history,
            };
        }
    }
}

/// Asks once, and does not rely on the probe to end in time: a wait without an end is worse than
/// a probe that breaks its contract.
async fn ask(probe: &dyn Probe, time: Duration) -> Answer {
    const GRACE: Duration = Duration::from_secs(1);
    match timeout(time + GRACE, probe.probe(time)).await {
        Ok(answer) => answer,
        Err(_) => Answer::Failed {
            reason: format!("the probe did not end within its {time:?}"),
        },
    }
}
