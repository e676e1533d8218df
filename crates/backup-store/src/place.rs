//! Where a repository lies, and what keeps others out of it there.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustic_core::repofile::MasterKey;

#[cfg(feature = "rest")]
use crate::rest::{self, RestServer};
use crate::{StoreError, account::Account, backend::Files, folder::Folder, lock::RepositoryLock};

/// Where a repository lies.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RepositoryPlace {
    /// In a folder, such as one on a mounted NAS.
    Folder(PathBuf),
    /// On a REST server, such as restic's.
    #[cfg(feature = "rest")]
    Rest(RestServer),
}

impl From<PathBuf> for RepositoryPlace {
    fn from(folder: PathBuf) -> Self {
        Self::Folder(folder)
    }
}

impl From<&PathBuf> for RepositoryPlace {
    fn from(folder: &PathBuf) -> Self {
        Self::Folder(folder.clone())
    }
}

impl From<&Path> for RepositoryPlace {
    fn from(folder: &Path) -> Self {
        Self::Folder(folder.to_owned())
    }
}

#[cfg(feature = "rest")]
impl From<RestServer> for RepositoryPlace {
    fn from(server: RestServer) -> Self {
        Self::Rest(server)
    }
}

/// A place that is in use.
#[derive(Debug, Clone)]
pub(crate) enum OpenPlace {
    Folder(PathBuf),
    #[cfg(feature = "rest")]
    Rest(Arc<rest::Connection>),
}

/// What keeps others out for as long as it lives.
#[derive(Debug)]
#[expect(
    dead_code,
    reason = "what is in it is there to be dropped, and only then does something"
)]
pub(crate) enum Guard {
    Folder(Vec<RepositoryLock>),
    #[cfg(feature = "rest")]
    Rest(rest::lock::Lock),
}

impl RepositoryPlace {
    #[cfg_attr(
        not(feature = "rest"),
        expect(clippy::unnecessary_wraps, reason = "a server may not be reachable")
    )]
    pub(crate) fn open(self) -> Result<OpenPlace, StoreError> {
        match self {
            Self::Folder(folder) => Ok(OpenPlace::Folder(folder)),
            #[cfg(feature = "rest")]
            Self::Rest(server) => rest::Connection::new(server)
                .map(Arc::new)
                .map(OpenPlace::Rest)
                .map_err(|error| error.to_store_error()),
        }
    }
}

impl OpenPlace {
    /// The folder, or the server's address, as errors name it.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.clone(),
            #[cfg(feature = "rest")]
            Self::Rest(connection) => connection.shown(),
        }
    }

    pub(crate) fn files(&self) -> Arc<dyn Files> {
        match self {
            Self::Folder(folder) => Arc::new(Folder::new(folder.clone())),
            #[cfg(feature = "rest")]
            Self::Rest(connection) => Arc::new(rest::Remote::new(Arc::clone(connection))),
        }
    }

    /// Keeps out whoever takes data away, and in a folder other writers as well. Where the lock is
    /// lost one day, the account fails.
    #[cfg_attr(
        not(feature = "rest"),
        expect(
            unused_variables,
            reason = "a folder's lock is the kernel's, and cannot be lost"
        )
    )]
    pub(crate) fn to_write(
        &self,
        key: &MasterKey,
        account: &Arc<Account>,
        holder: &str,
    ) -> Result<Guard, StoreError> {
        match self {
            Self::Folder(folder) => {
                RepositoryLock::acquire(folder, holder).map(|lock| Guard::Folder(vec![lock]))
            }
            #[cfg(feature = "rest")]
            Self::Rest(connection) => {
                rest::lock::Lock::acquire(connection, key, false, Some(account)).map(Guard::Rest)
            }
        }
    }

    /// Keeps everybody out.
    #[cfg_attr(
        not(feature = "rest"),
        expect(
            unused_variables,
            reason = "a folder's lock is the kernel's, and cannot be lost"
        )
    )]
    pub(crate) fn to_take_away(
        &self,
        key: &MasterKey,
        account: &Arc<Account>,
        holder: &str,
    ) -> Result<Guard, StoreError> {
        match self {
            Self::Folder(folder) => Ok(Guard::Folder(vec![
                RepositoryLock::acquire(folder, holder)?,
                RepositoryLock::without_readers(folder, holder)?,
            ])),
            #[cfg(feature = "rest")]
            Self::Rest(connection) => {
                rest::lock::Lock::acquire(connection, key, true, Some(account)).map(Guard::Rest)
            }
        }
    }

    /// Keeps out whoever takes data away. `None` where there is no lock to be had for another
    /// reason than that: what can only be read can be read all the same.
    #[cfg_attr(
        not(feature = "rest"),
        expect(unused_variables, reason = "a folder's lock needs no key")
    )]
    pub(crate) fn to_read(&self, key: &MasterKey) -> Result<Option<Guard>, StoreError> {
        match self {
            Self::Folder(folder) => {
                let lock = RepositoryLock::reading(folder)?;
                Ok(lock.map(|lock| Guard::Folder(vec![lock])))
            }
            #[cfg(feature = "rest")]
            Self::Rest(connection) => {
                match rest::lock::Lock::acquire(connection, key, false, None) {
                    Ok(lock) => Ok(Some(Guard::Rest(lock))),
                    Err(error @ StoreError::Locked { .. }) => Err(error),
                    Err(error) => {
                        tracing::debug!(%error, "reading without a lock");
                        Ok(None)
                    }
                }
            }
        }
    }

    /// The same, for whoever must not be kept waiting by anybody.
    pub(crate) fn to_read_if_possible(&self, key: &MasterKey) -> Option<Guard> {
        self.to_read(key).unwrap_or_else(|error| {
            tracing::warn!(%error, "reading beside somebody who takes data away");
            None
        })
    }
}
