//! btrfs: subvolumes, and `btrfs` from btrfs-progs.
//!
//! A subvolume's root folder has the inode number 256 (`BTRFS_FIRST_FREE_OBJECTID`) and every
//! subvolume a device number of its own (`stat(2)`), see `btrfs-subvolume(8)`, "INODE NUMBERS".
//! A snapshot has what is in one subvolume; where another one lies in it, it has an empty folder.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, Metadata},
    io,
    os::unix::{ffi::OsStringExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use super::{SystemOptions, command::Program};
use crate::{
    error::SnapshotError,
    model::{NotServed, Origin, SnapshotId},
    mountinfo::MountEntry,
    name::Owner,
};

pub(super) const PROGRAM: Program = Program {
    name: "btrfs",
    package: "btrfs-progs",
};

/// The inode number of every subvolume's root folder.
const ROOT_INODE: u64 = 256;

/// `statfs(2)`: `BTRFS_SUPER_MAGIC`.
const MAGIC: u64 = 0x9123_683E;

/// The subvolume that a path without links is in, which is on this mount.
pub(super) fn origin(path: &Path, mount: &MountEntry) -> Result<Origin, NotServed> {
    let look =
        |at: &Path| fs::symlink_metadata(at).map_err(|error| NotServed::not_there(at, &error));
    let device = look(path)?.dev();
    let mut root = path;
    let mut inode = look(path)?.ino();
    while root != mount.mount_point {
        let Some(parent) = root.parent() else { break };
        let metadata = look(parent)?;
        if metadata.dev() != device {
            break;
        }
        root = parent;
        inode = metadata.ino();
    }
    if inode != ROOT_INODE {
        return Err(NotServed::PartOnly {
            of: "btrfs subvolume",
            mount_point: mount.mount_point.clone(),
        });
    }
    if mount.read_only {
        return Err(NotServed::ReadOnly {
            mount_point: mount.mount_point.clone(),
        });
    }
    Ok(Origin::Btrfs {
        subvolume: root.to_owned(),
        place: mount.mount_point.clone(),
    })
}

/// The subvolumes that lie directly in this one, as paths in their file system. Those that lie in
/// them in turn need not be known: they are beneath a path only if these are.
pub(super) async fn subvolumes_in(
    options: &SystemOptions,
    subvolume: &Path,
) -> Result<Vec<PathBuf>, NotServed> {
    let arguments = ["subvolume", "list", "-o"].map(OsStr::new);
    let arguments = [&arguments[..], &[subvolume.as_os_str()]].concat();
    match PROGRAM.run(options, &arguments).await {
        Ok(list) => parse_list(&list).map_err(|why| NotServed::Unknown { why }),
        Err(error) => Err(NotServed::Unknown {
            why: format!("failed to {error}"),
        }),
    }
}

/// Lines such as `ID 257 gen 7 top level 256 path @home/data/nested`.
fn parse_list(list: &[u8]) -> Result<Vec<PathBuf>, String> {
    const BEFORE: &[u8] = b" path ";
    let lines = list
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let at = line
                .windows(BEFORE.len())
                .position(|window| window == BEFORE)
                .filter(|_| line.starts_with(b"ID "))
                .ok_or_else(|| {
                    let line = String::from_utf8_lossy(line);
                    format!("`btrfs subvolume list` said {line:?}")
                })?;
            let path = line[at + BEFORE.len()..].to_vec();
            // With `-a`, and in some releases without, what is not below the mounted subvolume
            // begins so.
            let path = path.strip_prefix(b"<FS_TREE>/").unwrap_or(&path).to_vec();
            Ok(Path::new("/").join(OsString::from_vec(path)))
        })
        .collect()
}

pub(super) async fn create(
    options: &SystemOptions,
    subvolume: &Path,
    snapshot: &Path,
) -> Result<(), SnapshotError> {
    // Into a folder that is there already, btrfs would put the snapshot under another name.
    if look_blocking(snapshot).await?.is_some() {
        return Err(SnapshotError::Io {
            operation: "make the snapshot",
            path: snapshot.to_owned(),
            source: io::ErrorKind::AlreadyExists.into(),
        });
    }
    let arguments = ["subvolume", "snapshot", "-r"].map(OsStr::new);
    let paths = [subvolume.as_os_str(), snapshot.as_os_str()];
    let arguments = [&arguments[..], &paths].concat();
    PROGRAM.run(options, &arguments).await.map(drop)
}

pub(super) async fn remove(options: &SystemOptions, path: &Path) -> Result<(), SnapshotError> {
    let Some(metadata) = look_blocking(path).await? else {
        return Ok(());
    };
    if !is_subvolume(&metadata, path) {
        return Err(SnapshotError::NotOurs {
            snapshot: path.display().to_string(),
            why: "it is no btrfs subvolume",
        });
    }
    let arguments = ["subvolume", "delete"].map(OsStr::new);
    let arguments = [&arguments[..], &[path.as_os_str()]].concat();
    PROGRAM.run(options, &arguments).await.map(drop)
}

async fn look_blocking(path: &Path) -> Result<Option<Metadata>, SnapshotError> {
    match tokio::fs::symlink_metadata(path).await {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SnapshotError::Io {
            operation: "look for the snapshot",
            path: path.to_owned(),
            source,
        }),
    }
}

fn is_subvolume(metadata: &Metadata, path: &Path) -> bool {
    // Types of file systems are small numbers that the C libraries give various types.
    let magic = rustix::fs::statfs(path)
        .ok()
        .and_then(|found| u64::try_from(found.f_type).ok());
    metadata.is_dir() && metadata.ino() == ROOT_INODE && magic == Some(MAGIC)
}

/// Ours lie where their file systems are mounted.
pub(super) async fn leftovers(
    owner: &Owner,
    mounts: &[MountEntry],
) -> Result<Vec<SnapshotId>, SnapshotError> {
    let places: Vec<PathBuf> = mounts
        .iter()
        .filter(|mount| mount.file_system == "btrfs")
        .map(|mount| mount.mount_point.clone())
        .collect();
    let owner = owner.clone();
    let found = tokio::task::spawn_blocking(move || {
        let mut found = Vec::new();
        for place in places {
            let failed = |source| SnapshotError::Io {
                operation: "look for snapshots in",
                path: place.clone(),
                source,
            };
            for entry in fs::read_dir(&place).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let path = entry.path();
                let id = SnapshotId::Btrfs { path: path.clone() };
                let ours = owner.recognise(id.name()).is_some()
                    && entry
                        .metadata()
                        .is_ok_and(|metadata| is_subvolume(&metadata, &path));
                if ours && !found.contains(&id) {
                    found.push(id);
                }
            }
        }
        Ok(found)
    });
    found.await.unwrap_or_else(|error| {
        Err(SnapshotError::Io {
            operation: "look for snapshots beneath",
            path: "/".into(),
            source: io::Error::other(error),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_subvolumes_are_read() {
        let list = b"ID 257 gen 7 top level 256 path @home/data/nested one\n\
                     ID 259 gen 9 top level 5 path <FS_TREE>/a path b\n";
        assert_eq!(
            parse_list(list).unwrap(),
            [Path::new("/@home/data/nested one"), Path::new("/a path b")]
        );
        assert_eq!(parse_list(b"").unwrap(), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_name_with_a_newline_is_no_reason_to_guess() {
        let why = parse_list(b"ID 257 gen 7 top level 256 path one\ntwo\n").unwrap_err();
        assert!(why.contains("two"), "{why}");
    }
}
