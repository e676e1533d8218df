//! How each version is told to run something, and what it makes of it.

use lab::truenas::{SimSnapshotTask, SimulatedVersion, Simulator, SimulatorOptions};
use serde_json::{Value, json};

use crate::raw::{Rpc, get, post};
use crate::versions::nas;
use crate::{TASK, until};

#[tokio::test]
async fn a_replication_is_run_where_the_version_wants_it() {
    for version in SimulatedVersion::ALL
        .into_iter()
        .filter(|version| version.speaks_rest())
    {
        let nas = nas(version).await;
        let by_address = post(&nas, "replication/id/5/run", json!(null)).await;
        let by_body = post(&nas, "replication/run", json!(5)).await;
        let (job, other) = if version == SimulatedVersion::Scale25_10 {
            (by_body, by_address)
        } else {
            (by_address, by_body)
        };
        assert_eq!(other.0, 404, "{version:?}");
        assert_eq!(job, (200, json!(1)), "{version:?}");
        let ended = until("the end of the job", || async {
            let job = get(&nas, "core/get_jobs?id=1").await.1[0].take();
            (job["state"] == "SUCCESS").then_some(job)
        });
        assert_eq!(ended.await["arguments"], json!([5]));
    }
}

#[tokio::test]
async fn jobs_can_be_waited_for_where_the_version_can() {
    for version in SimulatedVersion::ALL
        .into_iter()
        .filter(|version| version.speaks_json_rpc())
    {
        let nas = nas(version).await;
        let mut rpc = Rpc::log_in(&nas).await;
        let set = rpc
            .call("core.set_options", json!([{"legacy_jobs": false}]))
            .await;
        if version == SimulatedVersion::Scale25_04 {
            assert_eq!(set.unwrap_err()["code"], -32602);
            assert_eq!(rpc.get("replication.run", json!([5])).await, json!(1));
            continue;
        }
        assert_eq!(set, Ok(Value::Null));
        assert_eq!(rpc.get("replication.run", json!([5])).await, Value::Null);
        let job = rpc
            .get("core.get_jobs", json!([[["id", "=", 1]], {"get": true}]))
            .await;
        assert_eq!(job["state"], "SUCCESS");
        nas.control().set_replication_enabled(TASK, false);
        let error = rpc.call("replication.run", json!([5])).await.unwrap_err();
        assert_eq!(error["data"]["reason"], "[EFAULT] Task is not enabled");
    }
}

#[tokio::test]
async fn a_snapshot_task_is_run_at_once_and_by_the_newest_in_a_job() {
    for version in SimulatedVersion::ALL {
        let nas = nas(version).await;
        if version.speaks_rest() {
            let (status, answer) = post(&nas, "pool/snapshottask/id/1/run", json!(null)).await;
            assert_eq!((status, answer), (200, Value::Null));
            let (status, _) = post(&nas, "pool/snapshottask/id/7/run", json!(null)).await;
            assert_eq!(status, 422);
            assert_eq!(nas.control().snapshots("tank/docker").len(), 1);
            continue;
        }
        let mut rpc = Rpc::log_in(&nas).await;
        for (task, state) in [(1, "SUCCESS"), (7, "FAILED")] {
            let job = rpc.get("pool.snapshottask.run", json!([task])).await;
            let filters = json!([["id", "=", job]]);
            let job = rpc
                .get("core.get_jobs", json!([filters, {"get": true}]))
                .await;
            assert_eq!(
                (&job["method"], &job["state"]),
                (&json!("pool.snapshottask.run"), &json!(state))
            );
        }
        assert_eq!(nas.control().snapshots("tank/docker").len(), 1);
    }
    let disabled = SimSnapshotTask {
        enabled: false,
        ..SimSnapshotTask::new(1, "tank/docker")
    };
    let options = SimulatorOptions {
        version: SimulatedVersion::Scale25_10,
        snapshot_tasks: vec![disabled],
        ..SimulatorOptions::new("primary")
    };
    let nas = Simulator::start(options).await.unwrap();
    let error = Rpc::log_in(&nas)
        .await
        .call("pool.snapshottask.run", json!([1]))
        .await;
    assert_eq!(
        error.unwrap_err()["data"]["reason"],
        "[EFAULT] Task is not enabled"
    );
    assert_eq!(
        post(&nas, "pool/snapshottask/id/1/run", json!(null))
            .await
            .0,
        422
    );
}
