use backup_window::nas_status::NasAnswers;
use truenas_client::{
    Alert, AlertLevel, NamingSchema, Pool, ReplicationTask, Scan, Schedule, SnapshotTask, System,
    TaskState, Version,
};

use truenas_client::{ScanFunction, ScanState};

use super::*;

/// A NAS in the morning after a night in which one of two replications failed.
fn primary() -> Shown {
    let time = |text: &str| text.parse().unwrap();
    let version = Version::parse("TrueNAS-25.10.1");
    let mut system = System::new(version, "sth-prd-01", time("2026-11-23T08:00:00Z"));
    system.time_zone = "Europe/Paris".to_owned();
    let mut nightly = Schedule::default();
    (nightly.minute, nightly.hour) = ("15".to_owned(), "3".to_owned());
    let task = |id, name: &str, state| {
        let mut task = ReplicationTask::new(id, name, "tank/docker", "dozer/docker");
        task.snapshot_tasks = vec![3];
        task.naming_schemas = vec![NamingSchema::new("auto-%Y-%m-%d_%H-%M")];
        task.last_snapshot = "tank/docker@auto-2026-11-23_03-15".parse().ok();
        task.state = state;
        task
    };
    let finished = TaskState::Finished {
        at: time("2026-11-23T02:20:00Z"),
        warnings: Vec::new(),
    };
    let failed = TaskState::Error {
        at: Some(time("2026-11-23T02:30:00Z")),
        error: "No route to host".to_owned(),
    };
    let mut snapshots = SnapshotTask::new(3, "tank/docker");
    snapshots.schedule = nightly;
    snapshots.state = finished.clone();
    let mut pool = Pool::new("tank");
    let mut scan = Scan::new(ScanFunction::Scrub, ScanState::Scanning);
    scan.percentage = Some(42.4);
    pool.scan = Some(scan);
    let status = NasStatus::of(
        NasAnswers {
            system,
            replications: vec![
                task(1, "docker to backup", finished),
                task(2, "media", failed),
            ],
            snapshot_tasks: vec![snapshots],
            alerts: Ok(vec![
                Alert::new(AlertLevel::Info, "ReplicationSuccess", "Replication done."),
                Alert::new(
                    AlertLevel::Critical,
                    "ReplicationFailed",
                    "Replication \"media\"\nfailed.",
                ),
            ]),
            pools: Ok(vec![pool]),
        },
        &["docker to backup".to_owned()],
    );
    Shown {
        nas: "primary",
        url: "https://192.0.2.10".to_owned(),
        transport: Some(Transport::JsonRpc),
        exit: Exit::Attention,
        status: Some(status),
        problem: None,
    }
}

fn asleep() -> Shown {
    Shown {
        nas: "backup",
        url: "https://192.0.2.11".to_owned(),
        transport: None,
        status: None,
        exit: Exit::Done,
        problem: Some("failed to connect to https://192.0.2.11: no route to host".to_owned()),
    }
}

#[test]
fn people_see_a_table_and_what_is_wrong() {
    insta::assert_snapshot!(show::render(&Document::new(vec![primary(), asleep()])));
}

#[test]
fn programs_see_a_document_whose_form_stays() {
    insta::assert_json_snapshot!(Document::new(vec![primary(), asleep()]));
}

#[test]
fn the_exit_code_is_that_of_the_worst() {
    let mut down = asleep();
    (down.nas, down.exit) = ("primary", Exit::Failed);
    assert_eq!(Document::new(vec![asleep()]).exit, Exit::Done);
    assert_eq!(
        Document::new(vec![primary(), asleep()]).exit,
        Exit::Attention
    );
    assert_eq!(Document::new(vec![primary(), down]).exit, Exit::Failed);
}
