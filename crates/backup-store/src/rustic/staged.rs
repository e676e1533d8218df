//! Backups in stages: the repository before and after, and only a local disk in between.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::{LoadedIndex, Shared, Task, backup, parent, parent::Parent};
use crate::{
    BackupRequest, BackupSummary, Capture, Source, StagedBackup, StoreError, TAG_LIVE, WarmUp,
    WorkKind, WorkProgress,
    account::{Account, CancelOnDrop},
    source::{self, Ahead, Base, Captured, Recorded, Sources, Survey},
    spool::{self, Spool},
};

const TASK: Task = Task("copy what has changed");

/// What one file costs to copy, and a second's copying of one large file: small enough to be true
/// on a slow disk, since a live pass that was not needed costs little.
const SMALL_FILES_PER_SECOND: u64 = 5_000;
const BYTES_PER_SECOND: u64 = 200 << 20;

/// A backup in stages, of a repository in a folder.
pub(super) struct Staged {
    shared: Arc<Shared>,
    writer: Arc<Mutex<Option<LoadedIndex>>>,
    spool: Arc<Spool>,
    /// Away while a stage is at work.
    stage: Option<Box<Stage>>,
}

/// How far it has come.
struct Stage {
    request: BackupRequest,
    ordered: Vec<Source>,
    /// What it builds on; looked for when it is needed first.
    parent: Option<Parent>,
    base: Arc<Base>,
    contents: Option<spool::Contents>,
    ahead: Ahead,
    captured: Option<(Captured, Arc<Account>)>,
    archived: Option<BackupSummary>,
}

impl std::fmt::Debug for Staged {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Staged")
            .field(
                "stack",
                &self.stage.as_ref().map(|stage| &stage.request.stack),
            )
            .finish_non_exhaustive()
    }
}

impl Staged {
    pub(super) fn new(
        shared: Arc<Shared>,
        writer: Arc<Mutex<Option<LoadedIndex>>>,
        spool: Arc<Spool>,
        request: BackupRequest,
    ) -> Result<Self, StoreError> {
        let stage = Stage {
            ordered: request.ordered_sources()?,
            request,
            parent: None,
            base: Arc::default(),
            contents: None,
            ahead: Ahead::default(),
            captured: None,
            archived: None,
        };
        Ok(Self {
            shared,
            writer,
            spool,
            stage: Some(Box::new(stage)),
        })
    }

    /// Works on the stage on a blocking thread. If the future is dropped, the work ends soon.
    async fn work<T: Send + 'static>(
        &mut self,
        task: Task,
        account: Arc<Account>,
        work: impl FnOnce(
            &mut Stage,
            &Shared,
            &mut Option<LoadedIndex>,
            &Arc<Spool>,
        ) -> Result<T, StoreError>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let mut stage = self
            .stage
            .take()
            .ok_or(StoreError::Cancelled { operation: task.0 })?;
        let cancel = CancelOnDrop(account);
        let (shared, spool) = (Arc::clone(&self.shared), Arc::clone(&self.spool));
        let mut index = Arc::clone(&self.writer).lock_owned().await;
        let (stage, result) = task
            .run(move || {
                let result = work(&mut stage, &shared, &mut index, &spool);
                Ok((stage, result))
            })
            .await?;
        cancel.disarm();
        self.stage = Some(stage);
        result
    }
}

#[async_trait]
impl StagedBackup for Staged {
    async fn warm_up(&mut self, now: Timestamp) -> Result<WarmUp, StoreError> {
        let account = Arc::new(Account::quiet());
        let run = Arc::clone(&account);
        self.work(backup::TASK, account, move |stage, shared, index, spool| {
            stage.warm_up(shared, index, spool, &run, now)
        })
        .await
    }

    async fn capture(&mut self, now: Timestamp) -> Result<Capture, StoreError> {
        let account = Arc::new(Account::default());
        let run = Arc::clone(&account);
        self.work(TASK, account, move |stage, shared, index, spool| {
            stage.capture(shared, index, spool, &run, now)
        })
        .await
    }

    async fn archive(mut self: Box<Self>) -> Result<BackupSummary, StoreError> {
        let account = match &self.stage {
            Some(stage) => match &stage.captured {
                Some((_, account)) => Arc::clone(account),
                None => Arc::default(),
            },
            None => Arc::default(),
        };
        self.work(backup::TASK, account, |stage, shared, index, spool| {
            stage.archive(shared, index, spool)
        })
        .await
    }
}

impl Stage {
    fn warm_up(
        &mut self,
        shared: &Shared,
        index: &mut Option<LoadedIndex>,
        spool: &Arc<Spool>,
        run: &Arc<Account>,
        now: Timestamp,
    ) -> Result<WarmUp, StoreError> {
        if self.request.has_archives() {
            // All of them is read, and once is enough. No parent is looked for either: nothing of
            // it could be trusted, since an archive does not say what has changed.
            shared.with_index(index)?;
            self.contents = Some(spool.contents()?);
            return Ok(WarmUp::default());
        }
        self.find_parent(shared, index)?;
        let found = Sources::find(self.ordered.clone(), now, Arc::clone(run))?;
        let mut contents = spool.contents()?;
        let first = source::survey(found.ordered(), &self.base, run);
        let mut warm_up = WarmUp {
            entries: first.entries,
            bytes: first.bytes,
            changed_files: first.changed_files,
            changed_bytes: first.changed_bytes,
            ..WarmUp::default()
        };
        let mut large = first.large.clone();
        if is_worth_a_live_pass(&first, &contents) {
            let request = BackupRequest {
                started_at: now,
                tags: vec![TAG_LIVE.to_owned()],
                ..self.request.clone()
            };
            let (ordered, places) = (found.ordered().to_vec(), found.places());
            let work = self.work_on(shared, WorkKind::CopyLive, Some(first.changed_bytes));
            let _telling = run.tell(work);
            let live = found.since(Arc::clone(&self.base));
            let job = backup::Job {
                request: &request,
                places,
                parent: self.parent.as_ref(),
                account: run,
            };
            job.archive(shared, index, &live)?;
            self.find_parent(shared, index)?;
            large = source::survey(&ordered, &self.base, run).large;
            warm_up.copied_live = true;
        }
        let ahead_bytes = large.iter().map(|file| file.bytes).sum();
        let work = self.work_on(shared, WorkKind::CopyAhead, Some(ahead_bytes));
        let telling = run.tell(work.filter(|_| ahead_bytes > 0));
        self.ahead = Ahead::copy(&mut contents, &large, run)
            .map_err(|source| spool.failed("write to", source))?;
        drop(telling);
        warm_up.copied_ahead_bytes = self.ahead.bytes();
        self.contents = Some(contents);
        tracing::debug!(stack = self.request.stack, ?warm_up, "warmed up");
        Ok(warm_up)
    }

    fn work_on(
        &self,
        shared: &Shared,
        kind: WorkKind,
        total_bytes: Option<u64>,
    ) -> Option<Box<dyn WorkProgress>> {
        let stack = Some(self.request.stack.as_str());
        shared.listener.begin(kind, stack, total_bytes)
    }

    /// What the newest snapshot knows; after this, nothing of it is needed until the sources are
    /// at work again.
    fn find_parent(
        &mut self,
        shared: &Shared,
        index: &mut Option<LoadedIndex>,
    ) -> Result<(), StoreError> {
        let index = shared.with_index(index)?;
        self.parent = parent::newest(index, &self.request)?;
        self.base = Arc::new(match &self.parent {
            Some(parent) => parent.base(&index.repository),
            None => Base::default(),
        });
        Ok(())
    }

    fn capture(
        &mut self,
        shared: &Shared,
        index: &mut Option<LoadedIndex>,
        spool: &Arc<Spool>,
        account: &Arc<Account>,
        now: Timestamp,
    ) -> Result<Capture, StoreError> {
        self.request.started_at = now;
        let contents = match self.contents.take() {
            Some(contents) => contents,
            None => spool.contents()?,
        };
        let telling = account.tell(self.work_on(shared, WorkKind::Capture, None));
        let found = Sources::find(self.ordered.clone(), now, Arc::clone(account))?;
        let captured = source::capture(
            found.ordered().to_vec(),
            &self.base,
            spool,
            contents,
            std::mem::take(&mut self.ahead),
            (now, account),
        )?;
        drop(telling);
        let capture = Capture {
            entries: captured.entries,
            spooled_files: captured.spooled_files,
            spooled_bytes: captured.spooled_bytes,
            in_place_files: captured.in_place_files,
            in_place_bytes: captured.in_place_bytes,
            unsteady: captured.unsteady.clone(),
        };
        tracing::debug!(stack = self.request.stack, ?capture, "captured");
        self.captured = Some((captured, Arc::clone(account)));
        if capture.in_place_files > 0 {
            self.archived = Some(self.archive(shared, index, spool)?);
        }
        Ok(capture)
    }

    fn archive(
        &mut self,
        shared: &Shared,
        index: &mut Option<LoadedIndex>,
        spool: &Arc<Spool>,
    ) -> Result<BackupSummary, StoreError> {
        if let Some(summary) = self.archived.take() {
            return Ok(summary);
        }
        let Some((mut captured, account)) = self.captured.take() else {
            return Err(StoreError::InvalidRequest {
                reason: "nothing was captured that could be archived".to_owned(),
            });
        };
        let to_read = captured.spooled_bytes + captured.in_place_bytes;
        let work = self.work_on(shared, WorkKind::Archive, Some(to_read));
        let _telling = account.tell(work);
        captured
            .add_manifest(self.request.started_at)
            .map_err(|source| spool.failed("read from", source))?;
        let recorded = Recorded::new(
            captured,
            Arc::clone(spool),
            Arc::clone(&self.base),
            self.request.started_at,
            Arc::clone(&account),
        );
        let job = backup::Job {
            request: &self.request,
            places: recorded.places(),
            parent: self.parent.as_ref(),
            account: &account,
        };
        job.archive(shared, index, &recorded)
    }
}

/// Whether copying what has changed would take more than about a second, or not fit.
fn is_worth_a_live_pass(survey: &Survey, contents: &spool::Contents) -> bool {
    let large: u64 = survey.large.iter().map(|file| file.bytes).sum();
    let small = survey.changed_bytes - large;
    let seconds_thousandth = 1000 * survey.changed_files / SMALL_FILES_PER_SECOND
        + 1000 * small / BYTES_PER_SECOND
        // Copied ahead, they are only to be read again.
        + 1000 * large / (5 * BYTES_PER_SECOND);
    seconds_thousandth > 1000 || survey.changed_bytes > contents.room()
}
