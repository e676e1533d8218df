//! What is waited for, and what no waiting helps against.

use std::time::Duration;

use lab::truenas::SimulatedVersion;

use crate::house::{House, SNAPSHOT_TASK, TASK, each_version, until};

#[test]
fn a_replication_is_waited_for_and_found_on_both_nas() {
    each_version(|house, version| {
        let waiting = house.begin_to_wait(&["--deadline", "60s"]);
        house.control().run_snapshot_task(SNAPSHOT_TASK);
        let ended = waiting.ended();
        ended.expect(
            0,
            &[
                "1 replication task has brought tonight's backup over",
                "tonight's backup is in a snapshot that lies on both NAS",
                "recognised by its GUID",
            ],
        );
        if version.speaks_json_rpc() {
            // Once to wait, and once for the evidence.
            assert_eq!(house.questions(), 2, "{version:?}");
        }
    });
}

#[test]
fn a_replication_that_runs_only_on_demand_is_triggered() {
    for version in SimulatedVersion::ALL {
        let house = House::with(version, |options| options.replication_tasks[0].auto = false);
        house
            .begin_to_wait(&["--trigger", "--deadline", "60s"])
            .ended()
            .expect(0, &["lies on both NAS"]);

        // The configuration may say the same.
        let house = House::with(version, |options| options.replication_tasks[0].auto = false);
        house.write_config("trigger = true");
        let ended = house.begin_to_wait(&["--deadline", "60s"]).ended();
        ended.expect(0, &["lies on both NAS"]);
        assert_eq!(house.control().snapshots("tank/docker").len(), 1);
    }
}

#[test]
fn what_no_waiting_helps_against_ends_with_code_1() {
    each_version(|house, _| {
        house.control().set_replication_enabled(TASK, false);
        let wait = |more: &[&str]| house.begin_to_wait(more).ended();
        wait(&[]).expect(1, &["replication \"docker to backup\" is disabled"]);
        wait(&["--trigger"]).expect(1, &["replication \"docker to backup\" is disabled"]);
        house.control().set_replication_enabled(TASK, true);
        house.control().put_on_hold(TASK, "Pool tank is offline.");
        wait(&[]).expect(1, &["is on hold; TrueNAS says why: Pool tank is offline."]);
        house.control().lift_hold(TASK);
        house.edit_config(&format!("[\"{TASK}\"]"), "[\"other\"]");
        wait(&[]).expect(
            1,
            &["has no replication task \"other\": it has \"docker to backup\""],
        );
    });
}

#[test]
fn a_deadline_that_passes_ends_with_code_3_and_says_what_was_seen_last() {
    each_version(|house, _| {
        let waiting = house.begin_to_wait(&["--deadline", "1s"]);
        waiting
            .ended()
            .expect(3, &["the replication had not ended after 1s"]);

        house.write_config("stalled_after = \"1s\"");
        house.control().stall_replication(TASK);
        house.control().run_snapshot_task(SNAPSHOT_TASK);
        until("it runs", || house.control().running_since(TASK).is_some());
        let waiting = house.begin_to_wait(&["--deadline", "4s"]);
        waiting.ended().expect(
            3,
            &[
                "says that it runs, but nothing has moved since",
                "and nothing has moved since",
            ],
        );
    });
}

#[test]
fn a_run_that_a_restart_cuts_off_is_noticed_and_the_next_one_waited_for() {
    for reboots in [false, true] {
        each_version(|house, _| {
            let control = house.control();
            house.write_config("stalled_after = \"200ms\"");
            control.stall_replication(TASK);
            let waiting = house.begin_to_wait(&["--deadline", "90s"]);
            control.run_snapshot_task(SNAPSHOT_TASK);
            // It must have been seen to run, so that its end is seen to be none.
            waiting.until_it_says("nothing has moved since");
            if reboots {
                control.reboot(Duration::from_secs(1));
            } else {
                control.restart_middleware(Duration::from_secs(1));
            }
            control.release_replication(TASK);
            waiting.until_it_says("the run was cut off");
            control.run_snapshot_task(SNAPSHOT_TASK);
            let says = if reboots {
                "the NAS restarted"
            } else {
                "its middleware was restarted"
            };
            waiting
                .ended()
                .expect(6, &[says, "the run was cut off", "lies on both NAS"]);
        });
    }
}

#[test]
fn a_snapshot_task_that_is_disabled_is_not_triggered() {
    for version in SimulatedVersion::ALL {
        let house = House::with(version, |options| options.snapshot_tasks[0].enabled = false);
        let waiting = house.begin_to_wait(&["--trigger", "--deadline", "60s"]);
        waiting.ended().expect(
            1,
            &["every snapshot task that the replication is bound to is disabled (tank/docker)"],
        );
        assert!(house.control().snapshots("tank/docker").is_empty());
    }
}
