//! Making and opening repositories.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustic_core::{ConfigOptions, Credentials, KeyOptions, max_compression_level};
use secrecy::{ExposeSecret, SecretString};

use super::{Shared, Task, backup::holder, closed, damaged, failure::file_error, unlock};
use crate::{
    Chunks, Progress, RepositoryPlace, SpoolOptions, StoreError,
    backend::Backend,
    folder::CONFIG,
    lock::{LOCK_FILE, READERS_FILE, RepositoryLock},
    place::OpenPlace,
    progress::Listener,
    spool::Spool,
};

/// How to make a repository.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// zstd's compression level: 3 is its own default; up to 22 is smaller and much slower; 0
    /// does not compress.
    pub compression_level: i32,
    /// How large files are cut into chunks.
    pub chunks: Chunks,
    /// How to open it afterwards.
    pub open: OpenOptions,
}

impl Default for InitOptions {
    fn default() -> Self {
        Self {
            compression_level: 3,
            chunks: Chunks::default(),
            open: OpenOptions::default(),
        }
    }
}

/// How to open a repository.
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    /// A local folder that keeps copies of the repository's index, snapshots and trees, so that
    /// less has to be read over the network. None by default: it takes space and, on a mounted
    /// NAS, saves little. Checks and restores never use it.
    pub cache: Option<PathBuf>,
    /// Where copies of what has changed wait for [`Store::stage`](crate::Store::stage); nothing can
    /// be backed up in stages without.
    pub spool: Option<SpoolOptions>,
    /// Who is told how far long work has come.
    pub progress: Option<Arc<dyn Progress>>,
}

pub(super) fn open(
    place: RepositoryPlace,
    password: &SecretString,
    options: OpenOptions,
) -> Result<Shared, StoreError> {
    let place = place.open()?;
    let path = place.path();
    let folder = Arc::new(Backend::new(place.files()));
    if !folder
        .has_config()
        .map_err(|error| error.to_store_error())?
    {
        return Err(StoreError::NoRepository { path });
    }
    let credentials = Credentials::password(password.expose_secret());
    let repository =
        unlock(&folder, None, &credentials, Listener::default().bars(None)).map_err(|error| {
            if error.is_incorrect_password() {
                StoreError::WrongPassword { path: path.clone() }
            } else {
                damaged(&path, "a key file or the file \"config\"", &error)
            }
        })?;
    Ok(Shared {
        key: repository.key(),
        place,
        path,
        cache: options.cache,
        spool: options.spool.map(Spool::new).map(Arc::new),
        listener: Listener(options.progress),
    })
}

pub(super) fn create(
    place: RepositoryPlace,
    password: &SecretString,
    options: InitOptions,
) -> Result<Shared, StoreError> {
    let task = Task("create a repository");
    let level = options.compression_level;
    if !(0..=max_compression_level()).contains(&level) {
        return Err(StoreError::InvalidRequest {
            reason: format!(
                "{level} is no compression level (expected 0 to {})",
                max_compression_level()
            ),
        });
    }
    if !options.chunks.is_possible() {
        return Err(StoreError::InvalidRequest {
            reason: format!("there are no chunks of {}", options.chunks),
        });
    }
    let place = place.open()?;
    let path = place.path();
    let _lock = match &place {
        OpenPlace::Folder(folder) => {
            prepare(folder)?;
            let holder = holder("creating the repository");
            Some(RepositoryLock::acquire(folder, &holder)?)
        }
        // Without a key there is nothing to write a lock with; a server keeps the first file
        // "config" that it gets.
        #[cfg(feature = "rest")]
        OpenPlace::Rest(_) => None,
    };
    let folder = Arc::new(Backend::new(place.files()));
    if folder
        .has_config()
        .map_err(|error| error.to_store_error())?
    {
        return Err(StoreError::RepositoryExists { path });
    }
    let config = ConfigOptions::default()
        .set_version(2_u32)
        .set_compression(level)
        .set_extra_verify(true);
    let config = options.chunks.apply(config);
    let credentials = Credentials::password(password.expose_secret());
    let repository = closed(&folder, None, Listener::default().bars(None))
        .and_then(|closed| closed.init(&credentials, &KeyOptions::default(), &config))
        .map_err(|error| file_error(&error).unwrap_or_else(|| task.failed(&error)))?;
    tracing::info!(path = %path.display(), "created a repository");
    Ok(Shared {
        key: repository.key(),
        place,
        path,
        cache: options.open.cache,
        spool: options.open.spool.map(Spool::new).map(Arc::new),
        listener: Listener(options.open.progress),
    })
}

/// Makes the folder, or looks whether it is free.
fn prepare(path: &Path) -> Result<(), StoreError> {
    let failed = |operation, source| StoreError::Repository {
        operation,
        path: path.to_owned(),
        source,
    };
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("create the folder", error)),
    }
    let entries = fs::read_dir(path).map_err(|source| failed("list", source))?;
    let mut empty = true;
    for entry in entries {
        let name = entry.map_err(|source| failed("list", source))?.file_name();
        if name == CONFIG {
            return Err(StoreError::RepositoryExists {
                path: path.to_owned(),
            });
        }
        empty &= name == LOCK_FILE || name == READERS_FILE;
    }
    if empty {
        Ok(())
    } else {
        Err(StoreError::FolderNotEmpty {
            path: path.to_owned(),
        })
    }
}
