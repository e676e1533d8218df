//! The containers of a snapshot, as its definitions say them.

use std::path::{Path, PathBuf};

use backup_store::{Manifest, Snapshot, SnapshotPath};
use docker_stacks::Blueprint;

use super::places::{Failure, restore};
use crate::restore::Restorer;
use crate::sentence;

/// The largest definition that is read: an engine says some kilobytes of a container.
const LARGEST_BYTES: u64 = 16 * 1024 * 1024;

/// Reads the definitions of a snapshot's containers, into `scratch` and from there.
///
/// The first error is the restore's; the other is why there is nothing to make containers of.
pub(super) async fn read(
    restorer: &dyn Restorer,
    snapshot: &Snapshot,
    scratch: &Path,
) -> Result<Result<Vec<Blueprint>, String>, Failure> {
    let is_service = |path: &String| path.starts_with("/services/");
    if snapshot.paths.iter().any(is_service) {
        return Ok(Err("services of a swarm are not tried".to_owned()));
    }
    let place = SnapshotPath::new("containers").map_err(|error| Failure::Store(error.into()))?;
    if restore(restorer, snapshot, &place, scratch)
        .await?
        .is_none()
    {
        return Ok(Err(
            "the snapshot has no definitions of containers".to_owned()
        ));
    }
    Ok(all_in(&scratch.join("containers")))
}

/// What was recorded when the stack stood still; nothing if the snapshot says nothing of it.
pub(super) async fn manifest(
    restorer: &dyn Restorer,
    snapshot: &Snapshot,
    scratch: &Path,
) -> Result<Option<Result<Manifest, String>>, Failure> {
    let place = SnapshotPath::new(Manifest::PLACE).map_err(|error| Failure::Store(error.into()))?;
    let path = format!("/{place}");
    if !snapshot.paths.contains(&path) {
        return Ok(None);
    }
    if restore(restorer, snapshot, &place, scratch)
        .await?
        .is_none()
    {
        return Ok(Some(Err(format!("{place} is named, and is not there"))));
    }
    let unreadable = |error: &dyn std::fmt::Display| format!("{place} cannot be read: {error}");
    let file = scratch.join(place.as_path());
    let read = || {
        let metadata = file
            .symlink_metadata()
            .map_err(|error| unreadable(&error))?;
        if !metadata.is_file() || metadata.len() > LARGEST_BYTES {
            return Err(format!("{place} is no manifest"));
        }
        let bytes = std::fs::read(&file).map_err(|error| unreadable(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))
    };
    Ok(Some(read()))
}

fn all_in(folder: &Path) -> Result<Vec<Blueprint>, String> {
    let unreadable = |error: &dyn std::error::Error| {
        format!(
            "the definitions of the containers cannot be used: {}",
            sentence::of(error)
        )
    };
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(&error))?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        files.push(entry.map_err(|error| unreadable(&error))?.path());
    }
    files.sort();
    let read = |file: &PathBuf| -> Result<Blueprint, String> {
        let metadata = file
            .symlink_metadata()
            .map_err(|error| unreadable(&error))?;
        if !metadata.is_file() || metadata.len() > LARGEST_BYTES {
            return Err(format!("{} is no definition", file.display()));
        }
        let bytes = std::fs::read(file).map_err(|error| unreadable(&error))?;
        let value = serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))?;
        Blueprint::read(&value).map_err(|error| unreadable(&error))
    };
    files.iter().map(read).collect()
}
