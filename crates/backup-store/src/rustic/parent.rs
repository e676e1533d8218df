//! The snapshot that a new one builds on.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use rustic_core::{
    FileType, Id, IndexedIdsStatus, ParentOptions, ReadBackend, Repository, RusticResult,
    SnapshotGroupCriterion, TreeId,
    repofile::{Node, SnapshotFile, SnapshotId as LibraryId},
};

use super::{LoadedIndex, list};
use crate::{BackupRequest, SnapshotId, StoreError, TAG_LIVE, source::Base};

/// The snapshots that have been read, so that each is read once.
pub(super) type KnownSnapshots = HashMap<Id, SnapshotFile>;

/// The newest snapshot of the same stack on the same host.
#[derive(Debug, Clone)]
pub(super) struct Parent {
    pub(super) id: SnapshotId,
    /// When its files were read.
    pub(super) time: Timestamp,
    tree: TreeId,
}

/// Looks for the parent of a snapshot. One that cannot be read is passed over: the files are read
/// again then.
pub(super) fn newest(
    index: &mut LoadedIndex,
    request: &BackupRequest,
) -> Result<Option<Parent>, StoreError> {
    let found = of_stack(index, request)?
        .into_iter()
        .max_by_key(|(_, snapshot)| snapshot.time.timestamp());
    Ok(found.map(|(id, snapshot)| Parent {
        id,
        time: list::from_library_time(snapshot.time.timestamp().as_nanosecond()),
        tree: snapshot.tree,
    }))
}

/// The snapshots of copies that were made while the stack was at work.
pub(super) fn live(
    index: &mut LoadedIndex,
    request: &BackupRequest,
) -> Result<Vec<SnapshotId>, StoreError> {
    let all = of_stack(index, request)?.into_iter();
    let live = all.filter(|(_, snapshot)| snapshot.tags.contains(TAG_LIVE));
    Ok(live.map(|(id, _)| id).collect())
}

fn of_stack(
    index: &mut LoadedIndex,
    request: &BackupRequest,
) -> Result<Vec<(SnapshotId, SnapshotFile)>, StoreError> {
    let LoadedIndex {
        folder,
        repository,
        snapshots,
        ..
    } = index;
    let ids = folder
        .list(FileType::Snapshot)
        .map_err(|error| list::TASK.failed(&error))?;
    snapshots.retain(|id, _| ids.contains(id));
    for id in ids {
        if snapshots.contains_key(&id) {
            continue;
        }
        match repository.get_file::<SnapshotFile>(&LibraryId::from(id)) {
            Ok(file) => {
                snapshots.insert(id, file);
            }
            Err(error) => {
                let why = super::failure::in_short(&error);
                tracing::warn!(snapshot = %SnapshotId::new(id), why, "passed over");
            }
        }
    }
    let same = |file: &SnapshotFile| file.hostname == request.host && file.label == request.stack;
    Ok(snapshots
        .iter()
        .filter(|(_, file)| same(file))
        .map(|(id, file)| (SnapshotId::new(*id), file.clone()))
        .collect())
}

impl Parent {
    /// The parent by itself for the library, which would look for one with the same sources.
    pub(super) fn options(parent: Option<&Self>) -> ParentOptions {
        let group = SnapshotGroupCriterion::new().hostname(true).label(true);
        let options = ParentOptions::default()
            .group_by(group)
            // The library has it the wrong way round: this compares the inodes.
            .ignore_inode(true);
        match parent {
            Some(parent) => options.parents(vec![format!("{:#}", parent.id)]),
            None => options.force(true),
        }
    }

    /// What it knows of its files. What cannot be read of it is not known.
    pub(super) fn base(&self, repository: &Repository<IndexedIdsStatus>) -> Base {
        let mut base = Base::read_at(self.time);
        let mut to_read = vec![(PathBuf::new(), self.tree)];
        while let Some((folder, tree)) = to_read.pop() {
            match add_folder(repository, &folder, tree, &mut base) {
                Ok(folders) => to_read.extend(folders),
                Err(error) => {
                    let why = super::failure::in_short(&error);
                    tracing::warn!(snapshot = %self.id, folder = %folder.display(), why, "cannot build on this folder");
                }
            }
        }
        base
    }
}

fn add_folder(
    repository: &Repository<IndexedIdsStatus>,
    folder: &Path,
    tree: TreeId,
    base: &mut Base,
) -> RusticResult<Vec<(PathBuf, TreeId)>> {
    let mut folders = Vec::new();
    for node in repository.get_tree(&tree)?.nodes {
        let place = folder.join(Node::name(&node));
        match node.subtree {
            Some(tree) => folders.push((place, tree)),
            None if node.is_file() => base.add(&place, &node.meta),
            None => {}
        }
    }
    Ok(folders)
}
