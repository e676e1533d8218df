//! The store itself: a repository in a folder, worked by `rustic_core`.

mod backup;
mod check;
mod failure;
mod forget;
mod list;
mod open;
mod parent;
mod prune;
mod staged;

use std::{
    collections::HashMap,
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
#[cfg(any(test, feature = "testing"))]
pub(crate) use self::list::STACK_TAG;
pub use self::open::{InitOptions, OpenOptions};
use crate::{
    BackupRequest, BackupSummary, CheckDepth, CheckReport, CompareRequest, Comparison,
    ExportRequest, ExportSummary, PruneOptions, PruneSummary, RepositoryPlace, RestoreRequest,
    RestoreSummary, Snapshot, SnapshotId, StagedBackup, Store, StoreError, WorkKind,
    account::{Account, CancelOnDrop},
    backend::Backend,
    export,
    place::OpenPlace,
    progress::{Bars, Listener},
    restore,
    spool::Spool,
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
    place: OpenPlace,
    /// What errors call the place.
    path: PathBuf,
    key: MasterKey,
    cache: Option<PathBuf>,
    spool: Option<Arc<Spool>>,
    listener: Listener,
}

/// A repository with its index, and the index files it was read from.
struct LoadedIndex {
    index_files: Vec<Id>,
    snapshots: parent::KnownSnapshots,
    folder: Arc<Backend>,
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
    /// and later), and verifies all data once more before it writes it.
    ///
    /// # Errors
    ///
    /// [`StoreError::RepositoryExists`], [`StoreError::FolderNotEmpty`], [`StoreError::Locked`],
    /// [`StoreError::InvalidRequest`] if the compression level is none, and
    /// [`StoreError::Repository`] if the folder cannot be made or written.
    pub async fn init(
        place: impl Into<RepositoryPlace> + Send,
        password: &SecretString,
        options: InitOptions,
    ) -> Result<Self, StoreError> {
        let (place, password) = (place.into(), password.clone());
        Task("create a repository")
            .run(move || open::create(place, &password, options))
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
        place: impl Into<RepositoryPlace> + Send,
        password: &SecretString,
        options: OpenOptions,
    ) -> Result<Self, StoreError> {
        let (place, password) = (place.into(), password.clone());
        Task("open the repository")
            .run(move || open::open(place, &password, options))
            .await
            .map(Self::new)
    }

    /// Does work that reads trees and data, until nobody waits for it any more.
    async fn read<T: Send + 'static>(
        &self,
        (task, kind): (Task, WorkKind),
        work: impl FnOnce(&Shared, &restore::Indexed, &Account) -> Result<T, StoreError>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let account = Arc::new(Account::default());
        let _cancel = CancelOnDrop(Arc::clone(&account));
        let shared = Arc::clone(&self.shared);
        task.run(move || {
            let _reading = shared.place.to_read_if_possible(&shared.key);
            let repository = shared
                .repository(&shared.folder(), None)
                .and_then(Repository::to_indexed)
                .map_err(|error| damaged(&shared.path, "the index", &error))?;
            let _telling = account.tell(shared.listener.begin(kind, None, None));
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
        if request.has_archives() {
            // They can be read in their own order only, which is not the library's.
            let started_at = request.started_at;
            let mut staged = self.stage(request).await?;
            staged.capture(started_at).await?;
            return staged.archive().await;
        }
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

    async fn stage(&self, request: BackupRequest) -> Result<Box<dyn StagedBackup>, StoreError> {
        let Some(spool) = &self.shared.spool else {
            return Err(StoreError::InvalidRequest {
                reason: "a backup in stages needs a folder for local copies".to_owned(),
            });
        };
        let staged = staged::Staged::new(
            Arc::clone(&self.shared),
            Arc::clone(&self.writer),
            Arc::clone(spool),
            request,
        )?;
        Ok(Box::new(staged))
    }

    async fn snapshots(&self) -> Result<Vec<Snapshot>, StoreError> {
        let shared = Arc::clone(&self.shared);
        list::TASK.run(move || list::run(&shared)).await
    }

    async fn restore(&self, request: RestoreRequest) -> Result<RestoreSummary, StoreError> {
        let work = move |shared: &Shared, indexed: &restore::Indexed, account: &Account| {
            restore::run(&shared.path, indexed, &request, account)
        };
        self.read((restore::TASK, WorkKind::Restore), work).await
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
        self.read((restore::COMPARE, WorkKind::Compare), work).await
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
        self.read((export::TASK, WorkKind::Export), work).await
    }

    async fn check(&self, depth: CheckDepth) -> Result<CheckReport, StoreError> {
        let account = Arc::new(Account::default());
        let _cancel = CancelOnDrop(Arc::clone(&account));
        let shared = Arc::clone(&self.shared);
        check::TASK
            .run(move || check::run(&shared, depth, &account))
            .await
    }

    async fn forget(&self, snapshots: Vec<SnapshotId>) -> Result<(), StoreError> {
        let account = Arc::new(Account::default());
        let _cancel = CancelOnDrop(Arc::clone(&account));
        let shared = Arc::clone(&self.shared);
        let queue = Arc::clone(&self.writer).lock_owned().await;
        forget::TASK
            .run(move || {
                let _queue = queue;
                forget::run(&shared, &snapshots, &account)
            })
            .await
    }

    async fn prune(&self, options: PruneOptions) -> Result<PruneSummary, StoreError> {
        let account = Arc::new(Account::default());
        let _cancel = CancelOnDrop(Arc::clone(&account));
        let shared = Arc::clone(&self.shared);
        let mut index = Arc::clone(&self.writer).lock_owned().await;
        prune::TASK
            .run(move || {
                // Nobody must go by an index from before.
                *index = None;
                prune::run(&shared, &options, &account)
            })
            .await
    }
}

impl Shared {
    fn folder(&self) -> Arc<Backend> {
        Arc::new(Backend::new(self.place.files()))
    }

    /// The repository, opened with the key that the password has already unlocked.
    fn repository(
        &self,
        folder: &Arc<Backend>,
        cache: Option<&Path>,
    ) -> RusticResult<Repository<OpenStatus>> {
        self.repository_for(folder, cache, None)
    }

    /// The same, and the bytes of the library's own work are told of as this.
    fn repository_for(
        &self,
        folder: &Arc<Backend>,
        cache: Option<&Path>,
        kind: Option<WorkKind>,
    ) -> RusticResult<Repository<OpenStatus>> {
        let credentials = Credentials::Masterkey(self.key.clone());
        unlock(folder, cache, &credentials, self.listener.bars(kind))
    }

    /// The repository with an index that is up to date.
    ///
    /// Whoever adds or removes data also adds or removes files of the index, so an index that was
    /// read from the same files is still true. One that is not would be dangerous: a backup could
    /// refer to data that is gone.
    fn with_index<'a>(
        &self,
        loaded: &'a mut Option<LoadedIndex>,
    ) -> Result<&'a mut LoadedIndex, StoreError> {
        let damaged = |error: Box<RusticError>| damaged(&self.path, "the index", &error);
        let mut index_files = self.folder().list(FileType::Index).map_err(damaged)?;
        index_files.sort_unstable();
        let (known, snapshots) = match loaded.take() {
            Some(known) if known.index_files == index_files => (Some(known), HashMap::new()),
            // The old index is gone before the new one is read: both may be large.
            Some(LoadedIndex { snapshots, .. }) => (None, snapshots),
            None => (None, HashMap::new()),
        };
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
                snapshots,
                folder,
                repository,
            }
        };
        Ok(loaded.insert(current))
    }
}

fn unlock(
    folder: &Arc<Backend>,
    cache: Option<&Path>,
    credentials: &Credentials,
    bars: Bars,
) -> RusticResult<Repository<OpenStatus>> {
    closed(folder, cache, bars)?.open(credentials)
}

fn closed(folder: &Arc<Backend>, cache: Option<&Path>, bars: Bars) -> RusticResult<Repository<()>> {
    let options = match cache {
        Some(cache) => RepositoryOptions::default().cache_dir(cache),
        None => RepositoryOptions::default().no_cache(true),
    };
    Repository::new_with_progress(
        &options,
        &RepositoryBackends::new(Arc::<Backend>::clone(folder), None),
        bars,
    )
}
