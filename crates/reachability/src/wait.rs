//! Asking again and again until the answers prove something.

mod down;
mod pace;
mod up;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use down::{DownOptions, NotDown, wait_until_down};
pub use up::{DeadlinePassed, UpOptions, wait_until_up};

use crate::Answer;

/// An answer that was given, once or several times in a row, and when.
///
/// In JSON, `after` is `after_seconds` and `until` is `until_seconds`, both numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Observation {
    /// How long after the beginning of the wait the answer came for the first time.
    #[serde(rename = "after_seconds", with = "seconds")]
    pub after: Duration,
    /// How long after the beginning of the wait it came for the last time in a row.
    #[serde(rename = "until_seconds", with = "seconds")]
    pub until: Duration,
    /// How many times in a row it came.
    pub times: u64,
    /// What was asked, as [`Probe::target`](crate::Probe::target) names it.
    pub target: String,
    /// What it said.
    pub answer: Answer,
}

impl Observation {
    /// An answer that has come once.
    #[must_use]
    pub const fn new(after: Duration, target: String, answer: Answer) -> Self {
        Self {
            after,
            until: after,
            times: 1,
            target,
            answer,
        }
    }
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            after,
            until,
            times,
            target,
            answer,
        } = self;
        write!(f, "after {:.1} s", after.as_secs_f64())?;
        if *times > 1 {
            write!(f, " until {:.1} s, {times} times", until.as_secs_f64())?;
        }
        write!(f, ": {target}: {answer}")
    }
}

/// The end of a wait that got what it waited for, with what it saw.
///
/// In JSON, `took` is `took_seconds`, a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Wait {
    /// From the beginning of the wait to the answer that decided it.
    #[serde(rename = "took_seconds", with = "seconds")]
    pub took: Duration,
    /// All answers, oldest first, as [`History`] keeps them.
    pub observations: Vec<Observation>,
}

/// The answers of one probe so far, for those who keep them while they ask.
///
/// Equal ones in a row are one, with their number; and there are never more than 64, so of a host
/// that keeps changing its mind, the middle is left out.
#[derive(Debug, Clone, Default)]
pub struct History {
    runs: Vec<Observation>,
}

impl History {
    const MOST: usize = 64;

    /// Adds the newest answer.
    pub fn add(&mut self, observation: &Observation) {
        match self.runs.last_mut() {
            Some(last) if last.answer == observation.answer => {
                last.until = observation.until;
                last.times = last.times.saturating_add(1);
            }
            _ => {
                if self.runs.len() >= Self::MOST {
                    self.runs.remove(Self::MOST / 2);
                }
                self.runs.push(observation.clone());
            }
        }
    }

    /// The newest answer.
    #[must_use]
    pub fn last(&self) -> Option<&Observation> {
        self.runs.last()
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn observations(&self) -> &[Observation] {
        &self.runs
    }

    fn into_observations(self) -> Vec<Observation> {
        self.runs
    }
}

/// Durations in JSON: seconds as a number, because that is what people and scripts read.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
