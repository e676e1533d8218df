//! Snapshots that no backup makes.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustic_core::{
    BackupOptions, Credentials, ReadSource, ReadSourceEntry, Repository, RepositoryBackends,
    RepositoryOptions, RusticError, RusticResult, SnapshotOptions,
    repofile::{Metadata, Node, NodeType},
};

use crate::{backend::Backend, folder::Folder, rustic::STACK_TAG};

/// An entry of a forged snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgedEntry {
    /// The directory that it is put into, and a name by which the directory is ordered; what lies
    /// above is made.
    pub at: PathBuf,
    /// The name that it is given, which need not have anything to do with that.
    pub name: String,
    /// What it is.
    pub kind: ForgedKind,
}

/// What a forged entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForgedKind {
    /// A file of this many bytes, which neither compress nor repeat.
    File {
        /// Its size.
        bytes: usize,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Link {
        /// What it leads to.
        to: PathBuf,
    },
    /// A block device.
    BlockDevice {
        /// Its number.
        device: u64,
    },
}

impl ForgedEntry {
    /// An entry at a place, with the name that it has there.
    pub fn honest(at: impl Into<PathBuf>, kind: ForgedKind) -> Self {
        let at = at.into();
        let name = at.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        Self { at, name, kind }
    }

    fn node(&self) -> Node {
        let (kind, size) = match &self.kind {
            ForgedKind::File { bytes } => (NodeType::File, *bytes as u64),
            ForgedKind::Directory => (NodeType::Dir, 0),
            ForgedKind::Link { to } => (NodeType::from_link(to), 0),
            ForgedKind::BlockDevice { device } => (NodeType::Dev { device: *device }, 0),
        };
        let metadata = Metadata {
            size,
            ..Metadata::default()
        };
        Node::new_node(self.name.as_ref(), kind, metadata)
    }
}

struct Forged(Vec<ForgedEntry>);

impl ReadSource for Forged {
    type Open = io::Cursor<Vec<u8>>;
    type Iter = std::vec::IntoIter<RusticResult<ReadSourceEntry<Self::Open>>>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        let entry = |forged: &ForgedEntry| {
            let open = match forged.kind {
                ForgedKind::File { bytes } => Some(io::Cursor::new(noise(bytes))),
                _ => None,
            };
            Ok(ReadSourceEntry {
                path: forged.at.clone(),
                node: forged.node(),
                open,
            })
        };
        self.0.iter().map(entry).collect::<Vec<_>>().into_iter()
    }
}

/// Bytes that neither compress nor repeat.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64*, by Sebastiano Vigna.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Makes a snapshot of a stack as only somebody could who knows the password: of any names. The
/// entries must be in the order of the tree.
///
/// # Errors
///
/// What the library says.
pub fn forge(
    repository: &Path,
    password: &str,
    stack: &str,
    entries: Vec<ForgedEntry>,
) -> Result<(), Box<RusticError>> {
    let options = RepositoryOptions::default().no_cache(true);
    let folder = Arc::new(Folder::new(repository.to_owned()));
    let folder = Arc::new(Backend::new(folder));
    let opened = Repository::new(&options, &RepositoryBackends::new(folder, None))?
        .open(&Credentials::password(password))?
        .to_indexed_ids()?;
    let mut template = SnapshotOptions::default().to_snapshot()?;
    template.tags.add(format!("{STACK_TAG}{stack}"));
    let options = BackupOptions::default().no_scan(true);
    opened.archive(&options, &Forged(entries), template, &["/".into()])?;
    Ok(())
}
