//! How often a NAS is asked that does not tell by itself.

use std::time::Duration;

use truenas_client::{Progress, ReplicationTask, TaskState};

/// How much longer each pause is than the one before it: one and a half times.
const GROWTH: (u32, u32) = (3, 2);

/// How much longer the longest pause is than the shortest.
const LONGEST: u32 = 6;

/// Pauses that become longer while nothing happens.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    shortest: Duration,
    next: Duration,
}

impl Pace {
    pub(super) fn new(shortest: Duration) -> Self {
        Self {
            shortest,
            next: shortest,
        }
    }

    /// The next pause. `lively` is whether something happens or is about to.
    pub(super) fn pause(&mut self, lively: bool) -> Duration {
        if lively {
            self.next = self.shortest;
        }
        let pause = self.next;
        let longest = self.shortest.saturating_mul(LONGEST);
        self.next = (pause.saturating_mul(GROWTH.0) / GROWTH.1).min(longest);
        pause
    }
}

/// Whether something happened between two looks at the tasks: one of them began, ended or sent a
/// snapshot. That a transfer got on is no news.
pub(super) fn has_news(before: &[ReplicationTask], now: &[ReplicationTask]) -> bool {
    let news = |task: &ReplicationTask| {
        before
            .iter()
            .find(|old| old.id == task.id)
            .is_none_or(|old| {
                std::mem::discriminant(&old.state) != std::mem::discriminant(&task.state)
                    || old.last_snapshot != task.last_snapshot
            })
    };
    before.len() != now.len() || now.iter().any(news)
}

/// Whether a task says that it is nearly done.
pub(super) fn is_nearly_done(state: &TaskState) -> bool {
    let TaskState::Running {
        progress: Some(progress),
        ..
    } = state
    else {
        return false;
    };
    let Progress {
        snapshots_sent,
        snapshots_total,
        sent_bytes,
        total_bytes,
        ..
    } = progress;
    let last_snapshot = snapshots_sent
        .zip(*snapshots_total)
        .is_some_and(|(sent, total)| sent.saturating_add(1) >= total);
    let most_of_it = sent_bytes
        .zip(*total_bytes)
        .is_none_or(|(sent, total)| u128::from(sent) * 10 >= u128::from(total) * 9);
    last_snapshot && most_of_it
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_are_short_again_when_something_happens() {
        let mut pace = Pace::new(Duration::from_secs(10));
        let pauses: Vec<u64> = (0..7).map(|_| pace.pause(false).as_secs()).collect();
        assert_eq!(pauses, [10, 15, 22, 33, 50, 60, 60]);
        assert_eq!(pace.pause(true).as_secs(), 10);
        assert_eq!(pace.pause(false).as_secs(), 15);
    }

    fn running(sent: (u64, u64), bytes: Option<(u64, u64)>) -> TaskState {
        let mut progress = Progress::default();
        (progress.snapshots_sent, progress.snapshots_total) = (Some(sent.0), Some(sent.1));
        progress.sent_bytes = bytes.map(|bytes| bytes.0);
        progress.total_bytes = bytes.map(|bytes| bytes.1);
        TaskState::Running {
            at: None,
            progress: Some(progress),
        }
    }

    #[test]
    fn the_end_is_near_when_most_of_the_last_snapshot_is_sent() {
        for (sent, bytes, near) in [
            ((9, 10), Some((90, 100)), true),
            ((9, 10), Some((89, 100)), false),
            ((8, 10), Some((90, 100)), false),
            ((10, 10), None, true),
            ((0, 1), Some((0, 0)), true),
        ] {
            assert_eq!(is_nearly_done(&running(sent, bytes)), near, "{sent:?}");
        }
        assert!(!is_nearly_done(&TaskState::Pending));
    }

    #[test]
    fn bytes_are_no_news_and_states_and_snapshots_are() {
        let task = |state: TaskState| {
            let mut task = ReplicationTask::new(1, "a", "tank/a", "dozer/a");
            task.state = state;
            vec![task]
        };
        let begun = task(running((0, 2), None));
        assert!(!has_news(&begun, &task(running((1, 2), None))));
        assert!(has_news(&begun, &task(TaskState::Pending)));
        assert!(has_news(&begun, &[]));
        let mut sent = begun.clone();
        sent[0].last_snapshot = "tank/a@b".parse().ok();
        assert!(has_news(&begun, &sent));
    }

    proptest! {
        #[test]
        fn a_pause_is_never_shorter_than_asked_for_nor_without_limit(
            shortest in 1_u64..1_000_000, lively in prop::collection::vec(any::<bool>(), 0..50),
        ) {
            let shortest = Duration::from_millis(shortest);
            let mut pace = Pace::new(shortest);
            for lively in lively {
                let pause = pace.pause(lively);
                prop_assert!((shortest..=shortest * LONGEST).contains(&pause));
                prop_assert!(!lively || pause == shortest);
            }
        }
    }
}
