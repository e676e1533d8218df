//! Restoring: what is in a snapshot, survey first, then write.
//!
//! The library could do it, but it joins whatever names the repository holds to the target, goes
//! through links that are there, panics when a disk is full, and only logs what it could not set.
//! So it only delivers trees and data here.

pub(crate) mod compare;
mod target;
mod write;

use std::{
    collections::HashSet,
    ffi::OsString,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustic_core::{
    IndexedFullStatus, Repository, TreeId,
    repofile::{Node, NodeType, SnapshotFile, SnapshotId as LibraryId},
};

use crate::{
    RestoreRequest, RestoreSummary, SnapshotId, SnapshotPath, StoreError,
    account::Account,
    rustic::{Task, damaged},
    snapshot_path::is_plain,
};

pub(crate) const TASK: Task = Task("restore the snapshot");
pub(crate) const COMPARE: Task = Task("compare with the snapshot");

pub(crate) type Indexed = Repository<IndexedFullStatus>;

pub(crate) fn run(
    location: &Path,
    repository: &Indexed,
    request: &RestoreRequest,
    account: &Account,
) -> Result<RestoreSummary, StoreError> {
    let contents = Contents {
        location,
        repository,
        snapshot: request.snapshot,
        only: request.only.as_ref(),
        account,
    };
    let tree = contents.tree_of_snapshot()?;
    contents.survey(tree)?;
    let target = target::prepare(&request.to)?;
    let summary = write::run(&contents, tree, &request.to, target)?;
    tracing::info!(
        snapshot = %request.snapshot,
        to = %request.to.display(),
        files = summary.files,
        bytes = summary.bytes,
        incomplete = summary.incomplete.len(),
        "restored"
    );
    Ok(summary)
}

/// What is wanted of a snapshot.
pub(crate) struct Contents<'a> {
    pub(crate) location: &'a Path,
    pub(crate) repository: &'a Indexed,
    pub(crate) snapshot: SnapshotId,
    pub(crate) only: Option<&'a SnapshotPath>,
    pub(crate) account: &'a Account,
}

impl Contents<'_> {
    pub(crate) fn tree_of_snapshot(&self) -> Result<TreeId, StoreError> {
        let id = LibraryId::from(self.snapshot.id());
        let file = self.repository.get_file::<SnapshotFile>(&id);
        let file = file.map_err(|error| match self.damaged("the snapshot", &error) {
            StoreError::Repository { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                StoreError::SnapshotNotFound {
                    id: self.snapshot,
                    path: self.location.to_owned(),
                }
            }
            error => error,
        })?;
        Ok(file.tree)
    }

    /// The nodes of a directory that are to be restored, after a look at all of its names.
    ///
    /// `depth` counts the directories above, so that `only` can lead the way down to its place.
    pub(crate) fn nodes(
        &self,
        tree: TreeId,
        directory: &Path,
        depth: usize,
    ) -> Result<Vec<Node>, StoreError> {
        if self.account.is_cancelled() {
            return Err(StoreError::Cancelled { operation: TASK.0 });
        }
        let tree = self.repository.get_tree(&tree).map_err(|error| {
            self.damaged(format!("the directory {:?}", directory.display()), &error)
        })?;
        let mut nodes = tree.nodes;
        if let Some(unsafe_name) = first_unsafe(&nodes) {
            return Err(StoreError::UnsafeName {
                snapshot: self.snapshot,
                directory: directory.to_owned(),
                name: unsafe_name.to_string_lossy().into_owned(),
            });
        }
        if let Some(only) = self.only
            && let Some(wanted) = only.as_path().iter().nth(depth)
        {
            let is_last = only.as_path().iter().count() == depth + 1;
            nodes.retain(|node| node.name() == wanted && (is_last || node.is_dir()));
            if nodes.is_empty() {
                return Err(StoreError::PathNotInSnapshot {
                    snapshot: self.snapshot,
                    path: only.clone(),
                });
            }
        }
        Ok(nodes)
    }

    /// The node at a place in the snapshot.
    pub(crate) fn node_at(&self, place: &SnapshotPath) -> Result<Node, StoreError> {
        let missing = || StoreError::PathNotInSnapshot {
            snapshot: self.snapshot,
            path: place.clone(),
        };
        let mut tree = self.tree_of_snapshot()?;
        let mut path = PathBuf::new();
        let mut names = place.as_path().iter().peekable();
        while let Some(name) = names.next() {
            let nodes = self.nodes(tree, &path, usize::MAX)?;
            let mut nodes = nodes.into_iter();
            let node = nodes.find(|node| node.name() == name).ok_or_else(missing)?;
            path.push(name);
            if names.peek().is_none() {
                return Ok(node);
            }
            if !node.is_dir() {
                return Err(missing());
            }
            tree = self.subtree(&node, &path)?;
        }
        Err(missing())
    }

    /// Looks at every name and every piece of data that will be needed, before anything is
    /// written.
    pub(crate) fn survey(&self, tree: TreeId) -> Result<(), StoreError> {
        let mut bytes = 0;
        let mut directories = vec![(tree, PathBuf::new(), 0)];
        while let Some((tree, directory, depth)) = directories.pop() {
            for node in self.nodes(tree, &directory, depth)? {
                let path = directory.join(node.name());
                match node.node_type {
                    NodeType::Dir => {
                        directories.push((self.subtree(&node, &path)?, path, depth + 1));
                    }
                    NodeType::File => {
                        let Some(content) = &node.content else {
                            return Err(self.lacks("a list of contents", &path));
                        };
                        for id in content {
                            self.repository.get_index_entry(id).map_err(|error| {
                                self.damaged(format!("data of {:?}", path.display()), &error)
                            })?;
                        }
                        bytes += node.meta.size;
                    }
                    _ => {}
                }
            }
        }
        self.account.is_to_be(bytes);
        Ok(())
    }

    pub(crate) fn subtree(&self, node: &Node, path: &Path) -> Result<TreeId, StoreError> {
        node.subtree
            .ok_or_else(|| self.lacks("a list of entries", path))
    }

    fn lacks(&self, what: &str, path: &Path) -> StoreError {
        StoreError::Damaged {
            path: self.location.to_owned(),
            what: format!("the snapshot {}", self.snapshot),
            detail: format!("{:?} lacks {what}", path.display()),
        }
    }

    pub(crate) fn damaged(
        &self,
        what: impl Into<String>,
        error: &rustic_core::RusticError,
    ) -> StoreError {
        damaged(self.location, what, error)
    }
}

/// The first name that is not one plain component, or was there before: a link and a directory of
/// the same name would lead out of the target.
fn first_unsafe(nodes: &[Node]) -> Option<OsString> {
    let mut seen = HashSet::new();
    nodes
        .iter()
        .map(|node| node.name().into_owned())
        .find(|name| !is_plain(name.as_bytes()) || !seen.insert(name.clone()))
}

#[cfg(test)]
mod tests;
