//! What can go wrong.

use std::{io, path::PathBuf, time::Duration};

/// A snapshot that was not made, or not removed.
///
/// ```
/// use fs_snapshots::SnapshotError;
///
/// let error = SnapshotError::Program {
///     command: "zfs snapshot tank/apps@backup-window-nas-20260301T030000Z-0".to_owned(),
///     said: "out of space".to_owned(),
/// };
/// assert!(error.to_string().ends_with(": out of space"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// There is no such program where programs of the system are.
    #[error("find the program `{program}`: it is in none of {searched}; install {package}")]
    ProgramMissing {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
        /// The folders that were looked in.
        searched: String,
    },
    /// It could not be run.
    #[error("run `{command}`")]
    NotRun {
        /// The program with its arguments.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended with an error.
    #[error("do what `{command}` should: {said}")]
    Program {
        /// The program with its arguments.
        command: String,
        /// What it said on its standard error, or how it ended.
        said: String,
    },
    /// It did not end in time, and was killed.
    #[error("run `{command}`: it was killed after {deadline:?}")]
    DeadlinePassed {
        /// The program with its arguments.
        command: String,
        /// How long it was given.
        deadline: Duration,
    },
    /// The program said that it made the snapshot, and it cannot be seen.
    #[error("find the new snapshot at {}", .path.display())]
    NotVisible {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system or the machine did not do as it was told.
    #[error("{operation} {}", .path.display())]
    Io {
        /// What was to be done.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Its name is not one that this owner gives, or it is not a snapshot at all: it is not touched.
    #[error("remove {snapshot}: {why}, so it is left alone")]
    NotOurs {
        /// What was to be removed.
        snapshot: String,
        /// Why it is taken for somebody else's.
        why: &'static str,
    },
}

/// A ledger that could not be kept.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use fs_snapshots::{Ledger, LedgerError};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("snapshots.json");
/// std::fs::write(&path, "no ledger")?;
/// let error = Ledger::new(&path).owed().await.unwrap_err();
/// assert!(matches!(error, LedgerError::Damaged { .. }));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The file or its folder did not do as it was told.
    #[error("{operation} {}", .path.display())]
    Io {
        /// What was to be done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What is in the file is no list of snapshots.
    #[error(
        "read the list of snapshots {}: it is damaged; look into it for the snapshots to remove, \
         remove them, and remove it",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// Another release wrote it.
    #[error(
        "read the list of snapshots {}: it has format {found}, expected {expected}; use the release \
         that wrote it",
        .path.display()
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// The format in the file.
        found: u32,
        /// The format that this release writes.
        expected: u32,
    },
}
