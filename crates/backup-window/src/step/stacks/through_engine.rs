//! Reading what has no path here: through a container that mounts it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup_store::{ReadArchive, SnapshotPath, Source};
use bytes::Bytes;
use docker_stacks::{
    Container, ContainerRef, Engine, EngineError, Mount, MountKind, MountPlan, Stack, StackKind,
    StackPlan,
};
use futures_util::StreamExt as _;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::whereabouts::Way;

/// How many parts of an archive wait to be read. An engine sends them in pieces of 32 KiB or so.
const PARTS_AHEAD: usize = 32;

/// What the engine itself mounts into every container, see `docker inspect`.
const MADE_BY_THE_ENGINE: [&str; 3] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];

/// Why nothing of a stack can be read in this way, if that is so.
pub(super) fn why_not(stack: &StackPlan, way: &Way) -> Option<String> {
    match way {
        Way::Engine { why, .. } if stack.kind == StackKind::Swarm => Some(format!(
            "{why}, and what is there is read through stopped containers, which a swarm takes away: \
             run this program on that machine"
        )),
        Way::Engine { .. } | Way::Paths => None,
    }
}

/// What is mounted, as a source that is read through the engine.
pub(super) fn source(
    name: SnapshotPath,
    engine: &Arc<dyn Engine>,
    plan: &MountPlan,
    found: Option<&Stack>,
) -> Source {
    let best = best_view(plan, found);
    let archive = ContainerPath {
        engine: Arc::clone(engine),
        runtime: Handle::current(),
        container: best.container,
        path: best.path,
    };
    Source::archive(name, archive).without(best.hidden)
}

/// A container that sees a source.
#[derive(Debug, PartialEq, Eq)]
struct View {
    container: ContainerRef,
    /// Where.
    path: PathBuf,
    /// Places beneath it at which it sees something else.
    hidden: Vec<PathBuf>,
}

/// Of the containers that mount the source, the one that sees most of it; otherwise the one that
/// the plan names.
fn best_view(plan: &MountPlan, found: Option<&Stack>) -> View {
    let containers = || found.into_iter().flat_map(|stack| &stack.containers);
    let planned = containers().find(|container| container.id == plan.container.id);
    let planned = View {
        container: plan.container.clone(),
        path: plan.mount.destination.clone(),
        hidden: planned.map_or_else(Vec::new, |container| hidden(container, &plan.mount)),
    };
    let others = containers().flat_map(|container| {
        let same = |mount: &&Mount| is_same(mount, &plan.mount);
        let mounts = container.mounts.iter().filter(same);
        mounts.map(|mount| View {
            container: container.to_ref(),
            path: mount.destination.clone(),
            hidden: hidden(container, mount),
        })
    });
    // The first of those that are as good.
    others.fold(planned, |best, view| {
        if view.hidden.len() < best.hidden.len() {
            view
        } else {
            best
        }
    })
}

/// A volume is the same by its name; its source may be the volume's device.
fn is_same(one: &Mount, other: &Mount) -> bool {
    match (&one.kind, &other.kind) {
        (MountKind::Volume { name, .. }, MountKind::Volume { name: other, .. }) => name == other,
        (MountKind::Bind, MountKind::Bind) => one.source == other.source,
        _ => false,
    }
}

/// Where a container sees something else than the source within it: at the places of its other
/// mounts, unless one of these is there anyway.
fn hidden(container: &Container, outer: &Mount) -> Vec<PathBuf> {
    let inner = container.mounts.iter().filter_map(|mount| {
        let place = mount.destination.strip_prefix(&outer.destination).ok()?;
        let is_there_anyway = mount.source.strip_prefix(&outer.source) == Ok(place);
        (place.file_name().is_some() && !is_there_anyway).then(|| place.to_owned())
    });
    let made = MADE_BY_THE_ENGINE.iter().filter_map(|path| {
        let place = Path::new(path).strip_prefix(&outer.destination).ok()?;
        place.file_name().is_some().then(|| place.to_owned())
    });
    let mut hidden: Vec<PathBuf> = inner.chain(made).collect();
    hidden.sort();
    hidden.dedup();
    hidden
}

/// A path in a container.
#[derive(Debug)]
struct ContainerPath {
    engine: Arc<dyn Engine>,
    runtime: Handle,
    container: ContainerRef,
    path: PathBuf,
}

impl ReadArchive for ContainerPath {
    fn origin(&self) -> String {
        format!(
            "{} in the container {}",
            self.path.display(),
            self.container
        )
    }

    fn open(&self, beneath: &Path) -> io::Result<Box<dyn Read + Send>> {
        let path = if beneath.as_os_str().is_empty() {
            self.path.clone()
        } else {
            self.path.join(beneath)
        };
        let archive = self.engine.archive(&self.container.id, &path);
        let mut archive = self.runtime.block_on(archive).map_err(io::Error::other)?;
        let (parts, arriving) = mpsc::channel(PARTS_AHEAD);
        self.runtime.spawn(async move {
            while let Some(part) = archive.next().await {
                if parts.send(part).await.is_err() {
                    // Nobody reads on.
                    break;
                }
            }
        });
        Ok(Box::new(Arriving {
            parts: arriving,
            current: Bytes::new(),
        }))
    }
}

/// An archive that arrives in parts.
#[derive(Debug)]
struct Arriving {
    parts: mpsc::Receiver<Result<Bytes, EngineError>>,
    current: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.parts.blocking_recv() {
                Some(Ok(part)) => self.current = part,
                Some(Err(error)) => return Err(io::Error::other(error)),
                // Whether that was all is for the reader of the archive to judge.
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        buffer[..length].copy_from_slice(&self.current.split_to(length));
        Ok(length)
    }
}

#[cfg(test)]
mod tests;
