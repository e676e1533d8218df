//! Backups in stages, for what must stand still only for a moment.

use std::{fmt::Debug, path::PathBuf};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use crate::{BackupSummary, StoreError};

/// A backup whose sources need to stand still for its middle part only.
///
/// 1. While they are at work, [`warm_up`](Self::warm_up) looks how much has changed since the last
///    snapshot, and copies what is worth it.
/// 2. While they stand still, [`capture`](Self::capture) walks them and copies to a local disk what
///    has changed, which needs neither the repository nor the network.
/// 3. When they are at work again, [`archive`](Self::archive) writes the snapshot: of the moment
///    of the capture.
///
/// # Contract
///
/// - The snapshot holds what was there at the capture, whatever happened before and after it: what
///   could not be had as it was then is named in [`BackupSummary::unreadable`].
/// - The first stage may be left out, or have failed.
/// - Futures may be dropped; the work then stops soon, and writes no snapshot. A call after that is
///   refused.
/// - What lies on the local disk is gone when this is dropped, and when the process ends, however
///   it does.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait StagedBackup: Debug + Send {
    /// Gets ready, while the sources are at work. `now` is the time at which it begins.
    ///
    /// # Errors
    ///
    /// As [`Store::back_up`](crate::Store::back_up), and [`StoreError::Spool`] if there can be no
    /// local copies.
    async fn warm_up(&mut self, now: Timestamp) -> Result<WarmUp, StoreError>;

    /// Keeps what is there at this moment, `now`, which becomes the snapshot's time.
    ///
    /// What does not fit on the local disk is read from where it is: then the snapshot is written
    /// before this returns, and [`Capture::in_place_files`] says so.
    ///
    /// # Errors
    ///
    /// As [`warm_up`](Self::warm_up).
    async fn capture(&mut self, now: Timestamp) -> Result<Capture, StoreError>;

    /// Writes the snapshot.
    ///
    /// # Errors
    ///
    /// As [`Store::back_up`](crate::Store::back_up); [`StoreError::InvalidRequest`] if nothing was
    /// captured.
    async fn archive(self: Box<Self>) -> Result<BackupSummary, StoreError>;
}

/// What was found, and done, before the sources stood still.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WarmUp {
    /// Entries of all kinds.
    pub entries: u64,
    /// The size of all files.
    pub bytes: u64,
    /// Files that are not in the last snapshot as they are.
    pub changed_files: u64,
    /// Their size.
    pub changed_bytes: u64,
    /// Whether they were so many that they were copied into the repository at once.
    pub copied_live: bool,
    /// The size of large changed files that were copied to the local disk at once, where only what
    /// changes in them from now on is to be copied again.
    pub copied_ahead_bytes: u64,
}

/// What was kept of a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Capture {
    /// Entries of all kinds.
    pub entries: u64,
    /// Files whose contents were copied to the local disk.
    pub spooled_files: u64,
    /// Their size.
    pub spooled_bytes: u64,
    /// Files that did not fit there and were read from where they are.
    pub in_place_files: u64,
    /// Their size.
    pub in_place_bytes: u64,
    /// Files that were changed while they were copied: something was at work after all.
    #[serde(serialize_with = "crate::summary::all_lossy")]
    pub unsteady: Vec<PathBuf>,
}
