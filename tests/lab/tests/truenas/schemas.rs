//! Every object that the simulator sends, held against reference schemas of the API, beside the
//! checkout.
//!
//! They are not part of the project. Where they are missing, nothing is checked, and the test says
//! so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jsonschema::Validator;
use lab::truenas::{
    PoolHealth, RateLimit, SimReplication, SimSchedule, SimSnapshotTask, SimulatedVersion,
    Simulator, SimulatorOptions,
};
use serde_json::{Value, json};

use crate::raw::{Rpc, get};
use crate::{TASK, until};

/// The references, if they are there.
#[expect(
    clippy::print_stdout,
    reason = "whoever reads the tests' output has to see that nothing was checked"
)]
fn references(what: &str) -> Option<PathBuf> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let folder = checkout.parent()?.join("shared/truenas").join(what);
    if folder.is_dir() {
        return Some(folder);
    }
    println!(
        "nothing was checked: there are no references at {}",
        folder.display()
    );
    None
}

/// What checks the objects of one version, and counts them.
struct Checker {
    folder: PathBuf,
    version: &'static str,
    validators: BTreeMap<&'static str, Validator>,
    checked: BTreeMap<&'static str, usize>,
}

impl Checker {
    fn new(folder: &Path, version: SimulatedVersion) -> Self {
        let version = match version {
            SimulatedVersion::Scale25_10 => "v25_10_0",
            _ => "v26_0_0",
        };
        Self {
            folder: folder.to_owned(),
            version,
            validators: BTreeMap::new(),
            checked: BTreeMap::new(),
        }
    }

    fn schema(&self, model: &str) -> Value {
        let file = self.folder.join(format!("{}.{model}.json", self.version));
        let text = std::fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        serde_json::from_str(&text).unwrap()
    }

    fn check(&mut self, model: &'static str, object: &Value) {
        let schema = self.schema(model);
        let validator = self.validators.entry(model).or_insert_with(|| {
            jsonschema::options()
                .should_validate_formats(true)
                .build(&schema)
                .unwrap()
        });
        // The models speak of times; what goes over the wire is a number of milliseconds.
        let object = with_times(object);
        let errors: Vec<String> = validator
            .iter_errors(&object)
            .map(|error| format!("{} at {:?}", error, error.instance_path().to_string()))
            .collect();
        assert!(
            errors.is_empty(),
            "{} {model}: {errors:#?}\n{object:#}",
            self.version
        );
        *self.checked.entry(model).or_default() += 1;
    }

    fn check_all(&mut self, model: &'static str, list: &Value) {
        for object in list.as_array().unwrap() {
            self.check(model, object);
        }
    }
}

fn with_times(value: &Value) -> Value {
    match value {
        Value::Object(fields) => match fields.get("$date").and_then(Value::as_i64) {
            Some(date) if fields.len() == 1 => {
                json!(Timestamp::from_millisecond(date).unwrap().to_string())
            }
            _ => fields
                .iter()
                .map(|(name, value)| (name.clone(), with_times(value)))
                .collect(),
        },
        Value::Array(list) => list.iter().map(with_times).collect(),
        other => other.clone(),
    }
}

async fn nas(version: SimulatedVersion) -> Simulator {
    let second = SimReplication {
        schedule: Some(SimSchedule::daily(3, 0)),
        auto: true,
        naming_schema: vec!["auto-%Y".to_owned()],
        name_regex: Some("auto-.*".to_owned()),
        retention_policy: "CUSTOM".to_owned(),
        lifetime: Some((2, "MONTH".to_owned())),
        ..SimReplication::new(6, "everything", "tank/docker", "dozer/all").and("tank/media")
    };
    let local = SimReplication {
        transport: "LOCAL".to_owned(),
        direction: "PULL".to_owned(),
        ..SimReplication::new(7, "local", "tank/media", "tank/copy")
    };
    let options = SimulatorOptions {
        version,
        datasets: vec!["tank/docker".to_owned(), "tank/media".to_owned()],
        snapshot_tasks: vec![SimSnapshotTask::new(1, "tank/docker")],
        replication_tasks: vec![
            SimReplication {
                waits: Duration::from_hours(1),
                gives_up_after: Duration::from_millis(200),
                ..SimReplication::new(5, TASK, "tank/docker", "dozer/docker").after(1)
            },
            second,
            local,
        ],
        ..SimulatorOptions::new("primary")
    };
    Simulator::start(options).await.unwrap()
}

/// Checks all that there is, as it is now, by every API that there is.
async fn check_everything(nas: &Simulator, rpc: &mut Rpc, checker: &mut Checker) -> Value {
    for (path, method, model) in [
        (
            "pool/snapshottask",
            "pool.snapshottask.query",
            "PeriodicSnapshotTaskEntry",
        ),
        ("replication", "replication.query", "ReplicationEntry"),
        ("pool/snapshot", "pool.snapshot.query", "PoolSnapshotEntry"),
        ("pool", "pool.query", "PoolEntry"),
        ("core/get_jobs", "core.get_jobs", "CoreGetJobsItem"),
        ("alert/list", "alert.list", "Alert"),
    ] {
        checker.check_all(model, &rpc.get(method, json!([])).await);
        if nas.control().version().speaks_rest() {
            checker.check_all(model, &get(nas, path).await.1);
        }
    }
    let info = rpc.get("system.info", json!([])).await;
    checker.check("SystemInfoResult", &json!({ "result": info }));
    if nas.control().version().speaks_rest() {
        let info = get(nas, "system/info").await.1;
        checker.check("SystemInfoResult", &json!({ "result": info }));
    }
    let tasks = rpc.get("replication.query", json!([])).await;
    for task in tasks.as_array().unwrap() {
        if !task["job"].is_null() {
            checker.check("CoreGetJobsItem", &task["job"]);
        }
    }
    tasks[0]["state"]["state"].clone()
}

async fn check_in(nas: &Simulator, rpc: &mut Rpc, checker: &mut Checker, state: &str) {
    let checking = async {
        while check_everything(nas, rpc, checker).await != state {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    crate::raw::soon(state, checking).await;
}

#[tokio::test]
async fn every_object_is_what_the_models_of_the_api_say() {
    let Some(folder) = references("schemas") else {
        return;
    };
    for version in [SimulatedVersion::Scale25_10, SimulatedVersion::Scale26_0] {
        let mut checker = Checker::new(&folder, version);
        let nas = nas(version).await;
        let control = nas.control();
        let mut rpc = Rpc::connect(&nas).await;
        for key in ["1-wrong".to_owned(), nas.api_key()] {
            let answer = rpc.login(&nas.username(), &key).await.unwrap();
            checker.check("AuthLoginExResult", &json!({ "result": answer }));
        }
        control.take_snapshot("tank/docker", "a");
        control.take_snapshot("tank/docker", "b");
        check_in(&nas, &mut rpc, &mut checker, "PENDING").await;
        control.put_on_hold(TASK, "Pool tank is offline.");
        check_in(&nas, &mut rpc, &mut checker, "HOLD").await;
        control.lift_hold(TASK);
        control.hold_replication(TASK);
        control.run_snapshot_task(1);
        check_in(&nas, &mut rpc, &mut checker, "WAITING").await;
        control.set_waits(TASK, Duration::ZERO);
        check_in(&nas, &mut rpc, &mut checker, "RUNNING").await;
        // A run that a restart has cut short.
        until("a snapshot has been sent", || async {
            let tasks = control.running_since(TASK);
            tasks.filter(|since| control.now().duration_since(*since).as_millis() > 400)
        })
        .await;
        control.restart_middleware(Duration::ZERO);
        control.release_replication(TASK);
        rpc = Rpc::log_in(&nas).await;
        rpc.get("core.subscribe", json!(["core.get_jobs"])).await;
        check_everything(&nas, &mut rpc, &mut checker).await;
        rpc.get("replication.run", json!([5])).await;
        check_in(&nas, &mut rpc, &mut checker, "FINISHED").await;
        control.set_target_reachable(std::sync::Arc::new(|| false));
        rpc.get("replication.run", json!([5])).await;
        check_in(&nas, &mut rpc, &mut checker, "ERROR").await;
        control.break_replications(Some("Boom."));
        control.set_replication_enabled(TASK, false);
        control.set_pool("tank", PoolHealth::degraded("One disk is missing."));
        control.scrub("tank", 12.5);
        control.raise_alert("CRITICAL", "VolumeStatus", "Pool tank is degraded.");
        check_everything(&nas, &mut rpc, &mut checker).await;
        control.end_scrub("tank");
        control.set_pool("tank", PoolHealth::offline());
        check_everything(&nas, &mut rpc, &mut checker).await;
        assert!(!rpc.notices.is_empty());
        for notice in &rpc.notices {
            checker.check("CoreGetJobsItem", &notice["fields"]);
        }
        let fields = checker.schema("ReplicationEntry")["properties"]
            .as_object()
            .unwrap()
            .len();
        let task = rpc.get("replication.query", json!([])).await[0].take();
        assert_eq!(
            task.as_object().unwrap().len(),
            fields,
            "all that the model has"
        );

        println!("{}: checked {:?}", version.as_str(), checker.checked);
        assert_eq!(checker.checked.len(), 8, "{:?}", checker.checked);
    }
}

/// The situations of a file of references: a name, two spaces or more, and what the engine holds.
fn situations(file: &Path) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(name, state)| (name.to_owned(), serde_json::from_str(state.trim()).unwrap()))
        .collect()
}

/// The names of the fields: the times and jobs of two runs differ.
fn fields(state: &Value) -> Vec<&str> {
    state
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[tokio::test]
async fn every_state_is_what_the_engine_holds_in_that_situation() {
    let Some(folder) = references("states") else {
        return;
    };
    for (version, file) in [
        (SimulatedVersion::Scale24_10, "24.10.txt"),
        (SimulatedVersion::Scale26_0, "26.0.txt"),
    ] {
        let situations = situations(&folder.join(file));
        let mut checked = 0;
        let mut check = |situation: &str, shown: &Value| {
            let reference = &situations[situation];
            let held = reference
                .get("error")
                .unwrap_or(&reference["tasks"]["replication_task_1"]);
            let held = if held.is_null() {
                json!({"state": "PENDING"})
            } else {
                held.clone()
            };
            assert_eq!(
                shown.get("state"),
                held.get("state"),
                "{file} {situation}: {shown}"
            );
            // A query has lifted the job out.
            let held: Vec<_> = fields(&held)
                .into_iter()
                .filter(|name| *name != "job")
                .collect();
            assert_eq!(fields(shown), held, "{file} {situation}: {shown}");
            checked += 1;
        };
        let options = SimulatorOptions {
            version,
            datasets: vec!["tank/a".to_owned()],
            replication_tasks: vec![SimReplication::new(1, TASK, "tank/a", "dozer/a")],
            // Every look is a login.
            rate_limit: RateLimit {
                calls: u32::MAX,
                ..RateLimit::default()
            },
            ..SimulatorOptions::new("primary")
        };
        let nas = Simulator::start(options).await.unwrap();
        let control = nas.control();
        control.take_snapshot("tank/a", "auto-1");
        control.take_snapshot("tank/a", "auto-2");
        let state = async || {
            if version.speaks_rest() {
                get(&nas, "replication").await.1[0]["state"].take()
            } else {
                let mut rpc = Rpc::log_in(&nas).await;
                rpc.get("replication.query", json!([])).await[0]["state"].take()
            }
        };
        let run = async || {
            if version.speaks_rest() {
                crate::raw::post(&nas, "replication/id/1/run", json!(null)).await;
            } else {
                Rpc::log_in(&nas)
                    .await
                    .get("replication.run", json!([1]))
                    .await;
            }
        };
        check("fresh boot, nothing", &state().await);
        control.hold_replication(TASK);
        run().await;
        let running = until("one snapshot has been sent", || async {
            let state = state().await;
            state.get("last_snapshot").is_some().then_some(state)
        })
        .await;
        check("running", &running);
        control.restart_middleware(Duration::ZERO);
        control.release_replication(TASK);
        let never = until("it answers", || async { Some(state().await) }).await;
        check("one snapshot sent, never finished yet", &never);
        run().await;
        let finished = until("finished", || async {
            let state = state().await;
            (state["state"] == "FINISHED").then_some(state)
        })
        .await;
        check("finished", &finished);
        control.put_on_hold(TASK, "Pool tank is offline.");
        check("hold (pool offline)", &state().await);
        control.lift_hold(TASK);
        check("hold lifted", &state().await);
        control.set_replication_enabled(TASK, false);
        check("task disabled (not in definition)", &state().await);
        control.break_replications(Some("Boom."));
        check("global zettarepl error", &state().await);
        println!(
            "{}: checked {checked} of {} situations",
            version.as_str(),
            situations.len()
        );
        assert_eq!(checked, situations.len());
    }
}
