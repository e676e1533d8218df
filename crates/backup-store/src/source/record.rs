//! What was there at a moment, kept in a file: there may be too much of it for memory.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::node::Described;
use crate::spool::Extent;

/// An entry as it was when everything stood still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RecordedEntry {
    /// Which of the sources it belongs to.
    pub(super) source: u32,
    beneath: Vec<u8>,
    pub(super) described: Described,
    pub(super) contents: Contents,
}

/// Where the contents of an entry are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Contents {
    /// It has none.
    Nothing,
    /// In the snapshot before.
    Unchanged,
    Spooled(Vec<Extent>),
    /// Where they were: there was no room for a copy.
    InPlace,
}

impl RecordedEntry {
    pub(super) fn new(
        source: u32,
        beneath: &Path,
        described: Described,
        contents: Contents,
    ) -> Self {
        Self {
            source,
            beneath: beneath.as_os_str().as_bytes().to_vec(),
            described,
            contents,
        }
    }

    pub(super) fn beneath(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.beneath))
    }

    /// Where it was on disk.
    pub(super) fn path(&self, root: &Path) -> PathBuf {
        if self.beneath.is_empty() {
            root.to_owned()
        } else {
            root.join(std::ffi::OsString::from_vec(self.beneath.clone()))
        }
    }
}

/// Writes entries, in the order of the tree.
#[derive(Debug)]
pub(super) struct RecordWriter {
    file: BufWriter<File>,
    entries: u64,
    buffer: Vec<u8>,
}

impl RecordWriter {
    pub(super) fn new(file: File) -> Self {
        Self {
            file: BufWriter::with_capacity(1 << 20, file),
            entries: 0,
            buffer: Vec::new(),
        }
    }

    pub(super) fn write(&mut self, entry: &RecordedEntry) -> io::Result<()> {
        self.buffer.clear();
        self.buffer = postcard::to_extend(entry, std::mem::take(&mut self.buffer))
            .map_err(io::Error::other)?;
        let length = u32::try_from(self.buffer.len()).map_err(io::Error::other)?;
        self.file.write_all(&length.to_le_bytes())?;
        self.file.write_all(&self.buffer)?;
        self.entries += 1;
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<Record> {
        Ok(Record {
            entries: self.entries,
            file: self
                .file
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?,
        })
    }
}

/// The entries of a moment.
#[derive(Debug)]
pub(super) struct Record {
    file: File,
    entries: u64,
}

impl Record {
    /// Its entries, in the order in which they were written. It is read by one at a time.
    pub(super) fn read(&self) -> io::Result<RecordReader> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(RecordReader {
            file: BufReader::with_capacity(1 << 18, file),
            left: self.entries,
        })
    }
}

#[derive(Debug)]
pub(super) struct RecordReader {
    file: BufReader<File>,
    left: u64,
}

impl RecordReader {
    fn read(&mut self) -> io::Result<RecordedEntry> {
        let mut length = [0; 4];
        self.file.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        self.file.read_exact(&mut bytes)?;
        postcard::from_bytes(&bytes).map_err(io::Error::other)
    }
}

impl Iterator for RecordReader {
    type Item = io::Result<RecordedEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        Some(self.read())
    }
}
