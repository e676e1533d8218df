//! Backing up.

use std::sync::Arc;

use rustic_core::{
    BackupOptions, SnapshotOptions,
    jiff::tz::TimeZone,
    repofile::{SnapshotFile, SnapshotSummary},
};

use super::{LoadedIndex, Shared, Task};
use crate::{
    BackupRequest, BackupSummary, SnapshotId, StoreError,
    account::{Account, Kind},
    lock::RepositoryLock,
    source::{Sources, to_library_time},
};

pub(super) const TASK: Task = Task("back up the stack");

/// The tag that carries the stack's name: stock `restic` shows tags, but not labels.
pub(crate) const STACK_TAG: &str = "stack=";

/// This process in words, for whoever finds the repository locked.
pub(super) fn holder(request: Option<&BackupRequest>) -> String {
    let process = std::process::id();
    match request {
        Some(BackupRequest {
            host,
            stack,
            started_at,
            ..
        }) => {
            format!("process {process} on {host}, backing up {stack} since {started_at}")
        }
        None => format!("process {process}, creating the repository"),
    }
}

pub(super) fn run(
    shared: &Shared,
    loaded: &mut Option<LoadedIndex>,
    request: &BackupRequest,
    account: &Arc<Account>,
) -> Result<BackupSummary, StoreError> {
    let sources = request.ordered_sources()?;
    let sources = Sources::find(sources, request.started_at, Arc::clone(account))?;
    let template = template(request)?;

    let _lock = RepositoryLock::acquire(&shared.path, &holder(Some(request)))?;
    let LoadedIndex {
        folder, repository, ..
    } = shared.with_index(loaded)?;
    // The scan would read every source twice, only to know how much there is.
    let options = BackupOptions::default().no_scan(true);
    folder.keep_account(Some(Arc::clone(account)));
    let archived = repository.archive(&options, &sources, template, &sources.places());
    folder.keep_account(None);

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
        repository
            .delete_snapshots(&[snapshot.id])
            .map_err(|error| TASK.failed(&error))?;
        return Err(StoreError::Library {
            operation: TASK.0,
            message,
        });
    }
    let summary = summarise(account, &snapshot, &summary);
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
