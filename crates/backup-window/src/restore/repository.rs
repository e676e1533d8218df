//! What the process that restores is told of the repository.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use backup_store::{RepositoryPlace, RestServer};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::job::bytes;

/// Where the repository is, with all that is needed to be let in: for a pipe, and for nothing that
/// others read.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobRepository {
    /// In a folder.
    Folder(#[serde(with = "bytes")] PathBuf),
    /// On a REST server.
    Server {
        /// Its address.
        url: String,
        /// A user and a password.
        login: Option<(String, String)>,
        /// The authorities that are believed (PEM), if it is not those of this machine.
        authorities: Option<String>,
    },
}

impl fmt::Debug for JobRepository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password is left out.
        match self {
            Self::Folder(path) => path.fmt(f),
            Self::Server { url, .. } => url.fmt(f),
        }
    }
}

impl JobRepository {
    /// The folder, where it is in one.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::Folder(path) => Some(path),
            Self::Server { .. } => None,
        }
    }

    /// What opens it. A server's addresses are looked up now: to be called while this process may
    /// still read whatever that takes.
    ///
    /// # Errors
    /// When the address is none, or cannot be looked up.
    pub fn to_place(&self) -> io::Result<RepositoryPlace> {
        let (url, login, authorities) = match self {
            Self::Folder(path) => return Ok(RepositoryPlace::from(path)),
            Self::Server {
                url,
                login,
                authorities,
            } => (url, login, authorities),
        };
        let mut server = RestServer::new(url).map_err(io::Error::other)?;
        if let Some((user, password)) = login {
            server = server.login(user, SecretString::from(password.as_str()));
        }
        if let Some(authorities) = authorities {
            server = server.trusting(authorities.as_bytes());
        }
        server.resolved().map(RepositoryPlace::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_goes_through_the_pipe_and_nowhere_else() {
        let server = JobRepository::Server {
            url: "http://127.0.0.1:8000/docker01/".to_owned(),
            login: Some(("docker01".to_owned(), "hunter2".to_owned())),
            authorities: None,
        };
        assert_eq!(format!("{server:?}"), "\"http://127.0.0.1:8000/docker01/\"");
        let line = serde_json::to_string(&server).unwrap();
        let read: JobRepository = serde_json::from_str(&line).unwrap();
        assert!(read.folder().is_none());
        assert!(matches!(read.to_place().unwrap(), RepositoryPlace::Rest(_)));
    }
}
