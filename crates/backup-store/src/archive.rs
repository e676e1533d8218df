//! Sources whose contents come as tar archives, because there is no path to them.

use std::{
    fmt::{self, Debug},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{TarEntry, TarKind, TarStream};

/// Something that can be read as a tar archive, and only so: a container's volume on another
/// machine, say.
///
/// # Contract
///
/// - [`open`](Self::open) gives an uncompressed archive, as [`TarStream`](crate::TarStream) reads it:
///   a folder before what is in it, the first entry being what was asked for. The other names begin
///   with that one's.
/// - It may be opened many times, from several threads, and gives the same each time as long as
///   nothing writes to it. What is asked for is not a link, unless the first entry says so.
/// - It may block, and is not called where that would matter.
/// - An archive that cannot be read to its end is an error, or ends without its block of zeros.
///
/// ```
/// use std::io::{Cursor, Error, ErrorKind, Read, Result};
/// use std::path::Path;
///
/// use backup_store::{ReadArchive, SnapshotPath, Source};
///
/// /// A whole archive in memory, of which no part can be had.
/// #[derive(Debug)]
/// struct Kept(Vec<u8>);
///
/// impl ReadArchive for Kept {
///     fn origin(&self) -> String {
///         "the archive in memory".to_owned()
///     }
///
///     fn open(&self, beneath: &Path) -> Result<Box<dyn Read + Send>> {
///         if beneath.as_os_str().is_empty() {
///             Ok(Box::new(Cursor::new(self.0.clone())))
///         } else {
///             Err(Error::new(ErrorKind::NotFound, "only all of it can be had"))
///         }
///     }
/// }
///
/// let archive = Kept(vec![0; 1024]);
/// let source = Source::archive(SnapshotPath::new("volumes/app_data")?, archive);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ReadArchive: Debug + Send + Sync + 'static {
    /// Where it comes from, for people: `/data in the container wiki_app_1`.
    fn origin(&self) -> String;

    /// Opens the archive of a part of it; of all of it where `beneath` is empty. `.` is all of it as
    /// well, with a link at its top followed.
    ///
    /// # Errors
    ///
    /// If there is no such part, or it cannot be read.
    fn open(&self, beneath: &Path) -> io::Result<Box<dyn Read + Send>>;
}

/// An archive that several hold. Two are the same if they are one.
#[derive(Clone)]
pub struct SharedArchive(Arc<dyn ReadArchive>);

impl SharedArchive {
    pub(crate) fn new(archive: impl ReadArchive) -> Self {
        Self(Arc::new(archive))
    }

    pub(crate) fn origin(&self) -> String {
        self.0.origin()
    }

    pub(crate) fn open(&self, beneath: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.0.open(beneath)
    }
}

impl Debug for SharedArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PartialEq for SharedArchive {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SharedArchive {}

type Bytes = Box<dyn Read + Send>;

/// An open archive, of which the first entry is known.
pub(crate) struct Opened {
    stream: TarStream<Bytes>,
    pub(crate) first: TarEntry,
}

impl Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("first", &self.first)
            .finish_non_exhaustive()
    }
}

/// Opens a part of an archive, or all of it; a link at its top is followed.
pub(crate) fn open_part(archive: &SharedArchive, beneath: &Path) -> io::Result<Opened> {
    let opened = Opened::new(archive.open(beneath)?)?;
    let is_link = matches!(opened.first.kind, TarKind::Symlink { .. });
    if beneath.as_os_str().is_empty() && is_link {
        return Opened::new(archive.open(Path::new("."))?);
    }
    Ok(opened)
}

/// Opens the contents of a file in an archive, which must be of this size still.
pub(crate) fn open_file(archive: &SharedArchive, beneath: &Path, bytes: u64) -> io::Result<Opened> {
    // Nobody can be asked for a name that is not Unicode, but for the folder that it is in.
    let asked = beneath.ancestors().find(|part| part.to_str().is_some());
    let asked = asked.unwrap_or(Path::new(""));
    let mut opened = open_part(archive, asked)?;
    let rest = beneath.strip_prefix(asked).unwrap_or(beneath);
    let mut next = Some(opened.first.clone());
    while let Some(entry) = next {
        if opened.beneath(&entry)? == rest {
            return match &entry.kind {
                TarKind::File if entry.size_bytes == bytes => Ok(opened),
                TarKind::HardLink { target } => {
                    let target = asked.join(opened.strip(target)?);
                    if target == beneath {
                        return Err(io::Error::other("it is another name of itself"));
                    }
                    open_file(archive, &target, bytes)
                }
                _ => Err(io::Error::other("it was changed before it could be read")),
            };
        }
        next = opened.next()?;
    }
    Err(io::ErrorKind::NotFound.into())
}

impl Opened {
    fn new(archive: Bytes) -> io::Result<Self> {
        let mut stream = TarStream::new(archive);
        match stream.next_entry()? {
            Some(first) => Ok(Self { stream, first }),
            None => Err(invalid("the archive is empty")),
        }
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<TarEntry>> {
        self.stream.next_entry()
    }

    /// The contents of the entry that was given last.
    pub(crate) fn contents(&mut self) -> impl Read {
        self.stream.contents()
    }

    /// Where an entry lies within what was asked for.
    pub(crate) fn beneath(&self, entry: &TarEntry) -> io::Result<PathBuf> {
        self.strip(&entry.path)
    }

    pub(crate) fn strip(&self, path: &Path) -> io::Result<PathBuf> {
        match path.strip_prefix(&self.first.path) {
            Ok(beneath) => Ok(beneath.to_owned()),
            Err(_) => Err(invalid(&format!(
                "{} lies in the archive of {}",
                path.display(),
                self.first.path.display()
            ))),
        }
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
