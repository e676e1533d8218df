//! What a restore would change.

use std::path::PathBuf;

use serde::Serialize;

use crate::{ExcludePattern, SnapshotId, SnapshotPath};

/// One comparison of a part of a snapshot with what is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompareRequest {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The directory or file in it that is compared.
    pub place: SnapshotPath,
    /// What it is compared with. It need not be there.
    pub path: PathBuf,
    /// What on disk the snapshot has nothing to say about, as it was left out of it.
    pub exclude: Vec<ExcludePattern>,
}

/// In what the disk differs from the snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The differences, by path.
    pub changes: Vec<Change>,
    /// How many entries are the same in all that a snapshot records of them.
    pub unchanged: u64,
}

impl Comparison {
    /// The disk has what the snapshot says, and nothing else.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Something that a restore would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// In which way.
    pub kind: ChangeKind,
    /// Where it lies within the place that is compared; empty for the place itself.
    #[serde(serialize_with = "crate::summary::lossy")]
    pub path: PathBuf,
    /// The size of the file in the snapshot, in bytes; of what would be removed, all that is in it.
    pub bytes: u64,
    /// What is different: `contents`, `mode`, `owner`, …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub what: Vec<String>,
}

/// In which way a restore changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The snapshot has it and the disk does not.
    New,
    /// Both have it, not alike.
    Different,
    /// The disk has it and the snapshot does not. A directory counts once.
    Removed,
}
