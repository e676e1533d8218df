//! What was there when a stack stood still, in a few numbers and a digest: made from the walk after
//! the stop and not from the repository, so that it can tell that a snapshot lacks something.

use std::{collections::BTreeMap, io, os::unix::ffi::OsStrExt, path::Path, sync::Arc};

use rustic_core::Id;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Source,
    account::{Account, Kind},
    exclude::Exclusions,
    source::{Described, FileKind, Walk, find},
};

/// What was recorded of the sources of a snapshot when they were captured.
///
/// It is a file of the snapshot, at [`Manifest::PLACE`]. What is backed up in stages has one; whoever
/// backs up sources that stand still otherwise can add one ([`Manifest::of_sources`]). Snapshots of
/// versions that did not know it have none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The sources that are trees, by their places in the snapshot.
    pub sources: BTreeMap<String, TreeManifest>,
}

/// What a tree of files is, without the contents: the names of their blobs say those.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeManifest {
    /// Regular files.
    pub files: u64,
    /// Directories, the top included.
    pub directories: u64,
    /// Links, devices, pipes and sockets.
    pub other: u64,
    /// The size of the regular files.
    pub bytes: u64,
    /// SHA-256, in hexadecimal digits, of what a restore brings back of each entry, in the order of
    /// the tree: path, type, size, mode, owner, modification time, target and extended attributes.
    /// What it cannot bring back (`ctime`, inode numbers, the mode of a link) has no part in it.
    pub digest: String,
}

impl Manifest {
    /// Where it lies in a snapshot.
    pub const PLACE: &'static str = "manifest.json";

    /// Walks sources that do not change while it does: snapshots of file systems. Files in memory
    /// and archives have no part in it.
    ///
    /// # Errors
    /// When one of the sources is not there.
    pub fn of_sources<'a>(sources: impl IntoIterator<Item = &'a Source>) -> io::Result<Self> {
        let mut manifest = Self::default();
        for source in sources {
            if let Source::Path {
                name,
                path,
                exclude,
            } = source
            {
                let tree = walk(&find(path)?, Exclusions::new(exclude))?;
                manifest.sources.insert(name.to_string(), tree);
            }
        }
        Ok(manifest)
    }

    /// As it lies in a snapshot.
    #[must_use]
    #[expect(
        clippy::missing_panics_doc,
        reason = "texts and numbers can be written as JSON"
    )]
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("texts and numbers can be written as JSON")
    }
}

impl TreeManifest {
    /// Walks the tree at `top`.
    ///
    /// # Errors
    /// When something of it cannot be read.
    pub fn of_tree(top: &Path) -> io::Result<Self> {
        walk(top, Exclusions::new(&[]))
    }

    /// What another tree, which should be the same, has otherwise, in words; nothing if they are
    /// the same.
    #[must_use]
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let counts = [
            ("files", self.files, found.files),
            ("directories", self.directories, found.directories),
            ("other entries", self.other, found.other),
            ("bytes", self.bytes, found.bytes),
        ];
        let mut what: Vec<String> = counts
            .into_iter()
            .filter(|(_, recorded, found)| recorded != found)
            .map(|(what, recorded, found)| {
                format!("{recorded} {what} were recorded at the stop, {found} are there")
            })
            .collect();
        if what.is_empty() && self.digest != found.digest {
            what.push(
                "as many entries as were recorded at the stop, but not the same names or attributes"
                    .to_owned(),
            );
        }
        what
    }
}

fn walk(top: &Path, exclusions: Exclusions) -> io::Result<TreeManifest> {
    let account = Arc::new(Account::quiet());
    let mut tally = TreeTally::default();
    for (found, metadata) in Walk::new(top.to_owned(), exclusions, Arc::clone(&account)) {
        let (described, _) = Described::of_file(&found.path, &metadata?)?;
        tally.add(&found.beneath, &described);
    }
    Ok(tally.finish())
}

/// A manifest of a tree that is being made, entry by entry in the order of the tree.
#[derive(Debug, Default)]
pub(crate) struct TreeTally {
    files: u64,
    directories: u64,
    other: u64,
    bytes: u64,
    digest: Sha256,
}

impl TreeTally {
    pub(crate) fn add(&mut self, beneath: &Path, entry: &Described) {
        match entry.counts_as() {
            Kind::File => self.files += 1,
            Kind::Directory => self.directories += 1,
            Kind::Other => self.other += 1,
        }
        let (tag, of_kind): (u8, &[u8]) = match &entry.kind {
            FileKind::File => (b'f', &entry.size.to_le_bytes()),
            FileKind::Directory => (b'd', &[]),
            FileKind::Link(target) => (b'l', target),
            FileKind::Block(device) => (b'b', &device.to_le_bytes()),
            FileKind::Character(device) => (b'c', &device.to_le_bytes()),
            FileKind::Fifo => (b'p', &[]),
            FileKind::Socket => (b's', &[]),
        };
        if tag == b'f' {
            self.bytes += entry.size;
        }
        self.digest.update([tag]);
        self.field(beneath.as_os_str().as_bytes());
        self.field(of_kind);
        // The mode of a link cannot be set, and is used for nothing.
        let mode = if tag == b'l' { 0 } else { entry.mode & 0o7777 };
        for number in [mode, entry.user, entry.group] {
            self.digest.update(number.to_le_bytes());
        }
        // A time that the format cannot hold was noted as not saved.
        if entry.modified().is_some() {
            self.digest.update(entry.modified.0.to_le_bytes());
            self.digest.update(entry.modified.1.to_le_bytes());
        }
        self.digest
            .update((entry.attributes.len() as u64).to_le_bytes());
        for (name, value) in &entry.attributes {
            self.field(name.as_bytes());
            self.field(value);
        }
    }

    /// With its length before it, so that no two entries run into each other.
    fn field(&mut self, bytes: &[u8]) {
        self.digest.update((bytes.len() as u64).to_le_bytes());
        self.digest.update(bytes);
    }

    pub(crate) fn finish(self) -> TreeManifest {
        let digest = self.digest.finalize();
        TreeManifest {
            files: self.files,
            directories: self.directories,
            other: self.other,
            bytes: self.bytes,
            digest: Id::new(digest.into()).to_hex().to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path();
        fs::create_dir(top.join("a")).unwrap();
        fs::write(top.join("a/file"), "text").unwrap();
        symlink("file", top.join("a/link")).unwrap();
        dir
    }

    #[test]
    fn it_counts_and_knows_the_same_tree_again() {
        let dir = tree();
        let recorded = TreeManifest::of_tree(dir.path()).unwrap();
        assert_eq!(
            (recorded.files, recorded.directories, recorded.other),
            (1, 2, 1)
        );
        assert_eq!(recorded.bytes, 4);
        let again = TreeManifest::of_tree(dir.path()).unwrap();
        assert!(recorded.differences(&again).is_empty());
    }

    #[test]
    fn whatever_a_restore_brings_back_has_a_part_in_it() {
        let dir = tree();
        let file = dir.path().join("a/file");
        let of = || TreeManifest::of_tree(dir.path()).unwrap();
        let before = of();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
        let other_mode = of();
        assert_eq!(before.differences(&other_mode).len(), 1);
        let opened = fs::File::options().write(true).open(&file).unwrap();
        opened
            .set_modified(UNIX_EPOCH + Duration::from_secs(5))
            .unwrap();
        assert_ne!(of().digest, other_mode.digest, "another time");
        fs::remove_file(&file).unwrap();
        let said = before.differences(&of()).join("; ");
        assert!(said.contains("1 files were recorded"), "{said}");
        assert!(said.contains("4 bytes"), "{said}");
    }

    #[test]
    fn of_sources_it_has_the_trees_without_what_they_leave_out() {
        let dir = tree();
        let name = |name: &str| crate::SnapshotPath::new(name).unwrap();
        let data = Source::path(name("volumes/data"), dir.path())
            .excluding(["link".parse::<crate::ExcludePattern>().unwrap()]);
        let note = Source::bytes(name("note"), "text", jiff::Timestamp::UNIX_EPOCH);
        let manifest = Manifest::of_sources([&data, &note]).unwrap();
        let trees: Vec<_> = manifest.sources.keys().collect();
        assert_eq!(trees, ["volumes/data"]);
        let tree = &manifest.sources["volumes/data"];
        assert_eq!((tree.files, tree.directories, tree.other), (1, 2, 0));
        let read: Manifest = serde_json::from_slice(&manifest.to_json()).unwrap();
        assert_eq!(read, manifest);
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        assert!(TreeManifest::of_tree(Path::new("/nonexistent/x")).is_err());
    }
}
