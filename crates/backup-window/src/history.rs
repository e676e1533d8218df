//! What happened, night by night: one JSON Lines file each, readable with `less`.
//!
//! The first line names the format and the night, every other line is the record of a step. The
//! history is also how the commands of one night know of each other: `nas-shutdown` learns from it
//! whether `nas-wake` found the NAS off.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::exit::Exit;
use crate::step::{Outcome, Step, StepRecord};
use crate::window::Night;

/// The version of the format that this code writes.
const FORMAT: u32 = 1;

/// The records of all nights.
#[derive(Debug, Clone)]
pub struct History {
    folder: PathBuf,
}

/// What is known of one night.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NightHistory {
    /// The night.
    pub night: Night,
    /// The records of its steps, oldest first. A step that was run again stands here again.
    pub records: Vec<StepRecord>,
}

/// Why the history could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// A file or the folder could not be used.
    #[error("the history in {path} could not be {done}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried: "read", "written".
        done: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A line cannot be understood.
    #[error(
        "{path}:{line} cannot be understood; a newer version may have written it, or the file was edited: move it away to go on"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
    /// The file was written by a version of this program that this one does not know.
    #[error(
        "{path} has format {found}, and this version knows format {FORMAT} only; install the newer version again, or move the file away"
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format in its first line.
        found: u32,
    },
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    night: Night,
}

impl History {
    /// The history in `folder`, which is created when the first record is written.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Adds a record to a night, and has it on disk before it returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(&self, night: &Night, record: &StepRecord) -> Result<(), HistoryError> {
        let path = self.file_of(night.date);
        self.try_append(&path, night, record)
            .map_err(|source| HistoryError::Io {
                path,
                done: "written",
                source,
            })
    }

    fn try_append(&self, path: &Path, night: &Night, record: &StepRecord) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        // Two commands of the same night may write at the same time.
        file.lock()?;
        let mut lines = Vec::new();
        let length = file.metadata()?.len();
        if length == 0 {
            let header = Header {
                format: FORMAT,
                night: *night,
            };
            serde_json::to_writer(&mut lines, &header)?;
            lines.push(b'\n');
        } else if !ends_with_newline(path)? {
            // A crash in the middle of an earlier write: end that line, so that this one is whole.
            lines.push(b'\n');
        }
        serde_json::to_writer(&mut lines, record)?;
        lines.push(b'\n');
        file.write_all(&lines)?;
        file.sync_all()?;
        if length == 0 {
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }

    /// What is known of the night that starts on `date`; `None` where nothing is.
    ///
    /// # Errors
    /// When its file cannot be read or understood.
    pub fn read(&self, date: Date) -> Result<Option<NightHistory>, HistoryError> {
        let path = self.file_of(date);
        let text = match fs::read(&path) {
            // A crash may have cut a line in the middle of a character.
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(HistoryError::Io {
                    path,
                    done: "read",
                    source,
                });
            }
        };
        parse(&path, &text)
    }

    /// The nights of which something is known, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn dates(&self) -> Result<Vec<Date>, HistoryError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(HistoryError::Io {
                    path: self.folder.clone(),
                    done: "read",
                    source,
                });
            }
        };
        let mut dates: Vec<Date> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let name = entry.file_name();
                name.to_str()?.strip_suffix(".jsonl")?.parse().ok()
            })
            .collect();
        dates.sort_unstable();
        Ok(dates)
    }

    fn file_of(&self, date: Date) -> PathBuf {
        self.folder.join(format!("{date}.jsonl"))
    }
}

/// The part of the first line that every version of the format has.
#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

fn ends_with_newline(path: &Path) -> io::Result<bool> {
    Ok(fs::read(path)?.last() == Some(&b'\n'))
}

fn parse(path: &Path, text: &str) -> Result<Option<NightHistory>, HistoryError> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    let Some((number, header)) = lines.next() else {
        return Ok(None);
    };
    let damaged = |line, source| HistoryError::Damaged {
        path: path.to_owned(),
        line,
        source,
    };
    let format: FormatOnly =
        serde_json::from_str(header).map_err(|error| damaged(number, error))?;
    if format.format != FORMAT {
        return Err(HistoryError::NewerFormat {
            path: path.to_owned(),
            found: format.format,
        });
    }
    let header: Header = serde_json::from_str(header).map_err(|error| damaged(number, error))?;
    let mut records = Vec::new();
    for (number, line) in lines {
        match serde_json::from_str(line) {
            Ok(record) => records.push(record),
            // What a crash cut off in the middle of a write never happened, as far as anyone knows.
            Err(error) if error.is_eof() => {
                tracing::warn!(path = %path.display(), line = number, "was cut off and is left out");
            }
            Err(error) => return Err(damaged(number, error)),
        }
    }
    Ok(Some(NightHistory {
        night: header.night,
        records,
    }))
}

impl NightHistory {
    /// When this night found the NAS off and woke it, unless it was switched off again since.
    ///
    /// This is what allows the night to switch the NAS off (I5).
    #[must_use]
    pub fn found_off_and_woke(&self) -> Option<Timestamp> {
        let mut woken = None;
        for record in &self.records {
            match record.outcome {
                Outcome::Wake {
                    found_off: true, ..
                } => woken = Some(record.began),
                Outcome::Confirm { off: true } => woken = None,
                _ => {}
            }
        }
        woken
    }

    /// When the last run's backup ended, if it saved anything.
    #[must_use]
    pub fn backup_ended(&self) -> Option<Timestamp> {
        self.records
            .iter()
            .rev()
            .find_map(|record| match record.outcome {
                Outcome::Stacks { backup_ended, .. } => Some(backup_ended),
                _ => None,
            })?
    }

    /// How the night ended: of every step, the last run counts; of a recovery too.
    #[must_use]
    pub fn exit(&self) -> Exit {
        Step::ALL
            .iter()
            .chain([&Step::Recover])
            .filter_map(|step| {
                self.records
                    .iter()
                    .rev()
                    .find(|record| record.step == *step)
            })
            .map(|record| record.end.exit())
            .fold(Exit::Done, Exit::worse)
    }
}

#[cfg(test)]
mod tests;
