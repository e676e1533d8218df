//! Backups in a restic-format repository: back up, list, check, forget and restore.
//!
//! A repository is a folder (usually on a mounted NAS) in the [restic repository format][format]:
//! encrypted, deduplicated, compressed. Stock `restic` can list, check and restore it, so nothing
//! that was saved here depends on this crate. The engine is [`rustic_core`]; this crate puts its
//! own hands on both ends, because a backup is only worth what it can prove:
//!
//! - *Reading the sources*: the top directory of each source keeps its owner, mode, times and
//!   extended attributes, and whatever could not be read is counted and named in
//!   [`BackupSummary::unreadable`]. Nothing is skipped in silence; what a source's patterns leave
//!   out ([`Source::excluding`]) is not opened, and counted in [`BackupSummary::left_out`].
//! - *The repository's files*: every failed read, write or listing of the folder is an error with
//!   its path, and a snapshot is never written by a run in which a write failed or that was
//!   cancelled.
//! - *Writing what is restored*: only beneath a fresh private folder, never through a symbolic
//!   link, with holes kept as holes; whatever could not be restored as recorded is named in
//!   [`RestoreSummary::incomplete`].
//!
//! - *Reading what has no path here*: [`Source::archive`] saves what comes as a tar archive, such as
//!   a volume of an engine on another machine ([`ReadArchive`]).
//!
//! - *Seeing what a restore would change*, and whether one wrote what it should have:
//!   [`Store::compare`] holds every attribute and every byte on disk against a snapshot.
//! - *Taking a snapshot elsewhere*: [`Store::export`] writes a `tar.zst` that GNU tar extracts with
//!   owners, extended attributes, access lists, hard links and holes.
//!
//! # Example
//!
//! ```no_run
//! use std::path::Path;
//!
//! use backup_store::{
//!     BackupRequest, InitOptions, RestoreRequest, RusticStore, SnapshotPath, Source, Store,
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let password = backup_store::generate_password()?;
//! backup_store::write_password_file(Path::new("/etc/backup/repository.password"), &password)?;
//! let store =
//!     RusticStore::init(Path::new("/mnt/nas/restic"), &password, InitOptions::default()).await?;
//!
//! let summary = store
//!     .back_up(BackupRequest {
//!         stack: "wiki".to_owned(),
//!         host: "docker01".to_owned(),
//!         started_at: "2026-03-01T03:00:00Z".parse()?,
//!         sources: vec![Source::path(
//!             SnapshotPath::new("volumes/wiki_data")?,
//!             "/var/lib/docker/volumes/wiki_data/_data",
//!         )],
//!         tags: Vec::new(),
//!     })
//!     .await?;
//! for file in &summary.unreadable {
//!     eprintln!("not in the backup: {}: {}", file.path.display(), file.reason);
//! }
//!
//! store
//!     .restore(RestoreRequest {
//!         snapshot: summary.snapshot,
//!         only: Some(SnapshotPath::new("volumes/wiki_data")?),
//!         to: "/srv/restored".into(),
//!     })
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! # One writer at a time
//!
//! In a folder, [`RusticStore`] holds an exclusive lock on the file `backup-store.lock` in the repository while
//! it writes; the kernel (or the NFS server) drops it when the process dies. Stock `restic` and
//! `rustic` do not know this lock: use them to read as much as you like, but never run their
//! `prune` or `forget` while this crate may write.
//!
//! Readers do not keep writers out, nor the other way round: a backup only adds files. The one who
//! takes files away is [`Store::prune`], and so restores and checks share a second lock, on
//! `backup-store.readers`, which a prune must have for itself. A check waits for nobody and ends
//! with [`StoreError::Locked`] beside a prune. A restore goes on all the same (somebody may need it
//! badly): what a prune deletes was marked by an earlier one at least 23 hours before.
//!
//! On a REST server the locks are those of stock `restic`, which may write there too (`rustic` knows
//! none).
//!
//! # Features
//!
//! - `rest`: repositories on a [REST server][rest] ([`RepositoryPlace`]), in place of a folder.
//! - `mock`: `MockStore`, a mockall mock of [`Store`].
//! - `testing`: the module `testing`, which compares two trees of files attribute by attribute.
//!
//! [rest]: https://restic.readthedocs.io/en/stable/REST_backend.html
//! [format]: https://restic.readthedocs.io/en/stable/100_references.html#design

mod account;
mod archive;
mod backend;
mod check;
mod chunks;
mod comparison;
mod error;
mod exclude;
mod export;
mod folder;
mod lock;
mod manifest;
mod mode;
mod password;
mod place;
mod progress;
mod prune;
mod request;
#[cfg(feature = "rest")]
mod rest;
mod restore;
mod retention;
mod rustic;
mod snapshot;
mod snapshot_path;
mod source;
mod spool;
mod staged;
mod store;
mod summary;
mod tar_stream;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(feature = "rest")]
pub use rest::{InvalidRestServer, RestServer};
pub use {
    archive::{ReadArchive, SharedArchive},
    check::{CheckDepth, CheckReport, Finding, Severity},
    chunks::{Chunks, InvalidChunks},
    comparison::{Change, ChangeKind, CompareRequest, Comparison},
    error::{StoreError, StoreErrorKind},
    exclude::{ExcludePattern, InvalidExcludePattern},
    manifest::{Manifest, TreeManifest},
    password::{generate_password, write_password_file},
    place::RepositoryPlace,
    progress::{Progress, Work, WorkKind, WorkProgress},
    prune::{PruneOptions, PruneSummary},
    request::{BackupRequest, ExportRequest, RestoreRequest, Source},
    retention::{
        Keep, Reason, Retention, RetentionRules, Shrunk, TAG_INCOMPLETE, TAG_LIVE, TAG_SAFETY,
        Verdict, retain,
    },
    rustic::{InitOptions, OpenOptions, RusticStore},
    snapshot::{InvalidSnapshotId, Snapshot, SnapshotId},
    snapshot_path::{InvalidSnapshotPath, SnapshotPath},
    spool::SpoolOptions,
    staged::{Capture, StagedBackup, WarmUp},
    store::Store,
    summary::{BackupSummary, ExportSummary, NotRestored, RestoreSummary, Unreadable},
    tar_stream::{TarEntry, TarKind, TarStream},
};
#[cfg(feature = "mock")]
pub use {staged::MockStagedBackup, store::MockStore};
