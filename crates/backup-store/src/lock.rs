//! The lock that keeps a second writer out of a repository.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::StoreError;

/// The lock file's name. The format leaves names beside its own alone, and so do its tools.
pub(crate) const LOCK_FILE: &str = "backup-store.lock";

/// The file that those who read for long lock together, and a prune for itself.
pub(crate) const READERS_FILE: &str = "backup-store.readers";

/// A lock on a repository. It goes when this is dropped, or when the process dies.
///
/// The text in the file is for people: only the lock itself, which the kernel keeps, counts. What
/// a process that was killed left there is overwritten by the next.
#[derive(Debug)]
pub(crate) struct RepositoryLock {
    file: File,
    is_ours_alone: bool,
}

impl RepositoryLock {
    /// Takes the lock of writers, or says who has it. `holder` describes this process.
    pub(crate) fn acquire(folder: &Path, holder: &str) -> Result<Self, StoreError> {
        Self::alone(&folder.join(LOCK_FILE), holder, "another process")
    }

    /// Makes sure that nobody reads who would miss what is about to be taken away.
    pub(crate) fn without_readers(folder: &Path, holder: &str) -> Result<Self, StoreError> {
        Self::alone(
            &folder.join(READERS_FILE),
            holder,
            "a check or a restore, which reads from it",
        )
    }

    /// Keeps prunes away while this process reads. `None` where no lock can be had for another
    /// reason than a prune: a repository that is mounted read-only can be read all the same.
    pub(crate) fn reading(folder: &Path) -> Result<Option<Self>, StoreError> {
        let path = folder.join(READERS_FILE);
        let file = match open(&path) {
            Ok(file) => file,
            Err(error) => {
                tracing::debug!(%error, path = %path.display(), "reading without a lock");
                return Ok(None);
            }
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self {
                file,
                is_ours_alone: false,
            })),
            Err(TryLockError::WouldBlock) => Err(held(path, file, "a prune")),
            Err(TryLockError::Error(error)) => {
                tracing::debug!(%error, path = %path.display(), "reading without a lock");
                Ok(None)
            }
        }
    }

    fn alone(path: &Path, holder: &str, somebody: &str) -> Result<Self, StoreError> {
        let failed = |operation, source| StoreError::Repository {
            operation,
            path: path.to_owned(),
            source,
        };
        let file = open(path).map_err(|source| failed("open the lock file", source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(held(path.to_owned(), file, somebody)),
            Err(TryLockError::Error(source)) if is_unsupported(&source) => {
                return Err(StoreError::LockUnsupported {
                    path: path.to_owned(),
                    source,
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", source)),
        }
        file.set_len(0)
            .and_then(|()| (&file).write_all(holder.as_bytes()))
            .and_then(|()| (&file).write_all(b"\n"))
            .map_err(|source| failed("write the lock file", source))?;
        Ok(Self {
            file,
            is_ours_alone: true,
        })
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path)
}

/// Who holds it is only a courtesy: a text that cannot be read changes nothing.
fn held(path: PathBuf, file: File, somebody: &str) -> StoreError {
    let mut by = String::new();
    let _ = file.take(1024).read_to_string(&mut by);
    let by = match by.trim() {
        "" => somebody.to_owned(),
        known => known.to_owned(),
    };
    StoreError::Locked { path, by }
}

impl Drop for RepositoryLock {
    fn drop(&mut self) {
        // An old text would only mislead people.
        if self.is_ours_alone {
            let _ = self.file.set_len(0);
        }
        // Closing the file is not enough: a process that this one is just starting has it too, until
        // it becomes its own program.
        let _ = self.file.unlock();
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
    fn a_lock_goes_even_if_a_child_still_has_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let writer = RepositoryLock::acquire(folder.path(), "process 7").unwrap();
        let reader = RepositoryLock::reading(folder.path()).unwrap().unwrap();
        // What a child has between fork and exec: the same open files.
        let child = [&writer, &reader].map(|lock| lock.file.try_clone().unwrap());
        drop((writer, reader));
        RepositoryLock::acquire(folder.path(), "process 8").unwrap();
        RepositoryLock::without_readers(folder.path(), "process 8").unwrap();
        drop(child);
    }

    #[test]
    fn a_text_without_a_lock_locks_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOCK_FILE), "process 7, which was killed").unwrap();
        RepositoryLock::acquire(folder.path(), "process 8").unwrap();
    }

    #[test]
    fn readers_share_and_a_prune_is_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = RepositoryLock::reading(folder.path()).unwrap();
        let second = RepositoryLock::reading(folder.path()).unwrap();
        assert!(first.is_some() && second.is_some());
        let error = RepositoryLock::without_readers(folder.path(), "process 7, pruning");
        let error = error.unwrap_err();
        assert!(matches!(&error, StoreError::Locked { by, .. } if by.contains("a check")));
        // Those who only add files are not kept waiting.
        RepositoryLock::acquire(folder.path(), "process 8").unwrap();

        drop((first, second));
        let prune = RepositoryLock::without_readers(folder.path(), "process 7, pruning").unwrap();
        let error = RepositoryLock::reading(folder.path()).unwrap_err();
        assert!(matches!(error, StoreError::Locked { by, .. } if by == "process 7, pruning"));
        drop(prune);
        assert!(RepositoryLock::reading(folder.path()).unwrap().is_some());
    }

    #[test]
    fn reading_needs_no_lock_where_none_can_be_had() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        assert!(RepositoryLock::reading(&gone).unwrap().is_none());
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
