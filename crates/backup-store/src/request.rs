//! What callers ask of a store.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::{ExcludePattern, ReadArchive, SharedArchive, SnapshotId, SnapshotPath, StoreError};

/// One backup of one stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupRequest {
    /// The stack's name: it becomes the snapshot's label and its tag `stack=…`.
    pub stack: String,
    /// The name of the host the stack runs on.
    pub host: String,
    /// When the backup was started: the snapshot's time.
    pub started_at: Timestamp,
    /// What to save. No source may lie inside another one's place in the snapshot.
    pub sources: Vec<Source>,
    /// Further tags for the snapshot.
    pub tags: Vec<String>,
}

/// Something to save, and its place in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A directory with all that is in it, or a single file, on disk.
    ///
    /// A symbolic link at the path itself is followed (as Docker does with a bind mount); links
    /// further down are saved as links. Mount points inside are entered.
    Path {
        /// Its place in the snapshot, such as `volumes/wiki_data`.
        name: SnapshotPath,
        /// Where it is on disk.
        path: PathBuf,
        /// What of it stays out of the backup. The top itself never does.
        exclude: Vec<ExcludePattern>,
    },
    /// A directory with all that is in it, or a single file, that comes as a tar archive.
    ///
    /// The store must have a folder for local copies. All of it is read each time, whatever earlier
    /// snapshots have: an archive does not say what has changed. What an archive cannot carry
    /// (sockets, for one) is not in the snapshot, and nobody notices.
    Archive {
        /// Its place in the snapshot.
        name: SnapshotPath,
        /// What it is read from.
        archive: SharedArchive,
        /// What of it stays out of the backup, as in [`Path`](Self::Path).
        exclude: Vec<ExcludePattern>,
        /// What lies in the archive and does not belong to the source: the places of mounts of
        /// their own, beneath its top.
        without: Vec<PathBuf>,
    },
    /// A file that exists in memory only, such as the definitions of a stack's containers. It is
    /// saved with mode 0600 and without an owner.
    Bytes {
        /// Its place in the snapshot.
        name: SnapshotPath,
        /// What it holds.
        contents: Vec<u8>,
        /// The time of its last change.
        modified: Timestamp,
    },
}

impl Source {
    /// A directory or a file on disk.
    #[must_use]
    pub fn path(name: SnapshotPath, path: impl Into<PathBuf>) -> Self {
        Self::Path {
            name,
            path: path.into(),
            exclude: Vec::new(),
        }
    }

    /// The same, without what the patterns match. A file in memory stays as it is.
    ///
    /// ```
    /// use backup_store::{SnapshotPath, Source};
    ///
    /// let data = Source::path(SnapshotPath::new("volumes/app_data")?, "/srv/app")
    ///     .excluding(["/cache".parse()?, "*.log".parse()?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn excluding(mut self, patterns: impl IntoIterator<Item = ExcludePattern>) -> Self {
        if let Self::Path { exclude, .. } | Self::Archive { exclude, .. } = &mut self {
            exclude.extend(patterns);
        }
        self
    }

    /// A directory or a file that comes as a tar archive.
    #[must_use]
    pub fn archive(name: SnapshotPath, archive: impl ReadArchive) -> Self {
        Self::Archive {
            name,
            archive: SharedArchive::new(archive),
            exclude: Vec::new(),
            without: Vec::new(),
        }
    }

    /// The same, without these places in the archive. What is not an archive stays as it is.
    #[must_use]
    pub fn without(mut self, places: impl IntoIterator<Item = PathBuf>) -> Self {
        if let Self::Archive { without, .. } = &mut self {
            without.extend(places);
        }
        self
    }

    /// A file in memory.
    #[must_use]
    pub fn bytes(name: SnapshotPath, contents: impl Into<Vec<u8>>, modified: Timestamp) -> Self {
        Self::Bytes {
            name,
            contents: contents.into(),
            modified,
        }
    }

    /// Its place in the snapshot.
    #[must_use]
    pub fn name(&self) -> &SnapshotPath {
        match self {
            Self::Path { name, .. } | Self::Archive { name, .. } | Self::Bytes { name, .. } => name,
        }
    }
}

/// One restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRequest {
    /// The snapshot to restore.
    pub snapshot: SnapshotId,
    /// What to restore of it: a directory with all that is in it, or a single file. `None` is
    /// everything.
    pub only: Option<SnapshotPath>,
    /// The folder to restore to. It must not exist (its parent must), or be empty and belong to
    /// the user that restores. It is made, or set to, mode 0700.
    ///
    /// Everything keeps its whole place in the snapshot beneath it, with `only` as well:
    /// `volumes/wiki_data` becomes `TO/volumes/wiki_data`.
    pub to: PathBuf,
}

/// One export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportRequest {
    /// The snapshot to export.
    pub snapshot: SnapshotId,
    /// What to export of it, as in [`RestoreRequest::only`].
    pub only: Option<SnapshotPath>,
    /// The archive to write: nothing may be there yet, its folder must be. It is readable for its
    /// owner alone, and is not there before it is whole.
    pub to: PathBuf,
}

impl BackupRequest {
    /// Whether anything of it comes as an archive, which takes local copies.
    pub(crate) fn has_archives(&self) -> bool {
        let mut sources = self.sources.iter();
        sources.any(|source| matches!(source, Source::Archive { .. }))
    }

    /// The sources in the order of their places, if no two are in each other's way.
    ///
    /// The order is that of the snapshot's tree: names compare byte by byte, a directory comes
    /// before what is in it. The format demands it.
    pub(crate) fn ordered_sources(&self) -> Result<Vec<Source>, StoreError> {
        let refuse = |reason| Err(StoreError::InvalidRequest { reason });
        if self.stack.is_empty() {
            return refuse("the stack has no name".to_owned());
        }
        if self.sources.is_empty() {
            return refuse(format!(
                "there is nothing to back up for the stack {}",
                self.stack
            ));
        }
        let mut sources = self.sources.clone();
        sources.sort_by(|a, b| a.name().as_path().cmp(b.name().as_path()));
        for pair in sources.windows(2) {
            let (first, second) = (pair[0].name(), pair[1].name());
            if second.as_path().starts_with(first.as_path()) {
                return refuse(format!(
                    "two sources overlap in the snapshot: {first} and {second}"
                ));
            }
        }
        Ok(sources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(names: &[&str]) -> BackupRequest {
        let source = |name: &&str| Source::path(SnapshotPath::new(*name).unwrap(), "/nowhere");
        BackupRequest {
            stack: "wiki".to_owned(),
            host: "host".to_owned(),
            started_at: Timestamp::UNIX_EPOCH,
            sources: names.iter().map(source).collect(),
            tags: Vec::new(),
        }
    }

    fn order(names: &[&str]) -> Option<Vec<String>> {
        let sources = request(names).ordered_sources().ok()?;
        Some(
            sources
                .iter()
                .map(|source| source.name().to_string())
                .collect(),
        )
    }

    #[test]
    fn sources_come_in_the_order_of_the_tree() {
        // "a-b" is before "a/b" byte by byte, but after it in a tree, where "a" ends first.
        assert_eq!(
            order(&["b", "a-b/x", "a/b"]).unwrap(),
            ["a/b", "a-b/x", "b"]
        );
    }

    #[test]
    fn overlapping_sources_are_refused() {
        assert_eq!(order(&["a", "a"]), None);
        assert_eq!(order(&["a/b/c", "a"]), None);
        assert_eq!(order(&["a/b", "x", "a/b/c"]), None);
        assert!(order(&["a/b", "a/bc"]).is_some());
    }

    #[test]
    fn an_empty_request_is_refused() {
        assert_eq!(order(&[]), None);
        let unnamed = BackupRequest {
            stack: String::new(),
            ..request(&["a"])
        };
        assert!(unnamed.ordered_sources().is_err());
    }
}
