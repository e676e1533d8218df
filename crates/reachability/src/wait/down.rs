//! Waiting until a host is down, and stays so.

use std::ops::ControlFlow;
use std::time::Duration;

use super::Wait;
use super::pace::{Pace, Probed, ask_until};
use crate::{Answer, Observation, Probe};

/// What it takes to call a host down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownOptions {
    /// How many probes in a row must be [silent](Answer::Silent). At least 1; 0 means 1.
    pub failures: u32,
    /// How long it must stay silent, from the first of those probes. Longer than the host needs to
    /// boot, or else one that reboots is taken for one that is off.
    pub silence: Duration,
    /// From the beginning of one probe to the beginning of the next, if the first ended by then.
    /// No shorter than 10 ms, whatever is given.
    pub interval: Duration,
    /// How long one probe may take before it counts as silent.
    pub timeout: Duration,
    /// How long the whole wait may take: longer than the host needs to shut down and `silence`
    /// together.
    pub deadline: Duration,
}

impl Default for DownOptions {
    /// Five silent probes and 90 s of silence, a probe every second that may take three, for ten
    /// minutes.
    fn default() -> Self {
        Self {
            failures: 5,
            silence: Duration::from_secs(90),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(3),
            deadline: Duration::from_mins(10),
        }
    }
}

/// The host is not down, or that is not proven.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotDown {
    /// It still answered when the deadline passed.
    #[error(
        "see {target} go down within {} s: it still answers, {last}",
        deadline.as_secs_f64()
    )]
    #[non_exhaustive]
    StillUp {
        /// What was asked.
        target: String,
        /// How long it was waited for.
        deadline: Duration,
        /// Its last answer.
        last: Answer,
        /// What was seen; see [`Wait::observations`].
        observations: Vec<Observation>,
    },

    /// It was silent as if it were down, then answered again: it rebooted, or something woke it.
    #[error(
        "see {target} stay down: after {:.1} s of silence it answered again, {answer}; \
         it was rebooted rather than switched off, or something woke it",
        silent_for.as_secs_f64()
    )]
    #[non_exhaustive]
    CameBack {
        /// What was asked.
        target: String,
        /// How long it had been silent.
        silent_for: Duration,
        /// What it answered.
        answer: Answer,
        /// What was seen; see [`Wait::observations`].
        observations: Vec<Observation>,
    },

    /// It did not answer when the deadline passed, but had not been silent for long enough either.
    #[error(
        "be sure within {} s that {target} is down: {}, the last answer was: {last}",
        deadline.as_secs_f64(),
        silent_text(*silent_for)
    )]
    #[non_exhaustive]
    Deadline {
        /// What was asked.
        target: String,
        /// How long it was waited for.
        deadline: Duration,
        /// How long it had been silent by then; `None` if the last probe learned nothing.
        silent_for: Option<Duration>,
        /// The last answer.
        last: Answer,
        /// What was seen; see [`Wait::observations`].
        observations: Vec<Observation>,
    },
}

impl NotDown {
    /// What was seen; see [`Wait::observations`].
    #[must_use]
    pub fn observations(&self) -> &[Observation] {
        match self {
            Self::StillUp { observations, .. }
            | Self::CameBack { observations, .. }
            | Self::Deadline { observations, .. } => observations,
        }
    }
}

fn silent_text(silent_for: Option<Duration>) -> String {
    silent_for.map_or_else(
        || "it was not silent".to_owned(),
        |silent| format!("it has been silent for only {:.1} s", silent.as_secs_f64()),
    )
}

/// Asks until the host is down: until enough probes in a row were silent *and* it has been silent
/// for long enough, as [`DownOptions`] say.
///
/// A single lost answer is not a host that went down: only one that was silent for
/// [`DownOptions::failures`] probes and answers then has [come back](NotDown::CameBack). A probe
/// that [learned nothing](Answer::Failed) is no evidence of either, and the silence starts over.
///
/// `on_observation` hears every answer, also those that the result leaves out. Dropping the
/// future ends the wait.
///
/// # Errors
///
/// [`NotDown`] with what was seen instead.
pub async fn wait_until_down(
    probe: &dyn Probe,
    options: &DownOptions,
    on_observation: &mut (dyn FnMut(&Observation) + Send),
) -> Result<Wait, NotDown> {
    let pace = Pace {
        interval: options.interval,
        timeout: options.timeout,
        deadline: options.deadline,
    };
    let mut silence = Silence::default();
    let ended = ask_until(probe, pace, on_observation, |seen| {
        silence.judge(options, &seen)
    })
    .await;

    let target = probe.target();
    let last = ended.history.last().cloned();
    let observations = ended.history.into_observations();
    match (ended.verdict, last) {
        (Some(Verdict::Down), _) => Ok(Wait {
            took: ended.after,
            observations,
        }),
        (Some(Verdict::CameBack { silent_for, answer }), _) => Err(NotDown::CameBack {
            target,
            silent_for,
            answer,
            observations,
        }),
        (None, Some(last)) if last.answer.is_from_a_running_host() => Err(NotDown::StillUp {
            target,
            deadline: options.deadline,
            last: last.answer,
            observations,
        }),
        (None, last) => Err(NotDown::Deadline {
            target,
            deadline: options.deadline,
            silent_for: silence.lasted(ended.after),
            last: last.map_or(Answer::Silent, |seen| seen.answer),
            observations,
        }),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Down,
    CameBack {
        silent_for: Duration,
        answer: Answer,
    },
}

/// The run of silent probes that is going on.
#[derive(Debug, Default)]
struct Silence {
    since: Option<Duration>,
    probes: u32,
}

impl Silence {
    fn judge(&mut self, options: &DownOptions, seen: &Probed<'_>) -> ControlFlow<Verdict> {
        let failures = options.failures.max(1);
        if seen.answer.is_silent() {
            // From the question on nothing was heard, so the silence began no later.
            let since = *self.since.get_or_insert(seen.asked);
            if seen.had_its_time {
                self.probes = self.probes.saturating_add(1);
            }
            let is_long_enough = seen.answered.saturating_sub(since) >= options.silence;
            if self.probes >= failures && is_long_enough {
                return ControlFlow::Break(Verdict::Down);
            }
            return ControlFlow::Continue(());
        }

        let before = std::mem::take(self);
        if before.probes >= failures && seen.answer.is_from_a_running_host() {
            return ControlFlow::Break(Verdict::CameBack {
                silent_for: before.lasted(seen.answered).unwrap_or_default(),
                answer: seen.answer.clone(),
            });
        }
        ControlFlow::Continue(())
    }

    fn lasted(&self, until: Duration) -> Option<Duration> {
        Some(until.saturating_sub(self.since?))
    }
}
