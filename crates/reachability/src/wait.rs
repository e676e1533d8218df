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

/// One answer, and when it came.
///
/// In JSON, `after` is `after_seconds`, a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// How long after the beginning of the wait the answer came.
    #[serde(rename = "after_seconds", with = "seconds")]
    pub after: Duration,
    /// What was asked, as [`Probe::target`](crate::Probe::target) names it.
    pub target: String,
    /// What it said.
    pub answer: Answer,
}

impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            after,
            target,
            answer,
        } = self;
        write!(f, "after {:.1} s: {target}: {answer}", after.as_secs_f64())
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
    /// The first answer, each that differed from the one before, and the last: oldest first, and
    /// never more than 32. Of a host that keeps changing its mind, the middle is left out.
    pub observations: Vec<Observation>,
}

/// What is remembered of the answers so far. See [`Wait::observations`].
#[derive(Debug, Default)]
struct History {
    changes: Vec<Observation>,
    /// The newest observation, unless it is itself the newest change.
    newest: Option<Observation>,
}

impl History {
    const MOST: usize = 32;

    fn add(&mut self, observation: &Observation) {
        match self.changes.last() {
            Some(last) if last.answer == observation.answer => {
                self.newest = Some(observation.clone());
            }
            _ => {
                // One place is kept for the newest observation.
                if self.changes.len() + 1 >= Self::MOST {
                    self.changes.remove(Self::MOST / 2);
                }
                self.changes.push(observation.clone());
                self.newest = None;
            }
        }
    }

    fn last(&self) -> Option<&Observation> {
        self.newest.as_ref().or(self.changes.last())
    }

    fn into_observations(self) -> Vec<Observation> {
        let mut observations = self.changes;
        observations.extend(self.newest);
        observations
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
