//! What is refused, because it would not be safe, or because it cannot be meant.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs;

use end_to_end::House;
use lab::homelab::{HomelabOptions, SNAPSHOT_TASK};
use lab::isolation::isolated;

#[test]
fn a_nas_is_not_switched_off_while_a_replication_runs() {
    isolated(|| {
        let house = House::build(HomelabOptions::default());
        let task = HomelabOptions::default().replication_task;
        house.lab.primary().hold_replication(&task);
        house.run("nas-wake", &[]).expect_code(0);
        let control = house.lab.primary();
        control.run_snapshot_task(SNAPSHOT_TASK);
        house.wait(async {
            while control.running_since(&task).is_none() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        });
        let since = control.running_since(&task).unwrap();

        let refused = house.run("nas-shutdown", &["run"]);
        refused.expect_code(4);
        let says = format!("replication \"{task}\" has been running since ");
        let (_, after) = refused.out.split_once(&says).expect(&refused.out);
        let said: jiff::Timestamp = after.split_whitespace().next().unwrap().parse().unwrap();
        // A job begins a moment before its run, and says so in whole seconds.
        let apart = since.duration_since(said).abs();
        assert!(
            apart <= jiff::SignedDuration::from_secs(3),
            "{since}: {}",
            refused.out
        );
        assert!(house.lab.host().is_up());

        // Once it has ended, the next run converges without a human.
        house.lab.primary().release_replication(&task);
        house.wait(async {
            while control.running_since(&task).is_some() {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        });
        house.run("nas-shutdown", &["run"]).expect_code(0);
        assert!(!house.lab.host().is_up());
    });
}

#[test]
fn a_nas_is_not_switched_off_while_a_scrub_runs() {
    isolated(|| {
        let house = House::build(HomelabOptions::default());
        house.run("nas-wake", &[]).expect_code(0);
        house.lab.backup().scrub("dozer", 12.0);
        let refused = house.run("nas-shutdown", &["run"]);
        refused.expect_code(4);
        assert!(
            refused.out.contains("a scrub of pool dozer runs"),
            "{}",
            refused.out
        );
        assert!(house.lab.host().is_up());
    });
}

#[test]
fn nothing_is_stopped_when_the_nas_is_not_mounted() {
    isolated(|| {
        let house = House::build(HomelabOptions::default());
        house.run("docker-backup", &["init"]).expect_code(0);
        let before = started_at(&house);
        house.lab.nas().unmount().unwrap();
        let refused = house.run("docker-backup", &["run"]);
        refused.expect_code(4);
        assert!(
            refused.out.contains("nothing is mounted on"),
            "{}",
            refused.out
        );
        assert_eq!(started_at(&house), before, "nothing was stopped");
        let left = fs::read_dir(house.lab.nas().mount_point()).unwrap().count();
        assert_eq!(left, 0, "nothing was written into the empty folder");

        house.lab.nas().mount_again().unwrap();
        house.run("docker-backup", &["run"]).expect_code(0);
    });
}

/// When each container was started: a container that was stopped in between has another time.
fn started_at(house: &House) -> Vec<(String, Option<jiff::Timestamp>)> {
    use docker_stacks::Engine as _;
    let lab::homelab::LabEngine::Docker(docker) = house.lab.engine() else {
        panic!("the suite wants a real engine");
    };
    let containers =
        house.wait(async { docker.engine().await.unwrap().containers().await.unwrap() });
    let mut started: Vec<_> = containers
        .into_iter()
        .map(|container| (container.name, container.started_at))
        .collect();
    started.sort();
    started
}

#[test]
fn nothing_is_stopped_outside_the_window_unless_it_is_asked_for() {
    isolated(|| {
        let house = House::build(HomelabOptions::default());
        house.run("docker-backup", &["init"]).expect_code(0);
        let before = started_at(&house);
        // A window that has been closed for some hours, wherever in the day the test runs.
        let now = house
            .lab
            .primary()
            .now()
            .to_zoned_datetime(jiff::tz::TimeZone::UTC);
        let hour = |offset: i64| {
            let at = now.saturating_add(jiff::SignedDuration::from_hours(offset));
            at.strftime("%H:00").to_string()
        };
        let text = fs::read_to_string(&house.config).unwrap();
        let start = text
            .lines()
            .find(|line| line.starts_with("start = "))
            .unwrap();
        let end = text
            .lines()
            .find(|line| line.starts_with("end = "))
            .unwrap();
        let closed = text
            .replace(start, &format!("start = \"{}\"", hour(-6)))
            .replace(end, &format!("end = \"{}\"", hour(-4)));
        let config = house.dir.join("closed.toml");
        fs::write(&config, closed).unwrap();

        let refused = house.run_with(&config, "docker-backup", &["run"]);
        refused.expect_code(4);
        assert!(
            refused.out.contains("the window is closed"),
            "{}",
            refused.out
        );
        assert_eq!(started_at(&house), before, "nothing was stopped");
        house
            .run_with(&config, "docker-backup", &["run", "--now"])
            .expect_code(0);
    });
}

#[test]
fn two_runs_never_go_on_at_once() {
    isolated(|| {
        let house = House::build(HomelabOptions::default());
        house.run("docker-backup", &["init"]).expect_code(0);
        let state = house.dir.join("state");
        fs::create_dir_all(&state).unwrap();
        let file = fs::File::create(state.join("lock")).unwrap();
        file.try_lock().unwrap();
        let refused = house.run("docker-backup", &["run"]);
        refused.expect_code(5);
        assert!(refused.err.contains("another run holds"), "{}", refused.err);
        drop(file);
        house.run("docker-backup", &["run"]).expect_code(0);
    });
}
