//! A journal in memory.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::journal::{Journal, JournalError, OutageRecord};

/// A journal that remembers everything that was ever written, and fails on demand.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    now: Option<OutageRecord>,
    written: Vec<Option<OutageRecord>>,
    full: bool,
}

impl MemoryJournal {
    /// What is in it.
    #[must_use]
    pub fn record(&self) -> Option<OutageRecord> {
        self.with(|state| state.now.clone())
    }

    /// What was ever in it, one entry for each write (a record) and each clear (nothing).
    #[must_use]
    pub fn history(&self) -> Vec<Option<OutageRecord>> {
        self.with(|state| state.written.clone())
    }

    /// Fails every write from now on, as a full disk does.
    pub fn fill_disk(&self) {
        self.with(|state| state.full = true);
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn write(&self, record: &OutageRecord) -> Result<(), JournalError> {
        self.with(|state| {
            if state.full {
                return Err(JournalError::Io {
                    operation: "write the outage journal",
                    path: "memory".into(),
                    source: std::io::ErrorKind::StorageFull.into(),
                });
            }
            state.now = Some(record.clone());
            state.written.push(Some(record.clone()));
            Ok(())
        })
    }

    async fn clear(&self) -> Result<(), JournalError> {
        self.with(|state| {
            state.now = None;
            state.written.push(None);
        });
        Ok(())
    }

    async fn read(&self) -> Result<Option<OutageRecord>, JournalError> {
        Ok(self.record())
    }
}
