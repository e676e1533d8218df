//! Backing up.

use std::{path::PathBuf, sync::Arc};

use rustic_core::{
    BackupOptions, FileType, ReadBackend, ReadSource, RusticError, SnapshotOptions,
    jiff::tz::TimeZone,
    repofile::{SnapshotFile, SnapshotId as LibraryId, SnapshotSummary},
};

use super::{LoadedIndex, Shared, Task, list::STACK_TAG, parent, parent::Parent};
use crate::{
    BackupRequest, BackupSummary, SnapshotId, StoreError, TAG_INCOMPLETE, TAG_LIVE, WorkKind,
    account::{Account, Kind},
    source::{Base, Opener, Sources, to_library_time},
};

pub(super) const TASK: Task = Task("back up the stack");

/// This process in words, for whoever finds the repository locked.
pub(super) fn holder(doing: &str) -> String {
    format!("process {}, {doing}", std::process::id())
}

/// The same of a backup, with the request's own words for where and since when.
fn holder_of(request: &BackupRequest) -> String {
    let BackupRequest {
        host,
        stack,
        started_at,
        ..
    } = request;
    let process = std::process::id();
    format!("process {process} on {host}, backing up {stack} since {started_at}")
}

pub(super) fn run(
    shared: &Shared,
    loaded: &mut Option<LoadedIndex>,
    request: &BackupRequest,
    account: &Arc<Account>,
) -> Result<BackupSummary, StoreError> {
    let sources = request.ordered_sources()?;
    let sources = Sources::find(sources, request.started_at, Arc::clone(account))?;
    let parent = parent::newest(shared.with_index(loaded)?, request)?;
    let read_at = parent.as_ref().map(|parent| Base::read_at(parent.time));
    let sources = sources.since(Arc::new(read_at.unwrap_or_default()));
    let job = Job {
        request,
        places: sources.places(),
        parent: parent.as_ref(),
        account,
    };
    let work = shared
        .listener
        .begin(WorkKind::Archive, Some(&request.stack), None);
    let _telling = account.tell(work);
    job.archive(shared, loaded, &sources)
}

/// A snapshot that is to be written.
pub(super) struct Job<'a> {
    pub(super) request: &'a BackupRequest,
    pub(super) places: Vec<PathBuf>,
    pub(super) parent: Option<&'a Parent>,
    pub(super) account: &'a Arc<Account>,
}

impl Job<'_> {
    pub(super) fn archive<R>(
        &self,
        shared: &Shared,
        loaded: &mut Option<LoadedIndex>,
        source: &R,
    ) -> Result<BackupSummary, StoreError>
    where
        R: ReadSource<Open = Opener> + 'static,
        R::Iter: Send,
    {
        let Self {
            request, account, ..
        } = self;
        let template = template(request)?;
        let _lock = shared
            .place
            .to_write(&shared.key, account, &holder_of(request))?;
        let index = shared.with_index(loaded)?;
        // The scan would read every source twice, only to know how much there is.
        let options = BackupOptions::default()
            .no_scan(true)
            .parent_opts(Parent::options(self.parent));
        index.folder.keep_account(Some(Arc::clone(account)));
        let archived = index
            .repository
            .archive(&options, source, template, &self.places);
        index.folder.keep_account(None);

        // The folder knows better than the library what went wrong first.
        if let Some(failure) = account.take_failure() {
            return Err(failure);
        }
        if account.is_cancelled() && archived.is_err() {
            return Err(StoreError::Cancelled { operation: TASK.0 });
        }
        let snapshot = archived.map_err(|error| TASK.failed(&error))?;
        let summary = snapshot.summary.clone().unwrap_or_default();
        if let Some(message) = contradiction(account, &summary) {
            // Nobody must restore from it one day in good faith.
            index
                .repository
                .delete_snapshots(&[snapshot.id])
                .map_err(|error| TASK.failed(&error))?;
            return Err(StoreError::Library {
                operation: TASK.0,
                message,
            });
        }
        if !is_live(request) {
            forget_live(index, request);
        }
        let mut summary = summarise(account, &snapshot, &summary);
        if !summary.unreadable.is_empty() && !is_live(request) {
            match mark_incomplete(index, &snapshot) {
                Ok(marked) => summary.snapshot = marked,
                Err(error) => {
                    tracing::warn!(%error, "the snapshot does not say that it lacks files");
                }
            }
        }
        tracing::info!(
            stack = request.stack,
            snapshot = %summary.snapshot,
            added_bytes = summary.added_bytes,
            unreadable = summary.unreadable.len(),
            left_out = summary.left_out,
            "backed up"
        );
        Ok(summary)
    }
}

/// Writes the snapshot once more with the tag that says that it lacks something, and removes it
/// without: what could not be read is known only when everything was.
fn mark_incomplete(
    index: &mut LoadedIndex,
    snapshot: &SnapshotFile,
) -> Result<SnapshotId, StoreError> {
    let failed = |error: Box<RusticError>| TASK.failed(&error);
    let (folder, repository) = (&index.folder, &index.repository);
    let before = folder.list(FileType::Snapshot).map_err(failed)?;
    let mut marked = snapshot.clone();
    marked.tags.add(TAG_INCOMPLETE.to_owned());
    repository.save_snapshots(vec![marked]).map_err(failed)?;
    let after = folder.list(FileType::Snapshot).map_err(failed)?;
    let new = after.into_iter().find(|id| !before.contains(id));
    let new = new.ok_or_else(|| StoreError::Library {
        operation: TASK.0,
        message: "the marked snapshot is not there after it was written".to_owned(),
    })?;
    repository
        .delete_snapshots(&[snapshot.id])
        .map_err(failed)?;
    Ok(SnapshotId::new(new))
}

fn is_live(request: &BackupRequest) -> bool {
    request.tags.iter().any(|tag| tag == TAG_LIVE)
}

/// Removes the snapshots of the stack at work: this one has all that they had. One that stays
/// behind does no harm, and goes next time.
fn forget_live(index: &mut LoadedIndex, request: &BackupRequest) {
    let forgotten = parent::live(index, request).and_then(|live| {
        let ids: Vec<_> = live.iter().map(|id| LibraryId::from(id.id())).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let deleted = index.repository.delete_snapshots(&ids);
        deleted.map_err(|error| TASK.failed(&error))
    });
    if let Err(error) = forgotten {
        tracing::warn!(%error, "the snapshot of the stack at work stays behind");
    }
}

/// The snapshot without its contents.
fn template(request: &BackupRequest) -> Result<SnapshotFile, StoreError> {
    let time = to_library_time(request.started_at).ok_or_else(|| StoreError::InvalidRequest {
        reason: format!("{} is no time a snapshot can have", request.started_at),
    })?;
    let options = SnapshotOptions::default()
        .label(request.stack.clone())
        .host(request.host.clone())
        .time(time.to_zoned(TimeZone::UTC))
        // Left to itself, the library saves the command line of this process.
        .command(concat!("backup-store ", env!("CARGO_PKG_VERSION")).to_owned());
    let mut snapshot = options.to_snapshot().map_err(|error| TASK.failed(&error))?;
    snapshot.tags.add(format!("{STACK_TAG}{}", request.stack));
    for tag in &request.tags {
        snapshot.tags.add(tag.clone());
    }
    Ok(snapshot)
}

/// Whether the library saved anything else than what the walk gave it.
///
/// It drops entries for reasons of its own with nothing but a line in the log. All that are known
/// are in the account; this is for those that are not.
fn contradiction(account: &Account, summary: &SnapshotSummary) -> Option<String> {
    let given = account.saved(Kind::File) + account.saved(Kind::Other);
    let saved = summary.total_files_processed;
    (given != saved).then(|| {
        format!("{given} files were read, but {saved} were saved; the snapshot was removed again")
    })
}

fn summarise(
    account: &Account,
    snapshot: &SnapshotFile,
    summary: &SnapshotSummary,
) -> BackupSummary {
    BackupSummary {
        snapshot: SnapshotId::new(*snapshot.id),
        files: account.saved(Kind::File),
        directories: account.saved(Kind::Directory),
        other: account.saved(Kind::Other),
        processed_bytes: summary.total_bytes_processed,
        added_bytes: summary.data_added_packed,
        unreadable: account.take_unreadable(),
        left_out: account.left_out(),
        sockets: account.take_sockets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_the_library_dropped_is_a_contradiction() {
        let account = Account::default();
        for kind in [Kind::File, Kind::File, Kind::Other, Kind::Directory] {
            account.count(kind);
        }
        account.lose("/gone".as_ref(), "it vanished");
        let mut summary = SnapshotSummary::default();
        summary.total_files_processed = 2;
        assert_eq!(contradiction(&account, &summary), None);
        summary.total_files_processed = 1;
        assert!(
            contradiction(&account, &summary)
                .unwrap()
                .contains("2 files were read")
        );
    }

    #[test]
    fn a_snapshot_says_whose_it_is_and_nothing_about_this_process() {
        let request = BackupRequest {
            stack: "wiki".to_owned(),
            host: "docker01".to_owned(),
            started_at: "2026-03-01T03:00:00.25Z".parse().unwrap(),
            sources: Vec::new(),
            tags: vec!["a,b".to_owned()],
        };
        let snapshot = template(&request).unwrap();
        assert_eq!(snapshot.label, "wiki");
        assert_eq!(snapshot.hostname, "docker01");
        assert_eq!(
            snapshot.tags.iter().collect::<Vec<_>>(),
            ["a,b", "stack=wiki"]
        );
        assert_eq!(
            snapshot.time.timestamp().to_string(),
            "2026-03-01T03:00:00.25Z"
        );
        let command = snapshot.summary.unwrap().command;
        assert_eq!(command, concat!("backup-store ", env!("CARGO_PKG_VERSION")));
    }
}
