//! Forgetting: removing the files of snapshots, and nothing else.

use std::sync::Arc;

use rustic_core::{FileType, WriteBackend};

use super::{Shared, Task, backup::holder};
use crate::{SnapshotId, StoreError, StoreErrorKind, account::Account};

pub(super) const TASK: Task = Task("forget snapshots");

pub(super) fn run(
    shared: &Shared,
    snapshots: &[SnapshotId],
    account: &Arc<Account>,
) -> Result<(), StoreError> {
    // Whoever only removes the files of snapshots takes nothing away that others read or build on.
    let _lock = shared
        .place
        .to_write(&shared.key, account, &holder("forgetting snapshots"))?;
    let folder = shared.folder();
    for snapshot in snapshots {
        if let Some(failure) = account.take_failure() {
            return Err(failure);
        }
        if account.is_cancelled() {
            return Err(StoreError::Cancelled { operation: TASK.0 });
        }
        match folder.remove(FileType::Snapshot, &snapshot.id(), false) {
            Ok(()) => tracing::info!(snapshot = %snapshot, "forgotten"),
            Err(error) => {
                let error = TASK.failed(&error);
                if error.kind() != StoreErrorKind::Io || !is_gone(&error) {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// Whether the file that was to be removed is not there.
fn is_gone(error: &StoreError) -> bool {
    matches!(error, StoreError::Repository { source, .. }
        if source.kind() == std::io::ErrorKind::NotFound)
}
