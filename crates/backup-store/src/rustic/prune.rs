//! Pruning.

use std::sync::Arc;

use rustic_core::{LimitOption, PruneOptions as LibraryOptions, jiff::Span};

use super::{Shared, Task, backup::holder, damaged, list};
use crate::{PruneOptions, PruneSummary, StoreError, WorkKind, account::Account};

pub(super) const TASK: Task = Task("prune the repository");

pub(super) fn run(
    shared: &Shared,
    options: &PruneOptions,
    account: &Arc<Account>,
) -> Result<PruneSummary, StoreError> {
    let options = to_library(options)?;
    let _alone = shared
        .place
        .to_take_away(&shared.key, account, &holder("pruning"))?;
    let folder = shared.folder();
    folder.keep_account(Some(Arc::clone(account)));
    let repository = shared
        .repository_for(&folder, None, Some(WorkKind::Prune))
        .map_err(|error| damaged(&shared.path, "the file \"config\"", &error))?;
    // What a snapshot needs that cannot be read is not known, and would be taken for unused.
    let (_, unreadable) = list::read_all(&shared.path, &folder, &repository)?;
    if let Some((id, detail)) = unreadable.into_iter().next() {
        return Err(StoreError::Damaged {
            path: shared.path.clone(),
            what: format!("the snapshot {id}"),
            detail,
        });
    }
    let plan = repository
        .prune_plan(&options)
        .map_err(|error| failed(shared, account, &error))?;
    let summary = summarise(&plan.stats);
    repository
        .prune(&options, plan)
        .map_err(|error| failed(shared, account, &error))?;
    // The library goes on after some errors.
    if let Some(failure) = account.take_failure() {
        return Err(failure);
    }
    tracing::info!(?summary, "pruned");
    Ok(summary)
}

/// The folder knows better than the library what went wrong first.
fn failed(shared: &Shared, account: &Account, error: &rustic_core::RusticError) -> StoreError {
    if let Some(failure) = account.take_failure() {
        return failure;
    }
    if account.is_cancelled() {
        return StoreError::Cancelled { operation: TASK.0 };
    }
    damaged(&shared.path, "the index or a tree", error)
}

fn to_library(options: &PruneOptions) -> Result<LibraryOptions, StoreError> {
    let seconds = i64::try_from(options.keep_marked.as_secs()).ok();
    let keep_marked = seconds
        .and_then(|seconds| Span::new().try_seconds(seconds).ok())
        .ok_or_else(|| StoreError::InvalidRequest {
            reason: format!("{:?} is too long to keep anything", options.keep_marked),
        })?;
    Ok(LibraryOptions::default()
        .max_unused(LimitOption::Percentage(options.max_unused_percent.into()))
        .max_repack(LimitOption::Percentage(options.max_repack_percent.into()))
        .keep_delete(keep_marked))
}

fn summarise(stats: &rustic_core::PruneStats) -> PruneSummary {
    let size = stats.size_sum();
    PruneSummary {
        deleted_bytes: stats.size_to_delete.remove + stats.size_unref,
        marked_bytes: size.remove + size.repackrm,
        repacked_bytes: size.repack.saturating_sub(size.repackrm),
        unused_bytes: size.unused_after_prune(),
    }
}
