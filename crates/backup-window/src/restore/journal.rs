//! What a restore in place has begun, on disk: who comes after one that was killed reads it here.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::place::Swap;

/// The format that this release writes, and the only one that it reads.
const FORMAT: u32 = 1;

/// How far a restore in place has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It writes beside the data, which is untouched.
    Preparing,
    /// It puts the one in the place of the other: some may be swapped and some not.
    Swapping,
    /// All is swapped. What was there before is where the other was written.
    Swapped,
}

/// A restore in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapRecord {
    /// The stack.
    pub stack: String,
    /// The snapshot that is restored.
    pub snapshot: String,
    /// The snapshot of what was there before, as soon as there is one.
    pub safety: Option<String>,
    /// How far it has come.
    pub phase: Phase,
    /// What is swapped.
    pub swaps: Vec<Swap>,
}

/// Why the journal cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SwapJournalError {
    /// It cannot be read or written.
    #[error("{operation} the journal of restores {path}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it says is not understood.
    #[error(
        "understand the journal of restores {path}: another release wrote it, or it is damaged; it \
         names what lies beside the data and may be put back by hand"
    )]
    NotUnderstood {
        /// The file.
        path: PathBuf,
    },
}

/// The file with what a restore in place has begun: `restore.json` in the state directory.
#[derive(Debug, Clone)]
pub struct SwapJournal {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    #[serde(flatten)]
    record: SwapRecord,
}

impl SwapJournal {
    /// The journal at this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn failed(&self, operation: &'static str) -> impl FnOnce(io::Error) -> SwapJournalError {
        let path = self.path.clone();
        move |source| SwapJournalError::Io {
            operation,
            path,
            source,
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        File::open(folder)?.sync_all()
    }

    /// Writes the record, durably, in the place of the one that was there.
    ///
    /// # Errors
    /// When that fails; the one that was there may then be there still.
    pub fn write(&self, record: &SwapRecord) -> Result<(), SwapJournalError> {
        let written = Written {
            format: FORMAT,
            record: record.clone(),
        };
        let text = serde_json::to_vec_pretty(&written)
            .map_err(|error| self.failed("turn into JSON")(error.into()))?;
        let new = self.path.with_extension("json.new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            self.sync_folder()
        };
        write().map_err(self.failed("write"))
    }

    /// What was begun, if anything was.
    ///
    /// # Errors
    /// When the file cannot be read, or is not understood.
    pub fn read(&self) -> Result<Option<SwapRecord>, SwapJournalError> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read")(error)),
        };
        match serde_json::from_slice::<Written>(&text) {
            Ok(written) if written.format == FORMAT => Ok(Some(written.record)),
            _ => Err(SwapJournalError::NotUnderstood {
                path: self.path.clone(),
            }),
        }
    }

    /// Forgets what was begun.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn clear(&self) -> Result<(), SwapJournalError> {
        match fs::remove_file(&self.path) {
            Ok(()) => self.sync_folder().map_err(self.failed("sync")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.failed("remove")(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_until_it_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let journal = SwapJournal::new(dir.path().join("restore.json"));
        assert_eq!(journal.read().unwrap(), None);
        let record = SwapRecord {
            stack: "wiki".to_owned(),
            snapshot: "00".to_owned(),
            safety: None,
            phase: Phase::Preparing,
            swaps: Vec::new(),
        };
        journal.write(&record).unwrap();
        assert_eq!(journal.read().unwrap(), Some(record));
        journal.clear().unwrap();
        journal.clear().unwrap();
        assert_eq!(journal.read().unwrap(), None);
    }

    #[test]
    fn what_is_not_understood_is_an_error_and_no_empty_journal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("restore.json");
        for text in ["", "{}", r#"{"format": 2}"#, "null"] {
            fs::write(&path, text).unwrap();
            let error = SwapJournal::new(&path).read().unwrap_err();
            assert!(
                matches!(error, SwapJournalError::NotUnderstood { .. }),
                "{text}"
            );
        }
    }
}
