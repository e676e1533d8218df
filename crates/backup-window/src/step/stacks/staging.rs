//! A group's way through the stages of its backups: before the stop, while it is down, and after its
//! start. In the middle there are local copies of what has changed, or snapshots of its file systems
//! where those have them.

use std::io;
use std::path::{Path, PathBuf};

use backup_store::{
    BackupRequest, Capture, Manifest, SnapshotPath, Source, StagedBackup, Store, StoreError, WarmUp,
};
use fs_snapshots::{Held, Holder, Prepared, Served};
use jiff::Timestamp;

use super::saving::{Saved, has_archives};
use super::sources;
use crate::clock::Clock;
use crate::fs_snapshots::problems_of;
use crate::sentence;

/// How many files are named before they are only counted.
const MOST_NAMED: usize = 5;

/// What the stages came to.
#[derive(Debug, Default)]
pub(super) struct Stages {
    pub(super) through_engine: bool,
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
    through_engine: bool,
    warm_up: WarmUp,
    backup: Box<dyn StagedBackup>,
}

impl Staged {
    /// Not warmed up: where a snapshot is likely to be all that is needed.
    pub(super) async fn begin(
        store: &dyn Store,
        request: BackupRequest,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            stack: request.stack.clone(),
            through_engine: has_archives(&request),
            warm_up: WarmUp::default(),
            backup: store.stage(request).await?,
        })
    }

    pub(super) async fn warm_up(
        store: &dyn Store,
        request: BackupRequest,
        clock: &dyn Clock,
    ) -> Result<Self, StoreError> {
        let mut staged = Self::begin(store, request).await?;
        staged.warm_up = staged.backup.warm_up(clock.now()).await?;
        Ok(staged)
    }
}

/// A stack of whose standing still there is a copy, or none could be made.
#[derive(Debug)]
pub(super) struct Captured {
    staged: Staged,
    capture: Result<Capture, StoreError>,
}

/// A group that is ready to be stopped.
#[derive(Debug)]
pub(super) enum Warm {
    Stages(Vec<Staged>),
    /// Snapshots are written down and not made yet. Should that fail, there are the stages.
    Snapshots {
        prepared: Prepared,
        requests: Vec<BackupRequest>,
        instead: Vec<Staged>,
    },
}

/// What there is of a group's standing still.
#[derive(Debug)]
pub(super) enum Kept {
    Stages(Vec<Captured>, Vec<String>),
    Snapshots {
        held: Held,
        requests: Vec<BackupRequest>,
        at: Timestamp,
    },
}

/// What serves all the data of these stacks, if everything has snapshots. Compose files are read
/// from where they are: containers do not write them.
pub(super) async fn served(holder: &Holder, requests: &[BackupRequest]) -> Option<Vec<Served>> {
    let sources = || requests.iter().flat_map(|request| &request.sources);
    if sources().any(|source| matches!(source, Source::Archive { .. })) {
        return None;
    }
    let data: Vec<PathBuf> = sources()
        .filter_map(|source| match source {
            Source::Path { name, path, .. } if !sources::is_definition(name) => Some(path.clone()),
            Source::Path { .. } | Source::Archive { .. } | Source::Bytes { .. } => None,
        })
        .collect();
    if data.is_empty() {
        return None;
    }
    let answers = holder.survey(&data).await;
    answers.into_iter().map(Result::ok).collect()
}

/// Keeps what is there. This is all that a group is down for.
pub(super) async fn keep(warm: Warm, clock: &dyn Clock) -> Kept {
    match warm {
        Warm::Stages(staged) => Kept::Stages(capture(staged, clock).await, Vec::new()),
        Warm::Snapshots {
            prepared,
            requests,
            instead,
        } => {
            let at = clock.now();
            let held = prepared.take().await;
            if held.failures().is_empty() {
                return Kept::Snapshots { held, requests, at };
            }
            let mut remarks: Vec<String> = held
                .failures()
                .iter()
                .map(|(origin, error)| {
                    let why = sentence::failed_to(error);
                    format!("{origin} was copied while its stack was down: {why}")
                })
                .collect();
            let captured = capture(instead, clock).await;
            remarks.extend(release(held).await);
            Kept::Stages(captured, remarks)
        }
    }
}

/// Writes the snapshots of the repository, and removes those of the file systems.
pub(super) async fn archive(kept: Kept, store: &dyn Store) -> (Vec<Saved>, Vec<String>) {
    match kept {
        Kept::Stages(captured, remarks) => (archive_stages(captured).await, remarks),
        Kept::Snapshots { held, requests, at } => {
            let mut saved = Vec::new();
            for request in requests {
                let request = with_manifest(as_held(request, &held, at)).await;
                saved.push(Saved {
                    stack: request.stack.clone(),
                    stages: Stages::default(),
                    result: store.back_up(request).await,
                });
            }
            (saved, release(held).await)
        }
    }
}

async fn release(held: Held) -> Vec<String> {
    match held.release().await {
        Ok(removal) => problems_of(&removal),
        Err(error) => vec![sentence::failed_to(&error)],
    }
}

/// The request for what was there at that moment.
fn as_held(mut request: BackupRequest, held: &Held, at: Timestamp) -> BackupRequest {
    request.started_at = at;
    let in_snapshot = |path: &Path| held.path_of(path);
    for source in &mut request.sources {
        if let Source::Path { path, .. } = source
            && let Some(held) = in_snapshot(path)
        {
            *path = held;
        }
    }
    request
}

/// The request with a manifest of what is in the snapshots. Without one, a drill says that it has none.
async fn with_manifest(mut request: BackupRequest) -> BackupRequest {
    let sources = request.sources.clone();
    let walk = move || Manifest::of_sources(&sources);
    let manifest = match tokio::task::spawn_blocking(walk).await {
        Ok(manifest) => manifest,
        Err(error) => Err(io::Error::other(error)),
    };
    match (manifest, SnapshotPath::new(Manifest::PLACE)) {
        (Ok(manifest), Ok(place)) => {
            let manifest = Source::bytes(place, manifest.to_json(), request.started_at);
            request.sources.push(manifest);
        }
        (Err(error), _) => tracing::warn!(stack = request.stack, %error, "no manifest"),
        (_, Err(error)) => tracing::warn!(stack = request.stack, %error, "no manifest"),
    }
    request
}

/// Keeps what is there, of one stack after the other.
async fn capture(warm: Vec<Staged>, clock: &dyn Clock) -> Vec<Captured> {
    let mut captured = Vec::new();
    for mut staged in warm {
        let capture = staged.backup.capture(clock.now()).await;
        captured.push(Captured { staged, capture });
    }
    captured
}

async fn archive_stages(captured: Vec<Captured>) -> Vec<Saved> {
    let mut saved = Vec::new();
    for Captured { staged, capture } in captured {
        let Staged {
            stack,
            through_engine,
            warm_up,
            backup,
        } = staged;
        let (capture, result) = match capture {
            Ok(capture) => (capture, backup.archive().await),
            Err(error) => (Capture::default(), Err(error)),
        };
        saved.push(Saved {
            stack,
            stages: Stages {
                through_engine,
                warm_up,
                capture,
            },
            result,
        });
    }
    saved
}
