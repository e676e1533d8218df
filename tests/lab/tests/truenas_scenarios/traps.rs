//! The ten traps that clients of TrueNAS fall into.

use std::time::Duration;

use lab::truenas::KeyState;
use serde_json::json;
use truenas_client::{JobState, NasClient, SnapshotQuery, TaskState, TrueNasError, Verdict};
use url::Url;

use crate::house::{House, SNAPSHOTS_ID, TASK, TASK_ID, Tongue, options, until};

/// After a restart in mid-run, the former end shows again.
pub(crate) async fn finished_may_be_yesterdays(tongue: Tongue) {
    let house = House::new(tongue).await;
    let yesterday = house.replicate().await;
    let since = house.new_second().await;
    house.begin_to_replicate().await;
    let boot_id = house.nas.system().await.unwrap().boot_id;

    house.control().reboot(Duration::from_hours(1));
    house.control().come_back();
    let after = house.nas.system().await.unwrap();
    assert_ne!(after.boot_id, boot_id);
    let task = house.task().await;
    assert_eq!(task.state, yesterday.state, "what it shows is yesterday's");
    let judgement = house.judge(since).await;
    assert!(
        matches!(judgement.verdict, Verdict::Stale { .. }),
        "{judgement:?}"
    );
}

/// A run that finds nothing to send finishes, too.
pub(crate) async fn finished_with_nothing_sent(tongue: Tongue) {
    let house = House::new(tongue).await;
    let first = house.replicate().await;
    let since = house.new_second().await;
    house.nas.run_replication_task(TASK_ID).await.unwrap();
    let second = house
        .until_task(
            "finished anew",
            |task| matches!(task.state, TaskState::Finished { at, .. } if at >= since),
        )
        .await;
    assert_eq!(second.last_snapshot, first.last_snapshot);
    assert_eq!(house.verdict(since).await, Verdict::NothingSent);
}

/// From 26 on, a task that has not ended yet has a state without its word.
pub(crate) async fn a_state_without_its_word(tongue: Tongue) {
    let house = House::new(tongue).await;
    let state = json!({"job": null, "last_snapshot": "tank/docker@auto-2026-11-27_03-15-00"});
    house.control().set_state(TASK, state);
    let task = house.task().await;
    assert_eq!(task.state, TaskState::Unstated, "{task:?}");
    assert_eq!(task.state.is_active(), None);
    assert!(task.last_snapshot.is_some());
    let verdict = house.verdict(jiff::Timestamp::UNIX_EPOCH).await;
    assert!(matches!(verdict, Verdict::Unknown { .. }), "{verdict:?}");
}

/// What a disabled task shows differs between versions, and says nothing.
pub(crate) async fn a_disabled_task_is_disabled(tongue: Tongue) {
    let house = House::new(tongue).await;
    let since = house.new_second().await;
    house.replicate().await;
    assert!(house.verdict(since).await.is_fresh());
    house.control().set_replication_enabled(TASK, false);
    assert_eq!(house.verdict(since).await, Verdict::Disabled);
}

/// A NAS that is off is not waited for: the task runs through its retries, and fails.
pub(crate) async fn a_remote_that_is_off_is_running_and_then_an_error(tongue: Tongue) {
    let house = House::new(tongue).await;
    let since = house.new_second().await;
    house.backup.control().reboot(Duration::from_hours(1));
    house.nas.run_snapshot_task(SNAPSHOTS_ID).await.unwrap();
    let running = until("running or over", || async {
        let verdict = house.verdict(since).await;
        matches!(verdict, Verdict::Running { .. } | Verdict::Failed { .. }).then_some(verdict)
    })
    .await;
    let failed = until("failed", || async {
        let verdict = house.verdict(since).await;
        matches!(verdict, Verdict::Failed { .. }).then_some(verdict)
    })
    .await;
    assert!(!matches!(running, Verdict::Waiting { .. }), "{running:?}");
    assert!(failed.is_settled(), "{failed:?}");
}

/// TrueNAS revokes a key that came without TLS, for good.
pub(crate) async fn a_key_is_never_sent_in_clear(tongue: Tongue) {
    let mut house = House::new(tongue).await;
    let clear = house.primary.plain_http().await.unwrap();
    for scheme in ["http", "ws", "wss"] {
        let mut in_clear = options(&house.primary);
        in_clear.url = Url::parse(&format!("{scheme}://{clear}")).unwrap();
        let error = NasClient::new(in_clear).unwrap_err();
        assert!(matches!(error, TrueNasError::NotHttps { .. }), "{error}");
    }
    // The TLS of a client meets a server that has none.
    let mut in_clear = options(&house.primary);
    in_clear.url = Url::parse(&format!("https://{clear}")).unwrap();
    in_clear.timeouts.total = Duration::from_millis(500);
    tongue.client(in_clear).pools().await.unwrap_err();
    assert_eq!(house.control().keys_seen(), 0);
    assert_eq!(house.control().key_state(), KeyState::Valid);
    house.nas.pools().await.unwrap();
}

/// In the query string of REST, a word that is no option is a filter that finds nothing.
pub(crate) async fn words_that_would_become_filters_are_not_used(tongue: Tongue) {
    let house = House::new(tongue).await;
    for name in ["auto-1", "20261127", "true"] {
        house.control().take_snapshot("tank/docker", name);
        house.control().take_snapshot("tank/docker/db", name);
        let query = SnapshotQuery::of("tank/docker").named(name);
        assert_eq!(
            house.nas.snapshots(&query).await.unwrap().len(),
            1,
            "{name}"
        );
        let query = SnapshotQuery::everywhere(name);
        assert_eq!(
            house.nas.snapshots(&query).await.unwrap().len(),
            2,
            "{name}"
        );
    }
    let query = SnapshotQuery::of("tank/docker");
    let found = house.nas.snapshots(&query).await.unwrap();
    let names: Vec<&str> = found
        .iter()
        .map(|snapshot| snapshot.name.as_str())
        .collect();
    assert_eq!(names, ["auto-1", "20261127", "true"], "the oldest first");
    for request in house.control().requests() {
        for (word, _) in url::form_urlencoded::parse(request.query.as_bytes()) {
            let known = [
                "dataset",
                "snapshot_name",
                "snapshot_name__regex",
                "limit",
                "offset",
            ];
            assert!(known.contains(&word.as_ref()), "{request:?}");
        }
        assert_eq!(request.body, "", "bodies of questions get lost in proxies");
    }
}

/// The address at which a replication is run moved in 25.10.
pub(crate) async fn each_version_runs_a_replication_in_its_way(tongue: Tongue) {
    let house = House::new(tongue).await;
    house.control().take_snapshot("tank/docker", "auto-1");
    let job = house.nas.run_replication_task(TASK_ID).await.unwrap();
    let ended = until("the job's end", || async {
        let job = house.nas.job(job).await.unwrap();
        job.filter(|job| job.state.has_ended())
    })
    .await;
    assert_eq!(ended.state, JobState::Success, "{ended:?}");
    assert_eq!(ended.replication_task, Some(TASK_ID));
}

/// A task that cannot run is run all the same, by a job that fails.
pub(crate) async fn refusals_are_in_the_job(tongue: Tongue) {
    let house = House::new(tongue).await;
    let refusal = || async {
        let job = house.nas.run_replication_task(TASK_ID).await.unwrap();
        let ended = until("the job's end", || async {
            let job = house.nas.job(job).await.unwrap();
            job.filter(|job| job.state.has_ended())
        })
        .await;
        assert_eq!(ended.state, JobState::Failed, "{ended:?}");
        ended.error.unwrap().to_lowercase()
    };
    house.control().set_replication_enabled(TASK, false);
    assert!(refusal().await.contains("not enabled"));
    house.control().set_replication_enabled(TASK, true);
    house.control().put_on_hold(TASK, "Pool tank is offline.");
    assert!(refusal().await.contains("on hold"));
    house.control().lift_hold(TASK);
    house.begin_to_replicate().await;
    assert!(refusal().await.contains("already running"));
}

/// Jobs are gone after a restart; what was sent is not.
pub(crate) async fn no_health_comes_from_a_job(tongue: Tongue) {
    let house = House::new(tongue).await;
    let since = house.new_second().await;
    let with_job = house.replicate().await;
    let before = house.verdict(since).await;
    house.control().restart_middleware(Duration::from_hours(1));
    house.control().come_back();
    let task = house.task().await;
    assert_eq!(task.job, None);
    assert!(with_job.job.is_some());
    assert_eq!(house.verdict(since).await, before);
    assert!(before.is_fresh(), "{before:?}");
}
