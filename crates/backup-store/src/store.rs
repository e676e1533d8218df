//! The trait that stands for a repository.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{
    BackupRequest, BackupSummary, CheckDepth, CheckReport, CompareRequest, Comparison,
    ExportRequest, ExportSummary, RestoreRequest, RestoreSummary, Snapshot, StoreError,
};

/// A repository that keeps backups of stacks.
///
/// # Contract
///
/// - A snapshot that [`back_up`](Self::back_up) returned is complete and durable, except for what
///   [`BackupSummary::unreadable`] names. A call that fails leaves no new snapshot; what it stored
///   before it failed may stay behind as unused data.
/// - Only one writer works at a time. A second one in the same store waits; one in another process
///   gets [`StoreError::Locked`].
/// - Futures may be dropped. A backup or a restore then stops at the next file (or the next
///   megabyte or so of a large one) and a backup writes no snapshot; listing and checking run to
///   their end unseen. The thread that does the work finishes its current call first, so the lock
///   may be held a moment longer.
/// - Nothing is written anywhere but in the repository and, by [`restore`](Self::restore), beneath
///   the request's target; by [`export`](Self::export), in the folder of its archive.
/// - No password appears in an error or in `Debug` output.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Where the repository is, for people: a path or a URL without secrets.
    fn location(&self) -> String;

    /// Saves the sources of one stack as one snapshot.
    ///
    /// # Errors
    ///
    /// [`StoreError::SourceMissing`] before anything is written if a source is not there,
    /// [`StoreError::InvalidRequest`] if two sources would lie at the same place,
    /// [`StoreError::Locked`] while another process writes, [`StoreError::Repository`] if the
    /// repository cannot be read or written (a full disk, a lost mount). Files that cannot be read
    /// are no error: the summary names them.
    async fn back_up(&self, request: BackupRequest) -> Result<BackupSummary, StoreError>;

    /// Every snapshot in the repository, newest last, whoever made it.
    ///
    /// A snapshot file that is damaged is left out with a warning in the log;
    /// [`check`](Self::check) reports it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Repository`] if the repository's files cannot be listed or read.
    async fn snapshots(&self) -> Result<Vec<Snapshot>, StoreError>;

    /// Writes a snapshot, or a part of it, into a folder of its own.
    ///
    /// If it fails or is given up on the way, the target stays as far as it came: remove it and
    /// start again.
    ///
    /// # Errors
    ///
    /// [`StoreError::TargetNotUsable`] if the target is anything but a new or empty folder,
    /// [`StoreError::UnsafeName`] and [`StoreError::Damaged`] before anything is written if the
    /// snapshot holds a name that could lead out of the target or lacks data,
    /// [`StoreError::SnapshotNotFound`], [`StoreError::PathNotInSnapshot`], and
    /// [`StoreError::Restore`] if a file cannot be written (a full disk).
    async fn restore(&self, request: RestoreRequest) -> Result<RestoreSummary, StoreError>;

    /// Holds what is on disk against a part of a snapshot. Nothing is written, and no data is read
    /// from the repository, only its trees.
    ///
    /// # Errors
    ///
    /// [`StoreError::SnapshotNotFound`], [`StoreError::PathNotInSnapshot`],
    /// [`StoreError::UnsafeName`], [`StoreError::Damaged`], and [`StoreError::Repository`] if the
    /// repository cannot be read. What cannot be read on disk is a difference.
    async fn compare(&self, request: CompareRequest) -> Result<Comparison, StoreError>;

    /// Writes a snapshot, or a part of it, into a tar archive that zstd compresses.
    ///
    /// # Errors
    ///
    /// [`StoreError::Export`] if the archive cannot be written, or something is at its place
    /// already; otherwise as [`restore`](Self::restore). No part of an archive stays behind.
    async fn export(&self, request: ExportRequest) -> Result<ExportSummary, StoreError>;

    /// Looks for damage in the repository.
    ///
    /// # Errors
    ///
    /// Damage is no error: it is in the report. [`StoreError::Repository`] means that the
    /// repository could not be examined.
    async fn check(&self, depth: CheckDepth) -> Result<CheckReport, StoreError>;
}
