//! What of a stack goes into its snapshot, and under which name.
//!
//! The names do not depend on where the engine keeps its volumes, so that a restore on another
//! machine finds them: `volumes/NAME`, `binds/ABSOLUTE/PATH`, `compose/ABSOLUTE/PATH` and
//! `containers/NAME.json`.

use std::path::PathBuf;

use backup_store::{SnapshotPath, Source, StoreError};
use docker_stacks::{Container, MountDecision, MountKind, StackPlan};
use jiff::Timestamp;

/// The sources of a stack's snapshot; `now` is the time that generated files get.
pub(super) fn of_stack<'a>(
    stack: &StackPlan,
    containers: impl Iterator<Item = &'a Container>,
    now: Timestamp,
) -> Result<Vec<Source>, StoreError> {
    let volumes = SnapshotPath::new("volumes")?;
    let binds = SnapshotPath::new("binds")?;
    let compose = SnapshotPath::new("compose")?;
    let definitions = SnapshotPath::new("containers")?;

    let mut sources = Vec::new();
    let mut copied: Vec<PathBuf> = Vec::new();
    let mut mounts: Vec<_> = stack
        .mounts
        .iter()
        .filter(|mount| mount.decision == MountDecision::Copy)
        .map(|mount| &mount.mount)
        .collect();
    // Shorter paths first: a folder covers the folders in it, which are not copied again.
    mounts.sort_by_key(|mount| mount.source.components().count());
    for mount in mounts {
        if copied.iter().any(|above| mount.source.starts_with(above)) {
            continue;
        }
        let name = match &mount.kind {
            MountKind::Volume { name, .. } => volumes.beneath(name.as_ref())?,
            _ => binds.beneath(&mount.source)?,
        };
        sources.push(Source::path(name, mount.source.clone()));
        copied.push(mount.source.clone());
    }
    // A Compose file may also lie in a folder that is copied as a bind; it is kept here all the
    // same, because this is where a restore looks for it. Not every file that a label names is
    // still there: the project may have been moved since it was started.
    for file in stack.files.iter().filter(|file| file.is_file()) {
        sources.push(Source::path(compose.beneath(file)?, file.clone()));
    }
    for container in containers {
        let name = definitions.beneath(format!("{}.json", container.name).as_ref())?;
        let definition = serde_json::to_vec_pretty(container)
            .expect("a container has nothing that JSON cannot express");
        sources.push(Source::bytes(name, definition, now));
    }
    Ok(sources)
}
