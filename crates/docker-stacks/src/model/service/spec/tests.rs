use proptest::prelude::*;
use serde_json::json;

use super::*;

const TWO: ServiceMode = ServiceMode::Replicated { replicas: 2 };

/// What Docker 20.10 answers for a service that was created on its command line.
fn as_docker_writes_it(mode: &Value, placement: &Value) -> ServiceSpec {
    ServiceSpec::new(json!({
        "Name": "shop_db",
        "Labels": {"com.docker.stack.namespace": "shop"},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "postgres:17",
                "Env": ["POSTGRES_PASSWORD=hunter2"],
                "Mounts": [
                    {"Type": "volume", "Source": "shop_data", "Target": "/data",
                     "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"type": "nfs"}}}},
                    {"Type": "bind", "Source": "/srv", "Target": "/srv", "ReadOnly": true},
                    {"Type": "tmpfs", "Target": "/tmp"}
                ],
                "StopGracePeriod": 20_000_000_000_u64,
                "Healthcheck": {"Test": ["CMD-SHELL", "test -e /data"], "Interval": 1_000_000_000},
                "Isolation": "default"
            },
            "Placement": placement,
            "ForceUpdate": 0,
            "Runtime": "container"
        },
        "Mode": mode,
        "UpdateConfig": {"Parallelism": 1, "MaxFailureRatio": 0.25},
        "EndpointSpec": {"Mode": "vip"}
    }))
}

fn replicated(replicas: u64) -> ServiceSpec {
    let mode = json!({"Replicated": {"Replicas": replicas}});
    as_docker_writes_it(&mode, &json!({}))
}

fn global(constraints: &[&str]) -> ServiceSpec {
    let placement = match constraints {
        [] => json!({}),
        some => json!({"Constraints": some}),
    };
    as_docker_writes_it(&json!({"Global": {}}), &placement)
}

#[test]
fn what_decides_is_read() {
    let spec = replicated(2);
    let service = super::super::Service::read(
        super::super::ServiceId::new("1"),
        spec,
        Vec::new(),
        Vec::new(),
    )
    .unwrap();
    assert_eq!((service.name.as_str(), service.mode), ("shop_db", TWO));
    assert_eq!(service.stop_grace, Some(Duration::from_secs(20)));
    let mounts: Vec<_> = service
        .mounts
        .iter()
        .map(|m| (m.kind.as_str(), m.source.as_str(), m.read_only))
        .collect();
    assert_eq!(
        mounts,
        [
            ("volume", "shop_data", false),
            ("bind", "/srv", true),
            ("tmpfs", "", false)
        ]
    );
    assert_eq!(service.mounts[0].driver_options["type"], "nfs");
    assert!(!format!("{service:?}").contains("hunter2"), "a secret");
}

#[test]
fn a_halt_and_its_end_change_nothing_else() {
    for before in [
        replicated(2),
        global(&[]),
        global(&["node.role==worker", "node.labels.disk==ssd"]),
    ] {
        let mode = before.mode().unwrap();
        let mut spec = before.clone();
        assert_eq!(spec.halt(mode), Ok(true));
        assert_ne!(spec, before);
        assert_eq!(spec.halt(mode), Ok(false), "twice is once");
        assert!(spec.resume(mode));
        assert_eq!(spec, before);
        assert!(!spec.resume(mode), "nothing is left to do");
    }
}

#[test]
fn what_somebody_changed_meanwhile_is_kept() {
    let mut scaled = replicated(2);
    scaled.halt(TWO).unwrap();
    scaled.scale(5);
    assert!(!scaled.resume(TWO));
    assert_eq!(scaled, replicated(5));

    let mut placed = global(&["node.role==worker"]);
    placed.halt(ServiceMode::Global).unwrap();
    let mut constraints = placed.constraints();
    constraints.insert(0, "node.labels.disk==ssd".to_owned());
    placed.constrain(constraints);
    assert!(placed.resume(ServiceMode::Global));
    assert_eq!(
        placed,
        global(&["node.labels.disk==ssd", "node.role==worker"])
    );
}

#[test]
fn what_is_not_as_it_was_thought_is_not_halted() {
    let error = replicated(3).halt(TWO).unwrap_err();
    insta::assert_snapshot!(error, @"it was to have 2 replicas, and has 3 replicas: somebody changed it");
    let mut job = as_docker_writes_it(&json!({"GlobalJob": {}}), &json!({}));
    assert_eq!(job.mode(), Ok(ServiceMode::Job));
    assert!(job.halt(ServiceMode::Job).is_err());
    assert!(!job.resume(ServiceMode::Job));
}

#[test]
fn what_was_at_zero_stays_there() {
    let none = ServiceMode::Replicated { replicas: 0 };
    let mut spec = replicated(0);
    assert_eq!(spec.halt(none), Ok(false));
    assert!(!spec.resume(none));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop::sample::select(vec![
            "Name",
            "Mode",
            "Replicated",
            "Replicas",
            "Global",
            "TaskTemplate",
            "Placement",
            "Constraints",
            "ContainerSpec",
            "Mounts",
            "Labels",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(key.prop_map(str::to_owned), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_specification_is_too_strange(json in any_json()) {
        let mut spec = ServiceSpec::new(json);
        let _ = (spec.name(), spec.labels(), spec.mounts(), spec.constraints(), spec.stop_grace());
        if let Ok(mode) = spec.mode() {
            let before = spec.clone();
            if spec.halt(mode) == Ok(true) {
                prop_assert!(spec.resume(mode));
                prop_assert_eq!(spec.mode(), before.mode());
                prop_assert_eq!(spec.constraints(), before.constraints());
            }
        }
    }
}
