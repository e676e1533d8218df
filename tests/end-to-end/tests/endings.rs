//! Runs that are ended in the middle of an outage: everything runs again (I1).

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use end_to_end::House;
use lab::homelab::HomelabOptions;
use lab::isolation::isolated;
use rustix::process::{Pid, Signal, kill_process};

/// A house with a repository, and a run of `docker-backup` that has just begun an outage.
struct InAnOutage {
    house: House,
    before: Vec<String>,
    run: Child,
}

impl InAnOutage {
    fn begin() -> Self {
        let house = House::build(HomelabOptions::default());
        house.run("docker-backup", &["init"]).expect_code(0);
        let before = house.running();
        let run = house
            .command(&house.config, "docker-backup", &["run"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let outage = Self { house, before, run };
        let journal = outage.journal();
        let appears = async {
            while !journal.exists() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        outage
            .house
            .wait(async { tokio::time::timeout(Duration::from_mins(1), appears).await })
            .expect("an outage begins");
        outage
    }

    fn journal(&self) -> PathBuf {
        self.house.dir.join("state/outage.json")
    }

    /// Sends a signal, waits for the end, and gives the exit code.
    fn end(&mut self, signal: Signal) -> Option<i32> {
        let pid = Pid::from_child(&self.run);
        kill_process(pid, signal).unwrap();
        self.run.wait().unwrap().code()
    }
}

#[test]
fn a_signal_that_asks_ends_the_run_after_everything_was_started_again() {
    isolated(|| {
        let mut outage = InAnOutage::begin();
        assert_eq!(outage.end(Signal::TERM), Some(143));
        assert_eq!(outage.house.running(), outage.before);
        assert!(!outage.journal().exists());
        outage.house.run("docker-backup", &["run"]).expect_code(0);
    });
}

#[test]
fn what_a_killed_run_leaves_stopped_is_started_by_recover() {
    isolated(|| {
        let mut outage = InAnOutage::begin();
        assert_eq!(outage.end(Signal::KILL), None);
        assert!(outage.journal().exists());
        outage
            .house
            .run("docker-backup", &["recover"])
            .expect_code(0);
        assert_eq!(outage.house.running(), outage.before);
        assert!(!outage.journal().exists());
        let again = outage.house.run("docker-backup", &["recover"]);
        again.expect_code(0);
        assert!(
            again.out.contains("nothing was left stopped"),
            "{}",
            again.out
        );
    });
}

#[test]
fn what_a_killed_run_leaves_stopped_is_started_by_the_next_run() {
    isolated(|| {
        let mut outage = InAnOutage::begin();
        assert_eq!(outage.end(Signal::KILL), None);
        let next = outage.house.run("docker-backup", &["run"]);
        next.expect_code(6);
        assert!(next.out.contains("had left"), "{}", next.out);
        assert_eq!(outage.house.running(), outage.before);
        outage
            .house
            .run("docker-backup", &["verify", "--read-data", "100"])
            .expect_code(0);
    });
}
