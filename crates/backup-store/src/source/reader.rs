//! Opening and reading the files of a source.

use std::{
    fs::{File, Metadata},
    io::{self, Cursor, Read},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::Arc,
};

use rustic_core::{ErrorKind, ReadSourceOpen, RusticError, RusticResult};
use rustix::fs::{Mode, OFlags};

use crate::{SnapshotPath, account::Account};

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
    File { device: u64, inode: u64 },
    Bytes(Vec<u8>),
}

impl Opener {
    pub(super) fn file(path: PathBuf, metadata: &Metadata, account: Arc<Account>) -> Self {
        let input = Closed::File {
            device: metadata.dev(),
            inode: metadata.ino(),
        };
        Self {
            path,
            expected_bytes: metadata.len(),
            input,
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

    fn open_input(&self) -> io::Result<File> {
        // Whoever writes to the source may have put something else here since the walk: a link
        // must not be followed, and opening a FIFO must not wait for its other end.
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::open(
            &self.path,
            flags,
            Mode::empty(),
        )?))
    }

    fn check_same(&self, file: &File) -> io::Result<()> {
        let now = file.metadata()?;
        match self.input {
            Closed::File { device, inode } if (now.dev(), now.ino()) != (device, inode) => Err(
                io::Error::other("another file took its place while the backup ran"),
            ),
            _ => Ok(()),
        }
    }
}

impl ReadSourceOpen for Opener {
    type Reader = Reader;

    fn open(mut self) -> RusticResult<Reader> {
        let input = match std::mem::replace(&mut self.input, Closed::Bytes(Vec::new())) {
            Closed::Bytes(contents) => Input::Bytes(Cursor::new(contents)),
            file @ Closed::File { .. } => {
                self.input = file;
                let opened = self.open_input().and_then(|file| {
                    self.check_same(&file)?;
                    Ok(file)
                });
                match opened {
                    Ok(file) => Input::File(file),
                    Err(error) => {
                        self.account.lose(&self.path, super::reason(&error));
                        return Err(RusticError::with_source(
                            ErrorKind::InputOutput,
                            "a file of the source cannot be opened",
                            error,
                        ));
                    }
                }
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
    File(File),
    Bytes(Cursor<Vec<u8>>),
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
            Input::File(file) => file.read(&mut buffer[..room]),
            Input::Bytes(bytes) => bytes.read(&mut buffer[..room]),
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
