//! The simulator's own manners, asked by a client that knows nothing of TrueNAS.

use serde_json::{Value, json};

use crate::{TASK, primary};

async fn ask(nas: &lab::truenas::Simulator, path: &str, body: Option<Value>) -> (u16, Value) {
    crate::raw::ask(nas, reqwest::Method::GET, path, body).await
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
