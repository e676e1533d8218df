use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::{
    journal::{RecordedContainer, RecordedService},
    model::{ContainerState, ServiceId, ServiceMode, ServiceRef, StackName},
    testing::{container, in_project},
};

fn record() -> OutageRecord {
    let mut db = in_project(container("shop-db-1"), "shop", "db");
    db.stop_timeout = Some(Duration::from_secs(90));
    let mut cache = container("cache");
    cache.state = ContainerState::Paused;
    OutageRecord {
        begun_at: Timestamp::constant(1_735_700_000, 0),
        engine: "unix:///var/run/docker.sock".to_owned(),
        stacks: vec![StackName::new("shop"), StackName::new("cache")],
        containers: [db, cache]
            .iter()
            .filter_map(|c| RecordedContainer::of(c, Duration::from_secs(10)))
            .collect(),
        hooks: Vec::new(),
        services: vec![RecordedService {
            service: ServiceRef {
                id: ServiceId::new("ko5tlw5kpy341mt8erss9wmwp"),
                name: "mon_prom".to_owned(),
            },
            was: ServiceMode::Replicated { replicas: 2 },
            running_tasks: 1,
            grace: Duration::from_secs(10),
        }],
    }
}

fn journal() -> (tempfile::TempDir, FileJournal) {
    let folder = tempfile::tempdir().unwrap();
    let journal = FileJournal::new(folder.path().join("state/outage.json"));
    (folder, journal)
}

#[tokio::test]
async fn a_record_is_kept_until_it_is_cleared() {
    let (_folder, journal) = journal();
    assert_eq!(journal.read().await.unwrap(), None);
    journal.clear().await.unwrap();
    journal.write(&record()).await.unwrap();
    assert_eq!(journal.read().await.unwrap(), Some(record()));

    let mut less = record();
    less.containers.truncate(1);
    journal.write(&less).await.unwrap();
    assert_eq!(journal.read().await.unwrap(), Some(less));

    journal.clear().await.unwrap();
    assert_eq!(journal.read().await.unwrap(), None);
    let left: Vec<_> = fs::read_dir(journal.path().parent().unwrap())
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn the_file_can_be_read_by_people() {
    let (_folder, journal) = journal();
    journal.write(&record()).await.unwrap();
    let text = fs::read_to_string(journal.path()).unwrap();
    insta::assert_snapshot!(text, @r#"
    {
      "format": 1,
      "begun_at": "2025-01-01T02:53:20Z",
      "engine": "unix:///var/run/docker.sock",
      "stacks": [
        "shop",
        "cache"
      ],
      "containers": [
        {
          "container": {
            "id": "000073686f702d64622d31000000000000000000000000000000000000000000",
            "name": "shop-db-1"
          },
          "was": "running",
          "service": {
            "project": "shop",
            "service": "db",
            "number": "1"
          },
          "started_at": null,
          "grace_seconds": 90.0
        },
        {
          "container": {
            "id": "0000636163686500000000000000000000000000000000000000000000000000",
            "name": "cache"
          },
          "was": "paused",
          "service": null,
          "started_at": null,
          "grace_seconds": 10.0
        }
      ],
      "services": [
        {
          "service": {
            "id": "ko5tlw5kpy341mt8erss9wmwp",
            "name": "mon_prom"
          },
          "was": {
            "replicated": {
              "replicas": 2
            }
          },
          "running_tasks": 1,
          "grace_seconds": 10.0
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn a_write_that_was_cut_short_leaves_the_old_record() {
    let (_folder, journal) = journal();
    journal.write(&record()).await.unwrap();
    let mut new = journal.path().as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, "{\"format\": 1, \"begun").unwrap();
    assert_eq!(journal.read().await.unwrap(), Some(record()));
    journal.write(&record()).await.unwrap();
    assert!(!Path::new(&new).exists());
}

#[tokio::test]
async fn what_cannot_be_understood_is_never_nothing() {
    let (_folder, journal) = journal();
    fs::create_dir_all(journal.path().parent().unwrap()).unwrap();
    for damaged in ["", "{}", "{\"format\": 1}", "null", "{\"format\": \"1\"}"] {
        fs::write(journal.path(), damaged).unwrap();
        let error = journal.read().await.unwrap_err();
        assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("outage.json"), "{error}");
    }
    fs::write(journal.path(), "{\"format\": 2, \"something\": \"new\"}").unwrap();
    let error = journal.read().await.unwrap_err();
    assert!(
        matches!(
            error,
            JournalError::OtherFormat {
                found: 2,
                expected: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_an_error_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let in_the_way = folder.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    let journal = FileJournal::new(in_the_way.join("outage.json"));
    let error = journal.write(&record()).await.unwrap_err();
    assert!(matches!(error, JournalError::Io { .. }));
    assert!(error.to_string().contains("file/outage.json"), "{error}");
}

#[test]
fn a_bare_name_is_in_the_current_folder() {
    assert_eq!(folder(Path::new("outage.json")), Path::new("."));
    assert_eq!(folder(Path::new("/a/outage.json")), Path::new("/a"));
}

#[tokio::test]
async fn a_record_without_services_is_read() {
    let (_folder, journal) = journal();
    journal.write(&record()).await.unwrap();
    let mut json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(journal.path()).unwrap()).unwrap();
    assert!(json.as_object_mut().unwrap().remove("services").is_some());
    std::fs::write(journal.path(), json.to_string()).unwrap();
    let read = journal.read().await.unwrap().unwrap();
    assert_eq!(read.containers, record().containers);
    assert_eq!(read.services, []);
}
