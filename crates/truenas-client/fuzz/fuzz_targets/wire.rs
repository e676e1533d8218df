//! Answers of a NAS, of which none may panic, and none may be called fresh without a fresh snapshot.
//!
//! ```sh
//! cargo +nightly fuzz run wire seeds/wire
//! ```

#![no_main]

use jiff::Timestamp;
use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use truenas_client::{ReplicationTask, TaskState, Verdict, VerdictInput, judge, read};

fuzz_target!(|json: &[u8]| {
    let _ = read::snapshot_tasks(json);
    let _ = read::pools(json);
    let _ = read::alerts(json);
    let _ = read::jobs(json);
    let _ = read::system(json);
    let snapshots = read::snapshots(json).unwrap_or_default();
    for task in read::replication_tasks(json).unwrap_or_default() {
        judged(&task, Vec::new());
        judged(&task, snapshots.clone());
    }
});

/// Judges a task, at several times, and holds the verdict against what it may say.
fn judged(task: &ReplicationTask, source_snapshots: Vec<truenas_client::Snapshot>) {
    for second in [0, 1_735_700_400, 4_000_000_000] {
        let since = Timestamp::from_second(second).expect("a time");
        let input = VerdictInput {
            source_snapshots: source_snapshots.clone(),
            time_zone: Some(TimeZone::UTC),
            ..VerdictInput::since(since)
        };
        let judgement = judge(Some(task), &input);
        let _ = serde_json::to_string(&judgement).expect("a verdict can be written");
        let _ = judgement.verdict.to_string();
        if let Verdict::Fresh { created, snapshot } = &judgement.verdict {
            assert!(*created >= since, "an old snapshot is not fresh");
            assert_eq!(task.last_snapshot.as_ref(), Some(snapshot));
            assert!(task.enabled);
            assert!(matches!(&task.state, TaskState::Finished { at, .. } if *at >= since));
        }
    }
}
