//! Copies of what changed, on a local disk, from when it was stopped until it is in the repository.
//!
//! The files have no names ([`open(2)`](https://man7.org/linux/man-pages/man2/open.2.html),
//! `O_TMPFILE`): the kernel takes their space back when the process ends, however it does.

mod stream;

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use rustix::{
    fs::{Mode, OFlags, SeekFrom, copy_file_range, fstatvfs, ioctl_ficlone, seek},
    io::Errno,
};
use serde::{Deserialize, Serialize};

pub(crate) use self::stream::PutError;
use crate::StoreError;

/// Extents are shared, and pages are written, in whole blocks; no common file system has larger ones.
const ALIGNMENT_BYTES: u64 = 64 << 10;

/// How much is read and written at once where the kernel cannot copy.
const BUFFER_BYTES: usize = 1 << 20;

/// Where copies of changed files wait until they are in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolOptions {
    /// A folder on a local disk. It is made, with mode 0700, if it is not there.
    pub folder: PathBuf,
    /// How much may lie there at once. Half of what is free on the disk is a limit as well.
    pub limit_bytes: u64,
}

/// The folder, and how much lies in it.
#[derive(Debug)]
pub(crate) struct Spool {
    options: SpoolOptions,
    used_bytes: AtomicU64,
}

/// One backup's files in the spool.
#[derive(Debug)]
pub(crate) struct Contents {
    spool: Arc<Spool>,
    file: Arc<File>,
    device: u64,
    shares_extents: bool,
    /// Where the next file goes.
    end: u64,
    /// What may be used; set when it was opened, so that it is not asked for with every file.
    limit_bytes: u64,
    reserved_bytes: u64,
}

/// A piece of a file that lies in the spool. What is between two pieces is a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extent {
    /// Where it begins in the file.
    pub(crate) at: u64,
    /// Where it begins in the spool.
    pub(crate) spooled_at: u64,
    pub(crate) bytes: u64,
}

/// What became of a file that was to be copied to the spool.
#[derive(Debug)]
pub(crate) enum Put {
    Spooled(Vec<Extent>),
    /// There is no room for it.
    Full,
}

impl Spool {
    pub(crate) fn new(options: SpoolOptions) -> Self {
        Self {
            options,
            used_bytes: AtomicU64::new(0),
        }
    }

    /// A nameless file for the contents of one backup's files.
    pub(crate) fn contents(self: &Arc<Self>) -> Result<Contents, StoreError> {
        let file = self.nameless()?;
        let failed = |source| self.failed("look at", source);
        let device = file.metadata().map_err(failed)?.dev();
        let room = fstatvfs(&file).map_err(|error| failed(error.into()))?;
        let free = room.f_bavail.saturating_mul(room.f_frsize) / 2;
        let used = self.used_bytes.load(Relaxed);
        Ok(Contents {
            shares_extents: self.shares_extents()?,
            spool: Arc::clone(self),
            file: Arc::new(file),
            device,
            end: 0,
            limit_bytes: self.options.limit_bytes.min(used.saturating_add(free)),
            reserved_bytes: 0,
        })
    }

    /// A file that is gone when it is closed.
    pub(crate) fn nameless(&self) -> Result<File, StoreError> {
        let folder = &self.options.folder;
        fs::DirBuilder::new()
            .recursive(true)
            .mode_of_private_folder()
            .create(folder)
            .and_then(|()| nameless(folder))
            .map_err(|source| self.failed("make a file in", source))
    }

    pub(crate) fn failed(&self, operation: &'static str, source: io::Error) -> StoreError {
        StoreError::Spool {
            operation,
            path: self.options.folder.clone(),
            source,
        }
    }

    /// Whether a copy within the folder's file system costs no space and no time.
    fn shares_extents(&self) -> Result<bool, StoreError> {
        let (from, to) = (self.nameless()?, self.nameless()?);
        from.write_all_at(&[1; 4096], 0)
            .map_err(|source| self.failed("write to", source))?;
        Ok(ioctl_ficlone(&to, &from).is_ok())
    }

    fn reserve(&self, bytes: u64, limit_bytes: u64) -> bool {
        self.used_bytes
            .fetch_update(Relaxed, Relaxed, |used| {
                used.checked_add(bytes).filter(|used| *used <= limit_bytes)
            })
            .is_ok()
    }
}

trait PrivateFolder {
    fn mode_of_private_folder(&mut self) -> &mut Self;
}

impl PrivateFolder for fs::DirBuilder {
    fn mode_of_private_folder(&mut self) -> &mut Self {
        std::os::unix::fs::DirBuilderExt::mode(self, 0o700)
    }
}

fn nameless(folder: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    match rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR) {
        Ok(file) => Ok(file.into()),
        // Overlays and network file systems know no files without a name; one that loses its name
        // at once is nearly as good.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
            let path = folder.join(format!("contents.{}", std::process::id()));
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true).mode(0o600);
            let file = options.open(&path).or_else(|error| {
                if error.kind() != io::ErrorKind::AlreadyExists {
                    return Err(error);
                }
                // Of a process that died between the two calls and had the number of this one.
                fs::remove_file(&path)?;
                options.open(&path)
            })?;
            fs::remove_file(&path)?;
            Ok(file)
        }
        Err(error) => Err(error.into()),
    }
}

impl Contents {
    /// Whether files of this device are copied to it by sharing their extents.
    pub(crate) fn shares_extents_with(&self, device: u64) -> bool {
        self.shares_extents && self.device == device
    }

    /// The file that the extents are in.
    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// How much may still lie in the spool.
    pub(crate) fn room(&self) -> u64 {
        let used = self.spool.used_bytes.load(Relaxed);
        self.limit_bytes.saturating_sub(used)
    }

    /// Copies what is in a file from `start` to `end`, without its holes.
    pub(crate) fn put_from(&mut self, from: &File, start: u64, end: u64) -> io::Result<Put> {
        let mut extents = Vec::new();
        for (at, bytes) in data_of(from, start, end)? {
            let Some(spooled_at) = self.make_room(bytes) else {
                return Ok(Put::Full);
            };
            match copy(from, at, &self.file, spooled_at, bytes) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(Put::Full),
                Err(error) => return Err(error),
            }
            extents.push(Extent {
                at,
                spooled_at,
                bytes,
            });
        }
        Ok(Put::Spooled(extents))
    }

    /// Room for so many bytes, if there is any.
    pub(crate) fn make_room(&mut self, bytes: u64) -> Option<u64> {
        // Small files lie close together; large ones where their extents can be shared.
        let aligned = if bytes >= ALIGNMENT_BYTES {
            self.end.next_multiple_of(ALIGNMENT_BYTES)
        } else {
            self.end
        };
        let end = aligned.checked_add(bytes)?;
        let needed = end - self.end;
        if !self.spool.reserve(needed, self.limit_bytes) {
            return None;
        }
        self.reserved_bytes += needed;
        self.end = end;
        Some(aligned)
    }
}

impl Drop for Contents {
    fn drop(&mut self) {
        self.spool
            .used_bytes
            .fetch_sub(self.reserved_bytes, Relaxed);
    }
}

/// Whether a file has no holes.
pub(crate) fn is_dense(file: &File, bytes: u64) -> bool {
    data_of(file, 0, bytes).is_ok_and(|pieces| pieces == [(0, bytes)])
}

/// Where a file has data, from `start` to `size`, as starts and lengths. A file system that does
/// not know has data everywhere.
fn data_of(file: &File, start: u64, size: u64) -> io::Result<Vec<(u64, u64)>> {
    // Most files are small, and asking would cost more than copying a hole.
    if size - start < ALIGNMENT_BYTES {
        return Ok(if size > start {
            vec![(start, size - start)]
        } else {
            Vec::new()
        });
    }
    let mut pieces = Vec::new();
    let mut at = start;
    while at < size {
        let data = match seek(file, SeekFrom::Data(at)) {
            Ok(data) => data,
            // Nothing but a hole up to the end.
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL | Errno::OPNOTSUPP) => {
                pieces.push((at, size - at));
                break;
            }
            Err(error) => return Err(error.into()),
        };
        if data >= size {
            break;
        }
        let hole = seek(file, SeekFrom::Hole(data))?.min(size);
        if hole <= data {
            break;
        }
        pieces.push((data, hole - data));
        at = hole;
    }
    Ok(pieces)
}

/// Copies a piece of one file into another, by the kernel if it can. Where the piece lies in whole
/// blocks and the file system can share them, nothing is copied at all.
fn copy(from: &File, at: u64, to: &File, to_at: u64, bytes: u64) -> io::Result<()> {
    let (mut from_at, mut spooled_at) = (at, to_at);
    let end = at + bytes;
    // A call costs more than it saves for a few pages.
    let mut by_kernel = bytes >= ALIGNMENT_BYTES;
    let mut buffer = Vec::new();
    while from_at < end {
        let left = usize::try_from(end - from_at).unwrap_or(usize::MAX);
        if by_kernel {
            let (mut read_at, mut write_at) = (from_at, spooled_at);
            match copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), left) {
                Ok(0) => return Err(shrank()),
                Ok(copied) => {
                    from_at += copied as u64;
                    spooled_at += copied as u64;
                    continue;
                }
                Err(Errno::INTR) => continue,
                Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) => {
                    by_kernel = false;
                }
                Err(error) => return Err(error.into()),
            }
        }
        buffer.resize(left.min(BUFFER_BYTES), 0);
        let read = read_at(from, &mut buffer, from_at)?;
        if read == 0 {
            return Err(shrank());
        }
        to.write_all_at(&buffer[..read], spooled_at)?;
        from_at += read as u64;
        spooled_at += read as u64;
    }
    Ok(())
}

/// Reads until the buffer is full or the file ends.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn shrank() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "it shrank while it was copied",
    )
}

#[cfg(test)]
mod tests;
