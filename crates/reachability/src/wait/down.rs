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
    /// How long a host must have been silent, for two probes at least, to have rebooted if it
    /// answers steadily afterwards: [`failures`](Self::failures) times in a row, or until the
    /// deadline. A silence that was shorter is packets that got lost. No longer than the shortest
    /// reboot, or else one that is over sooner is not known from a host that never went down.
    pub reboot: Duration,
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
    /// Five silent probes and 90 s of silence; a reboot takes 5 s at least. A probe every second that may take three, for ten
    /// minutes.
    fn default() -> Self {
        Self {
            failures: 5,
            silence: Duration::from_secs(90),
            reboot: Duration::from_secs(5),
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
        "see {target} stay down: it rebooted; it was silent from {:.1} s to {:.1} s after the \
         beginning and then answered again, {answer}; it was told to restart rather than to switch \
         itself off, or something woke it",
        silent_after.as_secs_f64(),
        answered_after.as_secs_f64()
    )]
    #[non_exhaustive]
    Rebooted {
        /// What was asked.
        target: String,
        /// When the silence began, since the beginning of the wait.
        silent_after: Duration,
        /// When it answered again, since the beginning of the wait.
        answered_after: Duration,
        /// What it answered then.
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
            | Self::Rebooted { observations, .. }
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
/// A single lost answer is not a host that went down, and neither is it one that came back. One that
/// answers again after [`DownOptions::failures`] silent probes has [rebooted](NotDown::Rebooted), and
/// so has one that was silent for [`DownOptions::reboot`] and answers steadily since. A probe that
/// [learned nothing](Answer::Failed) is no evidence of either, and the silence starts over.
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
    // Whoever answers when the time is up, after a silence as of a reboot, has not gone down since.
    let verdict = ended
        .verdict
        .or_else(|| silence.gap.take().map(Verdict::Rebooted));
    match (verdict, last) {
        (Some(Verdict::Down), _) => Ok(Wait {
            took: ended.after,
            observations,
        }),
        (Some(Verdict::Rebooted(gap)), _) => Err(NotDown::Rebooted {
            target,
            silent_after: gap.silent_after,
            answered_after: gap.answered_after,
            answer: gap.answer,
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
    Rebooted(Gap),
}

/// A silence that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Gap {
    silent_after: Duration,
    answered_after: Duration,
    /// What ended it.
    answer: Answer,
    /// How many probes have been answered since, with none that was silent between them.
    answers: u32,
}

/// The run of silent probes that is going on, and the one before.
#[derive(Debug, Default)]
struct Silence {
    since: Option<Duration>,
    probes: u32,
    /// The last silence, if it was long enough for a reboot and has been over since.
    gap: Option<Gap>,
}

impl Silence {
    fn judge(&mut self, options: &DownOptions, seen: &Probed<'_>) -> ControlFlow<Verdict> {
        let failures = options.failures.max(1);
        if seen.answer.is_silent() {
            // From the question on nothing was heard, so the silence began no later.
            let since = *self.since.get_or_insert(seen.asked);
            self.gap = None;
            if seen.had_its_time {
                self.probes = self.probes.saturating_add(1);
            }
            let is_long_enough = seen.answered.saturating_sub(since) >= options.silence;
            if self.probes >= failures && is_long_enough {
                return ControlFlow::Break(Verdict::Down);
            }
            return ControlFlow::Continue(());
        }

        let probes = std::mem::take(&mut self.probes);
        let since = self.since.take();
        if !seen.answer.is_from_a_running_host() {
            return ControlFlow::Continue(());
        }
        if let Some(silent_after) = since {
            self.gap =
                is_like_a_reboot(options, probes, seen.answered.saturating_sub(silent_after)).then(
                    || Gap {
                        silent_after,
                        answered_after: seen.answered,
                        answer: seen.answer.clone(),
                        answers: 0,
                    },
                );
        }
        if let Some(gap) = &mut self.gap {
            gap.answers = gap.answers.saturating_add(1);
            if probes >= failures || gap.answers >= failures {
                return ControlFlow::Break(Verdict::Rebooted(gap.clone()));
            }
        }
        ControlFlow::Continue(())
    }

    fn lasted(&self, until: Duration) -> Option<Duration> {
        Some(until.saturating_sub(self.since?))
    }
}

/// Whether a silence of so many probes was longer than that of packets that got lost.
fn is_like_a_reboot(options: &DownOptions, probes: u32, lasted: Duration) -> bool {
    probes >= options.failures.max(1) || (probes >= 2 && lasted >= options.reboot)
}
