//! Changes of replication tasks, as a NAS tells them by itself.

use tokio::sync::mpsc;

use crate::{ReplicationTask, TrueNasError};

/// What a NAS tells of its replication tasks without being asked again and again; see
/// [`TrueNas::replication_changes`](crate::TrueNas::replication_changes).
///
/// Only changes are told, so ask for the tasks once after this was had. Dropping it ends it.
#[derive(Debug)]
pub struct ReplicationChanges {
    changes: mpsc::UnboundedReceiver<Result<ReplicationTask, TrueNasError>>,
}

impl ReplicationChanges {
    /// Changes that are sent into the other end; they end when it is dropped. For those who stand
    /// in for a NAS.
    #[must_use]
    pub fn channel() -> (
        mpsc::UnboundedSender<Result<ReplicationTask, TrueNasError>>,
        Self,
    ) {
        let (sender, changes) = mpsc::unbounded_channel();
        (sender, Self { changes })
    }

    /// Waits for the next change: the task as it is now. `None` when the NAS tells nothing any
    /// more, because the connection is lost: ask for the changes again, and then for the tasks,
    /// of which some may have changed meanwhile.
    ///
    /// May be cancelled without losing a change.
    ///
    /// # Errors
    /// [`TrueNasError::Shape`] for a change that cannot be read: ask for the tasks then.
    pub async fn next(&mut self) -> Option<Result<ReplicationTask, TrueNasError>> {
        self.changes.recv().await
    }
}
