//! The containers of a snapshot, as its definitions say them.

use std::path::{Path, PathBuf};

use backup_store::{RestoreRequest, Snapshot, SnapshotPath, Store, StoreError};
use docker_stacks::Blueprint;

use crate::sentence;

/// The largest definition that is read: an engine says some kilobytes of a container.
const LARGEST_BYTES: u64 = 16 * 1024 * 1024;

/// Reads the definitions of a snapshot's containers, into `scratch` and from there.
///
/// The first error is the store's; the other is why there is nothing to make containers of.
pub(super) async fn read(
    store: &dyn Store,
    snapshot: &Snapshot,
    scratch: &Path,
) -> Result<Result<Vec<Blueprint>, String>, StoreError> {
    let is_service = |path: &String| path.starts_with("/services/");
    if snapshot.paths.iter().any(is_service) {
        return Ok(Err("services of a swarm are not tried".to_owned()));
    }
    let request = RestoreRequest {
        snapshot: snapshot.id,
        only: Some(SnapshotPath::new("containers")?),
        to: scratch.to_owned(),
    };
    match store.restore(request).await {
        Err(StoreError::PathNotInSnapshot { .. }) => {
            return Ok(Err(
                "the snapshot has no definitions of containers".to_owned()
            ));
        }
        other => other?,
    };
    Ok(all_in(&scratch.join("containers")))
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
