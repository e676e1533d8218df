//! Going through a snapshot, and writing an entry for each node.

use std::{
    collections::{HashMap, HashSet},
    io::{self, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use rustic_core::{
    BlobId, Id, TreeId,
    repofile::{BlobType, Node, NodeType},
};
use sha2::{Digest, Sha256};
use tar::EntryType;

use super::{
    acl,
    header::{BLOCK_BYTES, Entry, pad},
    sparse::Map,
};
use crate::{ExportSummary, NotRestored, StoreError, restore::Contents};

/// An archive ends with two blocks of zeros.
const END: [u8; 2 * BLOCK_BYTES] = [0; 2 * BLOCK_BYTES];

/// Writes what is to be exported of a snapshot, and gives the writer back.
pub(super) fn write<W: Write>(
    contents: &Contents<'_>,
    tree: TreeId,
    to: &Path,
    out: W,
) -> Result<(W, ExportSummary), StoreError> {
    let mut archive = Archive {
        contents,
        to,
        out,
        links: HashMap::new(),
        zeros: HashMap::new(),
        holes: HashSet::new(),
        summary: ExportSummary::default(),
    };
    let mut open = vec![(
        PathBuf::new(),
        contents.nodes(tree, Path::new(""), 0)?.into_iter(),
    )];
    while let Some((directory, nodes)) = open.last_mut() {
        let Some(node) = nodes.next() else {
            open.pop();
            continue;
        };
        let path = directory.join(node.name());
        let depth = open.len();
        archive.entry(&node, &path)?;
        if node.is_dir() {
            let tree = contents.subtree(&node, &path)?;
            let nodes = contents.nodes(tree, &path, depth)?.into_iter();
            open.push((path, nodes));
        }
    }
    archive.put(&END)?;
    Ok((archive.out, archive.summary))
}

struct Archive<'a, W> {
    contents: &'a Contents<'a>,
    to: &'a Path,
    out: W,
    /// Where the first name of each file with several was written, by its old device and inode.
    links: HashMap<(u64, u64), PathBuf>,
    /// The identifiers of blobs that hold nothing but zeros, by their lengths.
    zeros: HashMap<u32, Id>,
    /// Those of them that were met.
    holes: HashSet<Id>,
    summary: ExportSummary,
}

impl<W: Write> Archive<'_, W> {
    fn failed(&self, source: io::Error) -> StoreError {
        StoreError::Export {
            path: self.to.to_owned(),
            source,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let written = self.out.write_all(bytes);
        written.map_err(|error| self.failed(error))
    }

    fn begin(&mut self, entry: Entry) -> Result<(), StoreError> {
        let written = entry.write(&mut self.out);
        written.map_err(|error| self.failed(error))
    }

    fn leave_out(&mut self, path: &Path, reason: &str) {
        tracing::warn!(path = %path.display(), reason, "not in the archive");
        self.summary.incomplete.push(NotRestored {
            path: path.to_owned(),
            reason: reason.to_owned(),
        });
    }

    fn entry(&mut self, node: &Node, path: &Path) -> Result<(), StoreError> {
        let name = path.as_os_str().as_bytes();
        match &node.node_type {
            NodeType::File => return self.file(node, path),
            NodeType::Dir => {
                let mut name = path.as_os_str().to_owned().into_vec();
                name.push(b'/');
                self.summary.directories += 1;
                let entry = described(EntryType::Directory, &name, node);
                return self.begin(entry);
            }
            NodeType::Symlink { .. } => {
                let mut entry = described(EntryType::Symlink, name, node);
                entry.set_link(node.node_type.to_link().as_os_str().as_bytes());
                self.begin(entry)?;
            }
            NodeType::Dev { device } | NodeType::Chardev { device } => {
                let kind = match node.node_type {
                    NodeType::Dev { .. } => EntryType::Block,
                    _ => EntryType::Char,
                };
                let mut entry = described(kind, name, node);
                if !entry.set_device(rustix::fs::major(*device), rustix::fs::minor(*device)) {
                    self.leave_out(path, "its device number is greater than tar has room for");
                    return Ok(());
                }
                self.begin(entry)?;
            }
            NodeType::Fifo => {
                let entry = described(EntryType::Fifo, name, node);
                self.begin(entry)?;
            }
            NodeType::Socket => {
                self.leave_out(path, "tar has no sockets");
                return Ok(());
            }
        }
        self.summary.other += 1;
        Ok(())
    }

    fn file(&mut self, node: &Node, path: &Path) -> Result<(), StoreError> {
        let name = path.as_os_str().as_bytes();
        let linked = node.meta.links > 1 && node.meta.inode != 0;
        let key = linked.then_some((node.meta.device_id, node.meta.inode));
        if let Some(first) = key.and_then(|key| self.links.get(&key)) {
            let mut entry = Entry::new(EntryType::Link, name);
            entry.set_metadata(&node.meta);
            entry.set_link(first.as_os_str().as_bytes());
            self.summary.files += 1;
            return self.begin(entry);
        }
        let map = self.map(node, path)?;
        let mut entry = described(EntryType::Regular, name, node);
        let mut before = Vec::new();
        if map.is_sparse() {
            before = map.text().into_bytes();
            before.resize(before.len().next_multiple_of(BLOCK_BYTES), 0);
            entry.record("GNU.sparse.major", b"1");
            entry.record("GNU.sparse.minor", b"0");
            entry.record("GNU.sparse.name", name);
            entry.record("GNU.sparse.realsize", map.size().to_string().as_bytes());
        }
        let length = before.len() as u64 + map.data_bytes();
        entry.set_size(length);
        self.begin(entry)?;
        self.put(&before)?;
        for id in node.content.iter().flatten() {
            if self.contents.account.is_cancelled() {
                return Err(StoreError::Cancelled {
                    operation: super::TASK.0,
                });
            }
            if self.holes.contains(&**id) {
                continue;
            }
            let blob: BlobId = (*id).into();
            let data = self
                .contents
                .repository
                .get_blob_cached(&blob, BlobType::Data);
            let data = data.map_err(|error| {
                self.contents
                    .damaged(format!("data of {:?}", path.display()), &error)
            })?;
            self.put(&data)?;
            self.contents.account.advance(data.len() as u64);
        }
        let padded = pad(&mut self.out, length);
        padded.map_err(|error| self.failed(error))?;
        self.summary.files += 1;
        self.summary.bytes += map.size();
        if let Some(key) = key {
            self.links.insert(key, path.to_owned());
        }
        Ok(())
    }

    /// Which blobs of a file are data. Those that hold zeros only are known by their names, so that
    /// nothing is read twice. A hole is cut into equal blobs: what comes but once is taken for data
    /// unseen, and a small hole that is lost thereby is no more than zeros in the archive.
    fn map(&mut self, node: &Node, path: &Path) -> Result<Map, StoreError> {
        let mut seen = HashSet::new();
        let repeated: HashSet<Id> = node
            .content
            .iter()
            .flatten()
            .map(|id| **id)
            .filter(|id| !seen.insert(*id))
            .collect();
        let mut map = Map::default();
        for id in node.content.iter().flatten() {
            let entry = self.contents.repository.get_index_entry(id);
            let entry = entry.map_err(|error| {
                self.contents
                    .damaged(format!("data of {:?}", path.display()), &error)
            })?;
            let length = entry.data_length();
            if repeated.contains(&**id) && !self.holes.contains(&**id) {
                let zeros = self.zeros.entry(length);
                let zeros = zeros
                    .or_insert_with(|| Id::new(Sha256::digest(vec![0; length as usize]).into()));
                if *zeros == **id {
                    self.holes.insert(**id);
                }
            }
            map.push(u64::from(length), self.holes.contains(&**id));
        }
        Ok(map)
    }
}

/// An entry with all that the snapshot says of the node's metadata.
fn described(kind: EntryType, name: &[u8], node: &Node) -> Entry {
    let mut entry = Entry::new(kind, name);
    entry.set_metadata(&node.meta);
    for attribute in &node.meta.extended_attributes {
        let value = attribute.value.as_deref().unwrap_or_default();
        let list = match attribute.name.as_str() {
            "system.posix_acl_access" => Some("SCHILY.acl.access"),
            "system.posix_acl_default" => Some("SCHILY.acl.default"),
            _ => None,
        };
        if let Some((keyword, text)) = list.zip(acl::to_text(value)) {
            entry.record(keyword, text.as_bytes());
        } else {
            // A keyword ends at the first `=`; this is how GNU tar writes one.
            let name = attribute.name.replace('%', "%25").replace('=', "%3D");
            entry.record(&format!("SCHILY.xattr.{name}"), value);
        }
    }
    entry
}
