//! States and what they are worth.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lab::truenas::{SimReplication, SimulatedVersion};
use serde_json::json;
use truenas_client::{RunningSince, TaskState, Verdict, VerdictInput, judge};

use crate::house::{House, SNAPSHOTS_ID, TASK, Tongue, until};

pub(crate) async fn every_state_has_its_verdict(tongue: Tongue) {
    let house = House::new(tongue).await;
    let since = house.new_second().await;
    assert!(matches!(
        house.verdict(since).await,
        Verdict::Unknown { .. }
    ));

    house.control().set_waits(TASK, Duration::from_hours(1));
    house.nas.run_snapshot_task(SNAPSHOTS_ID).await.unwrap();
    let waiting = until("waiting", || async {
        let verdict = house.verdict(since).await;
        matches!(verdict, Verdict::Waiting { .. }).then_some(verdict)
    })
    .await;
    assert!(!waiting.is_settled());

    house.control().hold_replication(TASK);
    house.control().set_waits(TASK, Duration::ZERO);
    let running = house
        .until_task("running", |task| {
            matches!(
                &task.state,
                TaskState::Running {
                    progress: Some(_),
                    ..
                }
            )
        })
        .await;
    assert!(running.running_since().is_some(), "{running:?}");
    assert!(matches!(
        house.verdict(since).await,
        Verdict::Running { .. }
    ));

    house.control().release_replication(TASK);
    until("fresh", || async {
        house.verdict(since).await.is_fresh().then_some(())
    })
    .await;
    let later = house.new_second().await;
    assert!(matches!(house.verdict(later).await, Verdict::Stale { .. }));

    house.control().put_on_hold(TASK, "Pool tank is offline.");
    let held = house.verdict(since).await;
    assert_eq!(
        held,
        Verdict::Held {
            why: "Pool tank is offline.".to_owned()
        }
    );
    house.control().lift_hold(TASK);
    assert!(house.verdict(since).await.is_fresh());
}

pub(crate) async fn what_is_new_is_unknown(tongue: Tongue) {
    let house = House::new(tongue).await;
    for state in [
        json!({"state": "PONDERING", "datetime": {"$date": 1_735_700_400_000_i64}}),
        json!({"state": "FINISHED"}),
        json!({"state": "FINISHED", "datetime": "yesterday", "warnings": []}),
        json!({"state": 7}),
        json!("FINISHED"),
        json!(null),
        json!([]),
    ] {
        house.control().set_state(TASK, state.clone());
        let task = house.task().await;
        assert!(
            matches!(task.state, TaskState::Unknown { .. }),
            "{state}: {task:?}"
        );
        assert_eq!(task.state.is_active(), None, "{state}");
        let verdict = house.verdict(Timestamp::UNIX_EPOCH).await;
        assert!(
            matches!(verdict, Verdict::Unknown { .. }),
            "{state}: {verdict:?}"
        );
    }
}

pub(crate) async fn a_global_failure_fails_every_task(tongue: Tongue) {
    let house = House::with(tongue, |options| {
        let other = SimReplication::new(6, "media to backup", "tank/media", "dozer/media");
        options.replication_tasks.push(other);
    })
    .await;
    let since = house.new_second().await;
    house.control().break_replications(Some("Boom."));
    let tasks = house.nas.replication_tasks().await.unwrap();
    assert_eq!(tasks.len(), 2);
    for task in &tasks {
        let verdict = judge(Some(task), &VerdictInput::since(since)).verdict;
        assert!(
            matches!(&verdict, Verdict::Failed { error } if error == "Boom."),
            "{verdict:?}"
        );
    }
    house.control().break_replications(None);
    house.replicate().await;
    assert!(house.verdict(since).await.is_fresh());
}

pub(crate) async fn warnings_degrade(tongue: Tongue) {
    let house = House::new(tongue).await;
    let since = house.new_second().await;
    let warning = "cannot receive mountpoint property on dozer/docker";
    house.control().set_warnings(TASK, &[warning]);
    house.replicate().await;
    let verdict = house.verdict(since).await;
    assert_eq!(
        verdict,
        Verdict::Degraded {
            warnings: vec![warning.to_owned()]
        }
    );
}

/// The time of a running task is that of its last progress, and stops when it stands still.
pub(crate) async fn a_run_that_stands_still_is_seen_to(tongue: Tongue) {
    let house = House::with(tongue, |options| {
        options.replication_tasks[0].takes = Duration::from_hours(1);
    })
    .await;
    house.nas.run_snapshot_task(SNAPSHOTS_ID).await.unwrap();
    let at = |state: &TaskState| match state {
        TaskState::Running {
            at,
            progress: Some(progress),
        } => Some((*at, progress.sent_bytes)),
        _ => None,
    };
    let first = house
        .until_task("running", |task| at(&task.state).is_some())
        .await;
    // It gets on…
    let moved = house
        .until_task("further", |task| {
            at(&task.state).is_some_and(|now| Some(now) != at(&first.state))
        })
        .await;
    if let Some(RunningSince::Started(started)) = moved.running_since() {
        assert!(started <= house.now());
    }
    // … until it does not.
    house.control().stall_replication(TASK);
    let stalled = at(&house.task().await.state);
    house.new_second().await;
    house.new_second().await;
    assert_eq!(at(&house.task().await.state), stalled);
}

pub(crate) async fn names_are_read_in_the_time_zone_of_the_nas(tongue: Tongue) {
    let house = House::with(tongue, |options| {
        "Asia/Kolkata".clone_into(&mut options.time_zone);
        options.clock_ahead = SignedDuration::from_hours(7);
    })
    .await;
    let system = house.nas.system().await.unwrap();
    assert_eq!(system.time_zone, "Asia/Kolkata");
    assert!(house.now().duration_since(system.datetime).unsigned_abs() < Duration::from_secs(30));
    let since = house.new_second().await;
    house.replicate().await;
    let verdict = house.verdict(since).await;
    let Verdict::Fresh { snapshot, created } = &verdict else {
        panic!("{verdict:?}");
    };
    // What the name says is what ZFS says: the lab's names have seconds.
    let known = house.control().snapshots("tank/docker").pop().unwrap();
    assert_eq!(
        (known.created, known.name.as_str()),
        (*created, snapshot.name.as_str())
    );
    let local = created.to_zoned_datetime(TimeZone::get("Asia/Kolkata").unwrap());
    assert_eq!(
        local.strftime("auto-%Y-%m-%d_%H-%M-%S").to_string(),
        snapshot.name
    );
}

pub(crate) async fn snapshot_tasks_tell_what_their_version_tells(tongue: Tongue) {
    let house = House::new(tongue).await;
    house.nas.run_snapshot_task(SNAPSHOTS_ID).await.unwrap();
    let task = until("the snapshot", || async {
        let task = house.nas.snapshot_tasks().await.unwrap().remove(0);
        matches!(task.state, TaskState::Finished { .. }).then_some(task)
    })
    .await;
    let tells = matches!(
        tongue.version,
        SimulatedVersion::Scale25_10 | SimulatedVersion::Scale26_0
    );
    assert_eq!(task.last_snapshot.is_some(), tells, "{task:?}");
    house.control().reboot(Duration::from_hours(1));
    house.control().come_back();
    let task = house.nas.snapshot_tasks().await.unwrap().remove(0);
    assert_eq!(task.state == TaskState::Pending, !tells, "{task:?}");
}
