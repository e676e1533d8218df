//! The state directory: what must outlive a command.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::drill::DrillJournal;
use crate::history::History;
use crate::restore::SwapJournal;

/// The state directory and the names of what lies in it.
#[derive(Debug, Clone)]
pub struct StateDir {
    path: PathBuf,
}

impl StateDir {
    /// Uses the directory at `path`, and creates it, for its owner alone, when it is not there.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn open(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What to start again, while an outage lasts.
    #[must_use]
    pub fn outage_journal(&self) -> PathBuf {
        self.path.join("outage.json")
    }

    /// Copies of what has changed, until they are in the repository: files without names, which
    /// are gone when the process ends.
    #[must_use]
    pub fn spool(&self) -> PathBuf {
        self.path.join("spool")
    }

    /// What the upkeep of the repository remembers.
    #[must_use]
    pub fn upkeep(&self) -> PathBuf {
        self.path.join("upkeep.json")
    }

    /// What a restore in place has begun.
    #[must_use]
    pub fn swap_journal(&self) -> SwapJournal {
        SwapJournal::new(self.path.join("restore.json"))
    }

    /// That a drill has begun, until all of it is taken away again.
    #[must_use]
    pub fn drill_journal(&self) -> DrillJournal {
        DrillJournal::new(self.path.join("drill.json"))
    }

    /// What came of the last drill of each stack.
    #[must_use]
    pub fn drills(&self) -> PathBuf {
        self.path.join("drills.json")
    }

    /// Which snapshots of file systems to remove, while there are any.
    #[must_use]
    pub fn snapshot_ledger(&self) -> PathBuf {
        self.path.join("snapshots.json")
    }

    /// Held by the one run that may stop stacks or switch a NAS off.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// What happened, night by night.
    #[must_use]
    pub fn history(&self) -> History {
        History::in_folder(self.path.join("history"))
    }
}
