//! Seeing who else starts containers on the data, while the work is done.

use std::{
    convert::Infallible,
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::StreamExt;
use tokio::time::sleep;

use super::{Slot, explain};
use crate::{
    engine::Engine,
    model::{ContainerId, ContainerRef},
    plan::{GroupPlan, MountDecision, data},
};

/// What is looked out for, and what was seen.
#[derive(Debug)]
pub(super) struct Watch {
    /// What is stopped, and must not start.
    stopped: Vec<ContainerId>,
    /// What is copied, and must not change.
    copied: Vec<PathBuf>,
    seen: Mutex<Seen>,
}

/// Who was started while the work was done.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Of those that were stopped.
    pub(super) stopped: Vec<ContainerId>,
    /// Others, that may write to what is copied.
    pub(super) others: Vec<ContainerRef>,
}

impl Watch {
    pub(super) fn new(group: &GroupPlan, slots: &[Slot]) -> Self {
        let copied = group
            .stacks
            .iter()
            .filter(|stack| stack.decision.stops() && stack.decision.copies())
            .flat_map(|stack| &stack.mounts)
            .filter(|mount| mount.decision == MountDecision::Copy)
            .map(|mount| mount.mount.source.clone())
            .collect();
        Self {
            stopped: slots
                .iter()
                .map(|slot| slot.record().container.id.clone())
                .collect(),
            copied,
            seen: Mutex::default(),
        }
    }

    /// Watches until it is dropped. Where the engine does not tell (it is away, a proxy forbids it),
    /// what was stopped and runs at the end is seen all the same.
    pub(super) async fn watch(&self, engine: &dyn Engine, pause: Duration) -> Infallible {
        loop {
            match engine.starts().await {
                Ok(mut starts) => {
                    while let Some(id) = starts.next().await {
                        self.consider(engine, id).await;
                    }
                }
                Err(error) if error.is_away() => {}
                Err(error) => {
                    tracing::warn!(why = explain(&error), "the engine does not tell its events");
                    return std::future::pending().await;
                }
            }
            sleep(pause).await;
        }
    }

    async fn consider(&self, engine: &dyn Engine, id: ContainerId) {
        if self.stopped.contains(&id) {
            self.note(|seen| seen.stopped.push(id));
            return;
        }
        // One that is gone already was too short-lived to be judged.
        let Ok(container) = engine.container(&id).await else {
            return;
        };
        let writes = container
            .mounts
            .iter()
            .filter(|mount| !mount.read_only && !mount.source.as_os_str().is_empty())
            .map(|mount| data::normal(&mount.source))
            .any(|source| self.copied.iter().any(|copy| data::overlap(copy, &source)));
        if writes {
            self.note(|seen| {
                if !seen.others.iter().any(|other| other.id == id) {
                    seen.others.push(container.to_ref());
                }
            });
        }
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn into_seen(self) -> Seen {
        self.seen
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
