use backup_store::{
    CheckReport, Finding, Keep, MockStore, PruneSummary, Severity, Snapshot, StoreError,
};
use jiff::Timestamp;
use jiff::civil::date;
use jiff::tz::TimeZone;

use super::*;
use crate::clock::SimulatedClock;

const MIDNIGHT: Timestamp = Timestamp::UNIX_EPOCH;

fn night() -> Night {
    Night {
        date: date(1970, 1, 1),
        start: MIDNIGHT,
        end: MIDNIGHT + jiff::SignedDuration::from_hours(2),
    }
}

fn remembers() -> (tempfile::TempDir, Upkeep) {
    let folder = tempfile::tempdir().unwrap();
    let upkeep = Upkeep::load(&folder.path().join("upkeep.json")).unwrap();
    (folder, upkeep)
}

fn store() -> MockStore {
    let mut store = MockStore::new();
    store
        .expect_location()
        .return_const("/mnt/nas/restic".to_owned());
    store
}

fn snapshot(number: u64, processed_bytes: u64) -> Snapshot {
    Snapshot {
        id: format!("{number:064x}").parse().unwrap(),
        time: MIDNIGHT + jiff::SignedDuration::from_hours(number.cast_signed()),
        stack: "wiki".to_owned(),
        host: "docker01".to_owned(),
        made_here: true,
        tags: Vec::new(),
        paths: Vec::new(),
        files: None,
        processed_bytes: Some(processed_bytes),
    }
}

fn locked() -> StoreError {
    StoreError::Locked {
        path: "/mnt/nas/restic/backup-store.lock".into(),
        by: "process 7, backing up".to_owned(),
    }
}

async fn verify(store: &MockStore, upkeep: &mut Upkeep, deadline: Duration) -> StepRecord {
    let clock = SimulatedClock::starting_at(MIDNIGHT);
    verify::run(
        &clock,
        store,
        upkeep,
        3,
        deadline,
        &CancellationToken::new(),
    )
    .await
}

async fn retain(store: &MockStore, upkeep: &mut Upkeep, deadline: Duration) -> StepRecord {
    let clock = SimulatedClock::starting_at(MIDNIGHT);
    let rules = RetentionRules::new("docker01", Keep::default(), TimeZone::UTC);
    let task = retain::Retain {
        rules: &rules,
        prune: PruneSchedule::Weekly,
        night: &night(),
        deadline,
    };
    retain::run(&clock, store, upkeep, &task, &CancellationToken::new()).await
}

fn checks(findings: Vec<Finding>) -> MockStore {
    let mut store = store();
    store.expect_check().returning(move |_| {
        Ok(CheckReport {
            snapshots: 1,
            read_bytes: 1,
            findings: findings.clone(),
        })
    });
    store
}

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test(start_paused = true)]
async fn a_share_that_was_read_is_not_read_again_at_once() {
    let (_folder, mut upkeep) = remembers();
    let record = verify(&checks(Vec::new()), &mut upkeep, HOUR).await;
    assert_eq!(record.end, StepEnd::Done);
    assert_eq!(upkeep.next_share(3), 1);
}

#[tokio::test(start_paused = true)]
async fn damage_fails_the_step_and_names_itself() {
    let (_folder, mut upkeep) = remembers();
    let damaged = Finding {
        severity: Severity::Error,
        message: "pack 1234 is not what it was".to_owned(),
    };
    let record = verify(&checks(vec![damaged]), &mut upkeep, HOUR).await;
    assert_eq!(record.end, StepEnd::Failed);
    assert!(record.summary.contains("pack 1234"), "{}", record.summary);
    assert_eq!(upkeep.next_share(3), 0, "it is read again");
}

#[tokio::test(start_paused = true)]
async fn somebody_else_at_work_is_no_failure() {
    let (_folder, mut upkeep) = remembers();
    let mut store = store();
    store.expect_check().returning(|_| Err(locked()));
    let snapshots = vec![snapshot(1, 100), snapshot(2, 100)];
    store
        .expect_snapshots()
        .returning(move || Ok(snapshots.clone()));
    store.expect_forget().returning(|_| Err(locked()));
    let verified = verify(&store, &mut upkeep, HOUR).await;
    assert_eq!(verified.end, StepEnd::Attention);
    let retained = retain(&store, &mut upkeep, HOUR).await;
    assert_eq!(retained.end, StepEnd::Attention);
    assert_eq!(upkeep.next_share(3), 0);
    assert!(upkeep.is_prune_due(PruneSchedule::Weekly, night().date));
}

#[tokio::test(start_paused = true)]
async fn what_the_rules_do_not_keep_is_forgotten_and_pruned_when_due() {
    let (_folder, mut upkeep) = remembers();
    let mut store = store();
    let snapshots = vec![snapshot(1, 100), snapshot(2, 100)];
    store
        .expect_snapshots()
        .returning(move || Ok(snapshots.clone()));
    store
        .expect_forget()
        .withf(|forgotten| *forgotten == [snapshot(1, 100).id])
        .times(2)
        .returning(|_| Ok(()));
    store
        .expect_prune()
        .times(1)
        .returning(|_| Ok(PruneSummary::default()));
    let first = retain(&store, &mut upkeep, HOUR).await;
    assert_eq!(
        (first.end, first.summary.as_str()),
        (StepEnd::Done, "1 snapshot forgotten; pruned")
    );
    let second = retain(&store, &mut upkeep, HOUR).await;
    assert_eq!(
        (second.end, second.summary.as_str()),
        (StepEnd::Done, "1 snapshot forgotten")
    );
}

#[tokio::test(start_paused = true)]
async fn no_prune_is_begun_at_the_end_of_the_window() {
    let (_folder, mut upkeep) = remembers();
    let mut store = store();
    store.expect_snapshots().returning(|| Ok(Vec::new()));
    let record = retain(&store, &mut upkeep, Duration::from_mins(4)).await;
    assert_eq!(record.end, StepEnd::Attention);
    assert_eq!(record.attention, ["not pruned: the window ends too soon"]);
    assert!(upkeep.is_prune_due(PruneSchedule::Weekly, night().date));
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_shrank_is_spoken_of() {
    let (_folder, mut upkeep) = remembers();
    let mut store = store();
    let snapshots = vec![snapshot(1, 100), snapshot(2, 100), snapshot(3, 10)];
    store
        .expect_snapshots()
        .returning(move || Ok(snapshots.clone()));
    store
        .expect_prune()
        .returning(|_| Ok(PruneSummary::default()));
    let record = retain(&store, &mut upkeep, HOUR).await;
    assert_eq!(record.end, StepEnd::Attention);
    assert!(
        record.attention[0].contains("retain --accept wiki"),
        "{record:?}"
    );

    upkeep.accept("wiki", snapshot(3, 10).time).unwrap();
    store
        .expect_forget()
        .withf(|forgotten| forgotten.len() == 2)
        .times(1)
        .returning(|_| Ok(()));
    let record = retain(&store, &mut upkeep, HOUR).await;
    assert_eq!(record.end, StepEnd::Done, "{record:?}");
}
