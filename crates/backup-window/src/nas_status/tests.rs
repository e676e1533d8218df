use truenas_client::{AlertLevel, MockTrueNas, NamingSchema, Schedule, Version};

use super::*;

/// In Paris, where it is an hour later.
const MORNING: &str = "2026-11-23T08:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn nightly() -> Schedule {
    let mut schedule = Schedule::default();
    (schedule.minute, schedule.hour) = ("15".to_owned(), "3".to_owned());
    schedule
}

fn finished(at: &str) -> TaskState {
    TaskState::Finished {
        at: time(at),
        warnings: Vec::new(),
    }
}

fn replication() -> ReplicationTask {
    let mut task = ReplicationTask::new(1, "docker", "tank/docker", "dozer/docker");
    task.snapshot_tasks = vec![3];
    task.naming_schemas = vec![NamingSchema::new("auto-%Y-%m-%d_%H-%M")];
    task.state = finished("2026-11-23T02:20:00Z");
    task.last_snapshot = "tank/docker@auto-2026-11-23_03-15".parse().ok();
    task
}

fn snapshots() -> SnapshotTask {
    let mut task = SnapshotTask::new(3, "tank/docker");
    task.schedule = nightly();
    task.state = finished("2026-11-23T02:15:01Z");
    task.last_snapshot = "tank/docker@auto-2026-11-23_03-15".parse().ok();
    task
}

fn answers() -> NasAnswers {
    let version = Version::parse("TrueNAS-25.10.1");
    let mut system = System::new(version, "primary", time(MORNING));
    system.time_zone = "Europe/Paris".to_owned();
    NasAnswers {
        system,
        replications: vec![replication()],
        snapshot_tasks: vec![snapshots()],
        alerts: Ok(Vec::new()),
        pools: Ok(vec![Pool::new("tank")]),
    }
}

fn wanted() -> Vec<String> {
    vec!["docker".to_owned()]
}

/// The verdict on a replication that differs from a good one, and whether somebody should look.
fn judged(change: impl FnOnce(&mut ReplicationTask)) -> (String, bool) {
    let mut answers = answers();
    change(&mut answers.replications[0]);
    let status = NasStatus::of(answers, &wanted());
    let task = &status.replications[0];
    assert_eq!(status.needs_attention, task.needs_attention);
    (task.verdict.to_string(), task.needs_attention)
}

#[test]
fn a_night_that_went_well_is_fresh_in_the_morning() {
    let status = NasStatus::of(answers(), &wanted());
    assert!(!status.needs_attention, "{status:?}");
    let task = &status.replications[0];
    assert_eq!(
        task.verdict.to_string(),
        "fresh: tank/docker@auto-2026-11-23_03-15 has been sent"
    );
    assert_eq!(task.age_seconds, Some(5 * 3600 + 45 * 60));
    assert_eq!(task.last_run, Some(time("2026-11-23T02:20:00Z")));
    assert_eq!(task.next_run, Some(time("2026-11-24T02:15:00Z")));
    let task = &status.snapshot_tasks[0];
    assert_eq!(task.verdict, SnapshotVerdict::Fresh);
    assert_eq!(task.age_seconds, Some(5 * 3600 + 45 * 60));
    assert_eq!(task.next_run, Some(time("2026-11-24T02:15:00Z")));
}

#[test]
fn a_task_is_judged_against_when_it_should_have_run() {
    for (expected, needs_attention, change) in [
        (
            "stale: it has not run since 2026-11-22T02:20:00Z",
            true,
            (|task: &mut ReplicationTask| {
                task.state = finished("2026-11-22T02:20:00Z");
                task.last_snapshot = "tank/docker@auto-2026-11-22_03-15".parse().ok();
            }) as fn(&mut ReplicationTask),
        ),
        (
            "nothing sent: it finished without a new snapshot",
            true,
            |task| task.last_snapshot = "tank/docker@auto-2026-11-22_03-15".parse().ok(),
        ),
        ("disabled", true, |task| task.enabled = false),
        ("waiting: no reason given", false, |task| {
            task.state = TaskState::Waiting {
                since: None,
                reason: None,
            };
        }),
        (
            "unknown: the task has not run, as far as the NAS remembers",
            true,
            |task| task.state = TaskState::Pending,
        ),
        (
            "unknown: the task has not run, as far as the NAS remembers",
            false,
            |task| {
                task.auto = false;
                task.state = TaskState::Pending;
            },
        ),
        // One that nobody has to run is as good as it was, whenever that was.
        (
            "fresh: tank/docker@auto-2026-01-22_03-15 has been sent",
            false,
            |task| {
                task.auto = false;
                task.state = finished("2026-01-22T02:20:00Z");
                task.last_snapshot = "tank/docker@auto-2026-01-22_03-15".parse().ok();
            },
        ),
        ("held: Pool tank is offline.", true, |task| {
            task.state = TaskState::Hold {
                at: None,
                reason: "Pool tank is offline.".to_owned(),
            };
        }),
    ] {
        assert_eq!(judged(change), (expected.to_owned(), needs_attention));
    }
}

#[test]
fn a_task_that_nobody_wants_may_be_disabled_and_one_that_is_wanted_must_be_there() {
    let mut disabled = answers();
    disabled.replications[0].enabled = false;
    assert!(!NasStatus::of(disabled, &[]).needs_attention);

    let status = NasStatus::of(answers(), &["other".to_owned()]);
    assert!(status.needs_attention);
    assert_eq!(status.replications[0].name, "other");
    assert_eq!(status.replications[0].verdict, Verdict::Missing);
}

#[test]
fn snapshot_tasks_are_judged_by_their_run_and_their_snapshot() {
    let judged = |change: fn(&mut SnapshotTask)| {
        let mut answers = answers();
        change(&mut answers.snapshot_tasks[0]);
        let status = NasStatus::of(answers, &[]);
        let task = &status.snapshot_tasks[0];
        (task.verdict.to_string(), task.needs_attention)
    };
    for (expected, needs_attention, change) in [
        (
            "stale: it has not run since 2026-11-22T02:15:00Z",
            true,
            (|task: &mut SnapshotTask| task.state = finished("2026-11-22T02:15:00Z"))
                as fn(&mut SnapshotTask),
        ),
        (
            "stale: it has not run since 2026-11-22T02:15:00Z",
            true,
            |task| task.last_snapshot = "tank/docker@auto-2026-11-22_03-15".parse().ok(),
        ),
        ("fresh", false, |task| {
            task.allow_empty = false;
            task.last_snapshot = "tank/docker@auto-2026-11-22_03-15".parse().ok();
        }),
        // As versions before 25.10 are after each start.
        (
            "unknown: it has not run, as far as the NAS remembers",
            false,
            |task| {
                task.state = TaskState::Pending;
                task.last_snapshot = None;
            },
        ),
        ("disabled", false, |task| task.enabled = false),
        ("failed: out of space", true, |task| {
            task.state = TaskState::Error {
                at: None,
                error: "out of space".to_owned(),
            };
        }),
        ("unknown: the NAS describes its state as ?", true, |task| {
            task.state = TaskState::Unknown {
                raw: "?".to_owned(),
            };
        }),
    ] {
        assert_eq!(judged(change), (expected.to_owned(), needs_attention));
    }
}

#[test]
fn alerts_that_need_attention_come_first_and_the_worst_of_them_before_all() {
    let mut answers = answers();
    let mut dismissed = Alert::new(AlertLevel::Emergency, "A", "dismissed");
    dismissed.dismissed = true;
    answers.alerts = Ok(vec![
        Alert::new(AlertLevel::Info, "B", "info"),
        dismissed,
        Alert::new(AlertLevel::Warning, "C", "warning"),
        Alert::new(AlertLevel::Critical, "D", "critical"),
    ]);
    let status = NasStatus::of(answers, &[]);
    let texts: Vec<&str> = status
        .alerts
        .iter()
        .map(|alert| alert.text.as_str())
        .collect();
    assert_eq!(texts, ["critical", "warning", "dismissed", "info"]);
    assert!(status.needs_attention);
}

#[test]
fn what_is_not_known_needs_attention() {
    let mut unknown = answers();
    unknown.system.time_zone = "Europe/Atlantis".to_owned();
    unknown.pools = Err("failed to ask".to_owned());
    let status = NasStatus::of(unknown, &[]);
    assert_eq!(status.not_known.len(), 2, "{:?}", status.not_known);
    assert!(status.needs_attention);
    assert_eq!(status.replications[0].age_seconds, None);

    let mut pool = Pool::new("tank");
    assert!(!pool_needs_attention(&pool));
    pool.warning = true;
    assert!(
        pool_needs_attention(&pool),
        "healthy, and yet with a warning"
    );
}

#[tokio::test]
async fn alerts_that_are_not_for_the_user_of_the_key_do_not_hide_the_rest() {
    let nas = |error: fn() -> TrueNasError| {
        let mut nas = MockTrueNas::new();
        nas.expect_system().returning(|| Ok(answers().system));
        nas.expect_replication_tasks()
            .returning(|| Ok(answers().replications));
        nas.expect_snapshot_tasks()
            .returning(|| Ok(answers().snapshot_tasks));
        nas.expect_pools().returning(|| Ok(Vec::new()));
        nas.expect_alerts().returning(move || Err(error()));
        nas
    };
    let denied = || TrueNasError::Forbidden {
        request: "alert.list".to_owned(),
    };
    let told = ask(&nas(denied)).await.unwrap();
    assert!(told.alerts.unwrap_err().contains("may not do this"));
    let off = || TrueNasError::Connect {
        url: "https://nas".to_owned(),
        source: "no route to host".into(),
    };
    assert!(ask(&nas(off)).await.is_err(), "it went off meanwhile");
}
