//! Two nights never run at once (I7).
//!
//! The lock is the kernel's, on an open file: it is released when the process that holds it ends,
//! however it ends, so there are no stale locks to remove by hand. The text in the file is only for
//! the message of the one who comes second.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use thiserror::Error;

/// Held while a run may stop stacks or switch a NAS off. Dropping it releases it.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

/// Why the lock could not be taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another run holds it.
    #[error("another run holds {path}: {holder}; wait until it has ended")]
    Held {
        /// The lock file.
        path: PathBuf,
        /// What that run wrote about itself.
        holder: String,
    },
    /// The file could not be opened or locked.
    #[error(
        "{path} could not be locked; check that the state directory is on a local disk and can be written to"
    )]
    Io {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl RunLock {
    /// Takes the lock for the run that `command` describes.
    ///
    /// # Errors
    /// [`LockError::Held`] at once when another run holds it; it does not wait.
    pub fn take(path: &Path, command: &str, now: Timestamp) -> Result<Self, LockError> {
        let io_error = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(io_error)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // What it says is a courtesy: a lock that is held is held, whatever its text.
                let _ = file.read_to_string(&mut holder);
                return Err(LockError::Held {
                    path: path.to_owned(),
                    holder: holder.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io_error(source)),
        }
        file.set_len(0).map_err(io_error)?;
        file.rewind().map_err(io_error)?;
        writeln!(
            file,
            "{command}, process {}, since {now}",
            std::process::id()
        )
        .map_err(io_error)?;
        Ok(Self { file })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Closing the file is not enough: a process that this one is just starting has it too, until
        // it becomes its own program.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_run_is_told_who_the_first_is_and_gets_the_lock_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let now: Timestamp = "2026-11-23T02:00:00Z".parse().unwrap();
        let first = RunLock::take(&path, "docker-backup run", now).unwrap();
        let refused = RunLock::take(&path, "nas-shutdown run", now).unwrap_err();
        assert!(
            refused.to_string().contains("docker-backup run, process"),
            "{refused}"
        );
        // What a child has between fork and exec: the same open file.
        let child = first.file.try_clone().unwrap();
        drop(first);
        RunLock::take(&path, "nas-shutdown run", now).unwrap();
        drop(child);
    }
}
