//! Snapshots of file systems that are always removed, and copies that share extents.
//!
//! Whoever copies data that belongs to a program has to stop the program for as long as the copying
//! takes, unless the file system can keep the moment: stop, snapshot, start, and copy from the
//! snapshot. This crate says which paths can be read from a snapshot, and why others cannot
//! ([`Snapshotter::survey`]); it makes the snapshots of btrfs subvolumes and ZFS datasets
//! ([`SystemSnapshotter`]), and it removes them again: [`Holder`] writes down each before it is made,
//! so that the next process removes what one left that was killed.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use fs_snapshots::{Holder, Ledger, Owner, SystemOptions, SystemSnapshotter};
//!
//! # async fn example(now: jiff::Timestamp) -> Result<(), Box<dyn std::error::Error>> {
//! let snapshotter = SystemSnapshotter::new(Owner::new("docker01"), SystemOptions::default());
//! let holder = Holder::new(
//!     Arc::new(snapshotter),
//!     Ledger::new("/var/lib/my-backup/snapshots.json"),
//! );
//! let wiki = [std::path::PathBuf::from("/srv/wiki")];
//! match holder.survey(&wiki).await.remove(0) {
//!     Ok(served) => {
//!         let prepared = holder.prepare(vec![served], now).await?;
//!         // stop the program
//!         let held = prepared.take().await;
//!         // start the program, then copy from:
//!         let from = held.path_of(&wiki[0]);
//!         held.release().await?;
//!     }
//!     Err(why) => println!("the program stays down while it is copied, because {why}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What a snapshot has
//!
//! A snapshot is atomic, and it has what is in one btrfs subvolume or one ZFS dataset. Another
//! subvolume, dataset or mount beneath a path is not in it, and such a path is not served: a copy
//! with a hole would be taken for whole.
//!
//! While it lasts, a snapshot of btrfs is a read-only subvolume in the folder that the file system
//! is mounted at, with a name such as `.backup-window-docker01-20260301T030000Z-0`; one of ZFS is read
//! beneath `.zfs/snapshot`.
//!
//! # Copies that share extents
//!
//! Where files are copied, [`reflink`] does it without copying their contents, on XFS, btrfs and
//! other file systems that can share them; [`probe_reflink`] says whether one can.
//!
//! # Features
//!
//! - `mock`: `MockSnapshotter`, made by mockall, for those who build on [`Snapshotter`].

mod error;
mod hold;
mod ledger;
mod model;
mod mountinfo;
mod name;
mod reflink;
mod snapshotter;
mod system;

pub use error::{LedgerError, SnapshotError};
pub use hold::{Held, Holder, Prepared, Removal};
pub use ledger::Ledger;
pub use model::{NotServed, Origin, Served, Snapshot, SnapshotId};
pub use name::{Owner, SnapshotName};
pub use reflink::{probe_reflink, reflink};
#[cfg(feature = "mock")]
pub use snapshotter::MockSnapshotter;
pub use snapshotter::Snapshotter;
pub use system::{SystemOptions, SystemSnapshotter};
