//! A stack's way through the stages of its backup.

use backup_store::{BackupRequest, Capture, StagedBackup, Store, StoreError, WarmUp};

use super::saving::Saved;
use crate::clock::Clock;

/// How many files are named before they are only counted.
const MOST_NAMED: usize = 5;

/// What the stages came to.
#[derive(Debug, Default)]
pub(super) struct Stages {
    pub(super) warm_up: WarmUp,
    pub(super) capture: Capture,
}

impl Stages {
    /// What somebody should look at.
    pub(super) fn remarks(&self, stack: &str) -> Vec<String> {
        let unsteady = &self.capture.unsteady;
        let named = unsteady.iter().take(MOST_NAMED).map(|path| {
            format!(
                "{stack}: {} was changed while it was copied, though everything was stopped: \
                 something else writes to it",
                path.display()
            )
        });
        let more = unsteady
            .len()
            .checked_sub(MOST_NAMED)
            .filter(|more| *more > 0)
            .map(|more| format!("{stack}: so were {more} more files"));
        named.chain(more).collect()
    }
}

/// A stack that is ready to be stopped.
#[derive(Debug)]
pub(super) struct Staged {
    stack: String,
    warm_up: WarmUp,
    backup: Box<dyn StagedBackup>,
}

impl Staged {
    pub(super) async fn warm_up(
        store: &dyn Store,
        request: BackupRequest,
        clock: &dyn Clock,
    ) -> Result<Self, StoreError> {
        let stack = request.stack.clone();
        let mut backup = store.stage(request).await?;
        Ok(Self {
            warm_up: backup.warm_up(clock.now()).await?,
            stack,
            backup,
        })
    }
}

/// A stack of whose standing still there is a copy, or none could be made.
#[derive(Debug)]
pub(super) struct Captured {
    staged: Staged,
    capture: Result<Capture, StoreError>,
}

/// Keeps what is there, of one stack after the other.
pub(super) async fn capture(warm: Vec<Staged>, clock: &dyn Clock) -> Vec<Captured> {
    let mut captured = Vec::new();
    for mut staged in warm {
        let capture = staged.backup.capture(clock.now()).await;
        captured.push(Captured { staged, capture });
    }
    captured
}

/// Writes the snapshots.
pub(super) async fn archive(captured: Vec<Captured>) -> Vec<Saved> {
    let mut saved = Vec::new();
    for Captured { staged, capture } in captured {
        let Staged {
            stack,
            warm_up,
            backup,
        } = staged;
        let (capture, result) = match capture {
            Ok(capture) => (capture, backup.archive().await),
            Err(error) => (Capture::default(), Err(error)),
        };
        saved.push(Saved {
            stack,
            stages: Stages { warm_up, capture },
            result,
        });
    }
    saved
}
