//! ZFS: datasets, and `zfs` from OpenZFS, see `zfs-snapshot(8)`, `zfs-destroy(8)`, `zfs-list(8)`.
//!
//! Which dataset is mounted where is known from the kernel, which also knows of those whose property
//! `mountpoint` is `legacy`. A snapshot's contents are beneath `.zfs/snapshot` in the dataset, whether
//! the property `snapdir` shows that folder in listings or not (`zfsprops(7)`).

use std::{ffi::OsStr, path::Path, time::Duration};

use tokio::time::sleep;

use super::{SystemOptions, command::Program};
use crate::{
    error::SnapshotError,
    model::{NotServed, Origin, SnapshotId},
    mountinfo::MountEntry,
    name::Owner,
};

pub(super) const PROGRAM: Program = Program {
    name: "zfs",
    package: "zfsutils-linux",
};

/// How often a removal is tried: a snapshot that was looked into is mounted, and is busy until the
/// last file in it is closed.
const REMOVALS: usize = 4;

/// The time between two of them.
const BETWEEN_REMOVALS: Duration = Duration::from_millis(500);

/// The dataset of a mount. From where only a part of it is bound, the snapshots cannot be seen.
pub(super) fn origin(mount: &MountEntry) -> Result<Origin, NotServed> {
    if mount.root != Path::new("/") {
        return Err(NotServed::PartOnly {
            of: "ZFS dataset",
            mount_point: mount.mount_point.clone(),
        });
    }
    Ok(Origin::Zfs {
        dataset: mount.source.clone(),
        mount_point: mount.mount_point.clone(),
    })
}

pub(super) async fn create(options: &SystemOptions, snapshot: &str) -> Result<(), SnapshotError> {
    run(options, &["snapshot", snapshot]).await.map(drop)
}

pub(super) async fn remove(options: &SystemOptions, snapshot: &str) -> Result<(), SnapshotError> {
    let mut tried = 1;
    loop {
        // Without `-r`, `-R` and `-d`: this snapshot, now, and nothing that depends on it.
        match run(options, &["destroy", snapshot]).await {
            Ok(_) => return Ok(()),
            Err(SnapshotError::Program { said, .. }) if says_gone(&said) => return Ok(()),
            Err(SnapshotError::Program { said, .. }) if says_busy(&said) && tried < REMOVALS => {
                tried += 1;
                sleep(BETWEEN_REMOVALS).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// `could not find any snapshots to destroy; check snapshot names.`, and of a dataset that is gone,
/// `cannot open 'tank/apps': dataset does not exist`.
fn says_gone(said: &str) -> bool {
    said.contains("could not find any snapshots to destroy")
        || said.contains("dataset does not exist")
}

/// `cannot destroy snapshot tank/apps@…: dataset is busy`
fn says_busy(said: &str) -> bool {
    said.contains("dataset is busy")
}

pub(super) async fn leftovers(
    options: &SystemOptions,
    owner: &Owner,
    mounts: &[MountEntry],
) -> Result<Vec<SnapshotId>, SnapshotError> {
    // A machine without ZFS has no `zfs`, and needs none.
    if !mounts.iter().any(|mount| mount.file_system == "zfs") {
        return Ok(Vec::new());
    }
    let list = ["list", "-H", "-p", "-t", "snapshot", "-o", "name"];
    let list = run(options, &list).await?;
    Ok(parse_list(owner, &list))
}

fn parse_list(owner: &Owner, list: &[u8]) -> Vec<SnapshotId> {
    String::from_utf8_lossy(list)
        .lines()
        .filter(|line| {
            line.split_once('@')
                .is_some_and(|(_, name)| owner.recognise(name).is_some())
        })
        .map(|line| SnapshotId::Zfs {
            snapshot: line.to_owned(),
        })
        .collect()
}

async fn run(options: &SystemOptions, arguments: &[&str]) -> Result<Vec<u8>, SnapshotError> {
    let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
    PROGRAM.run(options, &arguments).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_snapshots_only_ours_are_listed() {
        let list = b"tank@autosnap_2026-03-01_03:00:00_daily\n\
            tank/my apps@backup-window-nas-20260301T030000Z-0\n\
            tank/apps@backup-window-other-20260301T030000Z-0\n\
            tank/backup-window-nas-20260301T030000Z-0\n";
        let ours = parse_list(&Owner::new("nas"), list);
        let ours: Vec<String> = ours.iter().map(ToString::to_string).collect();
        assert_eq!(ours, ["tank/my apps@backup-window-nas-20260301T030000Z-0"]);
    }
}
