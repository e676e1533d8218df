//! Entries of archives, described as files on disk are.

use jiff::Timestamp;

use super::super::node::{Described, FileKind};
use crate::{TarEntry, TarKind};

/// Describes an entry, and says what of it cannot be saved. An archive says neither inode nor device
/// nor change time, which are given here.
pub(super) fn describe(
    entry: &TarEntry,
    inode: u64,
    device: u64,
    at: Timestamp,
) -> (Described, Vec<String>) {
    let mut notes = Vec::new();
    let number = |major: &u32, minor: &u32| rustix::fs::makedev(*major, *minor);
    let (kind, type_bits) = match &entry.kind {
        TarKind::Directory => (FileKind::Directory, 0o040_000),
        TarKind::Symlink { target } => {
            let target = target.as_os_str().as_encoded_bytes().to_vec();
            (FileKind::Link(target), 0o120_000)
        }
        TarKind::CharacterDevice { major, minor } => {
            (FileKind::Character(number(major, minor)), 0o020_000)
        }
        TarKind::BlockDevice { major, minor } => (FileKind::Block(number(major, minor)), 0o060_000),
        TarKind::Fifo => (FileKind::Fifo, 0o010_000),
        TarKind::File | TarKind::HardLink { .. } => (FileKind::File, 0o100_000),
    };
    let size = match &kind {
        FileKind::Link(target) => target.len() as u64,
        _ => entry.size_bytes,
    };
    let modified = if let Some(time) = entry.modified {
        let nanosecond = time.as_nanosecond();
        let whole = nanosecond.div_euclid(1_000_000_000);
        let rest = nanosecond.rem_euclid(1_000_000_000);
        (
            i64::try_from(whole).unwrap_or(i64::MAX),
            i64::try_from(rest).unwrap_or_default(),
        )
    } else {
        notes.push("its modification time is beyond the year 9999 and is not saved".to_owned());
        (i64::MAX, 0)
    };
    let mut attributes = Vec::new();
    for (name, value) in &entry.attributes {
        match name.to_str() {
            Some(name) => attributes.push((name.to_owned(), value.clone())),
            None => notes.push(format!(
                "its extended attribute {} has a name that is not Unicode and is not saved",
                name.display()
            )),
        }
    }
    attributes.sort();
    for keyword in &entry.not_understood {
        notes.push(format!(
            "what the archive says of it as '{keyword}' is not understood and is not saved"
        ));
    }
    let described = Described {
        kind,
        mode: type_bits | entry.mode,
        modified,
        changed: (at.as_second(), i64::from(at.subsec_nanosecond())),
        user: entry.uid,
        group: entry.gid,
        inode,
        device,
        size,
        links: 1,
        attributes,
    };
    (described, notes)
}
