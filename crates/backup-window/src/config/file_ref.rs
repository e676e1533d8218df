//! Files that the configuration names.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// What stands before the name of a credential.
const CREDENTIAL: &str = "credential:";

/// A file that the configuration names, and where it does so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    written: Written,
    span_start: usize,
}

/// How it names it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Written {
    Path(PathBuf),
    /// A file of this name among those that systemd hands to the service (`LoadCredential`).
    Credential(String),
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
    /// It is a credential, and nobody hands any over.
    NoCredentials,
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
            Self::NoCredentials => f.write_str(
                "is a credential, and there are none here ($CREDENTIALS_DIRECTORY is not set); \
                 expected to be started by systemd with a line LoadCredential=NAME:FILE in the \
                 unit: run the service, or name a file",
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
    /// Whether it is a credential, which only systemd can make.
    #[must_use]
    pub fn is_credential(&self) -> bool {
        matches!(self.written, Written::Credential(_))
    }

    /// As the configuration names it.
    pub(super) fn shown(&self) -> PathBuf {
        match &self.written {
            Written::Path(path) => path.clone(),
            Written::Credential(name) => format!("{CREDENTIAL}{name}").into(),
        }
    }

    /// Where it is, if `credentials` is where credentials are.
    pub(super) fn locate(&self, credentials: Option<&Path>) -> Result<PathBuf, FileProblem> {
        match &self.written {
            Written::Path(path) => Ok(path.clone()),
            Written::Credential(name) => credentials
                .map(|folder| folder.join(name))
                .ok_or(FileProblem::NoCredentials),
        }
    }

    pub(super) fn span_start(&self) -> usize {
        self.span_start
    }

    pub(super) fn read_secret(
        &self,
        credentials: Option<&Path>,
    ) -> Result<SecretString, FileProblem> {
        // Where the service has a user of its own, systemd lets it read its credentials by an access
        // control list, which shows in the group's bits. The folder is closed to all others.
        let others = if self.is_credential() { 0o007 } else { 0o077 };
        read_secret_from(&self.locate(credentials)?, others)
    }

    pub(super) fn check_readable(
        &self,
        credentials: Option<&Path>,
    ) -> Result<PathBuf, FileProblem> {
        let path = self.locate(credentials)?;
        open(&path).map(|_| path)
    }

    pub(super) fn read_text(&self, credentials: Option<&Path>) -> Result<String, FileProblem> {
        let mut text = String::new();
        let read = open(&self.locate(credentials)?)?.read_to_string(&mut text);
        read.map_err(FileProblem::Unreadable)?;
        Ok(text)
    }
}

/// Reads a secret from the first line of a file that a command line names.
///
/// # Errors
/// When the file is missing, empty, no regular file, or one that others than its owner can read
/// (I10).
pub fn read_secret_file(path: &Path) -> Result<SecretString, FileProblem> {
    read_secret_from(path, 0o077)
}

/// Reads a secret from a file, of which nobody may have these permissions.
fn read_secret_from(path: &Path, others: u32) -> Result<SecretString, FileProblem> {
    let mut file = open(path)?;
    let metadata = file.metadata().map_err(FileProblem::Unreadable)?;
    let mode = metadata.mode() & 0o7777;
    if mode & others != 0 {
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
        let spanned = toml::Spanned::<String>::deserialize(deserializer)?;
        let span_start = spanned.span().start;
        let text = spanned.into_inner();
        let written = match text.strip_prefix(CREDENTIAL) {
            None => Written::Path(text.into()),
            Some(name) if is_file_name(name) => Written::Credential(name.to_owned()),
            Some(_) => {
                return Err(D::Error::custom(format!(
                    "`{text}` is no credential: expected {CREDENTIAL}NAME, with the name that \
                     stands after LoadCredential= in the systemd unit"
                )));
            }
        };
        Ok(Self {
            written,
            span_start,
        })
    }
}

/// Whether it stays in the folder of the credentials.
fn is_file_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0'])
}
