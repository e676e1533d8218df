//! What a store did.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, Serializer};

use crate::SnapshotId;

/// What a backup saved, and what it could not save.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackupSummary {
    /// The new snapshot.
    pub snapshot: SnapshotId,
    /// Regular files in the snapshot.
    pub files: u64,
    /// Directories in the snapshot, without those that only lead to a source.
    pub directories: u64,
    /// Symbolic links, FIFOs, sockets and devices in the snapshot.
    pub other: u64,
    /// The size of all files in the snapshot.
    pub processed_bytes: u64,
    /// What the repository grew by, after deduplication and compression, without the few
    /// kilobytes of the index.
    pub added_bytes: u64,
    /// What is not in the snapshot, or not as it is on disk. A backup is whole if this is empty.
    pub unreadable: Vec<Unreadable>,
    /// How many entries the request's patterns left out. A folder counts once, whatever is in it:
    /// it was not looked into.
    pub left_out: u64,
    /// Sockets that were met. They are saved as such, but what listens on them is not.
    #[serde(serialize_with = "all_lossy")]
    pub sockets: Vec<PathBuf>,
}

/// Something that could not be saved as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Where it is on disk.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// Why, and what is missing if it is not the whole file.
    pub reason: String,
}

/// What a restore wrote, and what it could not write as recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreSummary {
    /// Regular files, each name of a file with several hard links counted.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links, FIFOs, sockets and devices.
    pub other: u64,
    /// The size of all files, hard links counted once and holes counted as zeros.
    pub bytes: u64,
    /// What is there, but not as it was recorded (an owner, for instance, which only root can
    /// set), or what only root can make (a device). A restore is whole if this is empty.
    pub incomplete: Vec<NotRestored>,
}

/// Something that could not be restored as it was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRestored {
    /// Where it lies in the snapshot.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// What is missing, and why.
    pub reason: String,
}

/// What an export wrote into an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ExportSummary {
    /// Regular files, each name of a file with several hard links counted.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links, FIFOs and devices.
    pub other: u64,
    /// The size of all files, hard links counted once and holes counted as zeros.
    pub bytes: u64,
    /// The size of the archive.
    pub archive_bytes: u64,
    /// What is not in the archive, since the format has no room for it: sockets.
    pub incomplete: Vec<NotRestored>,
}

/// JSON knows no names that are not Unicode, and a report must not fail because of one.
pub(crate) fn lossy<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

fn all_lossy<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}
