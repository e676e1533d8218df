//! A replication that says that it runs, and does not get on.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use truenas_client::{Progress, TaskState};

/// Notices when a running task stands still.
///
/// TrueNAS renews the time of a running task whenever it gets on. A task whose time and progress
/// stay the same for long does nothing, whatever it says: an error inside TrueNAS can leave one so.
#[derive(Debug)]
pub(super) struct Stall {
    after: Duration,
    seen: Option<Standing>,
}

/// A task as it was when it was last seen to have got on.
#[derive(Debug)]
struct Standing {
    at: Option<Timestamp>,
    progress: Option<Progress>,
    since: Instant,
    since_by_clock: Timestamp,
    told: bool,
}

impl Stall {
    /// A task stands still when nothing has moved for `after`.
    pub(super) fn new(after: Duration) -> Self {
        Self { after, seen: None }
    }

    /// Takes in what the task says now. Gives the time since which nothing has moved, once, when it
    /// has become too long: by the clock of the NAS where that tells it, else by ours, which shows
    /// `clock`.
    pub(super) fn observe(
        &mut self,
        state: &TaskState,
        now: Instant,
        clock: Timestamp,
    ) -> Option<Timestamp> {
        let TaskState::Running { at, progress } = state else {
            self.seen = None;
            return None;
        };
        let stands = self
            .seen
            .as_ref()
            .is_some_and(|seen| seen.at == *at && seen.progress == *progress);
        if !stands {
            self.seen = Some(Standing {
                at: *at,
                progress: progress.clone(),
                since: now,
                since_by_clock: clock,
                told: false,
            });
        }
        let seen = self.seen.as_mut()?;
        if seen.told || now < seen.since + self.after {
            return None;
        }
        seen.told = true;
        Some(seen.time())
    }

    /// When it will have stood still for too long, unless it gets on.
    pub(super) fn due(&self) -> Option<Instant> {
        let seen = self.seen.as_ref().filter(|seen| !seen.told)?;
        Some(seen.since + self.after)
    }

    /// The time since which nothing has moved, if that is too long.
    pub(super) fn since(&self) -> Option<Timestamp> {
        let seen = self.seen.as_ref().filter(|seen| seen.told)?;
        Some(seen.time())
    }
}

impl Standing {
    fn time(&self) -> Timestamp {
        self.at.unwrap_or(self.since_by_clock)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const AFTER: Duration = Duration::from_mins(10);
    const ALMOST: Duration = Duration::from_secs(10 * 60 - 1);

    fn running(at: Option<i64>, sent_bytes: u64) -> TaskState {
        let mut progress = Progress::default();
        progress.sent_bytes = Some(sent_bytes);
        TaskState::Running {
            at: at.map(|second| Timestamp::from_second(second).unwrap()),
            progress: Some(progress),
        }
    }

    fn observe(stall: &mut Stall, state: &TaskState) -> Option<i64> {
        let ours = Timestamp::from_second(999).unwrap();
        stall
            .observe(state, Instant::now(), ours)
            .map(Timestamp::as_second)
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_get_on_is_told_of_once_with_the_time() {
        let mut stall = Stall::new(AFTER);
        assert_eq!(observe(&mut stall, &running(Some(100), 1)), None);
        assert_eq!(stall.due(), Some(Instant::now() + AFTER));
        advance(ALMOST).await;
        assert_eq!(observe(&mut stall, &running(Some(100), 1)), None);
        assert_eq!(stall.since(), None);
        advance(Duration::from_secs(1)).await;
        assert_eq!(observe(&mut stall, &running(Some(100), 1)), Some(100));
        assert_eq!(observe(&mut stall, &running(Some(100), 1)), None);
        assert_eq!(stall.due(), None);
        assert_eq!(stall.since().unwrap().as_second(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn either_the_time_or_the_bytes_may_move() {
        let mut stall = Stall::new(AFTER);
        let mut state = (100, 1);
        for step in 0..10 {
            assert_eq!(observe(&mut stall, &running(Some(state.0), state.1)), None);
            advance(ALMOST).await;
            if step % 2 == 0 {
                state.0 += 1;
            } else {
                state.1 += 1;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_gets_on_again_is_forgiven_and_one_that_ends_forgotten() {
        let mut stall = Stall::new(AFTER);
        observe(&mut stall, &running(Some(100), 1));
        advance(AFTER).await;
        assert!(observe(&mut stall, &running(Some(100), 1)).is_some());
        assert_eq!(observe(&mut stall, &running(Some(100), 2)), None);
        assert_eq!(stall.since(), None);
        advance(AFTER).await;
        assert_eq!(observe(&mut stall, &TaskState::Pending), None);
        assert_eq!((stall.due(), stall.since()), (None, None));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_time_of_the_nas_ours_is_told() {
        let mut stall = Stall::new(AFTER);
        observe(&mut stall, &running(None, 1));
        advance(AFTER).await;
        assert_eq!(observe(&mut stall, &running(None, 1)), Some(999));
    }
}
