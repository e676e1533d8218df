//! All that one restore in place swaps, and what a killed one left behind.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::RestoreFailure;
use super::journal::{Phase, SwapJournal, SwapRecord};
use crate::exit::Exit;
use crate::sentence;

/// How often the removal of a folder is tried: the process that wrote into it may live a moment
/// longer than the run that started it.
const REMOVALS: u32 = 20;

/// How long to wait in between.
const REMOVAL_PAUSE: Duration = Duration::from_millis(50);

/// What a restore that did not come to its end left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// What had been begun.
    pub record: SwapRecord,
    /// The data from before is in its place again. Otherwise all of the restored data is, and what
    /// was there before still lies beside it.
    pub undone: bool,
}

impl Leftover {
    /// What was found, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let SwapRecord { stack, safety, .. } = &self.record;
        if self.undone {
            return format!(
                "a restore of {stack} did not come to its end: its data is as it was before"
            );
        }
        let safety = match safety {
            Some(id) => format!(", and in the snapshot {id}"),
            None => String::new(),
        };
        format!(
            "a restore of {stack} ended before the stack was seen to run well with its restored \
             data: what was there before is kept in {}{safety}",
            places(&self.record)
        )
    }
}

/// Where the data from before lies.
pub(crate) fn places(record: &SwapRecord) -> String {
    let places = record
        .swaps
        .iter()
        .map(|swap| swap.staging.display().to_string());
    places.collect::<Vec<_>>().join(", ")
}

pub(crate) fn failed(what: &str, path: &Path, error: &io::Error) -> RestoreFailure {
    RestoreFailure::new(
        Exit::Failed,
        format!("failed to {what} {}: {error}", path.display()),
    )
}

/// Puts all restored data in its place, or none.
pub(crate) fn swap_all(record: &SwapRecord) -> Result<(), RestoreFailure> {
    for swap in &record.swaps {
        if let Err(error) = swap.swap() {
            let failure = failed("put restored data in the place of", &swap.path, &error);
            return Err(match undo_all(record) {
                Ok(()) => failure,
                Err(worse) => RestoreFailure::new(Exit::Failed, format!("{failure}; {worse}")),
            });
        }
    }
    Ok(())
}

pub(crate) fn undo_all(record: &SwapRecord) -> Result<(), RestoreFailure> {
    for swap in record.swaps.iter().rev() {
        swap.undo()
            .map_err(|error| failed("put back what was in", &swap.path, &error))?;
    }
    Ok(())
}

/// Takes away what a restore in place left behind: half of one is undone.
///
/// To be called before anything is started, by whoever holds the lock.
///
/// # Errors
/// When the journal cannot be read, or the data cannot be put back. Nothing is to be started then
/// that uses it.
pub async fn undo(journal: &SwapJournal) -> Result<Option<Leftover>, RestoreFailure> {
    let journal = journal.clone();
    let unreadable = |error| RestoreFailure::new(Exit::Failed, sentence::failed_to(&error));
    let read = journal.read().map_err(unreadable)?;
    let Some(record) = read else {
        return Ok(None);
    };
    if record.phase == Phase::Swapped {
        return Ok(Some(Leftover {
            record,
            undone: false,
        }));
    }
    let undoing = record.clone();
    blocking(move || undo_all(&undoing)).await?;
    settle(&journal, &record).await?;
    Ok(Some(Leftover {
        record,
        undone: true,
    }))
}

/// Removes what lies beside the data, and forgets the restore.
///
/// # Errors
/// When something cannot be removed: it stays in the journal.
pub async fn settle(journal: &SwapJournal, record: &SwapRecord) -> Result<(), RestoreFailure> {
    for swap in &record.swaps {
        let mut attempt = 1;
        loop {
            let clearing = swap.clone();
            match blocking(move || Ok(clearing.clear())).await? {
                Ok(()) => break,
                Err(_) if attempt < REMOVALS => tokio::time::sleep(REMOVAL_PAUSE).await,
                Err(error) => return Err(failed("remove", &swap.staging, &error)),
            }
            attempt += 1;
        }
    }
    journal
        .clear()
        .map_err(|error| RestoreFailure::new(Exit::Failed, sentence::failed_to(&error)))
}

/// Does work that may block where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RestoreFailure> + Send + 'static,
) -> Result<T, RestoreFailure> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(RestoreFailure::new(
            Exit::Failed,
            format!("it broke off: {error}"),
        )),
    }
}

/// The folder that a restore writes to, made for its owner alone.
pub(crate) fn make_staging(path: &PathBuf) -> Result<(), RestoreFailure> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(|error| failed("make the folder", path, &error))
}
