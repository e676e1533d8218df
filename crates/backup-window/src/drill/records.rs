//! What came of the drills, stack by stack: the last of each, in one file.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Verdict;

/// The last drill of a stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillRecord {
    /// When it ended.
    pub at: Timestamp,
    /// The snapshot that was tried.
    pub snapshot: String,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, for people.
    pub reason: String,
}

/// The last drill of each stack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DrillRecords {
    stacks: BTreeMap<String, DrillRecord>,
}

/// Why the records could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// The file could not be used.
    #[error("the records of drills in {path} could not be {done}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried: "read", "written".
        done: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("the records of drills in {path} cannot be understood: move the file away to go on")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
}

impl DrillRecords {
    /// Reads the records; none where there is no file.
    ///
    /// # Errors
    /// When there is one that cannot be read or understood.
    pub fn read(path: &Path) -> Result<Self, RecordsError> {
        let failed = |source| RecordsError::Io {
            path: path.to_owned(),
            done: "read",
            source,
        };
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|source| RecordsError::Damaged {
                path: path.to_owned(),
                source,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes them in the place of what was there.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), RecordsError> {
        let written = || {
            let folder = path.parent().unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        written().map_err(|source| RecordsError::Io {
            path: path.to_owned(),
            done: "written",
            source,
        })
    }

    /// Notes the last drill of a stack.
    pub fn note(&mut self, stack: &str, record: DrillRecord) {
        self.stacks.insert(stack.to_owned(), record);
    }

    /// The last drill of a stack.
    #[must_use]
    pub fn last(&self, stack: &str) -> Option<&DrillRecord> {
        self.stacks.get(stack)
    }

    /// The stack whose turn it is: one that was never drilled, or else the one whose drill is the
    /// longest ago; of several, the first by name.
    pub fn next<'a>(&self, stacks: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        stacks
            .into_iter()
            .min_by_key(|stack| (self.last(stack).map(|record| record.at), *stack))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(second: i64) -> DrillRecord {
        DrillRecord {
            at: Timestamp::from_second(second).unwrap(),
            snapshot: "00".to_owned(),
            verdict: Verdict::Pass,
            reason: "it runs".to_owned(),
        }
    }

    #[test]
    fn who_waits_longest_is_next() {
        let mut records = DrillRecords::default();
        let stacks = ["wiki", "shop", "vpn"];
        assert_eq!(records.next(stacks), Some("shop"));
        records.note("shop", record(5));
        records.note("vpn", record(3));
        assert_eq!(records.next(stacks), Some("wiki"));
        records.note("wiki", record(9));
        assert_eq!(records.next(stacks), Some("vpn"));
        assert_eq!(records.next([]), None);
    }

    #[test]
    fn records_outlive_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("drills.json");
        assert_eq!(DrillRecords::read(&path).unwrap(), DrillRecords::default());
        let mut records = DrillRecords::default();
        records.note("shop", record(5));
        records.write(&path).unwrap();
        assert_eq!(DrillRecords::read(&path).unwrap(), records);
        std::fs::write(&path, "{").unwrap();
        let error = DrillRecords::read(&path).unwrap_err();
        assert!(error.to_string().contains("move the file away"), "{error}");
    }
}
