//! What can go wrong, in words that say what to do about it.

use std::{io, path::PathBuf};

use crate::{InvalidExcludePattern, InvalidSnapshotPath, SnapshotId, SnapshotPath};

/// A store could not do what was asked.
///
/// `Display` is a lowercase fragment that fits after "failed to"; the cause, where there is one,
/// is in [`source`](std::error::Error::source) and not repeated in the text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder or server holds no repository.
    #[error(
        "open the repository {}: there is none (no file named \"config\"); \
         was it initialised, and is its NAS there?",
        path.display()
    )]
    NoRepository {
        /// The folder, or address, that was to hold the repository.
        path: PathBuf,
    },

    /// The folder holds a repository already.
    #[error("create a repository in {}: there is one already", path.display())]
    RepositoryExists {
        /// The repository's folder.
        path: PathBuf,
    },

    /// The folder that is to become a repository holds something else.
    #[error(
        "create a repository in {}: the folder is not empty and holds no repository; \
         give it an empty or a new folder",
        path.display()
    )]
    FolderNotEmpty {
        /// The folder.
        path: PathBuf,
    },

    /// The password opens none of the repository's keys.
    #[error(
        "open the repository {}: the password is wrong (no key fits it); \
         check the password file", path.display()
    )]
    WrongPassword {
        /// The repository's folder.
        path: PathBuf,
    },

    /// Something in the repository is not what was written there once.
    #[error(
        "use the repository {}: {what} is damaged or missing ({detail}); \
         run a check, and restore the repository's folder from a snapshot of the NAS if need be",
        path.display()
    )]
    Damaged {
        /// The repository's folder.
        path: PathBuf,
        /// The damaged part, for instance `the file "config"`.
        what: String,
        /// What is wrong with it.
        detail: String,
    },

    /// Another process writes to the repository.
    #[error("lock the repository {}: it is in use by {by}", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as that process described itself.
        by: String,
    },

    /// The file system that holds the repository cannot lock files.
    #[error(
        "lock the repository with {}: its file system does not support locks; \
         on NFS, mount with NFSv4, or without \"nolock\" and with rpc.statd running",
        path.display()
    )]
    LockUnsupported {
        /// The lock file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },

    /// A source is not there, or not even its top can be read.
    #[error("back up {name}: its source {} is missing or cannot be read", path.display())]
    SourceMissing {
        /// The source's place in the snapshot.
        name: SnapshotPath,
        /// The source on disk.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },

    /// What comes as an archive could not be read to its end, or makes no sense.
    #[error("back up {name}: it could not be read whole from {origin}")]
    Archive {
        /// The source's place in the snapshot.
        name: SnapshotPath,
        /// Where the archive comes from.
        origin: String,
        /// What is wrong with it.
        source: io::Error,
    },

    /// The request makes no sense.
    #[error("understand the request: {reason}")]
    InvalidRequest {
        /// What is wrong with it.
        reason: String,
    },

    /// A name in the request is no place in a snapshot.
    #[error("understand the request")]
    InvalidPath {
        /// What is wrong with the name.
        #[from]
        source: InvalidSnapshotPath,
    },

    /// What is to be left out of a source is no pattern.
    #[error("understand the request")]
    InvalidPattern {
        /// What is wrong with the pattern.
        #[from]
        source: InvalidExcludePattern,
    },

    /// There is no snapshot with this id.
    #[error("find the snapshot {id} in the repository {}", path.display())]
    SnapshotNotFound {
        /// The snapshot that was asked for.
        id: SnapshotId,
        /// The repository's folder.
        path: PathBuf,
    },

    /// The snapshot holds nothing at this place.
    #[error("find {path} in the snapshot {snapshot}")]
    PathNotInSnapshot {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The place that was asked for.
        path: SnapshotPath,
    },

    /// The snapshot holds a name that is not one plain path component, or the same name twice.
    #[error(
        "restore the snapshot {snapshot}: it holds the unsafe name {name:?} in {:?}, \
         which could lead out of the target; nothing was written",
        directory.display()
    )]
    UnsafeName {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The directory inside the snapshot that holds it.
        directory: PathBuf,
        /// The name.
        name: String,
    },

    /// The target of a restore is anything but a new or empty folder.
    #[error("restore to {}: {reason}; give it a new or an empty folder", path.display())]
    TargetNotUsable {
        /// The target.
        path: PathBuf,
        /// Why it is refused.
        reason: String,
    },

    /// A file of the repository could not be read, written or listed.
    #[error("{operation} {} in the repository", path.display())]
    Repository {
        /// What was tried, for instance `write`.
        operation: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },

    /// A local copy of what has changed could not be made or read.
    #[error(
        "{operation} the folder for local copies {}; \
         look whether its disk is full or damaged, or name another folder",
        path.display()
    )]
    Spool {
        /// What was tried, for instance `write to`.
        operation: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },

    /// A file could not be written at the target of a restore.
    #[error("restore {}", path.display())]
    Restore {
        /// The file at the target.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },

    /// An archive could not be written.
    #[error("export to {}", path.display())]
    Export {
        /// The archive.
        path: PathBuf,
        /// What the kernel said. Of kind [`io::ErrorKind::AlreadyExists`] if something is there
        /// already, which is never replaced.
        source: io::Error,
    },

    /// A password could not be made or saved.
    #[error("{operation}")]
    Password {
        /// What was tried.
        operation: String,
        /// What the kernel said.
        source: io::Error,
    },

    /// The work was given up because nobody waits for it any more.
    #[error("{operation}: it was cancelled")]
    Cancelled {
        /// What was cancelled, for instance `back up the stack`.
        operation: &'static str,
    },

    /// The repository library failed in a way this crate knows nothing about.
    #[error("{operation}: {message}")]
    Library {
        /// What was tried, for instance `back up the stack`.
        operation: &'static str,
        /// What the library said.
        message: String,
    },
}

/// The kinds of [`StoreError`] that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// The repository, a source, a snapshot or a part of it is not there.
    NotFound,
    /// The password is wrong, or could not be made or saved.
    Password,
    /// The repository is damaged.
    Damaged,
    /// Somebody else writes to the repository.
    Locked,
    /// A disk or a quota is full.
    Full,
    /// Something could not be read or written.
    Io,
    /// The request was refused before anything happened.
    Refused,
    /// The work was cancelled.
    Cancelled,
    /// Anything else.
    Internal,
}

impl StoreError {
    /// The kind of this error.
    #[must_use]
    pub fn kind(&self) -> StoreErrorKind {
        match self {
            Self::NoRepository { .. }
            | Self::SourceMissing { .. }
            | Self::SnapshotNotFound { .. }
            | Self::PathNotInSnapshot { .. } => StoreErrorKind::NotFound,
            Self::WrongPassword { .. } | Self::Password { .. } => StoreErrorKind::Password,
            Self::Damaged { .. } => StoreErrorKind::Damaged,
            Self::Locked { .. } => StoreErrorKind::Locked,
            Self::RepositoryExists { .. }
            | Self::FolderNotEmpty { .. }
            | Self::InvalidRequest { .. }
            | Self::InvalidPath { .. }
            | Self::InvalidPattern { .. }
            | Self::UnsafeName { .. }
            | Self::TargetNotUsable { .. } => StoreErrorKind::Refused,
            Self::Export { source, .. } if source.kind() == io::ErrorKind::AlreadyExists => {
                StoreErrorKind::Refused
            }
            Self::Repository { source, .. }
            | Self::Restore { source, .. }
            | Self::Export { source, .. }
            | Self::Archive { source, .. }
            | Self::Spool { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
                _ => StoreErrorKind::Io,
            },
            Self::LockUnsupported { .. } => StoreErrorKind::Io,
            Self::Cancelled { .. } => StoreErrorKind::Cancelled,
            Self::Library { .. } => StoreErrorKind::Internal,
        }
    }
}

/// The same I/O error once more, for where one has to be kept and handed on.
pub(crate) fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
