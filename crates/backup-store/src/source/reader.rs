//! Opening and reading the files of a source.

use std::{
    fs::File,
    io::{self, Cursor, Read},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustic_core::{ErrorKind, ReadSourceOpen, RusticError, RusticResult};
use rustix::fs::{Mode, OFlags};

use super::node::Described;
use crate::{
    SharedArchive, SnapshotPath,
    account::Account,
    archive::{Opened, open_file},
    spool::Extent,
};

/// A file that the walk met and the library may want to read.
///
/// It does not: a file with the size and times of the last snapshot is not opened at all.
#[derive(Debug)]
pub(crate) struct Opener {
    path: PathBuf,
    expected_bytes: u64,
    input: Closed,
    account: Arc<Account>,
}

#[derive(Debug)]
enum Closed {
    /// On disk, as it is now.
    File {
        device: u64,
        inode: u64,
    },
    /// On disk, if it is still as it was.
    Unchanged(Box<Described>),
    Bytes(Vec<u8>),
    Spooled(Arc<File>, Vec<Extent>),
    /// In an archive, at a place of its own.
    Archived(SharedArchive, PathBuf),
}

impl Opener {
    pub(super) fn file(path: PathBuf, described: &Described, account: Arc<Account>) -> Self {
        let input = Closed::File {
            device: described.device,
            inode: described.inode,
        };
        Self {
            path,
            expected_bytes: described.size,
            input,
            account,
        }
    }

    /// A file that an earlier snapshot has, in case that it does not have it after all. Its reader
    /// gives its contents only if they are those that it had when it was described.
    pub(super) fn unchanged(path: PathBuf, described: Described, account: Arc<Account>) -> Self {
        Self {
            path,
            expected_bytes: described.size,
            input: Closed::Unchanged(Box::new(described)),
            account,
        }
    }

    pub(super) fn bytes(contents: Vec<u8>, name: &SnapshotPath, account: Arc<Account>) -> Self {
        Self {
            path: name.as_path().to_owned(),
            expected_bytes: contents.len() as u64,
            input: Closed::Bytes(contents),
            account,
        }
    }

    /// A copy of a file in the spool.
    pub(super) fn spooled(
        path: PathBuf,
        bytes: u64,
        (spool, extents): (Arc<File>, Vec<Extent>),
        account: Arc<Account>,
    ) -> Self {
        Self {
            path,
            expected_bytes: bytes,
            input: Closed::Spooled(spool, extents),
            account,
        }
    }

    /// A file in an archive, for which the spool had no room.
    pub(super) fn archived(
        path: PathBuf,
        bytes: u64,
        (archive, beneath): (SharedArchive, PathBuf),
        account: Arc<Account>,
    ) -> Self {
        Self {
            path,
            expected_bytes: bytes,
            input: Closed::Archived(archive, beneath),
            account,
        }
    }

    fn open_input(&mut self) -> io::Result<Input> {
        Ok(
            match std::mem::replace(&mut self.input, Closed::Bytes(Vec::new())) {
                Closed::Bytes(contents) => Input::Bytes(Cursor::new(contents)),
                Closed::Spooled(spool, extents) => Input::Spooled {
                    spool,
                    extents,
                    at: 0,
                },
                Closed::Archived(archive, beneath) => {
                    let file = open_file(&archive, &beneath, self.expected_bytes)?;
                    Input::Archived(Box::new(file))
                }
                Closed::File { device, inode } => {
                    Input::File(open_same(&self.path, device, inode)?, None)
                }
                Closed::Unchanged(described) => {
                    let file = open_same(&self.path, described.device, described.inode)?;
                    still_is(&file, &described)?;
                    Input::File(file, Some(described))
                }
            },
        )
    }
}

/// Opens what the walk met, if it is still there.
pub(super) fn open_same(path: &Path, device: u64, inode: u64) -> io::Result<File> {
    // Whoever writes to the source may have put something else here since the walk: a link
    // must not be followed, and opening a FIFO must not wait for its other end.
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let now = file.metadata()?;
    if (now.dev(), now.ino()) == (device, inode) {
        Ok(file)
    } else {
        Err(io::Error::other(
            "another file took its place while the backup ran",
        ))
    }
}

/// Whether a file is as it was described: its contents are then as well, but for a change in the
/// same tick of the clock.
pub(super) fn still_is(file: &File, described: &Described) -> io::Result<()> {
    let now = file.metadata()?;
    let same = now.len() == described.size
        && (now.mtime(), now.mtime_nsec()) == described.modified
        && (now.ctime(), now.ctime_nsec()) == described.changed;
    if same {
        Ok(())
    } else {
        Err(io::Error::other("it was changed before it could be read"))
    }
}

impl ReadSourceOpen for Opener {
    type Reader = Reader;

    fn open(mut self) -> RusticResult<Reader> {
        let input = match self.open_input() {
            Ok(input) => input,
            Err(error) => {
                self.account.lose(&self.path, super::reason(&error));
                return Err(RusticError::with_source(
                    ErrorKind::InputOutput,
                    "a file of the source cannot be opened",
                    error,
                ));
            }
        };
        Ok(Reader {
            path: self.path,
            remaining_bytes: self.expected_bytes,
            expected_bytes: self.expected_bytes,
            input,
            account: self.account,
        })
    }
}

/// An open file of a source.
///
/// It ends where the file ended when the walk met it: what is appended afterwards (to a log, say)
/// belongs to the next backup, and the size in the snapshot stays true.
#[derive(Debug)]
pub(crate) struct Reader {
    path: PathBuf,
    expected_bytes: u64,
    remaining_bytes: u64,
    input: Input,
    account: Arc<Account>,
}

#[derive(Debug)]
enum Input {
    /// With what it must still be when it was read.
    File(File, Option<Box<Described>>),
    Bytes(Cursor<Vec<u8>>),
    Spooled {
        spool: Arc<File>,
        extents: Vec<Extent>,
        at: u64,
    },
    Archived(Box<Opened>),
    /// It ended early or broke, which is written down already.
    Done,
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.account.is_cancelled() {
            return Err(io::Error::other("the backup was cancelled"));
        }
        let room = usize::try_from(self.remaining_bytes)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        if room == 0 {
            return Ok(0);
        }
        let result = match &mut self.input {
            Input::File(file, must_be) => file.read(&mut buffer[..room]).and_then(|read| {
                let is_last = read as u64 == self.remaining_bytes;
                match must_be {
                    Some(described) if is_last => still_is(file, described).map(|()| read),
                    _ => Ok(read),
                }
            }),
            Input::Bytes(bytes) => bytes.read(&mut buffer[..room]),
            Input::Spooled { spool, extents, at } => {
                let read = read_extents(spool, extents, *at, &mut buffer[..room]);
                *at += *read.as_ref().unwrap_or(&0) as u64;
                read
            }
            Input::Archived(file) => file.contents().read(&mut buffer[..room]),
            Input::Done => return Ok(0),
        };
        match result {
            Ok(0) => {
                let expected = self.expected_bytes;
                let read = expected - self.remaining_bytes;
                self.account.note(
                    &self.path,
                    format!("it shrank while it was read: {read} of {expected} bytes are saved"),
                );
                self.input = Input::Done;
                Ok(0)
            }
            Ok(read) => {
                self.remaining_bytes -= read as u64;
                self.account.advance(read as u64);
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                self.account.lose(&self.path, super::reason(&error));
                self.input = Input::Done;
                Err(error)
            }
        }
    }
}

/// Reads a file of which the spool has the pieces with data; what is between them is zeros.
fn read_extents(spool: &File, extents: &[Extent], at: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let next = extents.partition_point(|extent| extent.at + extent.bytes <= at);
    let (hole_ends, within) = match extents.get(next) {
        Some(extent) if extent.at <= at => {
            let left = extent.at + extent.bytes - at;
            let room = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            let spooled_at = extent.spooled_at + (at - extent.at);
            spool.read_exact_at(&mut buffer[..room], spooled_at)?;
            return Ok(room);
        }
        Some(extent) => (extent.at, true),
        None => (0, false),
    };
    let zeros = if within {
        usize::try_from(hole_ends - at)
            .unwrap_or(usize::MAX)
            .min(buffer.len())
    } else {
        buffer.len()
    };
    buffer[..zeros].fill(0);
    Ok(zeros)
}
