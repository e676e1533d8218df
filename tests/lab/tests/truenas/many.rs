//! A NAS with more snapshots than anybody wants to look through.

use std::time::Duration;

use lab::truenas::{SimulatedVersion, Simulator, SimulatorOptions};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::raw::Rpc;

const MANY: u32 = 200_000;
const FEW: u32 = 100;

/// How often a query is made: the quickest counts, since others use the machine, too.
const ROUNDS: usize = 20;

async fn nas(snapshots: u32) -> Simulator {
    let options = SimulatorOptions {
        version: SimulatedVersion::Scale25_10,
        ..SimulatorOptions::new("primary")
    };
    let nas = Simulator::start(options).await.unwrap();
    let control = nas.control();
    control.add_snapshots("tank/media", snapshots / 2, 60);
    control.add_snapshots("tank/docker", FEW / 2, 60);
    control.add_snapshots("tank/other", (snapshots - FEW) / 2, 60);
    control.take_snapshot("tank/docker", "needle");
    nas
}

/// The shortest time in which a query is answered with this many snapshots.
async fn quickest(rpc: &mut Rpc, filters: &Value, found: usize) -> Duration {
    let mut quickest = Duration::MAX;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        let answer = rpc.get("pool.snapshot.query", json!([filters])).await;
        quickest = quickest.min(begin.elapsed());
        assert_eq!(answer.as_array().unwrap().len(), found, "{filters}");
    }
    quickest
}

#[tokio::test]
async fn among_very_many_snapshots_those_of_one_dataset_are_found_as_among_few() {
    let begin = Instant::now();
    let (many, few) = (nas(MANY).await, nas(FEW).await);
    println!("{MANY} snapshots were made within {:?}", begin.elapsed());
    let mut large = Rpc::log_in(&many).await;
    let mut small = Rpc::log_in(&few).await;
    let count = large
        .get("pool.snapshot.query", json!([[], {"count": true}]))
        .await;
    assert_eq!(count, json!(MANY + 1));

    let of_dataset = FEW as usize / 2 + 1;
    for (what, filters, found, at_most) in [
        // Looked up: as quick as can be.
        (
            "a dataset",
            json!([["dataset", "=", "tank/docker"]]),
            of_dataset,
            10.0,
        ),
        (
            "a name",
            json!([["id", "=", "tank/docker@needle"]]),
            1,
            10.0,
        ),
        // Looked through, but without making one of them into JSON: not longer than in proportion
        // to their number.
        (
            "a part of a name",
            json!([["snapshot_name", "=", "needle"]]),
            1,
            2000.0,
        ),
    ] {
        let short = quickest(&mut small, &filters, found).await;
        let long = quickest(&mut large, &filters, found).await;
        let ratio = long.as_secs_f64() / short.as_secs_f64();
        println!("{what}: {short:?} among {FEW}, {long:?} among {MANY}: {ratio:.1} times");
        assert!(ratio < at_most, "{what}: {ratio} times as long");
    }
}
