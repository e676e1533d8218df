//! Holding what is on disk against what a snapshot says: what a restore would change, and whether
//! one wrote what it should have.
//!
//! Contents are compared without reading the repository's data: a file's blobs are named by the
//! SHA-256 of what they hold, so what is on disk is hashed in pieces of the same lengths.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustic_core::{
    Id,
    repofile::{Node, NodeType},
};
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use walkdir::WalkDir;

use super::Contents;
use crate::{
    Change, ChangeKind, CompareRequest, Comparison, StoreError, exclude::Exclusions, mode,
    source::node_of,
};

pub(crate) fn run(
    contents: &Contents<'_>,
    request: &CompareRequest,
) -> Result<Comparison, StoreError> {
    let node = contents.node_at(&request.place)?;
    let mut comparing = Comparing {
        contents,
        request,
        exclusions: Exclusions::new(&request.exclude),
        links: Links::default(),
        comparison: Comparison::default(),
        buffer: Vec::new(),
    };
    let mut to_come = vec![(node, PathBuf::new())];
    while let Some((node, beneath)) = to_come.pop() {
        if contents.account.is_cancelled() {
            return Err(StoreError::Cancelled {
                operation: super::COMPARE.0,
            });
        }
        comparing.entry(&node, &beneath)?;
        if node.is_dir() {
            let below = request.place.as_path().join(&beneath);
            let nodes = contents.nodes(contents.subtree(&node, &below)?, &below, usize::MAX)?;
            comparing.note_removed(&nodes, &beneath);
            // The first name is to come first, as it does in a walk of the disk.
            let nodes = nodes.into_iter().rev();
            to_come.extend(nodes.map(|node| {
                let beneath = beneath.join(node.name());
                (node, beneath)
            }));
        }
    }
    let mut comparison = comparing.comparison;
    comparison.changes.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(comparison)
}

struct Comparing<'a> {
    contents: &'a Contents<'a>,
    request: &'a CompareRequest,
    exclusions: Exclusions,
    links: Links,
    comparison: Comparison,
    buffer: Vec<u8>,
}

/// The first name of each file with several, in the snapshot and on disk.
#[derive(Default)]
struct Links {
    saved: HashMap<(u64, u64), PathBuf>,
    found: HashMap<(u64, u64), PathBuf>,
}

impl Comparing<'_> {
    fn add(&mut self, kind: ChangeKind, path: &Path, bytes: u64, what: Vec<String>) {
        self.comparison.changes.push(Change {
            kind,
            path: path.to_owned(),
            bytes,
            what,
        });
    }

    fn entry(&mut self, node: &Node, beneath: &Path) -> Result<(), StoreError> {
        let path = beneath_root(&self.request.path, beneath);
        let bytes = size(node);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                self.add(ChangeKind::New, beneath, bytes, Vec::new());
                return Ok(());
            }
            Err(error) => {
                self.add(
                    ChangeKind::Different,
                    beneath,
                    bytes,
                    vec![unreadable(&error)],
                );
                return Ok(());
            }
        };
        let found = match node_of(&node.name(), &path, &metadata) {
            Ok(described) => described,
            Err(error) => {
                self.add(
                    ChangeKind::Different,
                    beneath,
                    bytes,
                    vec![unreadable(&error)],
                );
                return Ok(());
            }
        };
        let mut what = differences(node, &found);
        // What a file held when it was read counts, and not what was said of it before that.
        if node.is_file() && found.is_file() && self.saved_size(node, &path)? != size(&found) {
            what.push("size".to_owned());
        }
        if self.links.differ(node, &found, beneath) {
            what.push("hard links".to_owned());
        }
        if what.iter().all(|what| what != "type" && what != "size") && node.is_file() {
            match self.same_contents(node, &path)? {
                Ok(true) => {}
                Ok(false) => what.push("contents".to_owned()),
                Err(error) => what.push(unreadable(&error)),
            }
        }
        if what.is_empty() {
            self.comparison.unchanged += 1;
        } else {
            self.add(ChangeKind::Different, beneath, bytes, what);
        }
        Ok(())
    }

    /// Notes what is on disk in a directory and not in the snapshot. What the request leaves out is
    /// neither.
    fn note_removed(&mut self, nodes: &[Node], beneath: &Path) {
        let path = beneath_root(&self.request.path, beneath);
        let Ok(entries) = fs::read_dir(&path) else {
            // It is no directory, which was noted.
            return;
        };
        let known: BTreeSet<OsString> = nodes.iter().map(|node| node.name().into_owned()).collect();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let beneath = beneath.join(&name);
            if known.contains(&name) || self.exclusions.match_exactly(&beneath) {
                continue;
            }
            let bytes = WalkDir::new(entry.path())
                .same_file_system(true)
                .into_iter()
                .flatten()
                .filter(|entry| entry.file_type().is_file())
                .filter_map(|entry| entry.metadata().ok())
                .map(|metadata| metadata.len())
                .sum();
            self.add(ChangeKind::Removed, &beneath, bytes, Vec::new());
        }
    }

    fn saved_size(&self, node: &Node, path: &Path) -> Result<u64, StoreError> {
        node.content.iter().flatten().try_fold(0, |sum, id| {
            let entry = self.contents.repository.get_index_entry(id);
            let entry = entry.map_err(|error| {
                self.contents
                    .damaged(format!("data of {:?}", path.display()), &error)
            })?;
            Ok(sum + u64::from(entry.data_length()))
        })
    }

    /// Whether a file holds what the snapshot says. The inner error is the file's.
    fn same_contents(&mut self, node: &Node, path: &Path) -> Result<io::Result<bool>, StoreError> {
        let mut file = match open(path) {
            Ok(file) => file,
            Err(error) => return Ok(Err(error)),
        };
        for id in node.content.iter().flatten() {
            let entry = self.contents.repository.get_index_entry(id);
            let entry = entry.map_err(|error| {
                self.contents
                    .damaged(format!("data of {:?}", path.display()), &error)
            })?;
            self.contents.account.advance(entry.data_length().into());
            self.buffer.resize(entry.data_length() as usize, 0);
            match file.read_exact(&mut self.buffer) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Ok(false)),
                Err(error) => return Ok(Err(error)),
            }
            if Id::new(Sha256::digest(&self.buffer).into()) != **id {
                return Ok(Ok(false));
            }
        }
        Ok(file.read(&mut [0]).map(|more| more == 0))
    }
}

impl Links {
    fn differ(&mut self, saved: &Node, found: &Node, path: &Path) -> bool {
        fn first<'a>(
            map: &'a mut HashMap<(u64, u64), PathBuf>,
            node: &Node,
            path: &'a Path,
        ) -> &'a Path {
            if node.is_dir() || node.meta.links < 2 || node.meta.inode == 0 {
                return path;
            }
            map.entry((node.meta.device_id, node.meta.inode))
                .or_insert_with(|| path.to_owned())
        }
        first(&mut self.saved, saved, path) != first(&mut self.found, found, path)
    }
}

/// A path with nothing beneath it stays as it is: a slash at its end would want a directory.
fn beneath_root(root: &Path, beneath: &Path) -> PathBuf {
    if beneath.as_os_str().is_empty() {
        root.to_owned()
    } else {
        root.join(beneath)
    }
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits();
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.cast_signed())
        .open(path)
}

fn unreadable(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}

fn size(node: &Node) -> u64 {
    if node.is_file() { node.meta.size } else { 0 }
}

/// What a node says otherwise than the file that was found in its place.
fn differences(saved: &Node, found: &Node) -> Vec<String> {
    let mut what = Vec::new();
    let mut add = |differs: bool, name: &str| {
        if differs {
            what.push(name.to_owned());
        }
    };
    let same_type =
        std::mem::discriminant(&saved.node_type) == std::mem::discriminant(&found.node_type);
    add(!same_type, "type");
    if !same_type {
        return what;
    }
    let target = |node: &Node| match &node.node_type {
        NodeType::Symlink { .. } => node.node_type.to_link().as_os_str().as_bytes().to_vec(),
        _ => Vec::new(),
    };
    add(target(saved) != target(found), "link target");
    let device = |node: &Node| match node.node_type {
        NodeType::Dev { device } | NodeType::Chardev { device } => device,
        _ => 0,
    };
    add(device(saved) != device(found), "device number");
    let (saved, found_is_link, found) = (&saved.meta, found.is_symlink(), &found.meta);
    // A link's own mode cannot be set, and is used for nothing.
    let mode_differs = saved
        .mode
        .is_some_and(|mode| found.mode.map(mode::permissions) != Some(mode::permissions(mode)));
    add(mode_differs && !found_is_link, "mode");
    let differs = |saved: Option<u32>, found| saved.is_some_and(|id| Some(id) != found);
    add(
        differs(saved.uid, found.uid) || differs(saved.gid, found.gid),
        "owner",
    );
    add(
        saved.mtime.is_some() && saved.mtime != found.mtime,
        "modification time",
    );
    let attributes = |metadata: &rustic_core::repofile::Metadata| {
        let attributes = metadata.extended_attributes.iter();
        let mut pairs: Vec<_> = attributes
            .map(|attribute| {
                let value = attribute.value.clone().unwrap_or_default();
                (attribute.name.clone(), value)
            })
            .collect();
        pairs.sort();
        pairs
    };
    add(
        attributes(saved) != attributes(found),
        "extended attributes",
    );
    what
}
