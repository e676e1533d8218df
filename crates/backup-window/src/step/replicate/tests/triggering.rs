//! Snapshot and replication on demand.

use truenas_client::{Job, JobState, TaskState, TrueNasError};

use super::scene::*;
use super::*;

/// A night whose replication runs only when it is told to: then for two minutes, if `told` does not
/// say otherwise.
fn on_demand() -> Scene {
    follows(|task, since_told| {
        task.auto = false;
        match since_told.map(minutes) {
            None => {}
            Some(..2) => task.state = running(Duration::from_secs(1)),
            Some(_) => {
                task.state = finished(20);
                task.last_snapshot = Some(tonights());
            }
        }
    })
}

/// A task that shows yesterday's end, and what `told` makes of it since it was told to run.
fn follows(told: impl Fn(&mut ReplicationTask, Option<Duration>) + Send + Sync + 'static) -> Scene {
    let replication_told = Arc::<Mutex<Option<Duration>>>::default();
    let when = Arc::clone(&replication_told);
    let mut scene = Scene::new(move |task, after| {
        task.state = yesterdays();
        task.last_snapshot = Some("tank/docker@auto-2026-11-22_02-15".parse().unwrap());
        told(
            task,
            when.lock().unwrap().map(|told| after.saturating_sub(told)),
        );
    });
    scene.replication_told = replication_told;
    scene.trigger = true;
    scene.job = |after| {
        let mut job = Job::new(7, "replication.run", JobState::Running);
        job.replication_task = Some(1);
        if minutes(after) >= 2 {
            job.state = JobState::Success;
        }
        Some(job)
    };
    scene
}

fn failed(error: &str) -> Job {
    let mut job = Job::new(7, "replication.run", JobState::Failed);
    job.replication_task = Some(1);
    job.error = Some(error.to_owned());
    job
}

fn broken() -> TrueNasError {
    TrueNasError::Broken {
        request: "replication.run".to_owned(),
        source: "the connection was reset".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_is_taken_first_and_then_sent() {
    let scene = on_demand();
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Done, "{}", record.summary);
    assert_eq!(scene.times_of("run_snapshot_task").len(), 1);
    assert_eq!(scene.times_of("run_replication_task").len(), 1);
    let sent = scene.times_of("run_replication_task")[0];
    assert!(
        sent >= Duration::from_secs(30),
        "the snapshot was there: {sent:?}"
    );
    assert!(record.took() < SignedDuration::from_mins(5));
}

#[tokio::test(start_paused = true)]
async fn a_nas_that_tells_of_changes_is_asked_for_snapshot_and_job_all_the_same() {
    let mut scene = on_demand();
    scene.tells_of_changes_at(&[]);
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Done, "{}", record.summary);
    assert!(record.took() < SignedDuration::from_mins(5));
}

#[tokio::test(start_paused = true)]
async fn a_replication_that_truenas_begins_by_itself_is_not_begun_again() {
    let mut scene = Scene::new(|task, after| {
        task.state = match after.as_secs() {
            ..30 => yesterdays(),
            30..200 => running(after),
            _ => finished(4),
        };
        task.last_snapshot = (after.as_secs() >= 200).then(tonights);
    });
    scene.trigger = true;
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Done, "{}", record.summary);
    assert_eq!(scene.times_of("run_snapshot_task").len(), 1);
    assert_eq!(scene.times_of("run_replication_task"), []);
}

#[tokio::test(start_paused = true)]
async fn what_has_arrived_already_is_not_brought_again() {
    let mut scene = Scene::new(|task, _| {
        task.state = finished(20);
        task.last_snapshot = Some(tonights());
        task.snapshot_tasks = vec![3];
    });
    scene.trigger = true;
    // By its name.
    scene.snapshots.clear();
    assert_eq!(scene.run(60).await.end, StepEnd::Done);
    assert_eq!(scene.times_of("run_"), []);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_refused_ends_the_waiting_with_the_reason() {
    for (job, says) in [
        (
            (|_| Some(failed("[EFAULT] Task is not enabled"))) as fn(Duration) -> Option<Job>,
            "replication \"docker\" cannot be run, because it is disabled: enable it on the NAS \
             under Data Protection",
        ),
        (
            |_| Some(failed("[EFAULT] Task is on hold: Pool tank is offline.")),
            "replication \"docker\" cannot be run, because it is on hold; TrueNAS says: [EFAULT] \
             Task is on hold: Pool tank is offline.",
        ),
        (
            |_| Some(failed("[EFAULT] No route to host")),
            "replication \"docker\" failed: [EFAULT] No route to host",
        ),
    ] {
        let mut scene = follows(|_, _| {});
        scene.job = job;
        let record = scene.run(60).await;
        assert_eq!(
            (record.end, record.summary.as_str()),
            (StepEnd::Failed, says)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_already_is_waited_for_and_followed_by_another_if_it_brings_nothing() {
    let mut scene = follows(|task, since_told| match since_told.map(minutes) {
        // It began before the snapshot was taken.
        Some(..3) => task.state = running(Duration::from_secs(1)),
        Some(3..6) => task.state = finished(5),
        Some(_) => {
            task.state = finished(20);
            task.last_snapshot = Some(tonights());
        }
        None => {}
    });
    scene.job = |after| {
        Some(if minutes(after) < 3 {
            failed("[EFAULT] Task is already running")
        } else {
            Job::new(7, "replication.run", JobState::Running)
        })
    };
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Done, "{}", record.summary);
    assert_eq!(scene.times_of("run_replication_task").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_vanished_leaves_the_state_to_tell() {
    for job in [
        (|_| None) as fn(Duration) -> Option<Job>,
        // After a restart, the number is another's.
        |_| {
            let mut job = Job::new(7, "pool.scrub", JobState::Failed);
            job.replication_task = Some(99);
            Some(job)
        },
    ] {
        let mut scene = on_demand();
        scene.job = job;
        let record = scene.run(60).await;
        assert_eq!(record.end, StepEnd::Done, "{}", record.summary);
        assert_eq!(scene.times_of("job").len(), 1);
        assert_eq!(scene.times_of("run_replication_task").len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_have_arrived_is_not_asked_for_twice() {
    let mut scene = on_demand();
    scene.runs_snapshot_task = || Err(broken());
    scene.runs_replication = || Err(broken());
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Done, "{}", record.summary);
    assert_eq!(scene.times_of("run_snapshot_task").len(), 1);
    assert_eq!(scene.times_of("run_replication_task").len(), 1);
    assert_eq!(scene.times_of("job"), []);
}

#[tokio::test(start_paused = true)]
async fn what_did_not_arrive_is_asked_for_again() {
    let mut scene = on_demand();
    scene.runs_snapshot_task = || Err(unreachable());
    let record = scene.run(10).await;
    assert_eq!(record.end, StepEnd::DeadlinePassed);
    assert!(scene.times_of("run_snapshot_task").len() > 1);
    assert!(
        record
            .summary
            .ends_with("failed to connect to https://nas: connection refused")
    );
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_cannot_be_taken_is_told_with_the_reason() {
    type Change = fn(&mut truenas_client::SnapshotTask, Duration);
    for (change, says) in [
        (
            (|task, _| task.enabled = false) as Change,
            "no snapshot can be taken, because every snapshot task that the replication is bound \
             to is disabled (tank/docker): enable one on https://nas under Data Protection",
        ),
        (
            |task, _| {
                task.state = TaskState::Hold {
                    at: None,
                    reason: "Pool tank is offline.".to_owned(),
                }
            },
            "the snapshot task of tank/docker is on hold; TrueNAS says why: Pool tank is offline.",
        ),
        (
            |task, after| {
                if minutes(after) >= 1 {
                    task.state = TaskState::Error {
                        at: None,
                        error: "out of space".to_owned(),
                    };
                }
            },
            "the snapshot task of tank/docker failed: out of space",
        ),
        (
            |task, after| {
                task.allow_empty = false;
                if minutes(after) >= 1 {
                    task.state = finished(1);
                }
            },
            "the snapshot task of tank/docker ran and kept no snapshot, because nothing has \
             changed since the one before: tonight's backup is not in tank/docker, or allow the \
             task to take empty snapshots",
        ),
    ] {
        let mut scene = on_demand();
        scene.snapshots.clear();
        scene.snapshot_task = change;
        let record = scene.run(60).await;
        assert_eq!(
            (record.end, record.summary.as_str()),
            (StepEnd::Failed, says)
        );
        assert_eq!(scene.times_of("run_replication_task"), []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_well_without_the_snapshot_is_not_waited_past() {
    let mut scene = follows(|task, since_told| {
        if since_told.is_some_and(|since| minutes(since) >= 2) {
            task.state = finished(5);
        }
    });
    scene.job = |after| {
        let mut job = Job::new(7, "replication.run", JobState::Running);
        if minutes(after) >= 2 {
            job.state = JobState::Success;
        }
        Some(job)
    };
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Failed);
    assert!(
        record
            .summary
            .contains("ended well, but sent no snapshot that is new enough"),
        "{}",
        record.summary
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_from_before_the_trigger_is_forgiven_and_one_after_it_is_not() {
    let error = |minute: i64| TaskState::Error {
        at: Some(start() + SignedDuration::from_mins(minute)),
        error: "no route to host".to_owned(),
    };
    let scene = follows(move |task, since_told| match since_told.map(minutes) {
        None | Some(..1) => task.state = error(1),
        Some(1) => task.state = running(Duration::from_secs(1)),
        Some(_) => {
            task.state = finished(20);
            task.last_snapshot = Some(tonights());
        }
    });
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Done, "{}", record.summary);

    let scene = follows(move |task, since_told| match since_told.map(minutes) {
        None | Some(..1) => task.state = error(1),
        Some(_) => task.state = error(2),
    });
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Failed);
    assert_eq!(
        record.summary,
        "replication \"docker\" failed: no route to host"
    );
}

#[tokio::test(start_paused = true)]
async fn the_job_that_takes_the_snapshot_tells_why_it_does_not() {
    let mut scene = on_demand();
    scene.runs_snapshot_task = || Ok(Some(SNAPSHOT_JOB));
    scene.snapshot_job = || {
        let mut job = Job::new(SNAPSHOT_JOB, "pool.snapshottask.run", JobState::Failed);
        job.error = Some("[EFAULT] Task is not enabled".to_owned());
        Some(job)
    };
    let record = scene.run(60).await;
    assert_eq!(
        (record.end, record.summary.as_str()),
        (
            StepEnd::Failed,
            "the snapshot task of tank/docker could not be run: [EFAULT] Task is not enabled"
        )
    );

    // One that has ended well, or is forgotten, leaves the snapshot to tell.
    for snapshot_job in [
        (|| {
            Some(Job::new(
                SNAPSHOT_JOB,
                "pool.snapshottask.run",
                JobState::Success,
            ))
        }) as fn() -> Option<Job>,
        || None,
        || Some(Job::new(SNAPSHOT_JOB, "pool.scrub", JobState::Failed)),
    ] {
        let mut scene = on_demand();
        scene.runs_snapshot_task = || Ok(Some(SNAPSHOT_JOB));
        scene.snapshot_job = snapshot_job;
        let record = scene.run(60).await;
        assert_eq!(record.end, StepEnd::Done, "{}", record.summary);
        assert_eq!(scene.times_of("snapshot job").len(), 1);
    }
}
