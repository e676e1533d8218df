//! A restore in place, from the plan to the stack that runs again.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use backup_store::{BackupRequest, RestoreSummary, Snapshot, Source, Store, TAG_SAFETY};
use docker_stacks::{Engine, GroupPlan, OutageReport, StackPlan, WorkEnd, outage};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::journal::{Phase, SwapJournal, SwapRecord};
use super::place::Swap;
use super::swap_all::{self, blocking, make_staging, settle};
use super::targets::Target;
use super::{RestoreFailure, RestoreJob, Restorer};
use crate::clock::Clock;
use crate::exit::Exit;
use crate::sentence;
use crate::step::stacks::{DockerHost, StacksOptions, problems};

/// What a restore in place works with.
#[derive(Debug)]
pub struct InPlace<'a> {
    /// The time of day.
    pub clock: &'a dyn Clock,
    /// The machine.
    pub host: &'a dyn DockerHost,
    /// Its engine.
    pub engine: &'a dyn Engine,
    /// The repository.
    pub store: &'a dyn Store,
    /// Who writes.
    pub restorer: &'a dyn Restorer,
    /// Where what is begun is written down.
    pub journal: &'a SwapJournal,
    /// How containers are stopped and started.
    pub options: &'a StacksOptions,
    /// Ends it, with everything as it was, until the data is swapped.
    pub cancel: &'a CancellationToken,
}

/// What came of a restore in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InPlaceReport {
    /// The stack.
    pub stack: String,
    /// What was restored.
    pub snapshot: String,
    /// The snapshot of what was there before.
    pub safety_snapshot: Option<String>,
    /// The directories and files that were replaced.
    pub replaced: Vec<PathBuf>,
    /// What was written.
    pub summary: RestoreSummary,
    /// The kernel kept the process that wrote it to its folder.
    pub confined: bool,
    /// How long the stack was down, in milliseconds.
    pub outage_milliseconds: Option<u64>,
    /// Where what was there before still lies, because the stack does not run well.
    pub kept: Vec<PathBuf>,
    /// What somebody should look at.
    pub remarks: Vec<String>,
}

impl InPlaceReport {
    /// What the run ends with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        if self.remarks.is_empty() && self.kept.is_empty() && self.confined {
            Exit::Done
        } else {
            Exit::Attention
        }
    }
}

/// Restores a stack's data in place.
///
/// The data is written beside what is there and held against the snapshot while the stack still
/// runs. Then the stack's group goes down, what is there is saved in a snapshot with the tag
/// [`TAG_SAFETY`], the two are swapped, and the group is started again. What was there is removed
/// when everything runs well.
///
/// # Errors
/// Whatever fails before the swap leaves the data as it was, and the stack running.
pub async fn in_place(
    parts: &InPlace<'_>,
    group: &GroupPlan,
    stack: &StackPlan,
    snapshot: &Snapshot,
    targets: &[Target],
) -> Result<InPlaceReport, RestoreFailure> {
    let swaps = targets.iter().enumerate();
    let swaps = swaps.map(|(number, target)| Swap::plan(target, number));
    let mut record = SwapRecord {
        stack: stack.name.to_string(),
        snapshot: format!("{:#}", snapshot.id),
        safety: None,
        phase: Phase::Preparing,
        swaps: swaps.collect::<Result<_, _>>()?,
    };
    write(parts.journal, &record)?;
    let prepared = tokio::select! {
        prepared = prepare(parts.restorer, snapshot, targets, &mut record) => prepared,
        () = parts.cancel.cancelled() => {
            Err(RestoreFailure::new(Exit::Failed, "it was cancelled; nothing was changed"))
        }
    };
    let (summary, confined) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return Err(give_up(parts.journal, &record, failure).await),
    };
    let mut report = InPlaceReport {
        stack: record.stack.clone(),
        snapshot: record.snapshot.clone(),
        safety_snapshot: None,
        replaced: record.swaps.iter().map(|swap| swap.path.clone()).collect(),
        summary,
        confined,
        outage_milliseconds: None,
        kept: Vec::new(),
        remarks: Vec::new(),
    };
    let swapping = AtomicBool::new(false);
    let runs_well = if group.goes_down() || !group.hooks.is_empty() {
        let cancelled = async {
            parts.cancel.cancelled().await;
            // Halfway through the swap is no place to stop; what is left takes no time.
            if swapping.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        let outage: OutageReport<_> = outage(
            parts.engine,
            parts.host.journal(),
            group,
            parts.clock.now(),
            &parts.options.outage,
            cancelled,
            save_and_swap(parts, targets, &mut record, &swapping),
        )
        .await;
        report.remarks.extend(problems::of_outage(&outage));
        let milliseconds = outage.outage.as_millis();
        report.outage_milliseconds = Some(u64::try_from(milliseconds).unwrap_or(u64::MAX));
        let runs_well = outage.everything_runs() && outage.unhealthy().next().is_none();
        let failure = match outage.work {
            WorkEnd::Finished(Ok(())) => None,
            WorkEnd::Finished(Err(failure)) => Some(failure),
            WorkEnd::Cancelled => Some(RestoreFailure::new(Exit::Failed, "it was cancelled")),
            WorkEnd::Panicked(why) | WorkEnd::NotRun { why } => {
                Some(RestoreFailure::new(Exit::Failed, why))
            }
        };
        if let Some(failure) = failure {
            return Err(give_up(parts.journal, &record, failure).await);
        }
        runs_well
    } else {
        if let Err(failure) = save_and_swap(parts, targets, &mut record, &swapping).await {
            return Err(give_up(parts.journal, &record, failure).await);
        }
        true
    };
    report.safety_snapshot.clone_from(&record.safety);
    if runs_well {
        settle(parts.journal, &record).await?;
    } else {
        report.kept = record
            .swaps
            .iter()
            .map(|swap| swap.staging.clone())
            .collect();
    }
    Ok(report)
}

/// Restores beside what is there, and looks whether it is what the snapshot says.
pub(super) async fn prepare(
    restorer: &dyn Restorer,
    snapshot: &Snapshot,
    targets: &[Target],
    record: &mut SwapRecord,
) -> Result<(RestoreSummary, bool), RestoreFailure> {
    let mut total = RestoreSummary::default();
    let mut confined = true;
    for (target, swap) in targets.iter().zip(&mut record.swaps) {
        make_staging(&swap.staging)?;
        let job = RestoreJob {
            snapshot: snapshot.id,
            only: Some(target.place.clone()),
            to: swap.staging.clone(),
            verify: vec![target.place.clone()],
        };
        let written = restorer.restore(job).await?;
        let other = swap.place_in(&target.place);
        let metadata = std::fs::symlink_metadata(&other)
            .map_err(|error| swap_all::failed("find the restored", &other, &error))?;
        swap.inode = metadata.ino();
        confined &= written.confined;
        total.files += written.summary.files;
        total.directories += written.summary.directories;
        total.other += written.summary.other;
        total.bytes += written.summary.bytes;
        total.incomplete.extend(written.summary.incomplete);
    }
    Ok((total, confined))
}

async fn save_and_swap(
    parts: &InPlace<'_>,
    targets: &[Target],
    record: &mut SwapRecord,
    swapping: &AtomicBool,
) -> Result<(), RestoreFailure> {
    record.safety = save(parts, targets, record).await?;
    swapping.store(true, Ordering::Relaxed);
    swap(parts.journal, record).await
}

/// Swaps everything, with each step in the journal before it is made.
pub(super) async fn swap(
    journal: &SwapJournal,
    record: &mut SwapRecord,
) -> Result<(), RestoreFailure> {
    record.phase = Phase::Swapping;
    write(journal, record)?;
    let to_swap = record.clone();
    blocking(move || swap_all::swap_all(&to_swap)).await?;
    record.phase = Phase::Swapped;
    write(journal, record)
}

/// Saves what is there now, so that a restore can be taken back by another.
async fn save(
    parts: &InPlace<'_>,
    targets: &[Target],
    record: &SwapRecord,
) -> Result<Option<String>, RestoreFailure> {
    let there = targets.iter().zip(&record.swaps);
    let there = there.filter(|(_, swap)| swap.path.exists());
    let sources: Vec<Source> = there
        .map(|(target, swap)| {
            // What is written inside of what is saved is no part of it.
            let own = swap.staging.strip_prefix(&swap.path).ok();
            let own = own.and_then(|name| format!("/{}", name.display()).parse().ok());
            let exclude = if target.within.as_os_str().is_empty() {
                target.exclude.clone()
            } else {
                Vec::new()
            };
            Source::path(target.place.clone(), swap.path.clone())
                .excluding(exclude.into_iter().chain(own))
        })
        .collect();
    if sources.is_empty() {
        return Ok(None);
    }
    let request = BackupRequest {
        stack: record.stack.clone(),
        host: parts.host.host_name().to_owned(),
        started_at: parts.clock.now(),
        sources,
        tags: vec![TAG_SAFETY.to_owned()],
    };
    let saved = parts.store.back_up(request).await.map_err(|error| {
        RestoreFailure::new(
            Exit::Failed,
            format!(
                "what is there now could not be saved first, so nothing was changed: {}",
                sentence::failed_to(&error)
            ),
        )
    })?;
    if let Some(unreadable) = saved.unreadable.first() {
        return Err(RestoreFailure::new(
            Exit::Failed,
            format!(
                "what is there now could not be saved whole, so nothing was changed: {}: {}",
                unreadable.path.display(),
                unreadable.reason
            ),
        ));
    }
    Ok(Some(format!("{:#}", saved.snapshot)))
}

pub(super) fn write(journal: &SwapJournal, record: &SwapRecord) -> Result<(), RestoreFailure> {
    journal
        .write(record)
        .map_err(|error| RestoreFailure::new(Exit::Failed, sentence::failed_to(&error)))
}

/// Has everything as it was, and says what went wrong.
pub(super) async fn give_up(
    journal: &SwapJournal,
    record: &SwapRecord,
    failure: RestoreFailure,
) -> RestoreFailure {
    let undoing = record.clone();
    let undone = match blocking(move || swap_all::undo_all(&undoing)).await {
        Ok(()) => settle(journal, record).await,
        Err(failure) => Err(failure),
    };
    match undone {
        Ok(()) => failure,
        Err(worse) => RestoreFailure::new(failure.exit, format!("{failure}; {worse}")),
    }
}
