//! Forget the snapshots that the rules do not keep, and from time to time take away their data.

use std::time::Duration;

use backup_store::{PruneOptions, Retention, RetentionRules, Store, StoreError, StoreErrorKind};
use tokio_util::sync::CancellationToken;

use super::{Recorder, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::evidence::{Bytes, Fact};
use crate::sentence;
use crate::upkeep::{PruneSchedule, Upkeep};
use crate::window::Night;

/// A prune that is begun so close to the end of the window would only be broken off.
const LEAST_TIME_FOR_A_PRUNE: Duration = Duration::from_mins(5);

/// What is to be done.
#[derive(Debug)]
pub struct Retain<'a> {
    /// What is kept.
    pub rules: &'a RetentionRules,
    /// When data is taken away.
    pub prune: PruneSchedule,
    /// The night that it is.
    pub night: &'a Night,
    /// How long it may take.
    pub deadline: Duration,
}

/// What the rules say of the snapshots in the repository, with what was accepted so far.
///
/// # Errors
/// When the snapshots cannot be listed.
pub async fn judge(
    clock: &dyn Clock,
    store: &dyn Store,
    upkeep: &Upkeep,
    rules: &RetentionRules,
) -> Result<Retention, StoreError> {
    let mut rules = rules.clone();
    rules.accepted.clone_from(upkeep.accepted());
    let snapshots = store.snapshots().await?;
    Ok(backup_store::retain(&snapshots, &rules, clock.now()))
}

/// Forgets, and prunes if that is due.
pub async fn run(
    clock: &dyn Clock,
    store: &dyn Store,
    upkeep: &mut Upkeep,
    task: &Retain<'_>,
    cancel: &CancellationToken,
) -> StepRecord {
    let mut recorder = Recorder::begin(Step::Retain, clock);
    let retention = match judge(clock, store, upkeep, task.rules).await {
        Ok(retention) => retention,
        Err(error) => return recorder.end(StepEnd::Failed, sentence::failed_to(&error)),
    };
    for shrunk in &retention.shrunk {
        recorder.needs_attention(format!(
            "{stack} shrank from {} to {}, and so none of its snapshots is forgotten; if that is \
             as it should be, say docker-backup retain --accept {stack}",
            Bytes(shrunk.before_bytes),
            Bytes(shrunk.after_bytes),
            stack = shrunk.stack,
        ));
    }
    let forgotten = retention.forgotten();
    let count = forgotten.len();
    if count > 0
        && let Err(error) = store.forget(forgotten).await
    {
        return recorder.end(end_of(&error), sentence::failed_to(&error));
    }
    recorder.saw(
        store.location(),
        Fact::SnapshotsForgotten {
            forgotten: count,
            kept: retention.verdicts.len() - count,
        },
    );
    let summary = match count {
        1 => "1 snapshot forgotten".to_owned(),
        count => format!("{count} snapshots forgotten"),
    };
    if !upkeep.is_prune_due(task.prune, task.night.date) {
        return recorder.end(StepEnd::Done, summary);
    }
    if task.deadline < LEAST_TIME_FOR_A_PRUNE {
        recorder.needs_attention("not pruned: the window ends too soon");
        return recorder.end(StepEnd::Done, summary);
    }
    let pruned = tokio::select! {
        pruned = tokio::time::timeout(task.deadline, store.prune(PruneOptions::default())) => pruned,
        () = cancel.cancelled() => return recorder.end(StepEnd::Cancelled, "ended by a signal"),
    };
    match pruned {
        Ok(Ok(pruned)) => {
            recorder.saw(
                store.location(),
                Fact::RepositoryPruned {
                    deleted_bytes: pruned.deleted_bytes,
                    marked_bytes: pruned.marked_bytes,
                },
            );
            if let Err(error) = upkeep.remember_prune(task.night.date) {
                recorder.needs_attention(sentence::failed_to(&error));
            }
            recorder.end(StepEnd::Done, format!("{summary}; pruned"))
        }
        Ok(Err(error)) => recorder.end(end_of(&error), sentence::failed_to(&error)),
        Err(_) => {
            recorder.needs_attention(
                "the prune was broken off at the end of the window, and goes on the next night",
            );
            recorder.end(StepEnd::Done, summary)
        }
    }
}

/// Somebody else at work is no failure: what was not forgotten is forgotten the next night.
fn end_of(error: &StoreError) -> StepEnd {
    if error.kind() == StoreErrorKind::Locked {
        StepEnd::Attention
    } else {
        StepEnd::Failed
    }
}
