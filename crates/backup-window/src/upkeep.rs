//! What the upkeep of the repository must remember from night to night: a small file in the state
//! directory. If it is lost, the shares of the data begin anew, a prune is due, and alarms that
//! were accepted sound again: nothing worse.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The file, and what is in it.
#[derive(Debug)]
pub struct Upkeep {
    file: PathBuf,
    memory: Memory,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    verified: Option<Verified>,
    pruned_on: Option<Date>,
    /// Until when somebody has accepted that a stack's backups shrank.
    accepted: BTreeMap<String, Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Verified {
    share: u32,
    of: u32,
}

/// The memory could not be read or written.
#[derive(Debug, Error)]
#[error("{done} {}, which remembers what was checked and pruned", path.display())]
pub struct UpkeepError {
    path: PathBuf,
    done: &'static str,
    source: io::Error,
}

/// How often the repository is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PruneSchedule {
    /// Every night.
    Nightly,
    /// When the last time is 7 nights ago or more.
    #[default]
    Weekly,
    /// When the last time is 30 nights ago or more.
    Monthly,
    /// Only when somebody says so.
    Never,
}

impl PruneSchedule {
    fn nights(self) -> Option<i32> {
        match self {
            Self::Nightly => Some(1),
            Self::Weekly => Some(7),
            Self::Monthly => Some(30),
            Self::Never => None,
        }
    }
}

impl Upkeep {
    /// Reads the file; one that is not there remembers nothing.
    ///
    /// # Errors
    /// When it cannot be read. One that cannot be understood is left as it is until something is
    /// to be remembered, and remembers nothing.
    pub fn load(file: &Path) -> Result<Self, UpkeepError> {
        let memory = match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(file = %file.display(), %error, "cannot be understood, begins anew");
                Memory::default()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Memory::default(),
            Err(source) => {
                return Err(UpkeepError {
                    path: file.to_owned(),
                    done: "read",
                    source,
                });
            }
        };
        Ok(Self {
            file: file.to_owned(),
            memory,
        })
    }

    /// Which share of the data is next, of so many. It moves on only when a share was read, so
    /// nights that are missed leave nothing out.
    #[must_use]
    pub fn next_share(&self, of: u32) -> u32 {
        match self.memory.verified {
            Some(last) if last.of == of && of > 0 => (last.share + 1) % of,
            _ => 0,
        }
    }

    /// Remembers that a share was read.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn remember_share(&mut self, share: u32, of: u32) -> Result<(), UpkeepError> {
        self.memory.verified = Some(Verified { share, of });
        self.save()
    }

    /// Whether a prune is due in the night of `date`.
    #[must_use]
    pub fn is_prune_due(&self, schedule: PruneSchedule, date: Date) -> bool {
        let Some(nights) = schedule.nights() else {
            return false;
        };
        self.memory.pruned_on.is_none_or(|last| {
            // A clock that was wrong once must not put it off for years.
            let days = date.duration_since(last).as_hours() / 24;
            days >= i64::from(nights) || days < 0
        })
    }

    /// Remembers that the repository was pruned in the night of `date`.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn remember_prune(&mut self, date: Date) -> Result<(), UpkeepError> {
        self.memory.pruned_on = Some(date);
        self.save()
    }

    /// Until when it is accepted that a stack's backups shrank.
    #[must_use]
    pub fn accepted(&self) -> &BTreeMap<String, Timestamp> {
        &self.memory.accepted
    }

    /// Remembers that the stack's backups until then are as they should be.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn accept(&mut self, stack: &str, until: Timestamp) -> Result<(), UpkeepError> {
        self.memory.accepted.insert(stack.to_owned(), until);
        self.save()
    }

    fn save(&self) -> Result<(), UpkeepError> {
        let unfinished = self.file.with_extension("json-tmp");
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&unfinished)?;
            serde_json::to_writer_pretty(&mut file, &self.memory)?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            fs::rename(&unfinished, &self.file)?;
            match self.file.parent() {
                Some(folder) => File::open(folder)?.sync_all(),
                None => Ok(()),
            }
        };
        write().map_err(|source| UpkeepError {
            path: self.file.clone(),
            done: "write",
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn upkeep() -> (tempfile::TempDir, Upkeep) {
        let folder = tempfile::tempdir().unwrap();
        let upkeep = Upkeep::load(&folder.path().join("upkeep.json")).unwrap();
        (folder, upkeep)
    }

    #[test]
    fn every_share_comes_in_turn_also_after_a_restart() {
        let (folder, mut upkeep) = upkeep();
        for share in [0, 1, 2, 0] {
            assert_eq!(upkeep.next_share(3), share);
            // A night that does not get to it.
            assert_eq!(upkeep.next_share(3), share);
            upkeep.remember_share(share, 3).unwrap();
            upkeep = Upkeep::load(&folder.path().join("upkeep.json")).unwrap();
        }
        assert_eq!(upkeep.next_share(4), 0, "other shares begin anew");
        assert_eq!(upkeep.next_share(0), 0);
    }

    #[test]
    fn a_prune_is_due_when_its_nights_are_over() {
        let (_folder, mut upkeep) = upkeep();
        let first = date(2026, 3, 26);
        assert!(upkeep.is_prune_due(PruneSchedule::Weekly, first));
        assert!(!upkeep.is_prune_due(PruneSchedule::Never, first));
        upkeep.remember_prune(first).unwrap();
        // Summer time begins in between.
        assert!(!upkeep.is_prune_due(PruneSchedule::Weekly, date(2026, 4, 1)));
        assert!(upkeep.is_prune_due(PruneSchedule::Weekly, date(2026, 4, 2)));
        assert!(!upkeep.is_prune_due(PruneSchedule::Nightly, first));
        assert!(upkeep.is_prune_due(PruneSchedule::Nightly, date(2026, 3, 27)));
        assert!(!upkeep.is_prune_due(PruneSchedule::Monthly, date(2026, 4, 24)));
        assert!(upkeep.is_prune_due(PruneSchedule::Monthly, date(2026, 4, 25)));
        assert!(upkeep.is_prune_due(PruneSchedule::Monthly, date(2026, 1, 1)));
    }

    #[test]
    fn a_file_that_cannot_be_understood_remembers_nothing() {
        let (folder, _) = upkeep();
        let file = folder.path().join("upkeep.json");
        fs::write(&file, "{\"verified\":").unwrap();
        let mut upkeep = Upkeep::load(&file).unwrap();
        assert_eq!(upkeep.next_share(3), 0);
        upkeep.accept("wiki", Timestamp::UNIX_EPOCH).unwrap();
        let again = Upkeep::load(&file).unwrap();
        assert_eq!(again.accepted()["wiki"], Timestamp::UNIX_EPOCH);
        assert!(Upkeep::load(folder.path()).is_err());
    }
}
