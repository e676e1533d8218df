//! How far a replication has come, for whoever waits for it.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;

use truenas_client::{Progress, TaskState};

/// Who is told how far replications have come.
///
/// # Contract
/// - Nothing here waits or fails.
/// - Several tasks may run at once.
pub trait ReplicationProgress: Debug + Send + Sync + 'static {
    /// A task runs. It does so no longer when what this returns is dropped.
    fn begin(&self, task: &str) -> Box<dyn TaskProgress>;
}

/// One replication task, while it runs.
pub trait TaskProgress: Debug + Send {
    /// So far it has come.
    fn is_at(&self, progress: &Progress);
}

/// Tells of the tasks that run.
#[derive(Debug)]
pub(super) struct Teller {
    listener: Option<Arc<dyn ReplicationProgress>>,
    running: HashMap<String, Box<dyn TaskProgress>>,
}

impl Teller {
    pub(super) fn new(listener: Option<Arc<dyn ReplicationProgress>>) -> Self {
        Self {
            listener,
            running: HashMap::new(),
        }
    }

    pub(super) fn tell(&mut self, task: &str, state: &TaskState) {
        let Some(listener) = &self.listener else {
            return;
        };
        let TaskState::Running { progress, .. } = state else {
            self.running.remove(task);
            return;
        };
        let running = self
            .running
            .entry(task.to_owned())
            .or_insert_with(|| listener.begin(task));
        running.is_at(&progress.clone().unwrap_or_default());
    }
}
