use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::task_state::tests::any_json;
use crate::paging::{Pages, Turn};
use crate::{
    Alert, Job, JobState, Pool, ReplicationTask, Snapshot, SnapshotQuery, SnapshotTask, TaskState,
};

fn task() -> Value {
    json!({
        "id": 3,
        "name": "docker to backup",
        "direction": "PUSH",
        "transport": "SSH",
        "ssh_credentials": {"id": 1, "name": "backup", "type": "SSH_CREDENTIALS", "attributes": {}},
        "source_datasets": ["tank/docker"],
        "target_dataset": "dozer/docker",
        "recursive": true,
        "exclude": [],
        "periodic_snapshot_tasks": [{
            "id": 1, "dataset": "tank/docker", "naming_schema": "auto-%Y-%m-%d_%H-%M",
            "state": "{\"state\": \"FINISHED\"}",
        }],
        "naming_schema": [],
        "also_include_naming_schema": ["manual-%Y-%m-%d_%H-%M"],
        "auto": true,
        "enabled": true,
        "retention_policy": "SOURCE",
        "encryption_key": "a secret",
        "state": {
            "state": "RUNNING", "datetime": {"$date": 1_735_700_400_000_i64},
            "progress": {"dataset": "tank/docker", "snapshot": "auto-2", "bytes_sent": 5},
            "last_snapshot": "tank/docker@auto-1",
        },
        "job": job(),
        "a_field_of_the_future": [1, 2, 3],
    })
}

fn job() -> Value {
    json!({
        "id": 71, "method": "replication.run", "arguments": [3, false], "state": "RUNNING",
        "progress": {"percent": 12, "description": "Sending 1 of 2", "extra": null},
        "error": null, "time_started": {"$date": 1_735_700_300_000_i64}, "time_finished": null,
        "credentials": null,
    })
}

fn without(mut value: Value, field: &str) -> Value {
    value.as_object_mut().unwrap().remove(field);
    value
}

fn read_value<T: DeserializeOwned>(value: &Value) -> Result<T, Misfit> {
    let whole = read(value.to_string().as_bytes());
    let part = super::read_value::<T>(value.clone());
    // Both ways of reading agree. (Only a text has lines and columns, and numbers as written.)
    assert_eq!(whole.is_ok(), part.is_ok());
    whole
}

#[test]
fn a_replication_task_is_read() {
    let task: WireReplicationTask = read_value(&task()).unwrap();
    insta::assert_json_snapshot!(ReplicationTask::from(task));
}

#[test]
fn a_job_that_cannot_be_read_does_not_hide_its_task() {
    for job in [json!(null), json!(7), json!({"id": "x"})] {
        let mut value = task();
        value["job"] = job;
        let task = ReplicationTask::from(read_value::<WireReplicationTask>(&value).unwrap());
        assert_eq!(task.job, None);
        assert!(matches!(task.state, TaskState::Running { .. }));
    }
}

#[test]
fn an_absent_state_is_unknown() {
    let task = ReplicationTask::from(
        read_value::<WireReplicationTask>(&without(task(), "state")).unwrap(),
    );
    assert!(
        matches!(task.state, TaskState::Unknown { .. }),
        "{:?}",
        task.state
    );
}

#[test]
fn what_matters_must_be_there_and_right() {
    for field in [
        "id",
        "name",
        "source_datasets",
        "target_dataset",
        "enabled",
        "auto",
        "recursive",
    ] {
        let misfit = read_value::<WireReplicationTask>(&without(task(), field)).unwrap_err();
        assert_eq!(misfit.what, format!("missing field `{field}`"));
    }
    let mut value = json!([task(), task()]);
    value[1]["source_datasets"] = json!(["tank", 5]);
    assert_eq!(
        read_value::<Vec<WireReplicationTask>>(&value).unwrap_err(),
        Misfit {
            at: "[1].source_datasets[1]".to_owned(),
            what: "invalid type: integer `5`, expected a string".to_owned(),
        }
    );
}

#[test]
fn a_truncated_or_trailing_text_is_reported_with_its_place() {
    let misfit = read::<Vec<WireReplicationTask>>(b"[{\"id\": 1, ").unwrap_err();
    assert_eq!(misfit.at, "line 1 column 11");
    assert!(misfit.what.starts_with("EOF"), "{misfit:?}");
    let misfit = read::<Vec<WireJob>>(b"[] and more").unwrap_err();
    assert_eq!(misfit.at, "line 1 column 4");
    let misfit = read::<Vec<WireJob>>(b"<html>").unwrap_err();
    assert_eq!(misfit.at, "line 1 column 1");
}

#[test]
fn a_job_is_read() {
    let running = Job::from(read_value::<WireJob>(&job()).unwrap());
    insta::assert_json_snapshot!(running);
    let mut other = job();
    other["method"] = json!("pool.scrub");
    other["state"] = json!("HIBERNATING");
    other["progress"] = json!(null);
    let other = Job::from(read_value::<WireJob>(&other).unwrap());
    assert_eq!(other.replication_task, None);
    assert_eq!(other.state, JobState::Unknown("HIBERNATING".to_owned()));
    assert!(!other.state.has_ended());
}

#[test]
fn pools_tell_whether_they_are_scanned() {
    let pool = |scan: Value| {
        let value = json!({
            "id": 1, "name": "tank", "status": "ONLINE", "healthy": true, "warning": false,
            "status_detail": null, "scan": scan,
        });
        read_value::<WirePool>(&value).map(Pool::from)
    };
    let scan = |state: &str| {
        json!({
            "function": "SCRUB", "state": state, "start_time": {"$date": 1_735_700_400_000_i64},
            "end_time": null, "percentage": 33.3, "errors": 0, "pause": null, "total_secs_left": 60,
        })
    };
    insta::assert_json_snapshot!(pool(scan("SCANNING")).unwrap());
    assert_eq!(pool(scan("SCANNING")).unwrap().is_scanning(), Some(true));
    assert_eq!(pool(scan("FINISHED")).unwrap().is_scanning(), Some(false));
    assert_eq!(pool(scan("CANCELED")).unwrap().is_scanning(), Some(false));
    assert_eq!(pool(scan("PONDERING")).unwrap().is_scanning(), None);
    assert_eq!(pool(json!(null)).unwrap().is_scanning(), Some(false));
    assert!(pool(json!("none")).is_err());
    // An absent scan is not the absence of a scan.
    let value = json!({"name": "tank", "status": "ONLINE", "healthy": true, "warning": false});
    assert_eq!(
        read_value::<WirePool>(&value).unwrap_err().what,
        "missing field `scan`"
    );
}

#[test]
fn a_snapshot_is_read() {
    let snapshot = |creation: &str| {
        json!({
            "id": "tank/a@auto-1", "pool": "tank", "name": "tank/a@auto-1", "type": "SNAPSHOT",
            "snapshot_name": "auto-1", "dataset": "tank/a", "createtxg": "1234",
            "properties": {
                "creation": {"value": "Wed Jan  1  3:00 2025", "rawvalue": creation, "source": "NONE",
                             "parsed": {"$date": 1_735_700_400_000_i64}},
                "guid": {"value": "99", "rawvalue": "99", "source": "NONE", "parsed": "99"},
            },
        })
    };
    let read_one = |creation| read_value::<WireSnapshot>(&snapshot(creation));
    let wire = read_one("1735700400").unwrap();
    insta::assert_json_snapshot!(Snapshot::from(wire));
    let misfit = read_one("yesterday").unwrap_err();
    assert_eq!(misfit.at, "properties.creation");
    assert!(misfit.what.contains("yesterday"), "{misfit:?}");
}

#[test]
fn snapshots_of_one_second_are_in_the_order_of_their_transactions() {
    let entry = |name: &str, created: u32, createtxg: Value| {
        json!({
            "snapshot_name": name, "dataset": "tank/a", "createtxg": createtxg,
            "properties": {"creation": {"rawvalue": created.to_string()}},
        })
    };
    let entries = json!([
        entry("third", 20, json!("9")),
        entry("second", 10, json!("11")),
        entry("first", 10, json!(2)),
    ]);
    let mut pages = Pages::of(10);
    let entries: Vec<WireSnapshot> = read_value(&entries).unwrap();
    let turn = WireSnapshot::turn(&mut pages, entries, &SnapshotQuery::default());
    assert_eq!(turn, Turn::Done);
    let names: Vec<String> = WireSnapshot::in_order(pages)
        .into_iter()
        .map(|snapshot| snapshot.name)
        .collect();
    assert_eq!(names, ["first", "second", "third"]);
}

#[test]
fn an_alert_is_read() {
    let alert = json!({
        "id": "a", "uuid": "a", "source": "Replication", "klass": "ReplicationFailed", "args": {},
        "node": "Controller A", "key": "null", "datetime": {"$date": 1_735_700_400_000_i64},
        "last_occurrence": {"$date": 1_735_700_400_000_i64}, "dismissed": false, "mail": null,
        "text": "Replication \"%(name)s\" failed.", "level": "CRITICAL", "one_shot": true,
        "formatted": "Replication \"docker\" failed.",
    });
    let read: WireAlert = read_value(&alert).unwrap();
    insta::assert_json_snapshot!(Alert::from(read));
    let mut odd = alert;
    odd["level"] = json!("PANIC");
    odd["formatted"] = Value::Null;
    let odd = Alert::from(read_value::<WireAlert>(&odd).unwrap());
    assert_eq!(odd.text, "Replication \"%(name)s\" failed.");
    assert!(odd.needs_attention());
}

#[test]
fn a_snapshot_task_is_read() {
    let value = json!({
        "id": 1, "dataset": "tank/docker", "recursive": true, "lifetime_value": 2, "lifetime_unit": "WEEK",
        "enabled": true, "exclude": [], "naming_schema": "auto-%Y-%m-%d_%H-%M", "allow_empty": true,
        "schedule": {"minute": "15", "hour": "3", "dom": "*", "month": "*", "dow": "*",
                     "begin": "00:00", "end": "23:59"},
        "vmware_sync": false, "state": {"state": "FINISHED", "datetime": {"$date": 1_735_700_400_000_i64}},
    });
    insta::assert_json_snapshot!(SnapshotTask::from(
        read_value::<WireSnapshotTask>(&value).unwrap()
    ));
}

#[test]
fn a_system_is_read() {
    let value = json!({
        "version": "TrueNAS-13.0-U6.7", "hostname": "backup.local", "physmem": 17_179_869_184_u64,
        "datetime": {"$date": 1_735_700_400_000_i64}, "timezone": "Europe/Paris", "uptime_seconds": 61.5,
        "uptime": "0:01:01.5",
    });
    let system = read_value::<WireSystem>(&value).unwrap().with_boot_id(None);
    insta::assert_json_snapshot!(system);
    let mut negative = value;
    negative["uptime_seconds"] = json!(-1);
    assert_eq!(
        read_value::<WireSystem>(&negative).unwrap_err().at,
        "uptime_seconds"
    );
}

proptest! {
    #[test]
    fn no_document_makes_a_reader_panic(value in any_json()) {
        let _ = read_value::<Vec<WireReplicationTask>>(&value);
        let _ = read_value::<WireSnapshotTask>(&value);
        let _ = read_value::<WireSnapshot>(&value);
        let _ = read_value::<WirePool>(&value);
        let _ = read_value::<WireSystem>(&value);
        let _ = read_value::<WireJob>(&value);
    }

    #[test]
    fn any_state_leaves_its_task_readable(state in any_json()) {
        let mut value = task();
        value["state"] = state;
        prop_assert!(read_value::<WireReplicationTask>(&value).is_ok());
    }
}
