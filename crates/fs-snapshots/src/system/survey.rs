//! Which snapshot would have a path.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use super::{SystemOptions, btrfs, zfs};
use crate::{
    model::{NotServed, Origin, Served},
    mountinfo::{MountEntry, beneath, covering},
};

/// What is known of a path without asking any program.
#[derive(Debug)]
struct Looked {
    path: PathBuf,
    origin: Origin,
    /// The path as its file system calls it.
    in_file_system: PathBuf,
}

pub(super) async fn survey(
    options: &SystemOptions,
    mounts: &[MountEntry],
    paths: &[PathBuf],
) -> Vec<Result<Served, NotServed>> {
    let mut answers = Vec::with_capacity(paths.len());
    // One question for each subvolume, however many paths are in it.
    let mut subvolumes: HashMap<PathBuf, Result<Vec<PathBuf>, NotServed>> = HashMap::new();
    for asked in paths {
        let looked = {
            let (asked, mounts) = (asked.clone(), mounts.to_vec());
            tokio::task::spawn_blocking(move || look(&asked, &mounts)).await
        };
        let looked = looked
            .unwrap_or_else(|error| Err(NotServed::not_there(asked, &io::Error::other(error))))
            .and_then(|looked| program_of(options, &looked.origin).map(|()| looked));
        let answer = match looked {
            Err(why) => Err(why),
            Ok(looked) => {
                let inside = match &looked.origin {
                    Origin::Btrfs { subvolume, .. } => {
                        if !subvolumes.contains_key(subvolume) {
                            let inside = btrfs::subvolumes_in(options, subvolume).await;
                            subvolumes.insert(subvolume.clone(), inside);
                        }
                        subvolumes[subvolume].clone()
                    }
                    // Datasets lie in each other only by being mounted there.
                    Origin::Zfs { .. } => Ok(Vec::new()),
                };
                inside.and_then(|inside| served(asked, looked, &inside))
            }
        };
        answers.push(answer);
    }
    answers
}

/// The last word, once the subvolumes within the path's own are known.
fn served(asked: &Path, looked: Looked, inside: &[PathBuf]) -> Result<Served, NotServed> {
    let beneath = inside
        .iter()
        .find(|subvolume| subvolume.starts_with(&looked.in_file_system));
    match beneath {
        Some(subvolume) => Err(NotServed::SubvolumeBeneath {
            subvolume: subvolume.clone(),
        }),
        None => Ok(Served {
            asked: asked.to_owned(),
            path: looked.path,
            origin: looked.origin,
        }),
    }
}

fn look(asked: &Path, mounts: &[MountEntry]) -> Result<Looked, NotServed> {
    let path = asked
        .canonicalize()
        .map_err(|error| NotServed::not_there(asked, &error))?;
    let unknown = || NotServed::Unknown {
        why: "no mount covers it".to_owned(),
    };
    let mount = covering(mounts, &path).ok_or_else(unknown)?;
    let origin = match mount.file_system.as_str() {
        "btrfs" => btrfs::origin(&path, mount)?,
        "zfs" => zfs::origin(mount)?,
        other => {
            return Err(NotServed::NoSnapshots {
                file_system: other.to_owned(),
            });
        }
    };
    if let Some(other) = beneath(mounts, &path) {
        return Err(NotServed::MountBeneath {
            mount_point: other.mount_point.clone(),
            file_system: other.file_system.clone(),
        });
    }
    // The ledger is JSON, and has no place for other paths.
    if origin.root().to_str().is_none() || mount.mount_point.to_str().is_none() {
        return Err(NotServed::Unknown {
            why: "the path of its file system is not UTF-8".to_owned(),
        });
    }
    let within = path.strip_prefix(&mount.mount_point).unwrap_or(&path);
    let in_file_system = mount.root.join(within);
    Ok(Looked {
        path,
        origin,
        in_file_system,
    })
}

fn program_of(options: &SystemOptions, origin: &Origin) -> Result<(), NotServed> {
    let (program, file_system) = match origin {
        Origin::Btrfs { .. } => (btrfs::PROGRAM, "btrfs"),
        Origin::Zfs { .. } => (zfs::PROGRAM, "ZFS"),
    };
    match program.find(options) {
        Some(_) => Ok(()),
        None => Err(NotServed::ProgramMissing {
            program: program.name,
            file_system,
            package: program.package,
        }),
    }
}
