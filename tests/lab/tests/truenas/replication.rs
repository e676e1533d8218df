//! A replication, from its trigger to the snapshot on the other NAS.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use lab::truenas::{SimReplication, SimSnapshotTask, Simulator, SimulatorOptions};
use serde_json::json;
use truenas_client::{
    ErrorKind, JobState, RunningSince, SnapshotQuery, TaskState, TrueNas, Verdict, VerdictInput,
    judge,
};

use crate::{TASK, backup, client, is_finished, is_running, primary, task, until, until_task};

#[tokio::test]
async fn a_replication_goes_from_pending_to_the_snapshot_on_the_other_nas() {
    let (primary, backup) = (primary().await, backup().await);
    primary.control().replicate_to(backup.control());
    let (sender, receiver) = (client(&primary), client(&backup));
    let since = Timestamp::from_second(primary.control().now().as_second()).unwrap();
    assert_eq!(task(&sender).await.state, TaskState::Pending);

    // Held, so that even a slow machine sees it run.
    primary.control().hold_replication(TASK);
    sender.run_snapshot_task(1).await.unwrap();
    let running = until_task(&sender, "running", is_running).await;
    primary.control().release_replication(TASK);
    let job = running.job.clone().unwrap();
    assert_eq!(job.replication_task, Some(5));
    assert_eq!(
        running.running_since(),
        Some(RunningSince::Started(job.time_started.unwrap()))
    );
    let finished = until_task(&sender, "finished", is_finished).await;

    // Said to be finished, it is there at once.
    let query = SnapshotQuery::of("tank/docker").since(since);
    let sources = sender.snapshots(&query).await.unwrap();
    let target = finished.target_of("tank/docker").unwrap();
    let replicas = receiver
        .snapshots(&SnapshotQuery::of(target))
        .await
        .unwrap();
    assert_eq!(sources.len(), 1);
    assert_eq!(replicas.len(), 1);
    assert_eq!(
        (&replicas[0].name, replicas[0].created),
        (&sources[0].name, sources[0].created)
    );
    assert_eq!(replicas[0].guid, sources[0].guid);
    assert_eq!(
        receiver
            .snapshots(&SnapshotQuery::of("dozer/docker/volumes"))
            .await
            .unwrap()
            .len(),
        1
    );

    let judgement = judge(
        Some(&finished),
        &VerdictInput {
            source_snapshots: sources.clone(),
            ..VerdictInput::since(since)
        },
    );
    assert_eq!(
        judgement.verdict,
        Verdict::Fresh {
            snapshot: finished.last_snapshot.clone().unwrap(),
            created: sources[0].created,
        },
        "{:?}",
        judgement.reasons
    );
    let job = sender.job(job.id).await.unwrap().unwrap();
    assert_eq!(job.state, JobState::Success);
    assert!(matches!(
        sender.snapshot_tasks().await.unwrap()[0].state,
        TaskState::Finished { .. }
    ));
    assert_eq!(
        receiver.replication_tasks().await.unwrap(),
        [],
        "the receiving NAS knows nothing of it"
    );
}

#[tokio::test]
async fn a_run_without_a_new_snapshot_is_finished_and_not_fresh() {
    let (primary, backup) = (primary().await, backup().await);
    primary.control().replicate_to(backup.control());
    primary.control().take_snapshot("tank/docker", "yesterday");
    let sender = client(&primary);
    let job = sender.run_replication_task(5).await.unwrap();
    until("the job's end", || async {
        let job = sender.job(job).await.unwrap().unwrap();
        job.state.has_ended().then_some(job)
    })
    .await;

    let since = primary
        .control()
        .now()
        .checked_add(Duration::from_secs(1))
        .unwrap();
    until("a second to pass", || async {
        (primary.control().now() > since).then_some(())
    })
    .await;
    sender.run_replication_task(5).await.unwrap();
    let again = until_task(
        &sender,
        "finished again",
        |task| matches!(task.state, TaskState::Finished { at, .. } if at > since),
    )
    .await;
    assert_eq!(
        again.last_snapshot.as_ref().unwrap().to_string(),
        "tank/docker@yesterday"
    );
    let source_snapshots = sender
        .snapshots(&SnapshotQuery::of("tank/docker"))
        .await
        .unwrap();
    let judgement = judge(
        Some(&again),
        &VerdictInput {
            source_snapshots,
            ..VerdictInput::since(since)
        },
    );
    assert_eq!(judgement.verdict, Verdict::NothingSent);
}

#[tokio::test]
async fn tasks_run_by_themselves() {
    let backup = backup().await;
    let options = SimulatorOptions {
        datasets: vec!["tank/docker".to_owned()],
        snapshot_tasks: vec![
            SimSnapshotTask::new(1, "tank/docker").every(Duration::from_millis(200)),
        ],
        replication_tasks: vec![
            SimReplication::new(5, TASK, "tank/docker", "dozer/docker")
                .after(1)
                .takes(Duration::from_millis(100)),
        ],
        ..SimulatorOptions::new("primary")
    };
    let primary = Simulator::start(options).await.unwrap();
    primary.control().replicate_to(backup.control());
    // Nobody asks the primary NAS anything.
    let arrived = until("two snapshots", || async {
        let snapshots = backup.control().snapshots("dozer/docker");
        (snapshots.len() >= 2).then_some(snapshots)
    })
    .await;
    assert!(arrived[0].created < arrived[1].created);
    assert!(primary.control().requests().is_empty());
}

#[tokio::test]
async fn a_nas_that_is_away_makes_it_run_and_then_fail() {
    let primary = primary().await;
    let there = Arc::new(AtomicBool::new(false));
    primary.control().set_target_reachable({
        let there = Arc::clone(&there);
        Arc::new(move || there.load(Ordering::SeqCst))
    });
    let client = client(&primary);
    client.run_snapshot_task(1).await.unwrap();
    until_task(&client, "running through its retries", is_running).await;
    let failed = until_task(&client, "failed", |task| {
        matches!(task.state, TaskState::Error { .. })
    })
    .await;
    assert_eq!(failed.job.unwrap().state, JobState::Failed);
    there.store(true, Ordering::SeqCst);
    client.run_replication_task(5).await.unwrap();
    until_task(&client, "finished", is_finished).await;
}

#[tokio::test]
async fn a_held_replication_runs_until_it_is_released() {
    let primary = primary().await;
    let control = primary.control();
    control.hold_replication(TASK);
    let client = client(&primary);
    client.run_snapshot_task(1).await.unwrap();
    let before = until_task(&client, "running", is_running).await;
    // Three times as long as it takes.
    tokio::time::sleep(Duration::from_millis(900)).await;
    let after = task(&client).await;
    assert!(is_running(&after));
    assert_eq!(
        before.running_since(),
        after.running_since(),
        "the start stays"
    );
    assert_ne!(before.state, after.state, "the progress does not");
    control.release_replication(TASK);
    until_task(&client, "finished", is_finished).await;
}

#[tokio::test]
async fn a_run_that_cannot_be_is_a_job_that_fails() {
    let nas = primary().await;
    let (client, control) = (client(&nas), nas.control());
    let failure = async |id| {
        let job = client.run_replication_task(id).await.unwrap();
        let job = client.job(job).await.unwrap().unwrap();
        assert_eq!(job.state, JobState::Failed);
        job.error.unwrap()
    };
    control.set_replication_enabled(TASK, false);
    assert!(failure(5).await.contains("not enabled"));
    assert_eq!(task(&client).await.state, TaskState::Pending);
    control.set_replication_enabled(TASK, true);
    control.set_state(
        TASK,
        json!({"state": "HOLD", "datetime": {"$date": 0}, "reason": "Pool tank is offline."}),
    );
    assert!(failure(5).await.contains("on hold"));
    control.clear_state(TASK);
    control.hold_replication(TASK);
    client.run_replication_task(5).await.unwrap();
    until_task(&client, "running", is_running).await;
    assert!(failure(5).await.contains("already running"));
    assert!(failure(99).await.contains("does not exist"));
    assert_eq!(client.job(12_345).await.unwrap(), None);
    let error = client.run_snapshot_task(99).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}
