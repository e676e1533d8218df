//! Changes of replication tasks, as a NAS tells them by itself.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::{ReplicationTask, SnapshotName, TaskState};

/// What a NAS told of a replication task.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicationChange {
    /// The task's number.
    pub id: i64,
    /// Its state now; `None` if something else of it has changed, or what was told cannot be read:
    /// ask for the tasks then.
    pub state: Option<TaskState>,
    /// The last snapshot that it sent, where the state tells it.
    pub last_snapshot: Option<SnapshotName>,
}

impl ReplicationChange {
    /// A change of which no more is known than that there was one. For those who stand in for a
    /// NAS.
    #[must_use]
    pub fn new(id: i64) -> Self {
        Self {
            id,
            state: None,
            last_snapshot: None,
        }
    }

    /// With the state as it is now.
    #[must_use]
    pub fn state(mut self, state: TaskState, last_snapshot: Option<SnapshotName>) -> Self {
        self.state = Some(state);
        self.last_snapshot = last_snapshot;
        self
    }

    /// Brings the task up to date. Returns whether it is: if not, the change is of another task, or
    /// does not say enough, and the tasks must be asked for.
    pub fn apply_to(&self, task: &mut ReplicationTask) -> bool {
        let Some(state) = self.state.as_ref().filter(|_| self.id == task.id) else {
            return false;
        };
        task.state = state.clone();
        // States without one (on hold, waiting for the first run) do not mean that it is gone.
        if let Some(last) = &self.last_snapshot {
            task.last_snapshot = Some(last.clone());
        }
        true
    }
}

/// What a NAS tells of its replication tasks without being asked again and again; see
/// [`TrueNas::replication_changes`](crate::TrueNas::replication_changes).
///
/// Only changes are told, so ask for the tasks once after this was had. Dropping it ends it.
pub struct ReplicationChanges {
    changes: mpsc::UnboundedReceiver<ReplicationChange>,
    /// What must live as long as somebody listens.
    connection: Option<Arc<dyn Any + Send + Sync>>,
}

impl ReplicationChanges {
    /// Changes that are sent into the other end; they end when it is dropped. For those who stand
    /// in for a NAS.
    #[must_use]
    pub fn channel() -> (mpsc::UnboundedSender<ReplicationChange>, Self) {
        let (sender, changes) = mpsc::unbounded_channel();
        let changes = Self {
            changes,
            connection: None,
        };
        (sender, changes)
    }

    /// Keeps `connection` as long as somebody listens.
    pub(crate) fn over(mut self, connection: Arc<dyn Any + Send + Sync>) -> Self {
        self.connection = Some(connection);
        self
    }

    /// Waits for the next change. `None` when the NAS tells nothing any more, because the
    /// connection is lost: ask for the changes again, and then for the tasks, of which some may
    /// have changed meanwhile.
    ///
    /// May be cancelled without losing a change.
    pub async fn next(&mut self) -> Option<ReplicationChange> {
        self.changes.recv().await
    }
}

impl fmt::Debug for ReplicationChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplicationChanges")
            .field("over_a_connection", &self.connection.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_of_one_task_and_says_enough_or_not() {
        let mut task = ReplicationTask::new(3, "docker", "tank/docker", "dozer/docker");
        task.last_snapshot = Some("tank/docker@auto-1".parse().unwrap());
        let running = TaskState::Running {
            at: None,
            progress: None,
        };
        let change = ReplicationChange::new(3).state(running.clone(), None);
        assert!(change.apply_to(&mut task));
        assert_eq!(task.state, running);
        assert_eq!(task.last_snapshot.as_ref().unwrap().name, "auto-1");

        let last = Some("tank/docker@auto-2".parse().unwrap());
        let change = ReplicationChange::new(3).state(TaskState::Pending, last.clone());
        assert!(change.apply_to(&mut task));
        assert_eq!(task.last_snapshot, last);

        let before = task.clone();
        assert!(!ReplicationChange::new(3).apply_to(&mut task));
        let other = ReplicationChange::new(4).state(running, None);
        assert!(!other.apply_to(&mut task));
        assert_eq!(task, before);
    }

    #[tokio::test]
    async fn changes_end_with_their_source() {
        let (sender, mut changes) = ReplicationChanges::channel();
        sender.send(ReplicationChange::new(1)).unwrap();
        drop(sender);
        assert_eq!(changes.next().await, Some(ReplicationChange::new(1)));
        assert_eq!(changes.next().await, None);
    }
}
