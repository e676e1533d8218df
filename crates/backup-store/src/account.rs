//! The account of one run: what was met, what was lost, and whether it may go on.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use crate::{StoreError, Unreadable, WorkProgress};

/// What the threads of one backup or restore tell each other.
///
/// The library reads and packs in several threads and goes on after most errors, so the account is
/// kept here: whoever loses something writes it down, and whoever is about to make the result
/// final asks first.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Whether what cannot be read is nothing to warn of, because it is looked at again.
    quiet: bool,
    cancelled: AtomicBool,
    /// The run is over: that nobody waits for it any more means nothing.
    ended: AtomicBool,
    failed: AtomicBool,
    failure: Mutex<Option<StoreError>>,
    files: AtomicU64,
    directories: AtomicU64,
    other: AtomicU64,
    lost_files: AtomicU64,
    left_out: AtomicU64,
    unreadable: Mutex<Vec<Unreadable>>,
    sockets: Mutex<Vec<PathBuf>>,
    /// Whom to tell how far it has come.
    progress: Mutex<Option<Box<dyn WorkProgress>>>,
}

/// The kinds of entries that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Other,
}

impl Account {
    /// The account of a look at what is still being changed.
    pub(crate) fn quiet() -> Self {
        Self {
            quiet: true,
            ..Self::default()
        }
    }

    /// Whoever reads or writes for this account from now on says so, until what this returns is
    /// dropped.
    #[must_use]
    pub(crate) fn tell(&self, progress: Option<Box<dyn WorkProgress>>) -> Telling<'_> {
        *locked(&self.progress) = progress;
        Telling(self)
    }

    /// How much will be read or written, where that was not known from the beginning.
    pub(crate) fn is_to_be(&self, total_bytes: u64) {
        if let Some(progress) = &*locked(&self.progress) {
            progress.is_to_be(total_bytes);
        }
    }

    /// So much more has been read or written.
    pub(crate) fn advance(&self, bytes: u64) {
        if let Some(progress) = &*locked(&self.progress) {
            progress.advance(bytes);
        }
    }

    /// Whether nobody waits for the result any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Relaxed)
    }

    /// Whether there is any point in reading on.
    pub(crate) fn may_go_on(&self) -> bool {
        !self.is_cancelled() && !self.failed.load(Relaxed)
    }

    /// Notes that the repository could not be written. The first failure is the one to report:
    /// those after it are its consequences.
    pub(crate) fn fail(&self, error: StoreError) {
        locked(&self.failure).get_or_insert(error);
        self.failed.store(true, Relaxed);
    }

    /// The first failure, if there was one.
    pub(crate) fn take_failure(&self) -> Option<StoreError> {
        locked(&self.failure).take()
    }

    /// Counts an entry that goes into the snapshot.
    pub(crate) fn count(&self, kind: Kind) {
        let counter = match kind {
            Kind::File => &self.files,
            Kind::Directory => &self.directories,
            Kind::Other => &self.other,
        };
        counter.fetch_add(1, Relaxed);
    }

    /// Notes what could not be read, or not as it is.
    pub(crate) fn note(&self, path: &Path, reason: impl Display) {
        let reason = reason.to_string();
        if self.quiet {
            tracing::debug!(path = %path.display(), reason, "not copied yet");
        } else {
            tracing::warn!(path = %path.display(), reason, "cannot back this up as it is");
        }
        locked(&self.unreadable).push(Unreadable {
            path: path.to_owned(),
            reason,
        });
    }

    /// Notes a file that was counted but will not be in the snapshot after all.
    pub(crate) fn lose(&self, path: &Path, reason: impl Display) {
        self.lost_files.fetch_add(1, Relaxed);
        self.note(path, reason);
    }

    /// Counts an entry that the request leaves out.
    pub(crate) fn count_left_out(&self) {
        self.left_out.fetch_add(1, Relaxed);
    }

    /// How many entries the request left out; what is in a folder is not counted with it.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Relaxed)
    }

    /// Notes a socket.
    pub(crate) fn note_socket(&self, path: &Path) {
        locked(&self.sockets).push(path.to_owned());
    }

    /// How many entries of a kind are in the snapshot.
    pub(crate) fn saved(&self, kind: Kind) -> u64 {
        match kind {
            Kind::File => self
                .files
                .load(Relaxed)
                .saturating_sub(self.lost_files.load(Relaxed)),
            Kind::Directory => self.directories.load(Relaxed),
            Kind::Other => self.other.load(Relaxed),
        }
    }

    /// What could not be read, in the order of the paths.
    pub(crate) fn take_unreadable(&self) -> Vec<Unreadable> {
        let mut unreadable = std::mem::take(&mut *locked(&self.unreadable));
        unreadable.sort_by(|a, b| a.path.cmp(&b.path));
        // A directory that is gone fails twice: to be described, and to be listed.
        unreadable.dedup();
        unreadable
    }

    /// The sockets, in the order of the paths.
    pub(crate) fn take_sockets(&self) -> Vec<PathBuf> {
        let mut sockets = std::mem::take(&mut *locked(&self.sockets));
        sockets.sort();
        sockets
    }
}

/// Ends with the work that is told of.
#[derive(Debug)]
pub(crate) struct Telling<'a>(&'a Account);

impl Drop for Telling<'_> {
    fn drop(&mut self) {
        locked(&self.0.progress).take();
    }
}

/// A lock that a panicking thread left behind holds plain values, which stay true.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Cancels the run when it is dropped: it lives in the future that waits for the run.
#[derive(Debug)]
pub(crate) struct CancelOnDrop(pub(crate) Arc<Account>);

impl CancelOnDrop {
    /// The run has ended, and its account goes on to the next.
    pub(crate) fn disarm(self) {
        self.0.ended.store(true, Relaxed);
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if !self.0.ended.swap(false, Relaxed) {
            self.0.cancelled.store(true, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_future_stops_the_run() {
        let account = Arc::new(Account::default());
        let guard = CancelOnDrop(Arc::clone(&account));
        assert!(account.may_go_on());
        drop(guard);
        assert!(account.is_cancelled() && !account.may_go_on());
    }

    #[test]
    fn the_first_failure_is_kept() {
        let account = Account::default();
        for operation in ["first", "second"] {
            account.fail(StoreError::Cancelled { operation });
        }
        assert!(!account.may_go_on() && !account.is_cancelled());
        let failure = account.take_failure();
        assert!(matches!(
            failure,
            Some(StoreError::Cancelled { operation: "first" })
        ));
    }

    #[test]
    fn a_lost_file_is_named_and_not_counted() {
        let account = Account::default();
        account.count(Kind::File);
        account.count(Kind::File);
        account.lose(Path::new("/b"), "gone");
        account.note(Path::new("/a"), "no attributes");
        assert_eq!(account.saved(Kind::File), 1);
        let named: Vec<_> = account
            .take_unreadable()
            .into_iter()
            .map(|u| u.path)
            .collect();
        assert_eq!(named, [Path::new("/a"), Path::new("/b")]);
    }
}
