//! The waiting, against a NAS in memory and on a paused clock.

mod scene;
mod triggering;

use std::sync::{Arc, Mutex};

use truenas_client::{
    CertificateFingerprint, Progress, ReplicationChange, ReplicationChanges, TaskState,
};

use self::scene::*;
use super::*;

#[tokio::test(start_paused = true)]
async fn a_nas_that_tells_is_asked_once_and_at_a_slow_heartbeat() {
    let mut scene = Scene::new(|task, after| {
        task.state = match minutes(after) {
            ..3 => TaskState::Pending,
            3..12 => running(after),
            _ => finished(12),
        };
        task.last_snapshot = (minutes(after) >= 12).then(tonights);
    });
    scene.tells_of_changes_at(&[3, 4, 5, 7, 12]);
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Done, "{}", record.summary);
    assert_eq!(
        record.summary,
        "1 replication task has brought tonight's backup over"
    );
    assert_eq!(
        scene.calls(),
        [
            "0: replication_changes, system, replication_tasks",
            "5: system, replication_tasks",
            "10: system, replication_tasks",
            "12: snapshots tank/docker@auto-2026-11-23_02-15",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_nas_that_does_not_tell_is_asked_ever_more_seldom_while_nothing_happens() {
    let scene = Scene::new(|task, after| {
        task.state = match minutes(after) {
            ..30 => TaskState::Pending,
            30..90 => running(after),
            _ => finished(90),
        };
        task.last_snapshot = (minutes(after) >= 90).then(tonights);
    });
    let record = scene.run(120).await;
    assert_eq!(record.end, StepEnd::Done, "{}", record.summary);
    let asked = scene.times_of("replication_tasks");
    // A fixed pause of ten seconds would have asked 541 times.
    assert_eq!(asked.len(), 97, "{asked:?}");
    let seconds: Vec<u64> = asked[..8].iter().map(Duration::as_secs).collect();
    assert_eq!(seconds, [0, 10, 25, 47, 81, 131, 191, 251]);
    assert_eq!(scene.times_of("system").len(), 1);
    assert_eq!(scene.times_of("snapshots").len(), 1);
    // Everything is noticed within the longest pause.
    assert!(asked.last().unwrap() < &Duration::from_mins(91));
}

#[tokio::test(start_paused = true)]
async fn near_the_end_a_nas_is_asked_more_often() {
    let scene = Scene::new(|task, after| {
        task.state = running(after);
        if let TaskState::Running {
            progress: Some(progress),
            ..
        } = &mut task.state
        {
            let sent = if minutes(after) < 20 { 10 } else { 95 };
            (progress.snapshots_sent, progress.snapshots_total) = (Some(0), Some(1));
            (progress.sent_bytes, progress.total_bytes) = (Some(sent), Some(100));
        }
    });
    scene.run(22).await;
    let asked = scene.times_of("replication_tasks");
    let pauses: Vec<u64> = asked
        .windows(2)
        .map(|pair| pair[1].saturating_sub(pair[0]).as_secs())
        .collect();
    assert_eq!(pauses[6..10], [60, 60, 60, 60]);
    assert_eq!(pauses[pauses.len() - 4..pauses.len() - 1], [10, 10, 10]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_made_again_and_what_was_missed_is_asked_for() {
    let mut scene = Scene::new(|task, after| {
        task.state = if minutes(after) < 8 {
            running(after)
        } else {
            finished(8)
        };
        task.last_snapshot = (minutes(after) >= 8).then(tonights);
    });
    scene.tells_of_changes_at(&[2]);
    scene.loses_the_connection_at(7);
    scene.tells_of_changes_at(&[]);
    scene.unreachable = Some(7..9);
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Done, "{}", record.summary);
    let calls = scene.calls();
    assert!(
        calls
            .last()
            .unwrap()
            .starts_with("9: replication_changes, system, replication_tasks, snapshots"),
        "{calls:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_nas_that_cannot_be_reached_is_waited_for_until_the_deadline() {
    let mut scene = Scene::new(|task, _| task.state = TaskState::Pending);
    scene.unreachable = Some(0..1000);
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::DeadlinePassed);
    assert_eq!(
        record.summary,
        "the replication had not ended after 1h: failed to connect to https://nas: connection refused"
    );
    assert_eq!(record.took(), SignedDuration::from_hours(1));
    assert!(scene.calls().len() < 70, "{:?}", scene.calls());
}

#[tokio::test(start_paused = true)]
async fn what_no_waiting_helps_against_ends_it_at_once() {
    type Change = fn(&mut ReplicationTask);
    let cases: [(Change, &str); 4] = [
        (
            |task| task.name = "another".to_owned(),
            "https://nas has no replication task \"docker\": it has \"another\"; correct \
             replication_tasks in [primary_nas]",
        ),
        (
            |task| task.enabled = false,
            "replication \"docker\" is disabled, so that nothing is brought over: enable it on \
             https://nas under Data Protection",
        ),
        (
            |task| {
                task.state = TaskState::Hold {
                    at: None,
                    reason: "Pool tank is offline.".to_owned(),
                }
            },
            "replication \"docker\" is on hold; TrueNAS says why: Pool tank is offline.",
        ),
        (
            |task| {
                task.state = TaskState::Error {
                    at: Some(start() + SignedDuration::from_mins(5)),
                    error: "no space left".to_owned(),
                }
            },
            "replication \"docker\" failed: no space left",
        ),
    ];
    for (change, summary) in cases {
        let scene = Scene::new(move |task, _| change(task));
        let record = scene.run(60).await;
        assert_eq!(
            (record.end, record.summary.as_str()),
            (StepEnd::Failed, summary)
        );
        assert_eq!(scene.times_of("replication_tasks").len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_from_before_is_no_verdict_on_tonight() {
    let scene = Scene::new(|task, after| {
        task.state = TaskState::Error {
            at: Some(start() - SignedDuration::from_hours(20)),
            error: "no route to host".to_owned(),
        };
        if minutes(after) >= 10 {
            task.state = finished(10);
            task.last_snapshot = Some(tonights());
        }
    });
    assert_eq!(scene.run(60).await.end, StepEnd::Done);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_trusted_is_refused_and_what_is_denied_fails() {
    let fingerprint = |byte: u8| CertificateFingerprint::of_der(&[byte]);
    let mut scene = Scene::new(|_, _| {});
    scene.fails_with = Some(Arc::new(move || TrueNasError::CertificateMismatch {
        url: "https://nas".to_owned(),
        expected: fingerprint(1),
        found: fingerprint(2),
    }));
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Refused);
    for fingerprint in [fingerprint(1), fingerprint(2)] {
        assert!(
            record.summary.contains(&fingerprint.to_string()),
            "{}",
            record.summary
        );
    }
    assert_eq!(scene.calls().len(), 1);

    scene.fails_with = Some(Arc::new(|| TrueNasError::Forbidden {
        request: "replication.query".to_owned(),
    }));
    assert_eq!(scene.run(60).await.end, StepEnd::Failed);
}

#[tokio::test(start_paused = true)]
async fn warnings_need_attention() {
    let scene = Scene::new(|task, _| {
        task.state = TaskState::Finished {
            at: start() + SignedDuration::from_mins(20),
            warnings: vec!["cannot receive mountpoint property".to_owned()],
        };
        task.last_snapshot = Some(tonights());
    });
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Attention);
    assert_eq!(
        record.attention,
        ["replication \"docker\": cannot receive mountpoint property"]
    );
}

/// It was running; then the NAS shows yesterday's end, and nothing more comes.
fn cut_off(boot_id: fn(Duration) -> &'static str) -> Scene {
    let mut scene = Scene::new(|task, after| {
        task.state = if minutes(after) < 10 {
            running(after)
        } else {
            yesterdays()
        };
        task.last_snapshot = Some("tank/docker@auto-2026-11-22_02-15".parse().unwrap());
    });
    scene.boot_id = boot_id;
    scene
}

#[tokio::test(start_paused = true)]
async fn a_run_that_a_restart_of_the_nas_cut_off_is_not_taken_for_done() {
    let boot_id = |after| if minutes(after) < 10 { "a" } else { "b" };
    for tells in [false, true] {
        let mut scene = cut_off(boot_id);
        if tells {
            scene.tells_of_changes_at(&[1]);
            scene.loses_the_connection_at(10);
            scene.tells_of_changes_at(&[]);
        }
        let record = scene.run(60).await;
        assert_eq!(record.end, StepEnd::DeadlinePassed);
        assert!(
            record.summary.starts_with(
                "the replication had not ended after 1h: \"docker\" stale: it has not run since"
            ) && record.summary.contains(
                "; replication \"docker\" was running, then the NAS restarted at 2026-11-23T02:10:0"
            ) && record.summary.ends_with("and the run was cut off"),
            "{}",
            record.summary
        );
        assert_eq!(record.attention.len(), 1, "{:?}", record.attention);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_a_restart_of_the_middleware_cut_off_is_told_as_that() {
    let record = cut_off(|_| "a").run(60).await;
    assert_eq!(record.end, StepEnd::DeadlinePassed);
    assert!(
        record.summary.ends_with(
            "then TrueNAS forgot that it ran (its middleware was restarted), and the run was cut off"
        ),
        "{}",
        record.summary
    );
}

/// It runs, and nothing moves from minute 5 on, until `until`.
fn standing_still(until: i64) -> Scene {
    Scene::new(move |task, after| {
        task.state = match minutes(after) {
            now if now >= until => finished(until),
            now => running(Duration::from_mins(now.min(5).unsigned_abs())),
        };
        task.last_snapshot = (minutes(after) >= until).then(tonights);
    })
}

#[tokio::test(start_paused = true)]
async fn a_run_that_stands_still_is_told_of_and_waited_for() {
    for tells in [false, true] {
        let mut scene = standing_still(1000);
        if tells {
            scene.tells_of_changes_at(&[1, 2, 3, 4, 5]);
        }
        let record = scene.run(60).await;
        assert_eq!(record.end, StepEnd::DeadlinePassed);
        assert_eq!(
            record.attention,
            [
                "replication \"docker\" says that it runs, but nothing has moved since 2026-11-23T02:05:00Z"
            ]
        );
        assert_eq!(
            record.summary,
            "the replication had not ended after 1h: \"docker\" running, and nothing has moved \
             since 2026-11-23T02:05:00Z"
        );

        let mut scene = standing_still(40);
        if tells {
            scene.tells_of_changes_at(&[1, 2, 3, 4, 5, 40]);
        }
        let record = scene.run(60).await;
        assert_eq!(record.end, StepEnd::Attention, "{}", record.summary);
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_the_source_no_longer_has_is_judged_by_its_name() {
    let mut scene = Scene::new(|task, _| {
        task.state = finished(20);
        task.last_snapshot = Some(tonights());
    });
    scene.snapshots.clear();
    assert_eq!(scene.run(60).await.end, StepEnd::Done);

    let mut scene = Scene::new(|task, _| {
        task.state = finished(20);
        task.last_snapshot = Some(tonights());
        task.naming_schemas.clear();
    });
    scene.snapshots.clear();
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::DeadlinePassed);
    assert_eq!(scene.times_of("snapshots").len(), 1, "it is asked for once");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_sends_nothing_new_is_waited_past() {
    let scene = Scene::new(|task, after| {
        task.state = finished(if minutes(after) < 30 { 5 } else { 30 });
        task.last_snapshot = if minutes(after) < 30 {
            Some("tank/docker@auto-2026-11-22_02-15".parse().unwrap())
        } else {
            Some(tonights())
        };
    });
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Done);
    assert!(record.took() >= SignedDuration::from_mins(30));
}

#[tokio::test(start_paused = true)]
async fn a_signal_ends_it() {
    let scene = Scene::new(|task, after| task.state = running(after));
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let (record, ()) = tokio::join!(scene.run_until(60, &cancel), async move {
        tokio::time::sleep(Duration::from_mins(5)).await;
        stop.cancel();
    });
    assert_eq!(record.end, StepEnd::Cancelled);
    assert_eq!(record.took(), SignedDuration::from_mins(5));
}

#[tokio::test(start_paused = true)]
async fn changes_that_cannot_be_read_are_asked_for() {
    let mut scene = Scene::new(|task, after| {
        task.state = if minutes(after) < 3 {
            running(after)
        } else {
            finished(3)
        };
        task.last_snapshot = (minutes(after) >= 3).then(tonights);
    });
    let (sender, changes) = ReplicationChanges::channel();
    scene.hands_out(changes);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_mins(3)).await;
        sender.send(ReplicationChange::new(1)).unwrap();
        sender.closed().await;
    });
    let record = scene.run(60).await;
    assert_eq!(record.end, StepEnd::Done);
    assert_eq!(record.took(), SignedDuration::from_mins(3));
}

#[derive(Debug, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

#[derive(Debug)]
struct HeardOf(Arc<Mutex<Vec<String>>>, String);

impl ReplicationProgress for Heard {
    fn begin(&self, task: &str) -> Box<dyn TaskProgress> {
        self.0.lock().unwrap().push(format!("{task} begins"));
        Box::new(HeardOf(Arc::clone(&self.0), task.to_owned()))
    }
}

impl TaskProgress for HeardOf {
    fn is_at(&self, progress: &Progress) {
        let sent = progress.sent_bytes.unwrap();
        self.0.lock().unwrap().push(sent.to_string());
    }
}

impl Drop for HeardOf {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(format!("{} ends", self.1));
    }
}

#[tokio::test(start_paused = true)]
async fn who_wants_to_know_is_told_how_far_it_is() {
    let mut scene = Scene::new(|task, after| {
        task.state = match minutes(after) {
            ..2 => TaskState::Pending,
            2..4 => running(after),
            _ => finished(4),
        };
        task.last_snapshot = (minutes(after) >= 4).then(tonights);
    });
    scene.tells_of_changes_at(&[2, 3, 4]);
    let heard = Heard::default();
    let lines = Arc::clone(&heard.0);
    scene.progress = Some(Arc::new(heard));
    scene.run(60).await;
    assert_eq!(
        *lines.lock().unwrap(),
        ["docker begins", "120", "180", "docker ends"]
    );
}
