//! What the client reads, of both versions.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lab::truenas::{Simulator, SimulatorOptions};
use serde_json::json;
use truenas_client::{
    Edition, ScanFunction, SnapshotQuery, TaskState, TrueNas, Verdict, VerdictInput, judge,
};

use crate::{TASK, backup, client, primary, task};

#[tokio::test]
async fn both_systems_introduce_themselves() {
    for (nas, edition, release, hostname) in [
        (primary().await, Edition::Scale, (24, 10), "primary"),
        (backup().await, Edition::Core, (13, 0), "backup"),
    ] {
        let client = client(&nas);
        assert_eq!(client.url(), format!("https://{}", nas.address()));
        let system = client.system().await.unwrap();
        assert_eq!(system.version.edition(), edition);
        assert_eq!(system.version.release(), Some(release));
        assert_eq!(system.hostname, hostname);
        assert_eq!(system.time_zone, "UTC");
        assert!(system.boot_id.is_some());
        let skew = nas.control().now().duration_since(system.datetime);
        assert!(skew.unsigned_abs() < Duration::from_secs(10), "{skew}");
        assert!(system.uptime < Duration::from_mins(5));
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_seen() {
    let mut options = SimulatorOptions::new("ahead");
    options.clock_ahead = SignedDuration::from_hours(2);
    let nas = Simulator::start(options).await.unwrap();
    let right = primary().await.control().now();
    let ahead = client(&nas)
        .system()
        .await
        .unwrap()
        .datetime
        .duration_since(right);
    assert!((119..=121).contains(&ahead.as_mins()), "{ahead}");
}

#[tokio::test]
async fn tasks_and_pools_are_listed() {
    let nas = primary().await;
    let client = client(&nas);
    let snapshot_task = client.snapshot_tasks().await.unwrap().remove(0);
    assert_eq!(
        (snapshot_task.id, snapshot_task.dataset.as_str()),
        (1, "tank/docker")
    );
    assert_eq!(snapshot_task.state, TaskState::Pending);

    let task = task(&client).await;
    assert_eq!((task.id, task.name.as_str()), (5, TASK));
    assert!(task.enabled && task.auto && task.recursive);
    assert_eq!(task.state, TaskState::Pending);
    assert_eq!(task.snapshot_tasks, [1]);
    assert_eq!(task.naming_schemas, [snapshot_task.naming_schema]);
    assert_eq!(
        task.target_of("tank/docker/volumes").as_deref(),
        Some("dozer/docker/volumes")
    );

    let pool = client.pools().await.unwrap().remove(0);
    assert_eq!(
        (pool.name.as_str(), pool.status.as_str()),
        ("tank", "ONLINE")
    );
    assert_eq!(pool.is_scanning(), Some(false));
    nas.control().scrub("tank", 12.5);
    let scan = client.pools().await.unwrap().remove(0).scan.unwrap();
    assert_eq!(
        (scan.function, scan.percentage),
        (ScanFunction::Scrub, Some(12.5))
    );
    assert_eq!(
        client.pools().await.unwrap().remove(0).is_scanning(),
        Some(true)
    );
    nas.control().end_scrub("tank");
    assert_eq!(
        client.pools().await.unwrap().remove(0).is_scanning(),
        Some(false)
    );
}

#[tokio::test]
async fn snapshots_are_those_of_one_dataset_the_oldest_first() {
    let nas = primary().await;
    let control = nas.control();
    for name in ["b", "a", "c"] {
        control.take_snapshot("tank/docker", name);
    }
    control.take_snapshot("tank/docker/volumes", "a");
    let client = client(&nas);
    let snapshots = client
        .snapshots(&SnapshotQuery::of("tank/docker"))
        .await
        .unwrap();
    // Taken within one second, perhaps: only the transaction tells their order.
    let names: Vec<&str> = snapshots
        .iter()
        .map(|snapshot| snapshot.name.as_str())
        .collect();
    assert_eq!(names, ["b", "a", "c"]);
    let of_control: Vec<Timestamp> = control
        .snapshots("tank/docker")
        .iter()
        .map(|snapshot| snapshot.created)
        .collect();
    assert_eq!(
        snapshots
            .iter()
            .map(|snapshot| snapshot.created)
            .collect::<Vec<_>>(),
        of_control
    );
    let asked = control.requests().pop().unwrap();
    assert_eq!(
        (asked.path.as_str(), asked.query.as_str()),
        (
            "/api/v2.0/zfs/snapshot",
            "dataset=tank%2Fdocker&limit=5000&offset=0"
        )
    );

    let later = control.now().checked_add(Duration::from_mins(1)).unwrap();
    assert_eq!(
        client
            .snapshots(&SnapshotQuery::of("tank/docker").since(later))
            .await
            .unwrap(),
        []
    );
    assert_eq!(
        client
            .snapshots(&SnapshotQuery::of("tank/nothing"))
            .await
            .unwrap(),
        []
    );
}

#[tokio::test]
async fn states_of_the_future_are_unknown() {
    let nas = primary().await;
    let client = client(&nas);
    for state in [
        json!({"state": "PONDERING"}),
        json!("FINISHED"),
        json!(null),
    ] {
        nas.control().set_state(TASK, state);
        let task = task(&client).await;
        assert!(
            matches!(task.state, TaskState::Unknown { .. }),
            "{:?}",
            task.state
        );
        let evidence = VerdictInput::since(Timestamp::UNIX_EPOCH);
        assert!(matches!(
            judge(Some(&task), &evidence).verdict,
            Verdict::Unknown { .. }
        ));
    }
}
