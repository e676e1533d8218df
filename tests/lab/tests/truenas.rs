//! The REST client against the simulated TrueNAS, and the simulator's own manners.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use lab::truenas::{
    KeySeen, SimReplication, SimSnapshotTask, SimulatedVersion, Simulator, SimulatorOptions,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use truenas_client::{
    CertificateFingerprint, Edition, ErrorKind, JobState, ReplicationTask, RestClient, RestOptions,
    RunningSince, ScanFunction, SnapshotQuery, TaskState, TrueNas, TrueNasError, Trust, Verdict,
    VerdictInput, fetch_certificate, judge,
};
use url::Url;

const TASK: &str = "docker to backup";

async fn backup() -> Simulator {
    let options = SimulatorOptions {
        version: SimulatedVersion::Core13_0,
        datasets: vec!["dozer/docker".to_owned()],
        ..SimulatorOptions::new("backup")
    };
    Simulator::start(options).await.unwrap()
}

async fn primary() -> Simulator {
    let mut replication = SimReplication::new(5, TASK, "tank/docker", "dozer/docker").after(1);
    replication.takes = Duration::from_millis(300);
    replication.gives_up_after = Duration::from_millis(300);
    let options = SimulatorOptions {
        datasets: vec![
            "tank/docker".to_owned(),
            "tank/docker/volumes".to_owned(),
            "tank/media".to_owned(),
        ],
        snapshot_tasks: vec![SimSnapshotTask::new(1, "tank/docker")],
        replication_tasks: vec![replication],
        ..SimulatorOptions::new("primary")
    };
    Simulator::start(options).await.unwrap()
}

fn options(nas: &Simulator) -> RestOptions {
    let pin = nas.certificate_sha256().parse().unwrap();
    RestOptions::new(
        nas.url(),
        SecretString::from(nas.api_key()),
        Trust::Certificate(pin),
    )
}

fn client(nas: &Simulator) -> RestClient {
    RestClient::new(options(nas)).unwrap()
}

/// Asks again until the answer is the right one. The simulator lives in real time.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"))
}

async fn task(client: &RestClient) -> ReplicationTask {
    client.replication_tasks().await.unwrap().remove(0)
}

async fn until_task(
    client: &RestClient,
    what: &str,
    is: impl Fn(&ReplicationTask) -> bool,
) -> ReplicationTask {
    until(what, || async {
        let task = task(client).await;
        is(&task).then_some(task)
    })
    .await
}

fn is_running(task: &ReplicationTask) -> bool {
    matches!(task.state, TaskState::Running { .. })
}

fn is_finished(task: &ReplicationTask) -> bool {
    matches!(task.state, TaskState::Finished { .. })
}

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
        ("/api/v2.0/zfs/snapshot", "dataset=tank%2Fdocker")
    );

    let later = control.now().checked_add(Duration::from_secs(60)).unwrap();
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
async fn a_replication_goes_from_pending_to_the_snapshot_on_the_other_nas() {
    let (primary, backup) = (primary().await, backup().await);
    primary.control().replicate_to(backup.control());
    let (sender, receiver) = (client(&primary), client(&backup));
    let since = Timestamp::from_second(primary.control().now().as_second()).unwrap();
    assert_eq!(task(&sender).await.state, TaskState::Pending);

    sender.run_snapshot_task(1).await.unwrap();
    let running = until_task(&sender, "running", is_running).await;
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
            since,
            source_snapshots: sources.clone(),
        },
    );
    assert_eq!(
        judgement.verdict,
        Verdict::Fresh {
            snapshot: sources[0].clone()
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
            since,
            source_snapshots,
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
async fn a_switched_off_nas_receives_nothing_and_comes_back_with_what_it_had() {
    let (primary, backup) = (primary().await, backup().await);
    backup.control().take_snapshot("dozer/docker", "old");
    let (disks, key, pin) = (
        backup.control(),
        backup.api_key(),
        backup.certificate_sha256(),
    );
    primary.control().replicate_to(disks.clone());
    drop(backup);
    assert!(!disks.is_on());
    let sender = client(&primary);
    sender.run_snapshot_task(1).await.unwrap();
    until_task(&sender, "failed", |task| {
        matches!(task.state, TaskState::Error { .. })
    })
    .await;
    assert_eq!(disks.snapshots("dozer/docker").len(), 1);

    let backup = Simulator::boot(disks, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .unwrap();
    assert_eq!((backup.api_key(), backup.certificate_sha256()), (key, pin));
    sender.run_replication_task(5).await.unwrap();
    until_task(&sender, "finished", is_finished).await;
    assert_eq!(
        client(&backup)
            .snapshots(&SnapshotQuery::of("dozer/docker"))
            .await
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn a_restart_forgets_jobs_and_changes_the_boot_id() {
    let nas = primary().await;
    let first = client(&nas);
    let boot_id = first.system().await.unwrap().boot_id;
    let job = first.run_replication_task(5).await.unwrap();
    assert!(first.job(job).await.unwrap().is_some());
    let control = nas.control();
    drop(nas);
    let nas = Simulator::boot(control, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .unwrap();
    let second = client(&nas);
    assert_ne!(second.system().await.unwrap().boot_id, boot_id);
    assert_eq!(second.job(job).await.unwrap(), None);
    assert_eq!(task(&second).await.state, TaskState::Pending);
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

#[tokio::test]
async fn states_of_the_future_are_unknown() {
    let nas = primary().await;
    let client = client(&nas);
    for state in [
        json!({"state": "PONDERING"}),
        json!({"last_snapshot": "tank/docker@a"}),
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
        let evidence = VerdictInput {
            since: Timestamp::UNIX_EPOCH,
            source_snapshots: Vec::new(),
        };
        assert!(matches!(
            judge(Some(&task), &evidence).verdict,
            Verdict::Unknown { .. }
        ));
    }
}

#[tokio::test]
async fn another_certificate_gets_no_key() {
    let (nas, other) = (primary().await, backup().await);
    let mut options = options(&nas);
    let expected: CertificateFingerprint = other.certificate_sha256().parse().unwrap();
    options.trust = Trust::Certificate(expected);
    let error = RestClient::new(options.clone())
        .unwrap()
        .pools()
        .await
        .unwrap_err();
    let TrueNasError::CertificateMismatch {
        expected: named,
        found,
        ..
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(
        (*named, found.to_string()),
        (expected, nas.certificate_sha256())
    );
    assert!(
        error.to_string().contains(&nas.certificate_sha256()),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Untrusted);

    // Nor does one that this machine has no reason to trust.
    options.trust = Trust::PublicRoots;
    let error = RestClient::new(options).unwrap().pools().await.unwrap_err();
    assert!(matches!(error, TrueNasError::Tls { .. }), "{error:?}");

    assert_eq!(nas.control().keys_seen(), 0);
    assert_eq!(nas.control().requests(), []);
}

#[tokio::test]
async fn a_certificate_is_fetched_without_a_request() {
    let nas = primary().await;
    let found = fetch_certificate(&nas.url()).await.unwrap();
    assert_eq!(found.to_string(), nas.certificate_sha256());
    assert_eq!(nas.control().requests(), []);
}

#[tokio::test]
async fn a_certificate_file_is_trusted_for_its_name_only() {
    let nas = primary().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, nas.certificate_pem()).unwrap();
    let mut options = options(&nas);
    options.trust = Trust::CaFile(file.clone());
    assert_eq!(
        RestClient::new(options.clone())
            .unwrap()
            .pools()
            .await
            .unwrap()
            .len(),
        1
    );

    // The same address, by a name that is not in the certificate.
    let port = nas.address().port();
    options.url = Url::parse(&format!("https://127.0.0.2:{port}")).unwrap();
    let any = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), port));
    let elsewhere = Simulator::boot(nas.control(), any).await.unwrap();
    let error = RestClient::new(options).unwrap().pools().await.unwrap_err();
    assert!(matches!(error, TrueNasError::Tls { .. }), "{error:?}");
    drop(elsewhere);

    std::fs::write(&file, backup().await.certificate_pem()).unwrap();
    let mut other = self::options(&nas);
    other.trust = Trust::CaFile(file);
    let error = RestClient::new(other).unwrap().pools().await.unwrap_err();
    assert!(matches!(error, TrueNasError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn an_address_without_tls_is_refused_before_it_is_called() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let options = RestOptions::new(url.clone(), "1-key".to_owned().into(), Trust::PublicRoots);
    let error = RestClient::new(options).unwrap_err();
    assert!(matches!(error, TrueNasError::NotHttps { .. }), "{error}");
    assert!(matches!(
        fetch_certificate(&url).await.unwrap_err(),
        TrueNasError::NotHttps { .. }
    ));
    let nobody = listener.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_wrong_key_is_not_accepted_and_not_shown() {
    let nas = primary().await;
    let mut options = options(&nas);
    options.api_key = "1-notTheRightKey".to_owned().into();
    let error = RestClient::new(options).unwrap().pools().await.unwrap_err();
    assert!(
        matches!(error, TrueNasError::Unauthorized { .. }),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(!format!("{error} {error:?}").contains("notTheRightKey"));
    assert_eq!(nas.control().requests()[0].key, KeySeen::Wrong);
    assert_eq!(nas.control().keys_seen(), 1);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (nas, elsewhere) = (primary().await, backup().await);
    let to = format!("{}api/v2.0/pool", elsewhere.url());
    nas.control().next_redirect(&to);
    let error = client(&nas).pools().await.unwrap_err();
    assert!(
        matches!(&error, TrueNasError::Redirect { to: named, .. } if *named == to),
        "{error:?}"
    );
    assert_eq!(elsewhere.control().requests(), []);
    assert_eq!(nas.control().requests().len(), 1);
}

#[tokio::test]
async fn refusals_and_failures_are_told_apart() {
    let nas = primary().await;
    let (client, control) = (client(&nas), nas.control());
    control.next_response(403, "");
    assert!(matches!(
        client.pools().await.unwrap_err(),
        TrueNasError::Forbidden { .. }
    ));

    control.next_response(
        422,
        json!({"query-options.sort": [{"message": "Field was not expected", "errno": 22}]})
            .to_string(),
    );
    let error = client.pools().await.unwrap_err();
    assert!(
        matches!(&error, TrueNasError::Validation { fields, .. } if fields[0].field == "query-options.sort")
    );
    assert_eq!(error.kind(), ErrorKind::Refused);

    control.next_response(
        500,
        json!({"message": "boom", "traceback": "File \"zfs.py\", line 7"}).to_string(),
    );
    let error = client.pools().await.unwrap_err();
    assert!(
        matches!(&error, TrueNasError::Server { status: 500, .. }),
        "{error}"
    );
    assert!(
        error.to_string().contains("boom") && !error.to_string().contains("zfs.py"),
        "{error}"
    );
    assert!(format!("{error:?}").contains("zfs.py"));

    // Once each: none of these goes away by asking again.
    assert_eq!(control.requests().len(), 3);
}

#[tokio::test]
async fn a_busy_nas_is_asked_again_but_told_only_once() {
    let nas = primary().await;
    let (client, control) = (client(&nas), nas.control());
    control.next_response(503, "starting");
    control.next_response(502, "");
    control.next_response(429, "");
    assert_eq!(client.pools().await.unwrap().len(), 1);
    assert_eq!(control.requests().len(), 4);

    control.next_response(503, "starting");
    let error = client.run_replication_task(5).await.unwrap_err();
    assert!(
        matches!(error, TrueNasError::Server { status: 503, .. }),
        "{error}"
    );
    assert_eq!(control.requests().len(), 5);
}

#[tokio::test]
async fn answers_that_cannot_be_read_are_errors_with_a_place() {
    let nas = primary().await;
    let (client, control) = (client(&nas), nas.control());
    for (body, place) in [
        (r#"[{"name": "tank", "#, "line 1 column 19"),
        ("<html>TrueNAS</html>", "line 1 column 1"),
        (
            r#"[{"name": "tank", "status": "ONLINE", "healthy": "yes", "warning": false, "scan": null}]"#,
            "[0].healthy",
        ),
        ("{}", "line 1 column 0"),
    ] {
        control.next_response(200, body);
        let error = client.pools().await.unwrap_err();
        let TrueNasError::Shape { at, request, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(at, place, "{error}");
        assert!(request.ends_with("/api/v2.0/pool"), "{request}");
        assert_eq!(error.kind(), ErrorKind::Unintelligible);
    }
    control.next_response(200, "true");
    let error = client.run_replication_task(5).await.unwrap_err();
    assert!(matches!(error, TrueNasError::Shape { .. }), "{error}");
}

/// The simulator itself, asked by a client that knows nothing of TrueNAS.
async fn ask(nas: &Simulator, path: &str, body: Option<Value>) -> (u16, Value) {
    let certificate = reqwest::Certificate::from_pem(nas.certificate_pem().as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([certificate])
        .no_proxy()
        .build()
        .unwrap();
    let mut request = client
        .get(format!("{}api/v2.0/{path}", nas.url()))
        .bearer_auth(nas.api_key());
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(json!(text)))
}

#[tokio::test]
async fn the_simulator_has_the_oddities_of_the_original() {
    let nas = primary().await;
    let control = nas.control();
    control.take_snapshot("tank/docker", "b");
    control.take_snapshot("tank/media", "a");

    assert_eq!(
        ask(&nas, "zfs/snapshot?order_by=-id", None).await,
        (200, json!([]))
    );
    assert_eq!(
        ask(&nas, "zfs/snapshot?select=name", None).await,
        (200, json!([]))
    );
    assert_eq!(ask(&nas, "zfs/snapshot?sort=id", None).await.0, 422);
    assert_eq!(
        ask(&nas, "zfs/snapshot?count=true", None).await,
        (200, json!(2))
    );
    let body = json!({
        "query-filters": [["pool", "=", "tank"]],
        "query-options": {"order_by": ["snapshot_name"], "select": ["name"]},
    });
    let names = json!([{"name": "tank/media@a"}, {"name": "tank/docker@b"}]);
    assert_eq!(ask(&nas, "zfs/snapshot", Some(body)).await, (200, names));

    let (status, one) = ask(&nas, "zfs/snapshot/id/tank%2Fdocker%40b", None).await;
    assert_eq!((status, &one["id"]), (200, &json!("tank/docker@b")));
    assert_eq!(
        ask(&nas, "zfs/snapshot/id/tank/docker@b", None).await.0,
        404
    );
    assert_eq!(ask(&nas, "replication/id/5", None).await.1["name"], TASK);
    assert_eq!(ask(&nas, "replication/id/6", None).await.0, 404);
    assert_eq!(ask(&nas, "replication/run", None).await.0, 404);
    assert_eq!(ask(&nas, "system/state", None).await, (200, json!("READY")));
    assert_eq!(
        ask(&nas, "system/version", None).await,
        (200, json!("TrueNAS-SCALE-24.10.1"))
    );
    assert_eq!(
        ask(&nas, "replication", None).await.1[0]["state"],
        json!({"state": "PENDING"})
    );
}
