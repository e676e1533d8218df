//! Waiting until a host is up.

use std::ops::ControlFlow;
use std::time::Duration;

use super::Wait;
use super::pace::{Pace, ask_until};
use crate::{Answer, Observation, Probe};

/// What it takes to call a host up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpOptions {
    /// How many probes in a row must find it up. At least 1; 0 means 1.
    pub successes: u32,
    /// From the beginning of one probe to the beginning of the next, if the first ended by then.
    /// No shorter than 10 ms, whatever is given.
    pub interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
    /// How long the whole wait may take. The last probe gets what is left of it.
    pub deadline: Duration,
}

impl Default for UpOptions {
    /// One success, a probe every second that may take three, for ten minutes.
    fn default() -> Self {
        Self {
            successes: 1,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(3),
            deadline: Duration::from_mins(10),
        }
    }
}

/// The deadline passed, and the host was not up.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "see {target} up within {} s; the last answer was: {}",
    deadline.as_secs_f64(),
    last_of(observations)
)]
#[non_exhaustive]
pub struct DeadlinePassed {
    /// What was asked.
    pub target: String,
    /// How long it was waited for.
    pub deadline: Duration,
    /// What was seen; see [`Wait::observations`].
    pub observations: Vec<Observation>,
}

impl DeadlinePassed {
    /// The last answer.
    #[must_use]
    pub fn last(&self) -> Option<&Answer> {
        self.observations.last().map(|seen| &seen.answer)
    }
}

fn last_of(observations: &[Observation]) -> String {
    observations
        .last()
        .map_or_else(String::new, |seen| seen.answer.to_string())
}

/// Asks until the host is up: until [`UpOptions::successes`] probes in a row say so.
///
/// `on_observation` hears every answer, also those that the result leaves out. Dropping the
/// future ends the wait.
///
/// # Errors
///
/// [`DeadlinePassed`] when it was not up in time.
pub async fn wait_until_up(
    probe: &dyn Probe,
    options: &UpOptions,
    on_observation: &mut (dyn FnMut(&Observation) + Send),
) -> Result<Wait, DeadlinePassed> {
    let pace = Pace {
        interval: options.interval,
        timeout: options.timeout,
        deadline: options.deadline,
    };
    let needed = options.successes.max(1);
    let mut run = 0;
    let ended = ask_until(probe, pace, on_observation, |seen| {
        run = if seen.answer.is_up() { run + 1 } else { 0 };
        if run >= needed {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .await;

    let observations = ended.history.into_observations();
    match ended.verdict {
        Some(()) => Ok(Wait {
            took: ended.after,
            observations,
        }),
        None => Err(DeadlinePassed {
            target: probe.target(),
            deadline: options.deadline,
            observations,
        }),
    }
}
