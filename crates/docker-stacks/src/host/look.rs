//! Looking at this machine's mounts and files.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use super::{FileKind, HostFacts, Seen};
use crate::{
    find::Stack,
    model::{MountKind, ServiceMount, Volume},
};

/// How long to look. A file system of this machine that takes longer does not answer at all.
const LOOK_DEADLINE: Duration = Duration::from_secs(10);

/// How many symbolic links the kernel follows before it gives up (`path_resolution(7)`).
const MOST_LINKS: usize = 40;

/// Finds out what the machine that this program runs on says of the paths that are mounted into
/// these stacks: what kind of files they are, where their symbolic links lead, and on what file
/// systems they lie.
///
/// Only for an engine on the same machine. What is on a network file system is not touched, as a
/// NAS that went away would keep the look hanging; and what cannot be seen (in a container, the
/// host's paths) is not known.
///
/// ```no_run
/// # async fn example(engine: &dyn docker_stacks::Engine) -> Result<(), docker_stacks::EngineError> {
/// use docker_stacks::{PlanRules, find_stacks, look_at_host, plan};
///
/// let stacks = find_stacks(engine.containers().await?);
/// let volumes = engine.volumes().await?;
/// let rules = PlanRules {
///     host: look_at_host(&stacks, &volumes).await,
///     ..PlanRules::default()
/// };
/// let plan = plan(&stacks, &volumes, &rules);
/// # Ok(())
/// # }
/// ```
pub async fn look_at_host(stacks: &[Stack], volumes: &[Volume]) -> HostFacts {
    let mountinfo = fs::read("/proc/self/mountinfo").unwrap_or_default();
    let mounts = HostFacts::from_mountinfo(&mountinfo);
    let paths = paths_of_interest(stacks, volumes);
    let looking = {
        let mounts = mounts.clone();
        tokio::task::spawn_blocking(move || with_paths(mounts, paths, &look))
    };
    if let Ok(Ok(facts)) = tokio::time::timeout(LOOK_DEADLINE, looking).await {
        return facts;
    }
    tracing::warn!(
        "looking at the paths that are mounted into containers took too long; they are judged by \
         their names"
    );
    mounts
}

/// What is mounted from outside of the engine's own directories.
fn paths_of_interest(stacks: &[Stack], volumes: &[Volume]) -> Vec<PathBuf> {
    let containers = stacks.iter().flat_map(|stack| &stack.containers);
    let binds = containers
        .flat_map(|container| &container.mounts)
        .filter(|mount| mount.kind == MountKind::Bind)
        .map(|mount| mount.source.as_path());
    let of_services: Vec<&ServiceMount> = stacks
        .iter()
        .flat_map(|stack| &stack.services)
        .flat_map(|service| &service.mounts)
        .collect();
    let binds_of_services = of_services
        .iter()
        .filter(|mount| mount.kind == "bind")
        .map(|mount| Path::new(&mount.source));
    let options = volumes.iter().map(|volume| &volume.options);
    let devices = options
        .chain(of_services.iter().map(|mount| &mount.driver_options))
        .filter_map(|options| options.get("device"))
        .map(|device| crate::plan::normal(device.as_ref()))
        .filter(|device| device.is_absolute());
    let binds = binds.chain(binds_of_services).map(crate::plan::normal);
    let mut paths: Vec<PathBuf> = binds.chain(devices).collect();
    paths.sort();
    paths.dedup();
    paths
}

fn with_paths(
    mut facts: HostFacts,
    paths: Vec<PathBuf>,
    look: &dyn Fn(&Path) -> io::Result<Entry>,
) -> HostFacts {
    for path in paths {
        let seen = resolve(&path, &facts, look);
        facts.paths.insert(path, seen);
    }
    facts
}

/// A directory entry, not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Link(PathBuf),
    Other(Option<FileKind>),
}

fn look(path: &Path) -> io::Result<Entry> {
    let kind = fs::symlink_metadata(path)?.file_type();
    Ok(Entry::Other(if kind.is_symlink() {
        return fs::read_link(path).map(Entry::Link);
    } else if kind.is_dir() {
        Some(FileKind::Directory)
    } else if kind.is_file() {
        Some(FileKind::File)
    } else if kind.is_socket() {
        Some(FileKind::Socket)
    } else if kind.is_fifo() {
        Some(FileKind::Fifo)
    } else if kind.is_char_device() || kind.is_block_device() {
        Some(FileKind::Device)
    } else {
        None
    }))
}

/// Follows the links of a path, up to a network file system: there, nothing is looked at.
fn resolve(path: &Path, facts: &HostFacts, look: &dyn Fn(&Path) -> io::Result<Entry>) -> Seen {
    let mut real = PathBuf::from("/");
    let mut kind = Some(FileKind::Directory);
    let mut links = 0;
    let mut to_come: VecDeque<OsString> = VecDeque::new();
    let front = |to_come: &mut VecDeque<OsString>, path: &Path| {
        for part in path.components().rev() {
            if matches!(part, Component::Normal(_) | Component::ParentDir) {
                to_come.push_front(part.as_os_str().to_owned());
            }
        }
    };
    front(&mut to_come, path);
    while let Some(part) = to_come.pop_front() {
        if part == ".." {
            real.pop();
            continue;
        }
        let candidate = real.join(part);
        let entry = if facts.remote(&candidate).is_some() {
            None
        } else {
            look(&candidate).ok()
        };
        match entry {
            Some(Entry::Link(target)) if links < MOST_LINKS => {
                links += 1;
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                front(&mut to_come, &target);
            }
            Some(Entry::Other(found)) => {
                real = candidate;
                kind = found;
            }
            _ => {
                // As far as it goes; the rest is as it was written.
                real = candidate;
                real.extend(to_come);
                kind = None;
                break;
            }
        }
    }
    Seen { real, kind }
}

#[cfg(test)]
pub(super) fn resolved(
    path: &str,
    facts: &HostFacts,
    look: &dyn Fn(&Path) -> io::Result<Entry>,
) -> (PathBuf, Option<FileKind>) {
    let Seen { real, kind } = resolve(path.as_ref(), facts, look);
    (real, kind)
}

#[cfg(test)]
pub(super) fn looked_at(paths: Vec<PathBuf>) -> HostFacts {
    with_paths(HostFacts::default(), paths, &look)
}
