//! What can go wrong, and does when it is told to.

use std::time::Duration;

use lab::truenas::{
    PoolHealth, SimReplication, SimSnapshotTask, SimulatedVersion, Simulator, SimulatorOptions,
};
use serde_json::{Value, json};

use crate::raw::{Rpc, get, http};
use crate::{TASK, until};

async fn nas() -> Simulator {
    let replication = SimReplication::new(5, TASK, "tank/docker", "dozer/docker").after(1);
    let options = SimulatorOptions {
        version: SimulatedVersion::Scale25_10,
        datasets: vec!["tank/docker".to_owned(), "tank/docker/volumes".to_owned()],
        snapshot_tasks: vec![SimSnapshotTask::new(1, "tank/docker")],
        replication_tasks: vec![replication.takes(Duration::from_millis(200))],
        ..SimulatorOptions::new("primary")
    };
    Simulator::start(options).await.unwrap()
}

async fn state(rpc: &mut Rpc) -> Value {
    rpc.get("replication.query", json!([])).await[0]["state"].take()
}

async fn until_state(rpc: &mut Rpc, wanted: &str) -> Value {
    let asking = async {
        loop {
            let state = state(rpc).await;
            if state["state"] == wanted {
                return state;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    crate::raw::soon(wanted, asking).await
}

#[tokio::test]
async fn planned_answers_come_once_each_and_in_order() {
    let nas = nas().await;
    let control = nas.control();
    control.next_response(429, "slowly");
    control.next_traceback("boom");
    control.next_redirect("http://elsewhere/");
    assert_eq!(get(&nas, "pool").await, (429, json!("slowly")));
    let (status, body) = get(&nas, "pool").await;
    assert_eq!((status, &body["message"]), (500, &json!("boom")));
    assert!(body["traceback"].as_str().unwrap().contains("zfs.py"));
    assert_eq!(get(&nas, "pool").await.0, 307);
    control.next_truncated();
    let (status, body) = get(&nas, "pool").await;
    assert_eq!(status, 200);
    assert!(
        body.as_str().unwrap().starts_with("[{"),
        "half of it is no JSON: {body}"
    );
    control.next_cut();
    let url = format!("{}api/v2.0/pool", nas.url());
    let cut = http(&nas).get(url).bearer_auth(nas.api_key()).send().await;
    assert!(
        cut.unwrap().text().await.is_err(),
        "the answer is not whole"
    );
    assert_eq!(get(&nas, "pool").await.0, 200);
}

#[tokio::test]
async fn planned_ends_of_calls_come_once_each_and_spare_logins() {
    let nas = nas().await;
    let control = nas.control();
    control.next_rpc_error(-32001, json!({"error": 5, "reason": "[EIO] broken"}));
    control.next_rpc_result(json!({"surprise": true}));
    control.next_rpc_error_of("pool.query", -32603, Value::Null);
    let mut rpc = Rpc::log_in(&nas).await;
    let error = rpc.call("core.ping", json!([])).await.unwrap_err();
    assert_eq!(
        (&error["code"], &error["data"]["error"]),
        (&json!(-32001), &json!(5))
    );
    assert_eq!(
        rpc.get("core.ping", json!([])).await,
        json!({"surprise": true})
    );
    assert_eq!(rpc.get("core.ping", json!([])).await, "pong");
    let error = rpc.call("pool.query", json!([])).await.unwrap_err();
    assert_eq!(error["code"], -32603);

    control.next_rpc_silence();
    let unanswered = rpc.start("core.ping", json!([])).await;
    assert_eq!(
        rpc.get("core.ping", json!([])).await,
        "pong",
        "{unanswered}"
    );
    control.next_rpc_truncated();
    rpc.start("system.info", json!([])).await;
    match rpc.next().await {
        Some(Ok(text)) => {
            let text = text.into_text().unwrap();
            assert!(serde_json::from_str::<Value>(&text).is_err(), "{text}");
        }
        other => panic!("nothing at all: {other:?}"),
    }
    control.next_rpc_cut();
    rpc.start("core.ping", json!([])).await;
    assert_eq!(rpc.closed().await, None, "without a farewell");

    let expired = json!({"response_type": "OTP_REQUIRED", "username": "backup"});
    control.next_rpc_result_of("auth.login_ex", expired.clone());
    let mut rpc = Rpc::connect(&nas).await;
    assert_eq!(rpc.login("backup", &nas.api_key()).await, Ok(expired));
    let error = rpc.call("core.ping", json!([])).await.unwrap_err();
    assert_eq!(error["data"]["error"], 207, "a result is no login");
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_shown_the_door_after_the_handshake() {
    let nas = nas().await;
    nas.control().next_close(1008);
    let mut rpc = Rpc::connect(&nas).await;
    assert_eq!(rpc.closed().await, Some(1008));
    until("the connection is over", || async {
        (!nas.control().connections()[0].open).then_some(())
    })
    .await;
    Rpc::log_in(&nas).await;
}

#[tokio::test]
async fn a_handshake_can_fail_like_any_request() {
    let nas = nas().await;
    nas.control().next_response(502, "");
    let Err(error) = Rpc::connect_to(&nas, "/api/current").await else {
        panic!("it is open");
    };
    assert!(error.to_string().contains("502"), "{error}");
    assert_eq!(nas.control().connections(), []);
}

#[tokio::test]
async fn late_answers_are_late_together() {
    const LATE: Duration = Duration::from_millis(500);
    let nas = nas().await;
    let mut rpc = Rpc::log_in(&nas).await;
    nas.control().delay_answers(LATE);
    let begin = tokio::time::Instant::now();
    let mut waiting = Vec::new();
    for _ in 0..5 {
        waiting.push(rpc.start("core.ping", json!([])).await);
    }
    for _ in &waiting {
        assert_eq!(rpc.hear().await["result"], "pong");
    }
    let by_rest = async || get(&nas, "system/state").await;
    tokio::join!(by_rest(), by_rest(), by_rest());
    let took = begin.elapsed();
    assert!(took >= 2 * LATE, "{took:?}");
    assert!(took < 7 * LATE, "one after the other would be {took:?}");
}

#[tokio::test]
async fn a_restart_of_the_middleware_drops_everything_and_is_no_new_boot() {
    let nas = nas().await;
    let control = nas.control();
    let mut rpc = Rpc::log_in(&nas).await;
    let boot_id = rpc.get("system.boot_id", json!([])).await;
    control.run_snapshot_task(1);
    let before = until_state(&mut rpc, "FINISHED").await;
    control.hold_replication(TASK);
    let job = rpc.get("replication.run", json!([5])).await;
    until_state(&mut rpc, "RUNNING").await;

    control.restart_middleware(Duration::from_hours(1));
    assert_eq!(rpc.closed().await, None);
    assert_eq!(get(&nas, "system/state").await.0, 502);
    assert!(Rpc::connect_to(&nas, "/api/current").await.is_err());
    control.come_back();
    assert_eq!(get(&nas, "system/state").await.0, 200);
    let mut rpc = Rpc::log_in(&nas).await;
    assert_eq!(rpc.get("system.boot_id", json!([])).await, boot_id);
    assert_eq!(
        state(&mut rpc).await,
        before,
        "as if the last run had never been"
    );
    let jobs = rpc.get("core.get_jobs", json!([[["id", "=", job]]])).await;
    assert_eq!(jobs, json!([]));
}

#[tokio::test]
async fn a_reboot_in_mid_run_is_a_new_boot_at_the_same_address() {
    let nas = nas().await;
    let control = nas.control();
    let mut rpc = Rpc::log_in(&nas).await;
    let boot_id = rpc.get("system.boot_id", json!([])).await;
    control.hold_replication(TASK);
    rpc.get("replication.run", json!([5])).await;
    until_state(&mut rpc, "RUNNING").await;
    control.reboot(Duration::from_hours(1));
    assert_eq!(rpc.closed().await, None);
    assert!(!control.is_on());
    until("nobody listens", || async {
        tokio::net::TcpStream::connect(nas.address())
            .await
            .is_err()
            .then_some(())
    })
    .await;
    control.come_back();
    until("it is on again", || async {
        let listens = tokio::net::TcpStream::connect(nas.address()).await.is_ok();
        (listens && control.is_on()).then_some(())
    })
    .await;
    let mut rpc = Rpc::log_in(&nas).await;
    assert_ne!(rpc.get("system.boot_id", json!([])).await, boot_id);
    assert_eq!(state(&mut rpc).await, json!({"state": "PENDING"}));
}

#[tokio::test]
async fn a_stalled_replication_runs_and_does_not_move() {
    let nas = nas().await;
    let control = nas.control();
    control.take_snapshot("tank/docker", "a");
    control.stall_replication(TASK);
    let mut rpc = Rpc::log_in(&nas).await;
    rpc.get("replication.run", json!([5])).await;
    let before = until_state(&mut rpc, "RUNNING").await;
    // Twice as long as it takes.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(state(&mut rpc).await, before);
    control.release_replication(TASK);
    until_state(&mut rpc, "FINISHED").await;
}

#[tokio::test]
async fn a_port_for_tls_can_speak_clear_and_gets_no_key() {
    let nas = nas().await;
    let control = nas.control();
    control.speak_plain_http(true);
    let url = format!("{}api/v2.0/pool", nas.url());
    let refused = http(&nas).get(url).bearer_auth(nas.api_key()).send().await;
    assert!(refused.is_err(), "that was no TLS");
    assert!(Rpc::connect_to(&nas, "/api/current").await.is_err());
    assert_eq!(control.keys_seen(), 0);
    control.speak_plain_http(false);
    assert_eq!(get(&nas, "pool").await.0, 200);
}

#[tokio::test]
async fn pools_alerts_and_what_is_broken_show_by_both_apis() {
    let nas = nas().await;
    let control = nas.control();
    let mut rpc = Rpc::log_in(&nas).await;
    control.set_pool("tank", PoolHealth::degraded("One disk is missing."));
    control.resilver("tank", 7.5);
    let pool = rpc.get("pool.query", json!([])).await[0].take();
    assert_eq!(pool, get(&nas, "pool").await.1[0]);
    assert_eq!(pool["status"], "DEGRADED");
    assert_eq!(
        (&pool["healthy"], &pool["warning"]),
        (&json!(false), &json!(false))
    );
    assert_eq!(pool["status_detail"], "One disk is missing.");
    assert_eq!(pool["scan"]["function"], "RESILVER");
    control.set_pool("tank", PoolHealth::warning("An upgrade is due."));
    let pool = rpc.get("pool.query", json!([])).await[0].take();
    assert_eq!(
        (&pool["healthy"], &pool["warning"]),
        (&json!(true), &json!(true))
    );
    control.set_pool("tank", PoolHealth::offline());
    assert_eq!(get(&nas, "pool").await.1[0]["size"], Value::Null);

    control.raise_alert("CRITICAL", "VolumeStatus", "Pool tank is offline.");
    let alerts = rpc.get("alert.list", json!([])).await;
    assert_eq!(alerts[0]["klass"], "VolumeStatus");
    assert_eq!(alerts[0]["level"], "CRITICAL");

    control.break_replications(Some("Boom."));
    let broken = state(&mut rpc).await;
    assert_eq!(
        (&broken["state"], &broken["error"]),
        (&json!("ERROR"), &json!("Boom."))
    );
    control.break_replications(None);
    assert_eq!(state(&mut rpc).await["state"], "PENDING");
    control.set_warnings(TASK, &["cannot receive mountpoint property"]);
    rpc.get("replication.run", json!([5])).await;
    let warned = until_state(&mut rpc, "FINISHED").await;
    assert_eq!(
        warned["warnings"],
        json!(["cannot receive mountpoint property"])
    );
}
