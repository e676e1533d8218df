use proptest::prelude::*;
use serde_json::json;

use super::*;

/// 2025-01-01T03:00:00Z, as TrueNAS writes it.
const AT_MS: i64 = 1_735_700_400_000;

fn at() -> Timestamp {
    Timestamp::from_millisecond(AT_MS).unwrap()
}

fn with(mut state: Value) -> TaskState {
    state["datetime"] = json!({ "$date": AT_MS });
    TaskState::from_json(&state)
}

#[test]
fn every_known_state_is_read() {
    assert_eq!(
        TaskState::from_json(&json!({"state": "PENDING"})),
        TaskState::Pending
    );
    assert_eq!(
        with(json!({"state": "WAITING", "reason": "Waiting for retention to complete"})),
        TaskState::Waiting {
            since: Some(at()),
            reason: Some("Waiting for retention to complete".to_owned()),
        }
    );
    assert_eq!(
        with(json!({"state": "RUNNING", "progress": {
            "dataset": "tank/a", "snapshot": "auto-2", "snapshots_sent": 1, "snapshots_total": 3,
            "bytes_sent": 10, "bytes_total": 20, "current": 10, "total": 20,
        }})),
        TaskState::Running {
            at: Some(at()),
            progress: Some(Progress {
                dataset: Some("tank/a".to_owned()),
                snapshot: Some("auto-2".to_owned()),
                snapshots_sent: Some(1),
                snapshots_total: Some(3),
                sent_bytes: Some(10),
                total_bytes: Some(20),
            }),
        }
    );
    assert_eq!(
        with(json!({"state": "FINISHED", "warnings": ["cannot receive mountpoint property"]})),
        TaskState::Finished {
            at: at(),
            warnings: vec!["cannot receive mountpoint property".to_owned()],
        }
    );
    assert_eq!(
        with(json!({"state": "ERROR", "error": "No incremental base"})),
        TaskState::Error {
            at: Some(at()),
            error: "No incremental base".to_owned(),
        }
    );
    assert_eq!(
        with(json!({"state": "HOLD", "reason": "Pool tank is offline."})),
        TaskState::Hold {
            at: Some(at()),
            reason: "Pool tank is offline.".to_owned(),
        }
    );
}

#[test]
fn what_cannot_be_read_is_unknown_and_keeps_what_was_said() {
    for state in [
        json!(null),
        json!("FINISHED"),
        json!([]),
        json!({"state": null}),
        json!({"state": "PAUSED"}),
        json!({"state": 1}),
        json!({"state": "FINISHED"}),
        json!({"state": "FINISHED", "datetime": "2025-01-01"}),
        json!({"state": "FINISHED", "datetime": {"$date": i64::MAX}}),
        json!({"state": "FINISHED", "datetime": {"$date": AT_MS}, "warnings": "all of them"}),
    ] {
        let TaskState::Unknown { raw } = TaskState::from_json(&state) else {
            panic!("{state} was understood");
        };
        assert_eq!(raw, state.to_string());
    }
}

#[test]
fn a_state_without_its_word_is_unstated() {
    for state in [
        json!({}),
        // TrueNAS 26 before the first run has finished.
        json!({"job": null, "last_snapshot": "tank/a@auto-1"}),
    ] {
        let read = TaskState::from_json(&state);
        assert_eq!(read, TaskState::Unstated, "{state}");
        assert_eq!(read.is_active(), None, "{state}");
    }
}

#[test]
fn a_failure_without_its_details_is_still_a_failure() {
    assert!(matches!(
        TaskState::from_json(&json!({"state": "ERROR"})),
        TaskState::Error { at: None, .. }
    ));
    assert!(matches!(
        TaskState::from_json(&json!({"state": "HOLD", "reason": 3})),
        TaskState::Hold { at: None, .. }
    ));
}

#[test]
fn the_last_snapshot_stands_next_to_the_state() {
    let name =
        last_snapshot(&json!({"state": "FINISHED", "last_snapshot": "tank/a@auto-1"})).unwrap();
    assert_eq!(name.to_string(), "tank/a@auto-1");
    for state in [
        json!({}),
        json!({"last_snapshot": null}),
        json!({"last_snapshot": "tank/a"}),
        json!([]),
    ] {
        assert_eq!(last_snapshot(&state), None, "{state}");
    }
}

/// Any JSON document, with the words of the real ones more likely than others.
pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("state"),
        Just("datetime"),
        Just("$date"),
        Just("reason"),
        Just("error"),
        Just("warnings"),
        Just("progress"),
        Just("last_snapshot"),
        Just("FINISHED"),
        Just("RUNNING"),
        Just("WAITING"),
        Just("ERROR"),
        Just("HOLD"),
        Just("PENDING"),
        Just("tank/a@b"),
    ]
    .prop_map(str::to_owned);
    let text = prop_oneof![3 => word.clone(), 1 => ".*"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => prop::collection::hash_map(word.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_is_some_state(value in any_json()) {
        let state = TaskState::from_json(&value);
        let _ = last_snapshot(&value);
        if let TaskState::Finished { .. } = state {
            prop_assert_eq!(value.get("state").and_then(Value::as_str), Some("FINISHED"));
            prop_assert!(value.pointer("/datetime/$date").is_some());
        }
    }
}
