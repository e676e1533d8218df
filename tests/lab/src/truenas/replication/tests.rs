use super::*;

const TAKES: i64 = 10;
const GIVES_UP: i64 = 5;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_735_700_400 + second).unwrap()
}

fn snapshot(dataset: &str, guid: u64) -> SimSnapshot {
    SimSnapshot {
        dataset: dataset.to_owned(),
        name: format!("auto-{guid}"),
        created: at(0),
        guid,
        created_txg: guid,
    }
}

fn task() -> Replication {
    let mut options = SimReplication::new(1, "to backup", "tank/a", "dozer/a").after(1);
    options.waits = Duration::from_secs(2);
    options.takes = Duration::from_secs(TAKES.unsigned_abs());
    options.gives_up_after = Duration::from_secs(GIVES_UP.unsigned_abs());
    Replication::new(options)
}

fn state(task: &Replication) -> Value {
    task.state(SimulatedVersion::Scale24_10)
}

fn all<const N: usize>(snapshots: [SimSnapshot; N]) -> Snapshots {
    let mut all = Snapshots::default();
    for snapshot in snapshots {
        all.add(snapshot);
    }
    all
}

fn word(task: &Replication) -> String {
    state(task)["state"].as_str().unwrap().to_owned()
}

#[test]
fn a_run_waits_sends_and_finishes_when_everything_has_arrived() {
    let snapshots = all([
        snapshot("tank/a/b", 3),
        snapshot("tank/a", 2),
        snapshot("tank/ab", 1),
    ]);
    let mut task = task();
    assert_eq!(state(&task), json!({"state": "PENDING"}));
    assert!(task.trigger(at(0), 7));
    assert_eq!(task.advance(at(1), true, &snapshots), None);
    assert_eq!(word(&task), "WAITING");
    assert_eq!(task.advance(at(2), true, &snapshots), None);
    let before = state(&task);
    assert_eq!(before["state"], "RUNNING");
    assert_eq!(
        before["progress"]["snapshot"], "auto-2",
        "parents come first"
    );
    assert_eq!(task.advance(at(9), true, &snapshots), None);
    let after = state(&task);
    assert_eq!(after["progress"]["snapshots_sent"], 1);
    assert_ne!(
        before["datetime"], after["datetime"],
        "the time of a running task is that of its progress"
    );
    let Some(Outcome::Deliver(delivered)) = task.advance(at(12), true, &snapshots) else {
        panic!("nothing is delivered");
    };
    let names: Vec<_> = delivered
        .iter()
        .map(|snapshot| (snapshot.dataset.as_str(), snapshot.guid))
        .collect();
    assert_eq!(names, [("dozer/a", 2), ("dozer/a/b", 3)]);
    assert_eq!(task.advance(at(13), true, &snapshots), None);
    assert_eq!(
        word(&task),
        "RUNNING",
        "before it has arrived, it is not finished"
    );
    task.arrived();
    let ended = Outcome::Ended {
        job: 7,
        error: None,
    };
    assert_eq!(task.advance(at(14), true, &snapshots), Some(ended));
    assert_eq!(
        state(&task),
        json!({
            "state": "FINISHED", "datetime": millis(at(14)), "warnings": [],
            "last_snapshot": "tank/a/b@auto-3",
        })
    );
}

fn finish(task: &mut Replication, from: i64, snapshots: &Snapshots) -> usize {
    assert!(task.trigger(at(from), 1));
    let mut delivered = 0;
    for second in from..from + 30 {
        match task.advance(at(second), true, snapshots) {
            Some(Outcome::Deliver(snapshots)) => {
                delivered = snapshots.len();
                task.arrived();
            }
            Some(Outcome::Ended { .. }) => return delivered,
            None => {}
        }
    }
    panic!("it does not end");
}

#[test]
fn a_second_run_finishes_without_sending_anything() {
    let snapshots = all([snapshot("tank/a", 1)]);
    let mut task = task();
    assert_eq!(finish(&mut task, 0, &snapshots), 1);
    let first = state(&task);
    assert_eq!(finish(&mut task, 100, &snapshots), 0);
    let second = state(&task);
    assert_ne!(first["datetime"], second["datetime"]);
    assert_eq!(first["last_snapshot"], second["last_snapshot"]);
}

#[test]
fn a_nas_that_is_away_means_retries_and_then_an_error() {
    let snapshots = all([snapshot("tank/a", 1)]);
    let mut task = task();
    task.trigger(at(0), 1);
    task.advance(at(2), true, &snapshots);
    task.advance(at(4), false, &snapshots);
    task.advance(at(8), false, &snapshots);
    assert_eq!(word(&task), "RUNNING");
    // It comes back in time, and goes away for good.
    task.advance(at(9), true, &snapshots);
    task.advance(at(10), false, &snapshots);
    let ended = task.advance(at(10 + GIVES_UP), false, &snapshots);
    assert!(
        matches!(ended, Some(Outcome::Ended { error: Some(_), .. })),
        "{ended:?}"
    );
    assert_eq!(word(&task), "ERROR");
}

#[test]
fn a_held_run_gets_on_but_does_not_end() {
    let snapshots = all([snapshot("tank/a", 1)]);
    let mut task = task();
    task.held = true;
    task.trigger(at(0), 1);
    for second in 2..60 {
        assert_eq!(task.advance(at(second), true, &snapshots), None);
    }
    assert_eq!(word(&task), "RUNNING");
    assert_eq!(state(&task)["datetime"], millis(at(59)));
    task.held = false;
    assert!(matches!(
        task.advance(at(60), true, &snapshots),
        Some(Outcome::Deliver(_))
    ));
}

#[test]
fn a_restart_in_mid_run_shows_the_previous_end() {
    let mut task = task();
    let snapshots = all([snapshot("tank/a", 1)]);
    finish(&mut task, 0, &snapshots);
    let before = state(&task);
    task.trigger(at(100), 2);
    task.advance(at(102), true, &snapshots);
    assert_eq!(word(&task), "RUNNING");
    task.forget(SimulatedVersion::Scale24_10);
    assert_eq!(state(&task), before);
}

#[test]
fn what_is_triggered_while_it_runs_runs_again_afterwards() {
    let snapshots = all([snapshot("tank/a", 1)]);
    let mut task = task();
    task.trigger(at(0), 1);
    assert!(!task.trigger(at(1), 2));
    assert!(!task.take_again(), "it still runs");
    task.forget(SimulatedVersion::Scale24_10);
    finish(&mut task, 10, &snapshots);
    assert!(!task.take_again(), "a restart has made it forget");
    task.trigger(at(50), 1);
    task.trigger(at(51), 2);
    task.run = None;
    assert!(task.take_again());
    assert!(!task.take_again(), "once");
}

#[test]
fn a_task_that_is_made_to_say_something_stands_still() {
    let mut task = task();
    task.says = Some(json!({"state": "HOLD", "reason": "Pool tank is offline."}));
    assert!(!task.trigger(at(0), 1));
    assert_eq!(state(&task)["state"], "HOLD");
    assert!(!task.take_again());
    task.says = None;
    assert!(task.take_again());
}

#[test]
fn a_stalled_run_says_nothing_new() {
    let snapshots = all([snapshot("tank/a", 1), snapshot("tank/a/b", 2)]);
    let mut task = task();
    task.trigger(at(0), 1);
    task.advance(at(2), true, &snapshots);
    task.advance(at(4), true, &snapshots);
    let before = state(&task);
    task.stalled = true;
    assert_eq!(task.advance(at(60), true, &snapshots), None);
    assert_eq!(state(&task), before);
    task.stalled = false;
    assert!(matches!(
        task.advance(at(61), true, &snapshots),
        Some(Outcome::Deliver(_))
    ));
}

#[test]
fn the_newest_version_remembers_more() {
    let newest = SimulatedVersion::Scale26_0;
    let snapshots = all([snapshot("tank/a", 1), snapshot("tank/a/b", 2)]);
    let mut task = task();
    assert_eq!(task.state(newest), json!({"state": "PENDING"}));
    task.trigger(at(0), 1);
    task.advance(at(2), true, &snapshots);
    task.advance(at(9), true, &snapshots);
    assert_eq!(task.state(newest)["last_snapshot"], "tank/a@auto-1");
    task.forget(newest);
    assert_eq!(
        task.state(newest),
        json!({"last_snapshot": "tank/a@auto-1"}),
        "without a state, for it has never ended"
    );
    finish(&mut task, 100, &snapshots);
    task.options.enabled = false;
    assert_eq!(task.state(newest)["state"], "FINISHED");
    assert_eq!(word(&task), "PENDING", "an older one has no such task");
}

#[test]
fn a_task_on_hold_shows_only_that() {
    let snapshots = all([snapshot("tank/a", 1)]);
    let mut task = task();
    finish(&mut task, 0, &snapshots);
    let before = state(&task);
    task.on_hold = Some((at(50), "Pool tank is offline.".to_owned()));
    assert_eq!(
        state(&task),
        json!({"state": "HOLD", "datetime": millis(at(50)), "reason": "Pool tank is offline."})
    );
    task.on_hold = None;
    assert_eq!(state(&task), before);
}
