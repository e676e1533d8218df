//! Archives of what is in containers, without any files.

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::MemoryEngine;
use crate::model::{Container, Mount};

/// The unit of the format, see `tar(5)`.
const BLOCK_BYTES: usize = 512;

impl MemoryEngine {
    /// Answers with these bytes from now on when somebody asks for an archive of this path in the
    /// container of this name. Without it, every mount of a container is an empty folder, and nothing
    /// else is there.
    pub fn set_archive(&self, name: &str, path: impl Into<PathBuf>, archive: impl Into<Bytes>) {
        let key = (name.to_owned(), path.into());
        self.lock().archives.insert(key, archive.into());
    }

    /// What there is of a path.
    pub(super) fn archive_of(&self, container: &Container, path: &Path) -> Option<Bytes> {
        let key = (container.name.clone(), path.to_owned());
        if let Some(archive) = self.lock().archives.get(&key) {
            return Some(archive.clone());
        }
        let is_at = |mount: &&Mount| mount.destination == path;
        let mount = container.mounts.iter().find(is_at)?;
        let name = mount.destination.file_name()?.to_str()?;
        Some(empty_folder(name).into())
    }
}

/// The archive of a folder with nothing in it: its header, and two blocks of zeros.
fn empty_folder(name: &str) -> Vec<u8> {
    let mut header = [0_u8; BLOCK_BYTES];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    // Longer names take another form of header; no test has one.
    put(0, &format!("{name:.98}/"));
    put(100, "0000755\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, "00000000000\0");
    put(136, "00000000000\0");
    // The checksum is that of the header with blanks in its place.
    put(148, "        ");
    put(156, "5");
    put(257, "ustar\u{0}00");
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.resize(3 * BLOCK_BYTES, 0);
    archive
}
