//! Files that the configuration names.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

/// A file that the configuration names, and where it does so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    path: PathBuf,
    span_start: usize,
}

/// What is wrong with a file that the configuration names.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileProblem {
    /// It is not there.
    Missing,
    /// It is a folder, a device or the like.
    NotAFile,
    /// Others than its owner may read or write it.
    OthersCanRead {
        /// Its permission bits.
        mode: u32,
    },
    /// It has nothing in it.
    Empty,
    /// It cannot be read.
    Unreadable(io::Error),
    /// What is in it is not what it should be.
    Unusable(String),
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => {
                f.write_str("does not exist; expected a file there: create it, or correct the path")
            }
            Self::NotAFile => f.write_str("is not a regular file; expected the path of one"),
            Self::OthersCanRead { mode } => write!(
                f,
                "holds a secret and has mode {mode:04o}, so that others can read it; \
                 expected 0600: `chmod 600` it"
            ),
            Self::Empty => f.write_str("is empty; expected the secret in its first line"),
            Self::Unreadable(error) => {
                write!(f, "cannot be read ({error}); expected a readable file")
            }
            Self::Unusable(why) => write!(f, "cannot be used: {why}"),
        }
    }
}

impl FileRef {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn span_start(&self) -> usize {
        self.span_start
    }

    pub(super) fn read_secret(&self) -> Result<SecretString, FileProblem> {
        read_secret_file(&self.path)
    }

    pub(super) fn check_readable(&self) -> Result<(), FileProblem> {
        self.open().map(|_| ())
    }

    pub(super) fn read_text(&self) -> Result<String, FileProblem> {
        let mut text = String::new();
        let read = self.open()?.read_to_string(&mut text);
        read.map_err(FileProblem::Unreadable)?;
        Ok(text)
    }

    fn open(&self) -> Result<File, FileProblem> {
        open(&self.path)
    }
}

/// Reads a secret from the first line of a file that a command line names.
///
/// # Errors
/// When the file is missing, empty, no regular file, or one that others than its owner can read
/// (I10).
pub fn read_secret_file(path: &Path) -> Result<SecretString, FileProblem> {
    let mut file = open(path)?;
    let metadata = file.metadata().map_err(FileProblem::Unreadable)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FileProblem::OthersCanRead { mode });
    }
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(FileProblem::Unreadable)?;
    let secret = text.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(FileProblem::Empty);
    }
    Ok(SecretString::from(secret))
}

fn open(path: &Path) -> Result<File, FileProblem> {
    // Looked at before it is opened: opening a FIFO would wait for a writer.
    let metadata = fs::metadata(path).map_err(FileProblem::from_io)?;
    if !metadata.is_file() {
        return Err(FileProblem::NotAFile);
    }
    File::open(path).map_err(FileProblem::from_io)
}

impl FileProblem {
    fn from_io(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound {
            Self::Missing
        } else {
            Self::Unreadable(error)
        }
    }
}

impl<'de> Deserialize<'de> for FileRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::<PathBuf>::deserialize(deserializer)?;
        Ok(Self {
            span_start: spanned.span().start,
            path: spanned.into_inner(),
        })
    }
}
