//! The clock of a NAS, as far as it can be known from here.
//!
//! Snapshots carry the time of the NAS that took them. To know whether one was taken after the
//! backup had ended, that end must be told in the NAS's time, and the two clocks differ.

use jiff::{SignedDuration, Timestamp};
use truenas_client::{TrueNas, TrueNasError};

use crate::clock::Clock;

/// How far the clock of a NAS is ahead of ours, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NasClock {
    ahead_at_most: SignedDuration,
}

impl NasClock {
    /// Asks the NAS for its time.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask(nas: &dyn TrueNas, clock: &dyn Clock) -> Result<Self, TrueNasError> {
        let asked = clock.now();
        let shown = nas.system().await?.datetime;
        Ok(Self::from_answer(asked, shown))
    }

    /// From what the NAS showed when it was asked.
    pub(crate) fn from_answer(asked: Timestamp, shown: Timestamp) -> Self {
        // The NAS may tell its time in whole seconds, cut off. Its clock was therefore at most a
        // second further than it said, at a moment not before we asked. Erring to this side makes
        // us wait for a later snapshot, never accept one that is too early.
        Self {
            ahead_at_most: shown.duration_since(asked) + SignedDuration::from_secs(1),
        }
    }

    /// The time that the NAS showed, at the latest, when our clock showed `ours`.
    #[must_use]
    pub fn at_the_latest(self, ours: Timestamp) -> Timestamp {
        ours.saturating_add(self.ahead_at_most)
            .unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nas_that_is_behind_and_one_that_is_ahead_are_both_understood() {
        let asked: Timestamp = "2026-11-23T02:00:00Z".parse().unwrap();
        let ended: Timestamp = "2026-11-23T01:59:00Z".parse().unwrap();
        let behind = NasClock::from_answer(asked, "2026-11-23T01:55:00Z".parse().unwrap());
        assert_eq!(
            behind.at_the_latest(ended).to_string(),
            "2026-11-23T01:54:01Z"
        );
        let ahead = NasClock::from_answer(asked, "2026-11-23T02:05:00Z".parse().unwrap());
        assert_eq!(
            ahead.at_the_latest(ended).to_string(),
            "2026-11-23T02:04:01Z"
        );
    }
}
