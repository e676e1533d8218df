//! When tasks should have run, and when they will.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use truenas_client::{ReplicationTask, Schedule, SnapshotTask};

/// How long after its time a task may take to have done its work, before it counts as late.
const TIME_TO_RUN: SignedDuration = SignedDuration::from_mins(30);

/// How much earlier than its time a run may seem to have been: names have minutes only, and clocks
/// are set.
const GRACE: SignedDuration = SignedDuration::from_mins(1);

/// What a run must not be older than: the last time of the schedule, a run at which would have
/// ended by now.
pub(super) fn last_due(
    schedule: &Schedule,
    now: Timestamp,
    time_zone: &TimeZone,
) -> Option<Timestamp> {
    let by_now = now.saturating_sub(TIME_TO_RUN).ok()?;
    let due = schedule.last_before(by_now, time_zone)?;
    due.saturating_sub(GRACE).ok()
}

/// What the last snapshot that a replication sent must not be older than.
///
/// Without times of its own, it runs after each of its snapshot tasks. With them, it sends at its
/// time what they took before. Without snapshot tasks, all that is known is that something should
/// have been taken between its last two times.
pub(super) fn snapshot_due(
    task: &ReplicationTask,
    snapshot_tasks: &[SnapshotTask],
    now: Timestamp,
    time_zone: &TimeZone,
) -> Option<Timestamp> {
    let bound: Vec<&SnapshotTask> = bound(task, snapshot_tasks).collect();
    let Some(schedule) = &task.schedule else {
        let due = bound.iter();
        return due
            .filter_map(|task| last_due(&task.schedule, now, time_zone))
            .max();
    };
    let by_now = now.saturating_sub(TIME_TO_RUN).ok()?;
    let sent = schedule.last_before(by_now, time_zone)?;
    let taken = bound
        .iter()
        .filter_map(|task| task.schedule.last_before(sent, time_zone))
        .max();
    let since = match taken {
        Some(taken) => taken,
        None if bound.is_empty() => schedule.last_before(sent, time_zone)?,
        None => return None,
    };
    since.saturating_sub(GRACE).ok()
}

/// When a replication runs next by itself.
pub(super) fn next_run(
    task: &ReplicationTask,
    snapshot_tasks: &[SnapshotTask],
    now: Timestamp,
    time_zone: &TimeZone,
) -> Option<Timestamp> {
    match &task.schedule {
        Some(schedule) => schedule.next_after(now, time_zone),
        None => bound(task, snapshot_tasks)
            .filter_map(|task| task.schedule.next_after(now, time_zone))
            .min(),
    }
}

/// The snapshot tasks that a replication is bound to and that run.
fn bound<'a>(
    task: &'a ReplicationTask,
    snapshot_tasks: &'a [SnapshotTask],
) -> impl Iterator<Item = &'a SnapshotTask> {
    snapshot_tasks
        .iter()
        .filter(|snapshots| snapshots.enabled && task.snapshot_tasks.contains(&snapshots.id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paris() -> TimeZone {
        TimeZone::get("Europe/Paris").unwrap()
    }

    fn at(minute: &str, hour: &str) -> Schedule {
        let mut schedule = Schedule::default();
        schedule.minute = minute.to_owned();
        schedule.hour = hour.to_owned();
        schedule
    }

    fn snapshots(id: i64, schedule: Schedule) -> SnapshotTask {
        let mut task = SnapshotTask::new(id, "tank/docker");
        task.schedule = schedule;
        task
    }

    fn replication(bound: &[i64], schedule: Option<Schedule>) -> ReplicationTask {
        let mut task = ReplicationTask::new(1, "a", "tank/docker", "dozer/docker");
        task.snapshot_tasks = bound.to_vec();
        task.schedule = schedule;
        task
    }

    /// What is due and what is next, for a task at a time in Paris, where it is an hour later.
    fn times(task: &ReplicationTask, tasks: &[SnapshotTask], now: &str) -> [String; 2] {
        let now: Timestamp = now.parse().unwrap();
        let shown = |time: Option<Timestamp>| time.map_or("-".to_owned(), |time| time.to_string());
        [
            shown(snapshot_due(task, tasks, now, &paris())),
            shown(next_run(task, tasks, now, &paris())),
        ]
    }

    #[test]
    fn a_replication_without_times_of_its_own_follows_its_snapshot_tasks() {
        let mut tasks = [
            snapshots(1, at("15", "3")),
            snapshots(2, at("0", "12")),
            snapshots(3, at("*/5", "*")),
        ];
        let task = replication(&[1, 2], None);
        assert_eq!(
            times(&task, &tasks, "2026-11-23T08:00:00Z"),
            ["2026-11-23T02:14:00Z", "2026-11-23T11:00:00Z"]
        );
        tasks[0].enabled = false;
        assert_eq!(
            times(&task, &tasks, "2026-11-23T08:00:00Z"),
            ["2026-11-22T10:59:00Z", "2026-11-23T11:00:00Z"]
        );
        assert_eq!(
            times(&replication(&[], None), &tasks, "2026-11-23T08:00:00Z"),
            ["-", "-"]
        );
    }

    #[test]
    fn a_run_whose_time_has_just_come_is_not_late() {
        let tasks = [snapshots(1, at("15", "3"))];
        let task = replication(&[1], None);
        let due = |now: &str| times(&task, &tasks, now)[0].clone();
        assert_eq!(due("2026-11-23T02:45:00Z"), "2026-11-22T02:14:00Z");
        assert_eq!(due("2026-11-23T02:46:00Z"), "2026-11-23T02:14:00Z");
    }

    #[test]
    fn one_with_times_of_its_own_sends_what_was_taken_before_them() {
        let tasks = [snapshots(1, at("0", "0"))];
        let at_four = Some(at("0", "4"));
        let task = replication(&[1], at_four.clone());
        assert_eq!(
            times(&task, &tasks, "2026-11-23T08:00:00Z"),
            ["2026-11-22T22:59:00Z", "2026-11-24T03:00:00Z"]
        );
        let alone = replication(&[], at_four);
        assert_eq!(
            times(&alone, &tasks, "2026-11-23T08:00:00Z"),
            ["2026-11-22T02:59:00Z", "2026-11-24T03:00:00Z"]
        );
    }

    proptest! {
        #[test]
        fn what_is_due_is_past_and_what_is_next_to_come(
            second in 1_500_000_000_i64..2_000_000_000, minute in 0..60_u8, hour in 0..24_u8,
        ) {
            let now = Timestamp::from_second(second).unwrap();
            let tasks = [snapshots(1, at(&minute.to_string(), &hour.to_string()))];
            let task = replication(&[1], None);
            let due = snapshot_due(&task, &tasks, now, &paris()).unwrap();
            let next = next_run(&task, &tasks, now, &paris()).unwrap();
            prop_assert!(due < now && now < next);
            // A day with 25 hours, the time to run and the grace.
            prop_assert!(now.duration_since(due) <= SignedDuration::from_mins(25 * 60 + 31));
        }
    }
}
