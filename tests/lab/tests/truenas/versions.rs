//! In what the versions differ, asked at their addresses and by their methods.

use std::time::Duration;

use lab::truenas::{
    KeyRole, SimReplication, SimSchedule, SimSnapshotTask, SimulatedVersion, Simulator,
    SimulatorOptions,
};
use serde_json::{Value, json};

use crate::raw::{Rpc, get, http, post};
use crate::{TASK, until};

/// A NAS of this version, with two datasets that are replicated.
pub(crate) async fn nas(version: SimulatedVersion) -> Simulator {
    let mut replication = SimReplication::new(5, TASK, "tank/docker", "dozer/docker")
        .and("tank/media")
        .after(1)
        .takes(Duration::from_millis(50));
    replication.restrict_schedule = Some(SimSchedule::daily(4, 0));
    let options = SimulatorOptions {
        version,
        datasets: ["tank/docker", "tank/docker/volumes", "tank/media"]
            .map(str::to_owned)
            .to_vec(),
        snapshot_tasks: vec![
            SimSnapshotTask::new(1, "tank/docker").schedule(SimSchedule::daily(2, 30)),
        ],
        replication_tasks: vec![replication],
        ..SimulatorOptions::new("primary")
    };
    Simulator::start(options).await.unwrap()
}

/// Asks for something that is a list, by the API that there is.
async fn list(nas: &Simulator, path: &str, method: &str) -> Value {
    if nas.control().version().speaks_rest() {
        let (status, answer) = get(nas, path).await;
        assert_eq!(status, 200, "{path}: {answer}");
        return answer;
    }
    Rpc::log_in(nas).await.get(method, json!([])).await
}

async fn replication(nas: &Simulator) -> Value {
    list(nas, "replication", "replication.query").await[0].take()
}

#[tokio::test]
async fn every_version_is_found_where_it_is_and_nowhere_else() {
    for version in SimulatedVersion::ALL {
        let nas = nas(version).await;
        let ask = async |path: &str| {
            let url = format!("{}{path}", nas.url());
            http(&nas).get(url).send().await.unwrap()
        };
        let rest = get(&nas, "system/version").await;
        if version.speaks_rest() {
            assert_eq!(rest, (200, json!(version.as_str())));
            assert_eq!(ask("api/v2.0/system/version").await.status(), 401);
        } else {
            assert_eq!(rest.0, 404);
        }
        let versions = ask("api/versions").await;
        if version.speaks_json_rpc() {
            let versions: Vec<String> = versions.json().await.unwrap();
            let own = version.as_str().trim_start_matches("TrueNAS-");
            assert_eq!(versions.first().unwrap(), "v25.04.0");
            assert_eq!(versions.last().unwrap(), &format!("v{own}"));
            assert_eq!(ask("api/current").await.status(), 400, "it is no WebSocket");
            for path in [versions.first().unwrap(), versions.last().unwrap()] {
                Rpc::connect_to(&nas, &format!("/api/{path}"))
                    .await
                    .unwrap();
            }
            assert!(Rpc::connect_to(&nas, "/api/v30.0.0").await.is_err());
        } else {
            assert!(Rpc::connect_to(&nas, "/api/current").await.is_err());
            let current = ask("api/current").await;
            if version == SimulatedVersion::Core13_0 {
                assert_eq!(current.status(), 302);
                assert_eq!(current.headers()["location"], "/ui/");
                assert_eq!(versions.status(), 302);
            } else {
                assert_eq!(current.status(), 404);
                assert_eq!(versions.status(), 404);
            }
        }
        assert_eq!(nas.control().keys_seen(), 1, "{version:?}");
    }
}

#[tokio::test]
async fn snapshots_are_listed_where_the_version_has_them() {
    for version in SimulatedVersion::ALL {
        let nas = nas(version).await;
        nas.control().take_snapshot("tank/docker", "a");
        let new = version >= SimulatedVersion::Scale25_10;
        if version.speaks_rest() {
            let (here, not_here) = if new {
                ("pool/snapshot", "zfs/snapshot")
            } else {
                ("zfs/snapshot", "pool/snapshot")
            };
            assert_eq!(get(&nas, here).await.1[0]["name"], "tank/docker@a");
            let one = get(&nas, &format!("{here}/id/tank%2Fdocker%40a")).await;
            assert_eq!((one.0, &one.1["snapshot_name"]), (200, &json!("a")));
            assert_eq!(get(&nas, not_here).await.0, 404);
        }
        if version.speaks_json_rpc() {
            let (here, not_here) = if new {
                ("pool.snapshot.query", "zfs.snapshot.query")
            } else {
                ("zfs.snapshot.query", "pool.snapshot.query")
            };
            let mut rpc = Rpc::log_in(&nas).await;
            let filters = json!([["dataset", "=", "tank/docker"]]);
            let options = json!({"get": true, "select": ["name"]});
            let found = rpc.get(here, json!([filters, options])).await;
            assert_eq!(found, json!({"name": "tank/docker@a"}));
            let error = rpc.call(not_here, json!([])).await.unwrap_err();
            assert_eq!(error["code"], -32601);
        }
    }
}

#[tokio::test]
async fn tasks_look_as_the_version_shows_them() {
    for version in SimulatedVersion::ALL {
        let nas = nas(version).await;
        nas.control().run_snapshot_task(1);
        let task = until("finished", || async {
            let task = replication(&nas).await;
            (task["state"]["state"] == "FINISHED").then_some(task)
        })
        .await;
        assert_eq!(
            task["source_datasets"],
            json!(["tank/docker", "tank/media"])
        );
        assert_eq!(task["restrict_schedule"]["hour"], "4");
        assert_eq!(task["state"]["warnings"], json!([]));
        assert!(task["state"].get("job").is_none(), "a query lifts it out");
        assert_eq!(task["job"]["state"], "SUCCESS");
        let options = &task["job"]["arguments"][1];
        if version == SimulatedVersion::Scale26_0 {
            assert_eq!(options, &json!({"really_run": false}));
        } else {
            assert_eq!(options, &json!(false));
        }
        let new = version >= SimulatedVersion::Scale25_10;
        let bound = &task["periodic_snapshot_tasks"][0];
        assert!(bound.get("vmware_sync").is_none());
        assert_eq!(bound["schedule"]["minute"], "30");
        assert_eq!(bound["state"].is_string(), new, "{bound}");
        let of_task = list(&nas, "pool/snapshottask", "pool.snapshottask.query").await;
        assert_eq!(of_task[0]["vmware_sync"], false);
        assert_eq!(of_task[0]["state"]["state"], "FINISHED");
        assert_eq!(of_task[0]["state"].get("last_snapshot").is_some(), new);

        nas.control().set_replication_enabled(TASK, false);
        let disabled = replication(&nas).await["state"]["state"].take();
        if version == SimulatedVersion::Scale26_0 {
            assert_eq!(disabled, "FINISHED");
        } else {
            assert_eq!(disabled, "PENDING");
        }
    }
}

#[tokio::test]
async fn whoever_wants_it_off_says_so_in_the_words_of_the_version() {
    for version in SimulatedVersion::ALL {
        let nas = nas(version).await;
        let old = version <= SimulatedVersion::Scale24_10;
        let (right, wrong) = if old {
            (
                json!({"delay": 0}),
                json!({"reason": "night", "options": {}}),
            )
        } else {
            (
                json!({"reason": "night", "options": {"delay": 0}}),
                json!({"delay": 0}),
            )
        };
        if version.speaks_rest() {
            assert_eq!(post(&nas, "system/shutdown", wrong).await.0, 422);
            assert_eq!(post(&nas, "system/shutdown", right).await, (200, json!(1)));
        } else {
            let mut rpc = Rpc::log_in(&nas).await;
            for wrong in [
                json!([]),
                json!([""]),
                json!([{"delay": 0}]),
                json!(["night", 1]),
            ] {
                let error = rpc.call("system.shutdown", wrong).await.unwrap_err();
                assert_eq!(error["code"], -32602);
            }
            let right = json!(["night", {"delay": 0}]);
            assert_eq!(rpc.get("system.shutdown", right).await, json!(1));
        }
        let told = nas.control().shutdowns();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].reason.as_deref(), (!old).then_some("night"));
        until("nobody listens", || async {
            tokio::net::TcpStream::connect(nas.address())
                .await
                .is_err()
                .then_some(())
        })
        .await;
        assert!(!nas.control().is_on());
    }
}

#[tokio::test]
async fn who_may_only_read_gets_nothing_from_rest_and_reads_by_json_rpc() {
    for version in SimulatedVersion::ALL {
        let nas = nas(version).await;
        let control = nas.control();
        control.set_key_role(KeyRole::ReadOnly);
        if version.speaks_rest() {
            let wanted = if version.speaks_json_rpc() { 403 } else { 200 };
            assert_eq!(get(&nas, "replication").await.0, wanted, "{version:?}");
        }
        if !version.speaks_json_rpc() {
            continue;
        }
        let mut rpc = Rpc::log_in(&nas).await;
        assert_eq!(
            rpc.get("replication.query", json!([])).await[0]["name"],
            TASK
        );
        for (method, params) in [
            ("replication.run", json!([5])),
            ("pool.snapshottask.run", json!([1])),
            ("system.shutdown", json!(["night"])),
        ] {
            let error = rpc.call(method, params).await.unwrap_err();
            assert_eq!(error["code"], -32001);
            assert_eq!(error["data"]["errname"], "EACCES");
        }
        control.run_snapshot_task(1);
        assert_eq!(
            rpc.get("core.get_jobs", json!([])).await,
            json!([]),
            "not its own"
        );
        control.set_key_role(KeyRole::FullAdmin);
        assert_eq!(rpc.get("core.get_jobs", json!([])).await[0]["id"], 1);
    }
}

#[tokio::test]
async fn the_version_before_the_last_grumbles_about_rest() {
    for version in SimulatedVersion::ALL
        .into_iter()
        .filter(|version| version.speaks_rest())
    {
        let nas = nas(version).await;
        get(&nas, "system/state").await;
        let (_, alerts) = get(&nas, "alert/list").await;
        let grumbles = alerts
            .as_array()
            .unwrap()
            .iter()
            .any(|alert| alert["text"].as_str().unwrap().contains("REST API"));
        assert_eq!(grumbles, version == SimulatedVersion::Scale25_10);
    }
    let nas = nas(SimulatedVersion::Scale25_10).await;
    let mut rpc = Rpc::log_in(&nas).await;
    assert_eq!(
        rpc.get("alert.list", json!([])).await,
        json!([]),
        "not about JSON-RPC"
    );
}

#[tokio::test]
async fn a_nas_elsewhere_names_its_snapshots_after_its_own_time() {
    let options = SimulatorOptions {
        version: SimulatedVersion::Scale25_10,
        datasets: vec!["tank/docker".to_owned()],
        snapshot_tasks: vec![SimSnapshotTask {
            naming_schema: "auto-%Y-%m-%d_%H-%M".to_owned(),
            ..SimSnapshotTask::new(1, "tank/docker")
        }],
        // Five hours and three quarters ahead, all year round.
        time_zone: "Asia/Kathmandu".to_owned(),
        ..SimulatorOptions::new("primary")
    };
    let nas = Simulator::start(options.clone()).await.unwrap();
    nas.control().run_snapshot_task(1);
    let mut rpc = Rpc::log_in(&nas).await;
    assert_eq!(
        rpc.get("system.info", json!([])).await["timezone"],
        "Asia/Kathmandu"
    );
    let snapshot = nas.control().snapshots("tank/docker").remove(0);
    let there = snapshot.created + jiff::SignedDuration::from_mins(5 * 60 + 45);
    assert_eq!(
        snapshot.name,
        there.strftime("auto-%Y-%m-%d_%H-%M").to_string()
    );

    let nowhere = SimulatorOptions {
        time_zone: "Mars/Olympus_Mons".to_owned(),
        ..options
    };
    let error = Simulator::start(nowhere).await.unwrap_err();
    assert!(error.to_string().contains("Mars/Olympus_Mons"), "{error}");
}
