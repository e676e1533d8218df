use super::*;
use crate::NamingSchema;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn snapshot(dataset: &str, name: &str, created: i64, guid: Option<&str>) -> Snapshot {
    Snapshot {
        dataset: dataset.to_owned(),
        name: name.to_owned(),
        created: at(created),
        guid: guid.map(str::to_owned),
    }
}

#[test]
fn a_copy_is_known_by_its_guid_and_else_by_name_and_time() {
    let original = snapshot("tank/a", "auto-1", 100, Some("7"));
    for (copy, expected) in [
        (
            snapshot("dozer/a", "auto-1", 100, Some("7")),
            Some(RecognisedBy::Guid),
        ),
        (
            snapshot("dozer/a", "renamed", 100, Some("7")),
            Some(RecognisedBy::Guid),
        ),
        (snapshot("dozer/a", "auto-1", 100, Some("8")), None),
        (
            snapshot("dozer/a", "auto-1", 100, None),
            Some(RecognisedBy::NameAndTime),
        ),
        (snapshot("dozer/a", "auto-1", 101, None), None),
        (snapshot("dozer/a", "auto-2", 100, None), None),
    ] {
        assert_eq!(recognise(&original, &copy), expected, "{copy:?}");
    }
}

#[test]
fn the_newest_that_is_on_both_counts() {
    let here = [
        snapshot("tank/a", "auto-1", 100, Some("1")),
        snapshot("tank/a", "auto-2", 200, Some("2")),
        snapshot("tank/a", "auto-3", 300, Some("3")),
    ];
    let there = [
        snapshot("dozer/a", "auto-1", 100, Some("1")),
        snapshot("dozer/a", "auto-2", 200, Some("2")),
        snapshot("dozer/a", "auto-3", 300, Some("99")),
    ];
    let Some(Finding::OnBoth { source, target, .. }) = newest_on_both(&here, &there) else {
        panic!("nothing was found");
    };
    assert_eq!(
        (source.name.as_str(), target.name.as_str()),
        ("auto-2", "auto-2")
    );
    assert_eq!(newest_on_both(&here, &[]), None);
    assert_eq!(newest_on_both(&[], &there), None);
}

#[test]
fn names_narrow_the_question_only_if_all_of_them_sort() {
    let mut task = ReplicationTask::new(1, "docker", "tank/a", "dozer/a");
    let from = |task: &ReplicationTask| {
        let request = EvidenceRequest {
            task,
            since: "2026-11-27T03:00:00Z".parse().unwrap(),
            time_zone: Some(&TimeZone::UTC),
        };
        request.names_from()
    };
    assert_eq!(from(&task), None);
    task.naming_schemas = vec![
        NamingSchema::new("auto-%Y-%m-%d_%H-%M"),
        NamingSchema::new("a-%Y-%m-%d"),
    ];
    assert_eq!(from(&task).as_deref(), Some("a-2026-11-26"));
    task.naming_schemas.push(NamingSchema::new("%d-%m-%Y"));
    assert_eq!(from(&task), None);
}

#[cfg(feature = "mock")]
mod on_both_nas {
    use super::*;
    use crate::MockTrueNas;

    fn nas(snapshots: Vec<Snapshot>) -> MockTrueNas {
        let mut nas = MockTrueNas::new();
        nas.expect_snapshots().returning(move |query| {
            Ok(snapshots
                .iter()
                .filter(|snapshot| query.matches(snapshot))
                .cloned()
                .collect())
        });
        nas
    }

    fn recursive() -> ReplicationTask {
        let mut task = ReplicationTask::new(1, "docker", "tank/a", "dozer/a");
        task.recursive = true;
        task.exclude = vec!["tank/a/cache".to_owned()];
        task
    }

    async fn of_the_recursive_task(
        source: &MockTrueNas,
        target: Option<&dyn TrueNas>,
    ) -> Vec<DatasetEvidence> {
        let task = recursive();
        let request = EvidenceRequest {
            task: &task,
            since: at(100),
            time_zone: None,
        };
        request.collect(source, target).await.unwrap()
    }

    fn findings(evidence: &[DatasetEvidence]) -> Vec<(&str, bool)> {
        evidence
            .iter()
            .map(|found| (found.dataset.as_str(), found.finding.is_proven()))
            .collect()
    }

    #[tokio::test]
    async fn each_child_must_have_arrived() {
        let source = nas(vec![
            snapshot("tank/a", "auto-1", 50, Some("0")),
            snapshot("tank/a", "auto-2", 200, Some("1")),
            snapshot("tank/a/db", "auto-2", 200, Some("2")),
            snapshot("tank/a/www", "auto-2", 200, Some("3")),
            snapshot("tank/a/cache", "auto-2", 200, Some("4")),
            snapshot("tank/other", "auto-2", 200, Some("5")),
        ]);
        let target = nas(vec![
            snapshot("dozer/a", "auto-2", 200, Some("1")),
            snapshot("dozer/a/www", "auto-2", 200, Some("3")),
        ]);
        let evidence = of_the_recursive_task(&source, Some(&target)).await;
        assert_eq!(
            findings(&evidence),
            [("tank/a", true), ("tank/a/db", false), ("tank/a/www", true)]
        );
        assert!(matches!(
            &evidence[1].finding,
            Finding::NotOnTarget { target_dataset, .. } if target_dataset == "dozer/a/db"
        ));
    }

    #[tokio::test]
    async fn without_the_other_nas_nothing_is_proven() {
        let source = nas(vec![
            snapshot("tank/a", "auto-2", 200, Some("1")),
            snapshot("tank/a/db", "auto-2", 200, Some("2")),
        ]);
        let evidence = of_the_recursive_task(&source, None).await;
        assert_eq!(
            findings(&evidence),
            [("tank/a", false), ("tank/a/db", false)]
        );
        assert!(
            evidence
                .iter()
                .all(|found| matches!(found.finding, Finding::Unproven { .. }))
        );
    }

    #[tokio::test]
    async fn an_old_snapshot_is_none() {
        let source = nas(vec![snapshot("tank/a", "auto-1", 50, None)]);
        let evidence = of_the_recursive_task(&source, None).await;
        assert_eq!(evidence.len(), 1);
        assert_eq!(evidence[0].finding, Finding::NotOnSource);
    }
}
