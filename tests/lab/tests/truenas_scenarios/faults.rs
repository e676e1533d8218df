//! A NAS and a network that fail.

use std::time::Duration;

use lab::truenas::SimulatedVersion;
use serde_json::{Value, json};
use truenas_client::{ErrorKind, JobState, TaskState, TrueNasError};

use crate::house::{House, SNAPSHOTS_ID, TASK_ID, Tongue, options, until};

pub(crate) async fn a_busy_nas_is_asked_again(tongue: Tongue) {
    let house = House::new(tongue).await;
    let control = house.control();
    if tongue.is_rest() {
        control.next_response(503, "starting");
        control.next_response(429, "");
        house.nas.pools().await.unwrap();
        control.next_response(503, "starting");
    } else {
        let busy = json!({"error": 16, "errname": "EBUSY", "reason": "Rate Limit Exceeded", "trace": null, "extra": null});
        control.next_rpc_error(-32001, busy.clone());
        control.next_rpc_error(-32000, Value::Null);
        house.nas.pools().await.unwrap();
        control.next_rpc_error_of("pool.snapshottask.run", -32001, busy);
    }
    // What changes something is told once.
    house.nas.run_snapshot_task(SNAPSHOTS_ID).await.unwrap_err();
    assert_eq!(control.snapshots("tank/docker").len(), 0);
}

pub(crate) async fn a_cut_question_is_asked_again_and_an_order_is_not(tongue: Tongue) {
    let house = House::new(tongue).await;
    let control = house.control();
    house.nas.pools().await.unwrap();
    let cut = || {
        if tongue.is_rest() {
            control.next_cut();
        } else {
            control.next_rpc_cut();
        }
    };
    cut();
    house.nas.pools().await.unwrap();
    cut();
    let error = house.nas.run_snapshot_task(SNAPSHOTS_ID).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
}

pub(crate) async fn a_middleware_that_restarts_is_waited_for(tongue: Tongue) {
    let house = House::new(tongue).await;
    house.replicate().await;
    house
        .control()
        .restart_middleware(Duration::from_millis(600));
    let task = house.task().await;
    assert!(matches!(task.state, TaskState::Finished { .. }), "{task:?}");
    // A boot takes longer than one question waits; whoever waits for it asks on.
    house.control().reboot(Duration::from_hours(1));
    let mut hurried = options(&house.primary);
    hurried.timeouts.total = Duration::from_millis(300);
    let error = tongue.client(hurried).pools().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    house.control().come_back();
    until("an answer", || async { house.nas.pools().await.ok() }).await;
}

pub(crate) async fn answers_that_make_no_sense_are_errors(tongue: Tongue) {
    let house = House::new(tongue).await;
    let control = house.control();
    let answer = |value: Value| {
        if tongue.is_rest() {
            control.next_response(200, value.to_string());
        } else {
            control.next_rpc_result(value);
        }
    };
    let pool = json!({"name": "tank", "status": "ONLINE", "healthy": "yes", "warning": false, "scan": null});
    for (wrong, place) in [
        (json!({}), ""),
        (json!(null), ""),
        (json!([pool]), "healthy"),
        (json!([{}]), ""),
    ] {
        answer(wrong.clone());
        let error = house.nas.pools().await.unwrap_err();
        assert!(
            matches!(&error, TrueNasError::Shape { at, .. } if at.contains(place)),
            "{wrong}: {error:?}"
        );
        assert_eq!(error.kind(), ErrorKind::Unintelligible);
    }
    if tongue.is_rest() {
        control.next_truncated();
    } else {
        control.next_rpc_truncated();
    }
    let error = house.nas.pools().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unintelligible, "{error:?}");
    // What is new in an answer is not in the way.
    let pool = json!({"name": "tank", "status": "ONLINE", "healthy": true, "warning": false, "scan": null, "mood": "good"});
    answer(json!([pool]));
    assert_eq!(house.nas.pools().await.unwrap().len(), 1);
}

pub(crate) async fn an_inner_failure_hides_its_traceback(tongue: Tongue) {
    let house = House::new(tongue).await;
    let control = house.control();
    if tongue.is_rest() {
        control.next_response(
            500,
            json!({"message": "boom", "traceback": "File \"zfs.py\", line 7"}).to_string(),
        );
    } else {
        let trace =
            json!({"class": "CallError", "frames": [], "formatted": "File \"zfs.py\", line 7"});
        let data = json!({"error": 14, "errname": "EFAULT", "reason": "boom", "trace": trace, "extra": null});
        control.next_rpc_error(-32001, data);
    }
    let error = house.nas.pools().await.unwrap_err();
    assert!(error.to_string().contains("boom"), "{error}");
    assert!(!error.to_string().contains("zfs.py"), "{error}");
    assert!(format!("{error:?}").contains("zfs.py"), "{error:?}");
    assert!(!error.is_retryable());
    match house.nas.run_snapshot_task(99).await {
        Err(absent) => assert_eq!(absent.kind(), ErrorKind::NotFound, "{absent:?}"),
        Ok(job) => {
            assert_eq!(tongue.version, SimulatedVersion::Scale26_0);
            let failed = until("the job's end", || async {
                let job = house.nas.job(job.unwrap()).await.unwrap();
                job.filter(|job| job.state.has_ended())
            })
            .await;
            assert_eq!(failed.state, JobState::Failed, "{failed:?}");
        }
    }
}

pub(crate) async fn a_slow_nas_has_its_deadline(tongue: Tongue) {
    let house = House::new(tongue).await;
    house.control().delay_answers(Duration::from_hours(1));
    let mut hurried = options(&house.primary);
    hurried.timeouts.total = Duration::from_millis(400);
    let before = tokio::time::Instant::now();
    let error = tongue.client(hurried).pools().await.unwrap_err();
    assert!(matches!(error, TrueNasError::Timeout { .. }), "{error:?}");
    assert!(
        before.elapsed() < Duration::from_secs(30),
        "{:?}",
        before.elapsed()
    );
}

pub(crate) async fn it_is_switched_off_with_a_reason(tongue: Tongue) {
    let house = House::new(tongue).await;
    house.nas.state().await.unwrap();
    house.nas.shut_down("night is over").await.unwrap();
    let shutdowns = house.control().shutdowns();
    assert_eq!(shutdowns.len(), 1);
    let has_reasons = tongue.version.speaks_json_rpc();
    assert_eq!(
        shutdowns[0].reason.as_deref(),
        has_reasons.then_some("night is over"),
        "{shutdowns:?}"
    );
    let absent = house.nas.job(TASK_ID + 1000).await;
    assert!(!matches!(absent, Ok(Some(_))), "{absent:?}");
}
