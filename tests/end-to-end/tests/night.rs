//! A real night through the binaries alone, as cron would run them.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs;

use end_to_end::House;
use lab::homelab::HomelabOptions;
use lab::isolation::isolated;

#[test]
fn the_four_cron_lines_make_a_whole_night() {
    isolated(|| {
        let house = House::build(HomelabOptions::default());
        let before = house.running();
        assert_eq!(before.len(), 5, "{before:?}");

        house.run("docker-backup", &["init"]).expect_code(0);
        assert!(!house.lab.host().is_up());
        let woken = house.run("nas-wake", &["--json"]);
        woken.expect_code(0);
        assert_eq!(woken.json()["steps"][0]["outcome"]["found_off"], true);
        assert!(house.lab.host().is_up());

        let saved = house.run("docker-backup", &["run", "--json"]);
        saved.expect_code(0);
        let stacks: Vec<String> = saved.json()["steps"][0]["outcome"]["saved"]
            .as_array()
            .unwrap()
            .iter()
            .map(|stack| stack["stack"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(stacks, ["media", "portainer", "syncthing", "wiki"]);
        nothing_of_the_excluded_volumes_was_saved(&house, &saved.json());
        assert_eq!(house.running(), before);

        let replicated = house.run("nas-replication", &["wait", "--json"]);
        replicated.expect_code(0);
        let steps = replicated.json();
        let facts: Vec<&str> = steps["steps"][1]["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .map(|evidence| evidence["fact"]["kind"].as_str().unwrap())
            .collect();
        assert_eq!(facts, ["snapshot_on_source", "snapshot_on_target"]);

        house.run("nas-shutdown", &["run"]).expect_code(0);
        assert!(!house.lab.host().is_up());
        assert_eq!(house.lab.host().boots(), 1);

        let history = house.run("backup-window", &["history", "--json"]);
        history.expect_code(0);
        let steps: Vec<String> = history.json()[0]["records"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["step"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(
            steps,
            [
                "wake",
                "stacks",
                "verify",
                "retain",
                "replicate",
                "evidence",
                "guard",
                "shut_down",
                "confirm"
            ]
        );
        restored_files_are_those_of_the_volume(&house);
    });
}

/// portainer has nothing else to copy, and so it was not even stopped.
fn nothing_of_the_excluded_volumes_was_saved(house: &House, saved: &serde_json::Value) {
    for stack in saved["steps"][0]["outcome"]["saved"].as_array().unwrap() {
        let was_stopped = !stack["outage_milliseconds"].is_null();
        assert_eq!(was_stopped, stack["stack"] != "portainer", "{stack}");
    }
    let snapshots = house.run("docker-backup", &["snapshots", "--json"]).json();
    for snapshot in snapshots.as_array().unwrap() {
        for excluded in ["portainer_data", "syncthing_shared", "nfs_data"] {
            let paths = snapshot["paths"].to_string();
            assert!(!paths.contains(excluded), "{paths}");
        }
    }
}

/// What was saved is what was there when the stack was down, with the line that its service wrote
/// while it was stopped.
fn restored_files_are_those_of_the_volume(house: &House) {
    let to = house.dir.join("restored");
    house
        .run(
            "docker-backup",
            &["restore", "wiki", "--to", to.to_str().unwrap()],
        )
        .expect_code(0);
    let wiki = house
        .lab
        .stacks()
        .iter()
        .find(|stack| stack.name == "wiki")
        .unwrap();
    for (inside, original) in &wiki.data {
        let differences = backup_store::testing::compare_trees(original, &to.join(inside));
        assert!(differences.is_empty(), "{differences:?}");
        let log = fs::read_to_string(to.join(inside).join("log")).unwrap();
        assert_eq!(log, "stopped properly\n");
    }
}

#[test]
fn the_supervised_night_does_it_in_one_run() {
    isolated(|| {
        let house = House::build(HomelabOptions::default());
        let before = house.running();
        house.run("docker-backup", &["init"]).expect_code(0);
        let intention = house.run("backup-window", &["run", "--dry-run"]);
        intention.expect_code(0);
        assert!(intention.out.contains("wiki_pages"), "{}", intention.out);
        assert_eq!(house.lab.host().packets_seen(), 0, "a dry run wakes nobody");
        house.run("backup-window", &["check"]).expect_code(0);
        let night = house.run("backup-window", &["run", "--json"]);
        night.expect_code(0);
        let report = night.json();
        let steps = report["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 9);
        for step in steps {
            assert_eq!(step["end"], "done", "{step}");
            assert!(!step["evidence"].as_array().unwrap().is_empty(), "{step}");
        }
        assert_eq!(house.running(), before);
        assert!(!house.lab.host().is_up());
    });
}

#[test]
fn a_nas_that_was_already_up_is_left_up() {
    isolated(|| {
        let mut options = HomelabOptions::default();
        options.sleeping.awake = true;
        let house = House::build(options);
        house.run("nas-wake", &[]).expect_code(0);
        let refused = house.run("nas-shutdown", &["run"]);
        refused.expect_code(4);
        assert!(refused.out.contains("did not wake it"), "{}", refused.out);
        assert!(house.lab.host().is_up());
    });
}
