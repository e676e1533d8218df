//! The lock that keeps a second writer out of a repository.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::StoreError;

/// The lock file's name. The format leaves names beside its own alone, and so do its tools.
pub(crate) const LOCK_FILE: &str = "backup-store.lock";

/// An exclusive lock on a repository. It goes when this is dropped, or when the process dies.
///
/// The text in the file is for people: only the lock itself, which the kernel keeps, counts.
#[derive(Debug)]
pub(crate) struct RepositoryLock {
    file: File,
}

impl RepositoryLock {
    /// Takes the lock, or says who has it. `holder` describes this process.
    pub(crate) fn acquire(folder: &Path, holder: &str) -> Result<Self, StoreError> {
        let path = folder.join(LOCK_FILE);
        let failed = |operation, source| StoreError::Repository {
            operation,
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&path)
            .map_err(|source| failed("open the lock file", source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut by = String::new();
                // Who holds it is only a courtesy: a text that cannot be read changes nothing.
                let _ = (&mut file).take(1024).read_to_string(&mut by);
                let by = match by.trim() {
                    "" => "another process".to_owned(),
                    known => known.to_owned(),
                };
                return Err(StoreError::Locked { path, by });
            }
            Err(TryLockError::Error(source)) if is_unsupported(&source) => {
                return Err(StoreError::LockUnsupported { path, source });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", source)),
        }
        file.set_len(0)
            .and_then(|()| file.write_all(holder.as_bytes()))
            .and_then(|()| file.write_all(b"\n"))
            .map_err(|source| failed("write the lock file", source))?;
        Ok(Self { file })
    }
}

impl Drop for RepositoryLock {
    fn drop(&mut self) {
        // Closing the file releases the lock; an old text would only mislead people.
        let _ = self.file.set_len(0);
    }
}

/// What file systems without locks answer: `NFSv3` without a lock daemon says `ENOLCK`.
fn is_unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;

    let codes = [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOTSUP, Errno::NOSYS];
    codes
        .iter()
        .any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_second_writer_learns_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let lock = RepositoryLock::acquire(folder.path(), "process 7 on docker01").unwrap();
        let error = RepositoryLock::acquire(folder.path(), "process 8").unwrap_err();
        assert!(matches!(error, StoreError::Locked { by, .. } if by == "process 7 on docker01"));

        drop(lock);
        assert_eq!(fs::read(folder.path().join(LOCK_FILE)).unwrap(), b"");
        RepositoryLock::acquire(folder.path(), "process 8").unwrap();
    }

    #[test]
    fn a_text_without_a_lock_locks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOCK_FILE), "process 7, which was killed").unwrap();
        RepositoryLock::acquire(folder.path(), "process 8").unwrap();
    }

    #[test]
    fn file_systems_without_locks_are_recognised() {
        assert!(is_unsupported(&io::Error::from_raw_os_error(37)));
        assert!(is_unsupported(&io::Error::from_raw_os_error(95)));
        assert!(!is_unsupported(&io::Error::from_raw_os_error(5)));
    }

    #[test]
    fn a_missing_folder_is_an_error_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let error = RepositoryLock::acquire(&gone, "process 8").unwrap_err();
        assert!(matches!(error, StoreError::Repository { path, .. } if path.starts_with(&gone)));
    }
}
