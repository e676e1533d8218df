//! Files as the repository format describes them.

use std::{
    ffi::OsStr,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{FileTypeExt, MetadataExt},
    },
    path::Path,
};

use jiff::Timestamp;
use rustic_core::{
    jiff::Timestamp as LibraryTimestamp,
    repofile::{Metadata, Node, NodeType},
};
use serde::{Deserialize, Serialize};

use super::base::Stamp;
use crate::{account::Kind, mode};

/// What is known of a file without reading it: enough to make a node of it later, when the file
/// itself may have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Described {
    pub(crate) kind: FileKind,
    /// As `stat` gives it, the bits of the type included.
    pub(crate) mode: u32,
    /// Seconds and nanoseconds since 1970.
    pub(crate) modified: (i64, i64),
    pub(crate) changed: (i64, i64),
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) inode: u64,
    pub(crate) device: u64,
    pub(crate) size: u64,
    pub(crate) links: u64,
    /// Names and values of the extended attributes, in order.
    pub(crate) attributes: Vec<(String, Vec<u8>)>,
}

/// What a file is, with what only its kind has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FileKind {
    File,
    Directory,
    /// With the bytes of its target.
    Link(Vec<u8>),
    Block(u64),
    Character(u64),
    Fifo,
    Socket,
}

impl Described {
    /// Describes what is at `path`, and says what of it could not be described. Its contents are
    /// not read, but its attributes and its link are.
    pub(crate) fn of_file(path: &Path, file: &fs::Metadata) -> io::Result<(Self, Vec<String>)> {
        let kind = file.file_type();
        let kind = if kind.is_dir() {
            FileKind::Directory
        } else if kind.is_symlink() {
            FileKind::Link(fs::read_link(path)?.into_os_string().into_vec())
        } else if kind.is_block_device() {
            FileKind::Block(file.rdev())
        } else if kind.is_char_device() {
            FileKind::Character(file.rdev())
        } else if kind.is_fifo() {
            FileKind::Fifo
        } else if kind.is_socket() {
            FileKind::Socket
        } else {
            FileKind::File
        };
        let mut described = Self {
            kind,
            mode: file.mode(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
            user: file.uid(),
            group: file.gid(),
            inode: file.ino(),
            device: file.dev(),
            size: file.len(),
            links: file.nlink(),
            attributes: Vec::new(),
        };
        let mut notes = Vec::new();
        if described.modified().is_none() {
            notes.push("its modification time is beyond the year 9999 and is not saved".to_owned());
        }
        match attributes(path) {
            Ok((attributes, nameless)) => {
                described.attributes = attributes;
                if nameless > 0 {
                    notes.push(format!(
                        "{nameless} of its extended attributes have names that are not Unicode and \
                         are not saved"
                    ));
                }
            }
            Err(error) => notes.push(format!("its extended attributes are not saved: {error}")),
        }
        Ok((described, notes))
    }

    /// What tells this version of the file from others.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp {
            size: self.size,
            modified: self.modified,
            changed: self.changed,
            inode: self.inode,
        }
    }

    pub(crate) fn is_file(&self) -> bool {
        self.kind == FileKind::File
    }

    fn is_directory(&self) -> bool {
        self.kind == FileKind::Directory
    }

    /// Makes sure that no snapshot has this very file, so that its contents are read. Nothing is
    /// restored from the time of a file's last change of any kind.
    pub(super) fn differ(&mut self) {
        self.changed.1 ^= 1;
    }

    /// How it is counted.
    pub(crate) fn counts_as(&self) -> Kind {
        match self.kind {
            FileKind::File => Kind::File,
            FileKind::Directory => Kind::Directory,
            _ => Kind::Other,
        }
    }

    pub(crate) fn modified(&self) -> Option<LibraryTimestamp> {
        library_time(self.modified)
    }

    pub(crate) fn changed(&self) -> Option<LibraryTimestamp> {
        library_time(self.changed)
    }

    /// The file as the repository format has it, under a name.
    pub(super) fn to_node(&self, name: &OsStr) -> Node {
        let linked = self.links > 1 && !self.is_directory();
        let mut metadata = Metadata {
            mode: Some(mode::to_stored(self.mode)),
            mtime: self.modified(),
            // A true access time would change with every backup, and every tree with it.
            atime: self.modified(),
            ctime: self.changed(),
            // Names of users belong to the host; the files belong to users inside containers.
            uid: Some(self.user),
            gid: Some(self.group),
            inode: self.inode,
            // Device numbers change with every mount; only hard links need them.
            device_id: if linked { self.device } else { 0 },
            size: if self.is_directory() { 0 } else { self.size },
            links: if self.is_directory() { 0 } else { self.links },
            ..Metadata::default()
        };
        add_attributes(&mut metadata, &self.attributes);
        let node_type = match &self.kind {
            FileKind::Directory => NodeType::Dir,
            FileKind::Link(target) => NodeType::from_link(Path::new(OsStr::from_bytes(target))),
            FileKind::Block(device) => NodeType::Dev { device: *device },
            FileKind::Character(device) => NodeType::Chardev { device: *device },
            FileKind::Fifo => NodeType::Fifo,
            FileKind::Socket => NodeType::Socket,
            FileKind::File => NodeType::File,
        };
        Node::new_node(name, node_type, metadata)
    }
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
        ctime: library_time((started_at.as_second(), nanosecond)),
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
fn add_attributes(metadata: &mut Metadata, attributes: &[(String, Vec<u8>)]) {
    let empty: Vec<_> = attributes
        .iter()
        .map(|(name, _)| serde_json::json!({ "name": name, "value": null }))
        .collect();
    metadata.extended_attributes =
        serde_json::from_value(empty.into()).expect("the library reads what it writes itself");
    let of_the_library = metadata.extended_attributes.iter_mut();
    for (attribute, (_, value)) in of_the_library.zip(attributes) {
        attribute.value = Some(value.clone());
    }
}

/// A file of any kind, as a snapshot would have it, without its contents. What the format has no
/// room for is left out.
pub(crate) fn node_of(name: &OsStr, path: &Path, file: &fs::Metadata) -> io::Result<Node> {
    Described::of_file(path, file).map(|(described, _)| described.to_node(name))
}

fn library_time((second, nanosecond): (i64, i64)) -> Option<LibraryTimestamp> {
    LibraryTimestamp::new(second, i32::try_from(nanosecond).ok()?).ok()
}

pub(crate) fn to_library_time(time: Timestamp) -> Option<LibraryTimestamp> {
    LibraryTimestamp::new(time.as_second(), time.subsec_nanosecond()).ok()
}
