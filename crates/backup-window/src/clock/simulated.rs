//! A clock that follows tokio's time, so that pausing the one pauses the other.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::Clock;

/// Starts at a chosen time and advances with `tokio::time`: under a paused runtime it stands still
/// until something waits, and then jumps.
#[derive(Debug, Clone, Copy)]
pub struct SimulatedClock {
    begin: Timestamp,
    started: Instant,
}

impl SimulatedClock {
    /// A clock that shows `begin` now.
    #[must_use]
    pub fn starting_at(begin: Timestamp) -> Self {
        Self {
            begin,
            started: Instant::now(),
        }
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        let elapsed =
            SignedDuration::try_from(self.started.elapsed()).unwrap_or(SignedDuration::MAX);
        self.begin.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_hour_passes_at_once_and_is_seen() {
        let begin: Timestamp = "2026-11-23T01:45:00Z".parse().unwrap();
        let clock = SimulatedClock::starting_at(begin);
        assert_eq!(clock.now(), begin);
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(clock.now().to_string(), "2026-11-23T02:45:00Z");
    }
}
