//! Files in a tar stream, as a Docker engine's archive call sends them.
//!
//! The formats are those of `tar(5)`: POSIX's ustar and pax ([pax interchange format][pax], with the
//! extended attributes of star, `SCHILY.xattr.NAME`), and GNU's long names. They are read here rather
//! than by a library, because the extended headers that libraries read line by line hold names and
//! values with newlines in them.
//!
//! [pax]: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html#tag_20_92_13_01

mod header;
mod pax;

use std::{
    ffi::OsString,
    io::{self, Read},
    os::unix::ffi::OsStringExt,
    path::{Component, Path, PathBuf},
};

use jiff::Timestamp;

use header::{BLOCK_BYTES, Header};
use pax::Records;

/// Extended headers hold a name, a link and extended attributes, which the kernel limits to 4 KiB,
/// 4 KiB and 64 KiB.
const LONGEST_EXTENSION_BYTES: u64 = 1 << 20;

/// The files of a tar stream, in its order.
///
/// A stream that ends before its block of zeros is an error, because whoever made it may have stopped
/// in the middle. So are sparse files of GNU's formats, whose holes would be taken for contents, and
/// names that lead out of the archive (absolute ones, and those with `..`).
///
/// ```
/// use std::io::Read;
///
/// use backup_store::{TarKind, TarStream};
///
/// # fn example(archive: impl Read) -> std::io::Result<()> {
/// let mut stream = TarStream::new(archive);
/// while let Some(entry) = stream.next_entry()? {
///     if entry.kind == TarKind::File {
///         let mut contents = Vec::new();
///         stream.contents().read_to_end(&mut contents)?;
///     }
/// }
/// # Ok(())
/// # }
/// let two_blocks_of_zeros: &[u8] = &[0; 1024];
/// example(two_blocks_of_zeros)?;
/// assert!(example(&two_blocks_of_zeros[..300]).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TarStream<R> {
    archive: R,
    /// What is left of the current entry's contents, and of the zeros that fill its last block.
    contents_left: u64,
    padding_left: u64,
    global: Records,
    ended: bool,
}

/// One file of a [`TarStream`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// Where it lies in the archive: relative, and without `.` and `..`. Empty for the archive's own
    /// root (`./`).
    pub path: PathBuf,
    /// What it is.
    pub kind: TarKind,
    /// Its permissions, with set-user-ID, set-group-ID and sticky bits: `0o4755`.
    pub mode: u32,
    /// The user that it belongs to.
    pub uid: u32,
    /// The group that it belongs to.
    pub gid: u32,
    /// When it was last modified, as exactly as the archive says; nothing if that is beyond the
    /// years that there are dates for.
    pub modified: Option<Timestamp>,
    /// How many bytes its contents have; 0 for all but files.
    pub size_bytes: u64,
    /// Its extended attributes, by name.
    pub attributes: Vec<(OsString, Vec<u8>)>,
    /// What else the archive says of it that is not understood, by its keyword.
    pub not_understood: Vec<String>,
}

/// What kind of file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TarKind {
    /// A file.
    File,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink {
        /// What it says, which need not be there.
        target: PathBuf,
    },
    /// Another name of a file that came before.
    HardLink {
        /// The [`TarEntry::path`] of that one.
        target: PathBuf,
    },
    /// A character device.
    CharacterDevice {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

impl<R: Read> TarStream<R> {
    /// The files of this archive, which is not compressed.
    pub fn new(archive: R) -> Self {
        Self {
            archive,
            contents_left: 0,
            padding_left: 0,
            global: Records::default(),
            ended: false,
        }
    }

    /// The next file; none after the last one. What was not read of the contents of the one before
    /// is skipped.
    ///
    /// # Errors
    ///
    /// If the archive cannot be read, is damaged, ends in the middle
    /// ([`io::ErrorKind::UnexpectedEof`]), or holds what is not understood. There is no next file
    /// then.
    pub fn next_entry(&mut self) -> io::Result<Option<TarEntry>> {
        if self.ended {
            return Ok(None);
        }
        // After an error, where the next header begins is not known.
        self.ended = true;
        let entry = self.read_entry()?;
        self.ended = entry.is_none();
        Ok(entry)
    }

    /// The contents of the file that [`next_entry`](Self::next_entry) gave last.
    pub fn contents(&mut self) -> impl Read {
        Contents(self)
    }

    fn read_entry(&mut self) -> io::Result<Option<TarEntry>> {
        let mut extended = Records::default();
        let (mut long_name, mut long_link) = (None, None);
        loop {
            self.skip_rest()?;
            let mut block = [0; BLOCK_BYTES];
            self.archive.read_exact(&mut block).map_err(cut_short)?;
            let Some(header) = Header::parse(&block)? else {
                return Ok(None);
            };
            let size = extended.size()?.or(self.global.size()?);
            match header.kind {
                // Extensions have a size of their own, whatever an extended header says.
                b'x' => extended = Records::parse(&self.extension(header.size)?)?,
                b'g' => {
                    let records = Records::parse(&self.extension(header.size)?)?;
                    self.global.update(records);
                }
                b'L' => long_name = Some(without_end(self.extension(header.size)?)),
                b'K' => long_link = Some(without_end(self.extension(header.size)?)),
                _ => {
                    let mut records = self.global.clone();
                    records.update(extended);
                    let size = size.unwrap_or(header.size);
                    return self
                        .entry(&header, size, &records, long_name, long_link)
                        .map(Some);
                }
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        size: u64,
        records: &Records,
        long_name: Option<Vec<u8>>,
        long_link: Option<Vec<u8>>,
    ) -> io::Result<TarEntry> {
        let name = records.get("path").map(<[u8]>::to_vec).or(long_name);
        let name = name.unwrap_or_else(|| header.name.clone());
        let shown = String::from_utf8_lossy(&name).into_owned();
        let link = records.get("linkpath").map(<[u8]>::to_vec).or(long_link);
        let link = PathBuf::from(OsString::from_vec(
            link.unwrap_or_else(|| header.link.clone()),
        ));
        if header.kind == b'S' || records.is_sparse() {
            let why = "is a sparse file in a format of GNU's, which is not read";
            return Err(bad(&format!("{shown:?} {why}")));
        }
        let (major, minor) = (header.major, header.minor);
        let kind = match header.kind {
            // Before POSIX, a folder was a file whose name ends with a slash.
            0 if name.ends_with(b"/") => TarKind::Directory,
            0 | b'0' | b'7' => TarKind::File,
            b'1' => TarKind::HardLink {
                target: confined(&link)?,
            },
            b'2' => TarKind::Symlink { target: link },
            b'3' => TarKind::CharacterDevice { major, minor },
            b'4' => TarKind::BlockDevice { major, minor },
            b'5' => TarKind::Directory,
            b'6' => TarKind::Fifo,
            other => {
                let other = char::from(other);
                return Err(bad(&format!("{shown:?} is of the unknown kind {other:?}")));
            }
        };
        let size = if kind == TarKind::File { size } else { 0 };
        self.expect(size);
        Ok(TarEntry {
            path: confined(Path::new(&OsString::from_vec(name)))?,
            kind,
            mode: header.mode & 0o7777,
            uid: records.number("uid")?.unwrap_or(header.uid),
            gid: records.number("gid")?.unwrap_or(header.gid),
            modified: match records.get("mtime") {
                Some(time) => pax::time(time)?,
                None => Timestamp::from_second(header.modified_second).ok(),
            },
            size_bytes: size,
            attributes: records.attributes(),
            not_understood: records.not_understood(),
        })
    }

    /// The contents of an entry that describes the next one.
    fn extension(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > LONGEST_EXTENSION_BYTES {
            return Err(bad(&format!("an extended header has {size} bytes")));
        }
        self.expect(size);
        let mut contents = Vec::new();
        self.contents().read_to_end(&mut contents)?;
        Ok(contents)
    }

    fn expect(&mut self, size: u64) {
        self.contents_left = size;
        let block = BLOCK_BYTES as u64;
        self.padding_left = (block - size % block) % block;
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        let rest = self.contents_left.saturating_add(self.padding_left);
        (self.contents_left, self.padding_left) = (0, 0);
        let skipped = io::copy(&mut (&mut self.archive).take(rest), &mut io::sink())?;
        if skipped < rest {
            return Err(cut_short(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }
}

/// Reads to the end of the current entry's contents.
struct Contents<'a, R>(&'a mut TarStream<R>);

impl<R: Read> Read for Contents<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.0.contents_left).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.0.archive.read(&mut buffer[..wanted])?;
        if read == 0 {
            return Err(cut_short(io::ErrorKind::UnexpectedEof.into()));
        }
        self.0.contents_left -= read as u64;
        Ok(read)
    }
}

/// A name without what would lead out of the archive.
fn confined(path: &Path) -> io::Result<PathBuf> {
    path.components()
        .filter(|component| *component != Component::CurDir)
        .map(|component| match component {
            Component::Normal(part) => Ok(part),
            _ => Err(bad(&format!("{} leads out of it", path.display()))),
        })
        .collect()
}

/// GNU ends long names with a zero.
fn without_end(mut name: Vec<u8>) -> Vec<u8> {
    let end = name.iter().position(|byte| *byte == 0);
    name.truncate(end.unwrap_or(name.len()));
    name
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("in the archive, {why}"))
}

fn cut_short(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let why = "the archive ends in the middle: whoever sends it has stopped";
        io::Error::new(io::ErrorKind::UnexpectedEof, why)
    } else {
        error
    }
}

#[cfg(test)]
mod tests;
