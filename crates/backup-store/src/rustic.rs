//! The store itself: a repository in a folder, worked by `rustic_core`.

mod backup;
mod check;
mod failure;
mod list;
mod open;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use rustic_core::{
    Credentials, FileType, Id, IndexedIdsStatus, OpenStatus, ReadBackend, Repository,
    RepositoryBackends, RepositoryOptions, RusticError, RusticResult, repofile::MasterKey,
};
use secrecy::SecretString;
use tokio::sync::Mutex;

pub(crate) use self::failure::{Task, damaged};
pub use self::open::{InitOptions, OpenOptions};
use crate::{
    BackupRequest, BackupSummary, CheckDepth, CheckReport, CompareRequest, Comparison,
    ExportRequest, ExportSummary, RestoreRequest, RestoreSummary, Snapshot, Store, StoreError,
    account::{Account, CancelOnDrop},
    export,
    folder::Folder,
    restore,
};

/// A restic-format repository in a folder, such as one on a mounted NAS.
///
/// Opening derives the key from the password once (about a second of work, by design of the
/// format). The index is read when a backup needs it first, and again only after it has changed.
/// Clones share both, and the queue of writers.
///
/// The work runs on tokio's blocking threads; everything here wants a tokio runtime.
#[derive(Clone)]
pub struct RusticStore {
    shared: Arc<Shared>,
    /// Writers queue here, and find what the last one knew about the index.
    writer: Arc<Mutex<Option<LoadedIndex>>>,
}

struct Shared {
    path: PathBuf,
    key: MasterKey,
    cache: Option<PathBuf>,
}

/// A repository with its index, and the index files it was read from.
struct LoadedIndex {
    index_files: Vec<Id>,
    folder: Arc<Folder>,
    repository: Repository<IndexedIdsStatus>,
}

impl fmt::Debug for RusticStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is left out.
        formatter
            .debug_struct("RusticStore")
            .field("path", &self.shared.path)
            .field("cache", &self.shared.cache)
            .finish_non_exhaustive()
    }
}

impl RusticStore {
    /// Makes a repository in a new or empty folder, and opens it.
    ///
    /// Its parent folder must be there: a folder that is missing as a whole more likely means that
    /// the NAS is not mounted. The repository has format version 2 (zstd compression, restic 0.14
    /// and later), chunks of about 1 MiB, and verifies all data once more before it writes it.
    ///
    /// # Errors
    ///
    /// [`StoreError::RepositoryExists`], [`StoreError::FolderNotEmpty`], [`StoreError::Locked`],
    /// [`StoreError::InvalidRequest`] if the compression level is none, and
    /// [`StoreError::Repository`] if the folder cannot be made or written.
    pub async fn init(
        path: &Path,
        password: &SecretString,
        options: InitOptions,
    ) -> Result<Self, StoreError> {
        let (path, password) = (path.to_owned(), password.clone());
        Task("create a repository")
            .run(move || open::create(path, &password, options))
            .await
            .map(Self::new)
    }

    /// Opens a repository.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoRepository`], [`StoreError::WrongPassword`], [`StoreError::Damaged`] if a
    /// key file or the configuration is damaged, and [`StoreError::Repository`] if they cannot be
    /// read.
    pub async fn open(
        path: &Path,
        password: &SecretString,
        options: OpenOptions,
    ) -> Result<Self, StoreError> {
        let (path, password) = (path.to_owned(), password.clone());
        Task("open the repository")
            .run(move || open::open(path, &password, options))
            .await
            .map(Self::new)
    }

    /// Does work that reads trees and data, until nobody waits for it any more.
    async fn read<T: Send + 'static>(
        &self,
        task: Task,
        work: impl FnOnce(&Shared, &restore::Indexed, &Account) -> Result<T, StoreError>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let account = Arc::new(Account::default());
        let _cancel = CancelOnDrop(Arc::clone(&account));
        let shared = Arc::clone(&self.shared);
        task.run(move || {
            let repository = shared
                .repository(&shared.folder(), None)
                .and_then(Repository::to_indexed)
                .map_err(|error| damaged(&shared.path, "the index", &error))?;
            work(&shared, &repository, &account)
        })
        .await
    }

    fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            writer: Arc::default(),
        }
    }
}

#[async_trait]
impl Store for RusticStore {
    fn location(&self) -> String {
        self.shared.path.display().to_string()
    }

    async fn back_up(&self, request: BackupRequest) -> Result<BackupSummary, StoreError> {
        let account = Arc::new(Account::default());
        let _cancel = CancelOnDrop(Arc::clone(&account));
        let shared = Arc::clone(&self.shared);
        // The thread takes the queue's guard along: if this future is dropped, the next writer
        // waits until the thread has noticed.
        let mut index = Arc::clone(&self.writer).lock_owned().await;
        backup::TASK
            .run(move || backup::run(&shared, &mut index, &request, &account))
            .await
    }

    async fn snapshots(&self) -> Result<Vec<Snapshot>, StoreError> {
        let shared = Arc::clone(&self.shared);
        list::TASK.run(move || list::run(&shared)).await
    }

    async fn restore(&self, request: RestoreRequest) -> Result<RestoreSummary, StoreError> {
        let work = move |shared: &Shared, indexed: &restore::Indexed, account: &Account| {
            restore::run(&shared.path, indexed, &request, account)
        };
        self.read(restore::TASK, work).await
    }

    async fn compare(&self, request: CompareRequest) -> Result<Comparison, StoreError> {
        let work = move |shared: &Shared, indexed: &restore::Indexed, account: &Account| {
            let contents = restore::Contents {
                location: &shared.path,
                repository: indexed,
                snapshot: request.snapshot,
                only: None,
                account,
            };
            restore::compare::run(&contents, &request)
        };
        self.read(restore::COMPARE, work).await
    }

    async fn export(&self, request: ExportRequest) -> Result<ExportSummary, StoreError> {
        let work = move |shared: &Shared, indexed: &restore::Indexed, account: &Account| {
            let contents = restore::Contents {
                location: &shared.path,
                repository: indexed,
                snapshot: request.snapshot,
                only: request.only.as_ref(),
                account,
            };
            export::run(&contents, &request)
        };
        self.read(export::TASK, work).await
    }

    async fn check(&self, depth: CheckDepth) -> Result<CheckReport, StoreError> {
        let shared = Arc::clone(&self.shared);
        check::TASK.run(move || check::run(&shared, depth)).await
    }
}

impl Shared {
    fn folder(&self) -> Arc<Folder> {
        Arc::new(Folder::new(self.path.clone()))
    }

    /// The repository, opened with the key that the password has already unlocked.
    fn repository(
        &self,
        folder: &Arc<Folder>,
        cache: Option<&Path>,
    ) -> RusticResult<Repository<OpenStatus>> {
        unlock(folder, cache, &Credentials::Masterkey(self.key.clone()))
    }

    /// The repository with an index that is up to date.
    ///
    /// Whoever adds or removes data also adds or removes files of the index, so an index that was
    /// read from the same files is still true. One that is not would be dangerous: a backup could
    /// refer to data that is gone.
    fn with_index<'a>(
        &self,
        loaded: &'a mut Option<LoadedIndex>,
    ) -> Result<&'a LoadedIndex, StoreError> {
        let damaged = |error: Box<RusticError>| damaged(&self.path, "the index", &error);
        let mut index_files = self.folder().list(FileType::Index).map_err(damaged)?;
        index_files.sort_unstable();
        let known = loaded
            .take()
            .filter(|known| known.index_files == index_files);
        let current = if let Some(known) = known {
            known
        } else {
            tracing::debug!(files = index_files.len(), "reading the index");
            let folder = self.folder();
            let repository = self
                .repository(&folder, self.cache.as_deref())
                .and_then(Repository::to_indexed_ids)
                .map_err(damaged)?;
            LoadedIndex {
                index_files,
                folder,
                repository,
            }
        };
        Ok(loaded.insert(current))
    }
}

fn unlock(
    folder: &Arc<Folder>,
    cache: Option<&Path>,
    credentials: &Credentials,
) -> RusticResult<Repository<OpenStatus>> {
    closed(folder, cache)?.open(credentials)
}

fn closed(folder: &Arc<Folder>, cache: Option<&Path>) -> RusticResult<Repository<()>> {
    let options = match cache {
        Some(cache) => RepositoryOptions::default().cache_dir(cache),
        None => RepositoryOptions::default().no_cache(true),
    };
    Repository::new(
        &options,
        &RepositoryBackends::new(Arc::<Folder>::clone(folder), None),
    )
}
