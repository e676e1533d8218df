//! The trait.

use std::{fmt::Debug, path::PathBuf};

use async_trait::async_trait;

use crate::{
    error::SnapshotError,
    model::{NotServed, Origin, Served, Snapshot, SnapshotId},
    name::{Owner, SnapshotName},
};

/// Something that makes snapshots of file systems.
///
/// # Contract
///
/// - A snapshot has its origin's contents of one moment between the call of
///   [`create`](Snapshotter::create) and its return, with everything that programs wrote before the
///   call, synced or not; it never changes.
/// - Several paths of one origin are served by one snapshot: [`survey`](Snapshotter::survey) gives
///   them equal origins.
/// - A path is only served if a snapshot of its origin has all that lies beneath it.
/// - `create` that fails may have made the snapshot all the same: remove it.
///   [`remove`](Snapshotter::remove) of what is not there succeeds, and nothing is removed that
///   does not have a name such as [`Owner::name`] gives.
/// - No call waits for ever.
///
/// ```no_run
/// # async fn example(snapshotter: &dyn fs_snapshots::Snapshotter) -> Result<(), fs_snapshots::SnapshotError> {
/// for left in snapshotter.leftovers().await? {
///     snapshotter.remove(&left).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Snapshotter: Debug + Send + Sync + 'static {
    /// Whose snapshots these are.
    fn owner(&self) -> &Owner;

    /// Says of each path what serves it, or why nothing does, in the order of the paths. Changes
    /// nothing.
    async fn survey(&self, paths: &[PathBuf]) -> Vec<Result<Served, NotServed>>;

    /// Makes the snapshot that [`Origin::snapshot`] describes.
    ///
    /// # Errors
    ///
    /// If it was not made, is there already, or cannot be seen.
    async fn create(&self, origin: &Origin, name: &SnapshotName)
    -> Result<Snapshot, SnapshotError>;

    /// Removes a snapshot. There need not be one.
    ///
    /// # Errors
    ///
    /// If it is still there, or is not ours.
    async fn remove(&self, snapshot: &SnapshotId) -> Result<(), SnapshotError>;

    /// All snapshots that have a name of this owner's.
    ///
    /// # Errors
    ///
    /// If a file system that is here does not tell.
    async fn leftovers(&self) -> Result<Vec<SnapshotId>, SnapshotError>;
}
