//! What can be wrong with a configuration, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::file_ref::FileProblem;

/// What is wrong with the configuration: each one sentence that says what, where, what was expected
/// and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file itself cannot be read.
    #[error("{file}: the configuration cannot be read; create it, or name another with --config")]
    Unreadable {
        /// The configuration file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is not TOML, has a key that does not exist, or a value that is not what it must be.
    #[error("{place}: {problem}")]
    Invalid {
        /// Where.
        place: Place,
        /// What, and what was expected.
        problem: String,
    },
    /// A section that this command needs is not there.
    #[error(
        "{file}: the section {section} is missing, which this command needs; add it with {keys}"
    )]
    MissingSection {
        /// The configuration file.
        file: PathBuf,
        /// The section, as it is written in the file.
        section: &'static str,
        /// What it must hold.
        keys: &'static str,
    },
    /// A file that the configuration names cannot be used.
    #[error("{place}: {key}: {path} {problem}")]
    BadFile {
        /// Where the configuration names it.
        place: Place,
        /// The key that names it.
        key: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what was expected.
        problem: FileProblem,
    },
}

/// A line of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    file: PathBuf,
    line: usize,
}

impl Place {
    pub(super) fn at(file: &Path, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        Self {
            file: file.to_owned(),
            line: before.matches('\n').count() + 1,
        }
    }

    /// The line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// The key of the line that `offset` lies on.
pub(super) fn key_at(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or(before);
    line.split('=').next().unwrap_or(line).trim().to_owned()
}

impl ConfigError {
    pub(super) fn from_toml(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map_or(0, |span| span.start);
        let problem = error.message().trim().replace('\n', "; ");
        let hint = if problem.starts_with("unknown field") {
            "; correct the key or remove the line"
        } else {
            ""
        };
        let key = key_at(text, offset);
        let named = if problem.contains("unknown field") || key.is_empty() || key.starts_with('[') {
            String::new()
        } else {
            format!("{key}: ")
        };
        Self::Invalid {
            place: Place::at(file, text, offset),
            problem: format!("{named}{problem}{hint}"),
        }
    }
}
