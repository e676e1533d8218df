//! What those are told who have subscribed.

use std::time::Duration;

use lab::truenas::{KeyRole, SimReplication, SimulatedVersion, Simulator, SimulatorOptions};
use serde_json::{Value, json};

use crate::TASK;
use crate::raw::Rpc;

async fn nas() -> Simulator {
    let mut replication = SimReplication::new(5, TASK, "tank/docker", "dozer/docker");
    replication.takes = Duration::from_millis(400);
    replication.waits = Duration::from_millis(100);
    let options = SimulatorOptions {
        version: SimulatedVersion::Scale25_10,
        datasets: vec!["tank/docker".to_owned()],
        replication_tasks: vec![replication],
        ..SimulatorOptions::new("primary")
    };
    let nas = Simulator::start(options).await.unwrap();
    nas.control().take_snapshot("tank/docker", "a");
    nas
}

fn is_in(collection: &'static str, state: &'static str) -> impl Fn(&Value) -> bool {
    move |notice| {
        let fields = &notice["fields"];
        let shown = fields["state"].get("state").unwrap_or(&fields["state"]);
        notice["collection"] == collection && shown == state
    }
}

#[tokio::test]
async fn a_replication_tells_how_it_gets_on() {
    let nas = nas().await;
    let mut rpc = Rpc::log_in(&nas).await;
    rpc.get("core.subscribe", json!(["replication.query"]))
        .await;
    nas.control().hold_replication(TASK);
    rpc.get("replication.run", json!([5])).await;
    let waiting = rpc
        .notice("it waits", is_in("replication.query", "WAITING"))
        .await;
    assert_eq!(
        (&waiting["msg"], &waiting["id"]),
        (&json!("changed"), &json!(5))
    );
    let raw = &waiting["fields"]["state"];
    assert!(raw["reason"].is_string(), "{raw}");
    assert_eq!(raw["job"]["id"], 1, "the job is in the state");
    assert!(waiting["fields"].get("job").is_none(), "and not beside it");

    let one = rpc
        .notice("it runs", is_in("replication.query", "RUNNING"))
        .await;
    let further = rpc
        .notice("it gets on", |notice| {
            let (before, now) = (&one["fields"]["state"], &notice["fields"]["state"]);
            now["progress"]["bytes_sent"].as_u64() > before["progress"]["bytes_sent"].as_u64()
        })
        .await;
    let (before, now) = (&one["fields"]["state"], &further["fields"]["state"]);
    assert!(now["datetime"]["$date"].as_i64() > before["datetime"]["$date"].as_i64());
    assert_eq!(
        now["progress"]["bytes_total"],
        before["progress"]["bytes_total"]
    );

    nas.control().release_replication(TASK);
    let ended = rpc
        .notice("it ends", is_in("replication.query", "FINISHED"))
        .await;
    let raw = &ended["fields"]["state"];
    assert_eq!(raw["last_snapshot"], "tank/docker@a");
    assert_eq!(raw["job"]["state"], "SUCCESS");
}

#[tokio::test]
async fn only_what_changes_is_told_and_only_of_what_was_subscribed_to() {
    let nas = nas().await;
    let mut rpc = Rpc::log_in(&nas).await;
    let name = rpc.get("core.subscribe", json!(["core.get_jobs"])).await;
    // The tasks have not changed, and are of no interest either.
    nas.control().put_on_hold(TASK, "Pool tank is offline.");
    rpc.get("core.ping", json!([])).await;
    assert_eq!(rpc.notices, Vec::<Value>::new());
    let job = rpc.get("replication.run", json!([5])).await;
    let added = rpc
        .notice("the job", is_in("core.get_jobs", "RUNNING"))
        .await;
    assert_eq!((&added["msg"], &added["id"]), (&json!("added"), &job));
    let failed = rpc
        .notice("its end", is_in("core.get_jobs", "FAILED"))
        .await;
    assert_eq!(failed["msg"], "changed");
    assert_eq!(failed["fields"]["error"], "[EFAULT] Task is on hold");

    rpc.get("core.unsubscribe", json!([name])).await;
    rpc.get("replication.run", json!([5])).await;
    rpc.get("core.ping", json!([])).await;
    assert_eq!(rpc.notices, Vec::<Value>::new());
}

#[tokio::test]
async fn the_jobs_of_others_are_none_of_a_readers_business() {
    let nas = nas().await;
    let control = nas.control();
    control.set_key_role(KeyRole::ReadOnly);
    let mut rpc = Rpc::log_in(&nas).await;
    rpc.get("core.subscribe", json!(["*"])).await;
    control.put_on_hold(TASK, "Pool tank is offline.");
    let hold = rpc
        .notice("it is on hold", is_in("replication.query", "HOLD"))
        .await;
    let state = &hold["fields"]["state"];
    assert_eq!(state["reason"], "Pool tank is offline.");
    assert!(state.get("last_snapshot").is_none() && state.get("job").is_none());
}
