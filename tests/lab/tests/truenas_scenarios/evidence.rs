//! What is on both NAS, and what it costs to know.

use std::time::Duration;

use jiff::tz::TimeZone;
use lab::truenas::PoolHealth;
use truenas_client::{
    AlertLevel, EvidenceRequest, Finding, RecognisedBy, SnapshotQuery, TaskState,
};

use crate::house::{House, SNAPSHOTS_ID, TASK_ID, Tongue};

pub(crate) async fn a_snapshot_on_both_nas_is_proven_with_its_children(tongue: Tongue) {
    let house = House::new(tongue).await;
    house.replicate().await;
    let since = house.new_second().await;
    let task = house.replicate().await;
    let evidence = house.evidence(&task, since).await;
    let datasets: Vec<&str> = evidence
        .iter()
        .map(|found| found.dataset.as_str())
        .collect();
    assert_eq!(datasets, ["tank/docker", "tank/docker/db"]);
    for found in &evidence {
        let Finding::OnBoth {
            source,
            target,
            recognised_by,
        } = &found.finding
        else {
            panic!("{found:?}");
        };
        assert!(source.created >= since);
        assert_eq!(
            (source.guid.as_ref(), source.created),
            (target.guid.as_ref(), target.created)
        );
        assert_eq!(*recognised_by, RecognisedBy::Guid);
    }
    let request = EvidenceRequest {
        task: &task,
        since,
        time_zone: Some(&TimeZone::UTC),
    };
    let alone = request.collect(&*house.nas, None).await.unwrap();
    assert!(
        alone
            .iter()
            .all(|found| matches!(found.finding, Finding::Unproven { .. }))
    );
    let tomorrow = house.new_second().await;
    let none = house.evidence(&task, tomorrow).await;
    assert_eq!(none.len(), 1);
    assert_eq!(none[0].finding, Finding::NotOnSource);
}

pub(crate) async fn a_child_that_did_not_arrive_is_missed(tongue: Tongue) {
    let house = House::new(tongue).await;
    let since = house.new_second().await;
    let task = house.replicate().await;
    let name = task.last_snapshot.clone().unwrap().name;
    let backup = house.backup.control();
    backup.remove_snapshot("dozer/docker/db", &name);
    // One of the same name that is another.
    backup.take_snapshot("dozer/docker/db", &name);
    let request = EvidenceRequest {
        task: &task,
        since,
        time_zone: None,
    };
    let evidence = request
        .collect(&*house.nas, Some(&*house.target))
        .await
        .unwrap();
    let proven: Vec<bool> = evidence
        .iter()
        .map(|found| found.finding.is_proven())
        .collect();
    assert_eq!(proven, [true, false], "{evidence:?}");
}

/// With 20,000 snapshots of the very dataset, and of others, on the NAS.
pub(crate) async fn a_large_nas_costs_no_more(tongue: Tongue) {
    let house = House::new(tongue).await;
    house.control().add_snapshots("tank/docker", 20_000, 60);
    house.control().add_snapshots("tank/media", 20_000, 60);
    let since = house.new_second().await;
    let task = house.replicate().await;
    let asked = || house.control().requests().len() + house.control().calls().len();
    let before = asked();
    let evidence = house.evidence(&task, since).await;
    assert!(
        evidence.iter().all(|found| found.finding.is_proven()),
        "{evidence:?}"
    );
    // The snapshots of the dataset, those of its children; and once, which version it is.
    assert!(asked() - before <= 3, "{} questions", asked() - before);
    // All of them, when somebody asks for all of them: in pages, whole, and in order.
    let before = asked();
    let all = house
        .nas
        .snapshots(&SnapshotQuery::of("tank/media"))
        .await
        .unwrap();
    assert_eq!(all.len(), 20_000);
    assert!(all.is_sorted_by_key(|snapshot| snapshot.created));
    assert!(asked() - before <= 6, "{} questions", asked() - before);
}

pub(crate) async fn pools_and_alerts_are_told(tongue: Tongue) {
    let house = House::new(tongue).await;
    let control = house.control();
    assert_eq!(
        house.nas.pools().await.unwrap()[0].is_scanning(),
        Some(false)
    );
    control.scrub("tank", 12.5);
    assert_eq!(
        house.nas.pools().await.unwrap()[0].is_scanning(),
        Some(true)
    );
    control.end_scrub("tank");
    control.resilver("tank", 3.0);
    assert_eq!(
        house.nas.pools().await.unwrap()[0].is_scanning(),
        Some(true)
    );
    control.end_scrub("tank");
    control.set_pool("tank", PoolHealth::degraded("One device is gone."));
    let pool = house.nas.pools().await.unwrap().remove(0);
    assert_eq!((pool.status.as_str(), pool.healthy), ("DEGRADED", false));
    control.set_pool("tank", PoolHealth::offline());
    assert!(!house.nas.pools().await.unwrap()[0].healthy);

    control.raise_alert("CRITICAL", "ReplicationFailed", "Replication failed.");
    let alerts = house.nas.alerts().await.unwrap();
    let raised = alerts
        .iter()
        .find(|alert| alert.class == "ReplicationFailed")
        .unwrap();
    assert_eq!(raised.level, AlertLevel::Critical);
    assert!(
        raised.needs_attention() && raised.since.is_some(),
        "{raised:?}"
    );
}

pub(crate) async fn changes_are_told_over_json_rpc_alone(tongue: Tongue) {
    let house = House::new(tongue).await;
    let changes = house.nas.replication_changes().await.unwrap();
    assert_eq!(changes.is_some(), !tongue.is_rest());
    let Some(mut changes) = changes else {
        return;
    };
    let mut task = house.task().await;
    house.nas.run_snapshot_task(SNAPSHOTS_ID).await.unwrap();
    let asked = house.control().calls().len();
    let mut seen = Vec::new();
    while !matches!(task.state, TaskState::Finished { .. }) {
        let next = tokio::time::timeout(Duration::from_secs(30), changes.next());
        let change = next.await.expect("a change in time").expect("a connection");
        assert_eq!(change.id, TASK_ID);
        if change.apply_to(&mut task) {
            seen.push(task.state.clone());
        }
    }
    assert!(
        seen.iter()
            .any(|state| matches!(state, TaskState::Running { .. })),
        "{seen:?}"
    );
    assert!(task.last_snapshot.is_some());
    assert_eq!(
        house.control().calls().len(),
        asked,
        "nothing was asked meanwhile"
    );

    house.control().cut_connections();
    let ended = tokio::time::timeout(Duration::from_secs(30), async {
        while changes.next().await.is_some() {}
    });
    ended.await.expect("a lost connection ends the changes");
    assert!(house.nas.replication_changes().await.unwrap().is_some());
}
