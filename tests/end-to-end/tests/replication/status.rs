//! What is seen of all tasks at once.

use std::process::Command;

use end_to_end::binary_path;
use lab::truenas::{SimReplication, SimulatedVersion};

use crate::house::{Ended, House, SNAPSHOT_TASK, TASK, each_version, until};

#[test]
fn status_shows_every_nas_and_what_needs_attention() {
    each_version(|house, version| {
        house.control().run_snapshot_task(SNAPSHOT_TASK);
        until("it has arrived", || {
            let backup = house.backup.as_ref().unwrap().control();
            !backup.snapshots("dozer/docker").is_empty()
        });
        until("it has ended", || {
            house.control().running_since(TASK).is_none()
        });
        let good = house
            .run(&["status"])
            .expect(0, &["fresh", version.as_str(), "pool dozer"]);
        assert!(!good.out.contains('!'), "{}", good.out);
        let questions = house.control().requests().len() + house.control().calls().len();

        house
            .control()
            .raise_alert("WARNING", "ZpoolCapacityWarning", "Space is low.");
        let json = house.run(&["status", "--json"]).expect(6, &[]).json();
        assert_eq!(
            (&json["exit"], &json["code"]),
            (&"attention".into(), &6.into())
        );
        let status = &json["nas"][0]["status"];
        assert_eq!(status["alerts"][0]["text"], "Space is low.");
        assert_eq!(status["replications"][0]["verdict"]["kind"], "fresh");
        let more = house.control().requests().len() + house.control().calls().len() - questions;
        assert!(more <= 9, "{version:?}: {more} questions");
    });
}

#[test]
fn however_many_tasks_there_are_status_asks_the_same() {
    for version in SimulatedVersion::ALL {
        let asked = |tasks: i64| {
            let house = House::with(version, |options| {
                options.replication_tasks.extend((0..tasks).map(|number| {
                    let name = format!("more {number}");
                    SimReplication::new(10 + number, &name, "tank/docker", "dozer/more")
                }));
            });
            house.run(&["status"]);
            let control = house.control();
            let snapshots =
                |path: &str| path.contains("snapshot") && !path.contains("snapshottask");
            assert!(!control.requests().iter().any(|seen| snapshots(&seen.path)));
            assert!(
                !control
                    .calls()
                    .iter()
                    .any(|seen| seen.method.contains("snapshot.query"))
            );
            control.requests().len() + control.calls().len()
        };
        assert_eq!(asked(0), asked(30), "{version:?}");
    }
}

#[test]
fn a_backup_nas_that_sleeps_is_no_error_and_a_primary_nas_that_is_off_is_one() {
    let mut house = House::of(SimulatedVersion::Scale24_10);
    house.control().run_snapshot_task(SNAPSHOT_TASK);
    until("it has ended", || {
        let backup = house.backup.as_ref().unwrap().control();
        !backup.snapshots("dozer/docker").is_empty()
            && house.control().running_since(TASK).is_none()
    });
    let runtime = house.runtime.handle().clone();
    let backup = house.backup.take();
    runtime.block_on(async move { drop(backup) });
    house
        .run(&["status"])
        .expect(0, &["backup NAS https://127.0.0.1", "is not answering"]);
    let primary = house.primary.take();
    runtime.block_on(async move { drop(primary) });
    house
        .run(&["status"])
        .expect(1, &["primary NAS: failed to connect to https://127.0.0.1"]);
}

#[test]
fn the_example_prints_the_verdicts_of_a_nas() {
    each_version(|house, version| {
        house.control().run_snapshot_task(SNAPSHOT_TASK);
        until("it has arrived", || {
            let backup = house.backup.as_ref().unwrap().control();
            !backup.snapshots("dozer/docker").is_empty()
        });
        let output = Command::new(binary_path("examples/nas_verdicts"))
            .arg(house.primary().url().to_string())
            .arg(house.primary().certificate_sha256())
            .arg("backup")
            .env("NAS_KEY", house.primary().api_key())
            .output()
            .unwrap();
        let task = format!("{TASK}: ");
        Ended::of(&output).expect(0, &[version.as_str(), &task]);
    });
}
