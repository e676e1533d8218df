//! Listing snapshots.

use std::path::Path;

use jiff::Timestamp;
use rustic_core::{
    FileType, OpenStatus, ReadBackend, Repository, repofile::SnapshotFile,
    repofile::SnapshotId as LibraryId,
};

use super::{
    Shared, Task, damaged,
    failure::{file_error, in_short},
};
use crate::{Snapshot, SnapshotId, StoreError, backend::Backend};

pub(super) const TASK: Task = Task("list the snapshots");

/// The tag that carries the stack's name: stock `restic` shows tags, but not labels.
pub(crate) const STACK_TAG: &str = "stack=";

pub(super) fn run(shared: &Shared) -> Result<Vec<Snapshot>, StoreError> {
    let folder = shared.folder();
    let repository = shared
        .repository(&folder, None)
        .map_err(|error| damaged(&shared.path, "the file \"config\"", &error))?;
    let (read, damaged) = read_all(&shared.path, &folder, &repository)?;
    for (id, detail) in damaged {
        tracing::warn!(snapshot = %id, detail, "a snapshot is damaged and left out of the list");
    }
    let mut snapshots: Vec<_> = read.iter().map(|(id, file)| describe(*id, file)).collect();
    snapshots.sort_by_key(|snapshot| (snapshot.time, snapshot.id));
    Ok(snapshots)
}

/// The snapshots that can be read, and those that cannot with the reason.
type ReadSnapshots = (Vec<(SnapshotId, SnapshotFile)>, Vec<(SnapshotId, String)>);

pub(super) fn read_all(
    location: &Path,
    folder: &Backend,
    repository: &Repository<OpenStatus>,
) -> Result<ReadSnapshots, StoreError> {
    let ids = folder
        .list(FileType::Snapshot)
        .map_err(|error| damaged(location, "the list of snapshots", &error))?;
    let (mut read, mut unreadable) = (Vec::new(), Vec::new());
    for id in ids {
        match repository.get_file::<SnapshotFile>(&LibraryId::from(id)) {
            Ok(file) => read.push((SnapshotId::new(id), file)),
            Err(error) => match file_error(&error) {
                // Somebody removed it since the listing.
                Some(StoreError::Repository { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound => {}
                Some(error) => return Err(error),
                None => unreadable.push((SnapshotId::new(id), in_short(&error))),
            },
        }
    }
    Ok((read, unreadable))
}

fn describe(id: SnapshotId, file: &SnapshotFile) -> Snapshot {
    let stack_tag = file.tags.iter().find_map(|tag| tag.strip_prefix(STACK_TAG));
    let stack = match stack_tag {
        Some(stack) => stack,
        None => &file.label,
    };
    let tags = file
        .tags
        .iter()
        .filter(|tag| !tag.starts_with(STACK_TAG))
        .cloned()
        .collect();
    Snapshot {
        id,
        time: from_library_time(file.time.timestamp().as_nanosecond()),
        stack: stack.to_owned(),
        host: file.hostname.clone(),
        made_here: stack_tag.is_some_and(|stack| !stack.is_empty()),
        tags,
        paths: file.paths.iter().cloned().collect(),
        files: file
            .summary
            .as_ref()
            .map(|summary| summary.total_files_processed),
        processed_bytes: file
            .summary
            .as_ref()
            .map(|summary| summary.total_bytes_processed),
    }
}

/// Both versions of jiff reach equally far, so nothing is cut off.
pub(super) fn from_library_time(nanosecond: i128) -> Timestamp {
    Timestamp::from_nanosecond(nanosecond).unwrap_or(if nanosecond < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

#[cfg(test)]
mod tests {
    use rustic_core::{Id, SnapshotOptions};

    use super::*;

    fn foreign(tags: &[&str]) -> Snapshot {
        let options = SnapshotOptions::default().host("docker01".to_owned());
        let options = options.command(String::new());
        let mut file = options.to_snapshot().unwrap();
        file.time = "2026-03-01T04:00:00.123456789+01:00[Europe/Paris]"
            .parse()
            .unwrap();
        for tag in tags {
            file.tags.add((*tag).to_owned());
        }
        file.summary = None;
        describe(SnapshotId::new(Id::default()), &file)
    }

    #[test]
    fn a_snapshot_of_another_tool_has_no_stack() {
        let snapshot = foreign(&["daily"]);
        assert_eq!(snapshot.stack, "");
        assert!(!snapshot.made_here);
        assert_eq!(snapshot.tags, ["daily"]);
        assert_eq!(snapshot.time.to_string(), "2026-03-01T03:00:00.123456789Z");
        assert_eq!((snapshot.files, snapshot.processed_bytes), (None, None));
    }

    #[test]
    fn the_stack_is_known_by_its_tag() {
        // restic keeps tags, but drops labels when it rewrites a snapshot.
        let snapshot = foreign(&["stack=wiki", "daily"]);
        assert_eq!(snapshot.stack, "wiki");
        assert!(snapshot.made_here);
        assert_eq!(snapshot.tags, ["daily"]);
    }
}
