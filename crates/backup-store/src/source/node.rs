//! Files as the repository format describes them.

use std::{
    ffi::OsStr,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use jiff::Timestamp;
use rustic_core::{
    jiff::Timestamp as LibraryTimestamp,
    repofile::{Metadata, Node, NodeType},
};

use crate::mode;

/// A node, and what could not be put into it.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) node: Node,
    pub(super) notes: Vec<String>,
}

/// Describes a file of any kind. Its contents are not read, but its attributes and link are.
pub(super) fn of_file(name: &OsStr, path: &Path, file: &fs::Metadata) -> io::Result<Described> {
    let kind = file.file_type();
    let node_type = if kind.is_dir() {
        NodeType::Dir
    } else if kind.is_symlink() {
        NodeType::from_link(&fs::read_link(path)?)
    } else if kind.is_block_device() {
        NodeType::Dev {
            device: file.rdev(),
        }
    } else if kind.is_char_device() {
        NodeType::Chardev {
            device: file.rdev(),
        }
    } else if kind.is_fifo() {
        NodeType::Fifo
    } else if kind.is_socket() {
        NodeType::Socket
    } else {
        NodeType::File
    };
    let mut notes = Vec::new();
    let modified = library_time(file.mtime(), file.mtime_nsec());
    if modified.is_none() {
        notes.push("its modification time is beyond the year 9999 and is not saved".to_owned());
    }
    let linked = file.nlink() > 1 && !kind.is_dir();
    let mut metadata = Metadata {
        mode: Some(mode::to_stored(file.mode())),
        mtime: modified,
        // A true access time would change with every backup, and every tree with it.
        atime: modified,
        ctime: library_time(file.ctime(), file.ctime_nsec()),
        // Names of users belong to the host; the files belong to users inside containers.
        uid: Some(file.uid()),
        gid: Some(file.gid()),
        inode: file.ino(),
        // Device numbers change with every mount; only hard links need them.
        device_id: if linked { file.dev() } else { 0 },
        size: if kind.is_dir() { 0 } else { file.len() },
        links: if kind.is_dir() { 0 } else { file.nlink() },
        ..Metadata::default()
    };
    match attributes(path) {
        Ok((attributes, nameless)) => {
            add_attributes(&mut metadata, attributes).map_err(io::Error::other)?;
            if nameless > 0 {
                notes.push(format!(
                    "{nameless} of its extended attributes have names that are not Unicode and \
                     are not saved"
                ));
            }
        }
        Err(error) => notes.push(format!("its extended attributes are not saved: {error}")),
    }
    Ok(Described {
        node: Node::new_node(name, node_type, metadata),
        notes,
    })
}

/// Describes a directory that exists in the snapshot only, above a source.
pub(super) fn of_parent(name: &OsStr, started_at: Timestamp) -> Node {
    let time = to_library_time(started_at);
    let metadata = Metadata {
        mode: Some(mode::to_stored(0o040_755)),
        mtime: time,
        atime: time,
        ctime: time,
        ..Metadata::default()
    };
    Node::new_node(name, NodeType::Dir, metadata)
}

/// Describes a file that exists in memory only.
pub(super) fn of_bytes(
    name: &OsStr,
    contents: &[u8],
    modified: Timestamp,
    started_at: Timestamp,
) -> Node {
    // The library takes a file for unchanged if its size and times are those of the last snapshot.
    // For a real file the kernel sets `ctime`; here the contents must have a say in it, or two
    // versions of the same length would be taken for one.
    let mut hasher = DefaultHasher::new();
    contents.hash(&mut hasher);
    let nanosecond = i64::try_from(hasher.finish() % 1_000_000_000).unwrap_or_default();
    let metadata = Metadata {
        mode: Some(mode::to_stored(0o100_600)),
        mtime: to_library_time(modified),
        atime: to_library_time(modified),
        ctime: library_time(started_at.as_second(), nanosecond),
        size: contents.len() as u64,
        links: 1,
        ..Metadata::default()
    };
    Node::new_node(name, NodeType::File, metadata)
}

/// Names and values of the extended attributes, and how many have a name the format cannot hold.
type Attributes = (Vec<(String, Vec<u8>)>, usize);

fn attributes(path: &Path) -> io::Result<Attributes> {
    let names = match xattr::list(path) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error),
    };
    let (mut attributes, mut nameless) = (Vec::new(), 0);
    for name in names {
        // One that was removed in the meantime has no value any more, and is no loss.
        if let Some(value) = xattr::get(path, &name)? {
            match name.into_string() {
                Ok(name) => attributes.push((name, value)),
                Err(_) => nameless += 1,
            }
        }
    }
    attributes.sort();
    Ok((attributes, nameless))
}

/// The library does not export the type of its attributes, but it can be read from JSON, and its
/// fields are public.
fn add_attributes(
    metadata: &mut Metadata,
    attributes: Vec<(String, Vec<u8>)>,
) -> serde_json::Result<()> {
    let (names, values): (Vec<_>, Vec<_>) = attributes.into_iter().unzip();
    let empty: Vec<_> = names
        .iter()
        .map(|name| serde_json::json!({ "name": name, "value": null }))
        .collect();
    metadata.extended_attributes = serde_json::from_value(empty.into())?;
    for (attribute, value) in metadata.extended_attributes.iter_mut().zip(values) {
        attribute.value = Some(value);
    }
    Ok(())
}

/// A file of any kind, as a snapshot would have it, without its contents. What the format has no
/// room for is left out.
pub(crate) fn node_of(name: &OsStr, path: &Path, file: &fs::Metadata) -> io::Result<Node> {
    of_file(name, path, file).map(|described| described.node)
}

fn library_time(second: i64, nanosecond: i64) -> Option<LibraryTimestamp> {
    LibraryTimestamp::new(second, i32::try_from(nanosecond).ok()?).ok()
}

pub(crate) fn to_library_time(time: Timestamp) -> Option<LibraryTimestamp> {
    LibraryTimestamp::new(time.as_second(), time.subsec_nanosecond()).ok()
}
