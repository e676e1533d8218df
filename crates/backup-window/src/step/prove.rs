//! The evidence step: find a snapshot that was taken after the backup had ended, on both NAS.

use jiff::Timestamp;
use truenas_client::{ReplicationTask, Snapshot, SnapshotQuery, TrueNas, TrueNasError};

use super::{Recorder, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::evidence::Fact;
use crate::nas_clock::NasClock;
use crate::sentence;

/// Looks for tonight's snapshot of every source dataset of the tasks, on the source and on the
/// target.
///
/// Without an API of the backup NAS, the target is not asked; the step then says that this part is
/// unproven.
pub async fn run(
    clock: &dyn Clock,
    primary: &dyn TrueNas,
    backup: Option<&dyn TrueNas>,
    tasks: &[String],
    backup_ended: Timestamp,
) -> StepRecord {
    let mut recorder = Recorder::begin(Step::Evidence, clock);
    let mut missing = Vec::new();
    match collect(&mut recorder, clock, primary, backup, tasks, backup_ended).await {
        Ok(found) => missing.extend(found),
        Err(error) => return recorder.end(StepEnd::Failed, sentence::failed_to(&error)),
    }
    if missing.is_empty() {
        let summary = if backup.is_some() {
            "tonight's backup is in a snapshot that lies on both NAS"
        } else {
            "tonight's backup is in a snapshot on the primary NAS; that it lies on the backup NAS \
             is what the primary NAS says"
        };
        recorder.end(StepEnd::Done, summary)
    } else {
        recorder.end(StepEnd::Failed, missing.join("; "))
    }
}

/// Records what is found, and returns what is not.
async fn collect(
    recorder: &mut Recorder<'_>,
    clock: &dyn Clock,
    primary: &dyn TrueNas,
    backup: Option<&dyn TrueNas>,
    tasks: &[String],
    backup_ended: Timestamp,
) -> Result<Vec<String>, TrueNasError> {
    let since = NasClock::ask(primary, clock)
        .await?
        .at_the_latest(backup_ended);
    let all = primary.replication_tasks().await?;
    let mut missing = Vec::new();
    for name in tasks {
        let Some(task) = all.iter().find(|task| task.name == *name) else {
            missing.push(format!(
                "{} has no replication task \"{name}\"",
                primary.url()
            ));
            continue;
        };
        for dataset in &task.source_datasets {
            let query = SnapshotQuery::of(dataset.clone()).since(since);
            let candidates = primary.snapshots(&query).await?;
            let Some(newest) = candidates.last() else {
                missing.push(format!(
                    "no snapshot of {dataset} was taken after the backup ended at {since}"
                ));
                continue;
            };
            let on_target = match backup {
                Some(backup) => find_on_target(backup, task, dataset, &candidates, since).await?,
                None => None,
            };
            let proven = on_target
                .as_ref()
                .map_or_else(|| newest.clone(), |(source, _)| source.clone());
            recorder.saw(
                primary.url(),
                Fact::SnapshotOnSource {
                    snapshot: proven.full_name().to_string(),
                    created: proven.created,
                    backup_ended: since,
                },
            );
            match (backup, on_target) {
                (Some(backup), Some((_, fact))) => recorder.saw(backup.url(), fact),
                (Some(backup), None) => missing.push(format!(
                    "none of the {} snapshots of {dataset} since the backup is on {}",
                    candidates.len(),
                    backup.url()
                )),
                (None, _) => recorder.needs_attention(format!(
                    "that {} is on the backup NAS is unproven, because its API is not configured; \
                     add url and api_key_file to [backup_nas]",
                    proven.full_name()
                )),
            }
        }
    }
    Ok(missing)
}

/// The newest of the source's snapshots that is on the target, and how it was recognised there.
/// A received snapshot keeps the time at which its source was taken.
async fn find_on_target(
    backup: &dyn TrueNas,
    task: &ReplicationTask,
    dataset: &str,
    candidates: &[Snapshot],
    since: Timestamp,
) -> Result<Option<(Snapshot, Fact)>, TrueNasError> {
    let Some(target) = task.target_of(dataset) else {
        return Ok(None);
    };
    let there = backup
        .snapshots(&SnapshotQuery::of(target).since(since))
        .await?;
    Ok(candidates.iter().rev().find_map(|source| {
        let (found, recognised_by) = there
            .iter()
            .find_map(|copy| same_snapshot(source, copy).map(|how| (copy, how)))?;
        let fact = Fact::SnapshotOnTarget {
            snapshot: found.full_name().to_string(),
            recognised_by: recognised_by.to_owned(),
        };
        Some((source.clone(), fact))
    }))
}

/// Whether the copy is the very snapshot of the source. `zfs receive` keeps the GUID and the time
/// of a snapshot, so a snapshot that merely has the same name is told apart.
fn same_snapshot(source: &Snapshot, copy: &Snapshot) -> Option<&'static str> {
    match (&source.guid, &copy.guid) {
        (Some(source_guid), Some(copy_guid)) => (source_guid == copy_guid).then_some("its GUID"),
        _ => (source.name == copy.name && source.created == copy.created)
            .then_some("its name and its time"),
    }
}
