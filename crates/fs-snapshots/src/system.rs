//! Snapshots by the programs of this machine.

mod btrfs;
mod command;
mod survey;
mod zfs;

use std::{fs, io, path::PathBuf, time::Duration};

use async_trait::async_trait;

use crate::{
    error::SnapshotError,
    model::{NotServed, Origin, Served, Snapshot, SnapshotId},
    mountinfo::{self, MountEntry},
    name::{self, Owner, SnapshotName},
    snapshotter::Snapshotter,
};

/// Where the programs are, and how long they are given.
///
/// ```
/// use std::time::Duration;
///
/// let patient = fs_snapshots::SystemOptions {
///     deadline: Duration::from_mins(5),
///     ..Default::default()
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemOptions {
    /// The folders in which `btrfs` and `zfs` are looked for, the first one first: those where
    /// systems keep their programs. `PATH` does not count.
    pub programs: Vec<PathBuf>,
    /// The file with what is mounted: `/proc/self/mountinfo`.
    pub mountinfo: PathBuf,
    /// How long one program may take: a minute. Making a snapshot writes out what was not synced.
    pub deadline: Duration,
}

impl Default for SystemOptions {
    fn default() -> Self {
        let programs = [
            "/usr/sbin",
            "/usr/bin",
            "/sbin",
            "/bin",
            "/usr/local/sbin",
            "/usr/local/bin",
        ];
        Self {
            programs: programs.map(PathBuf::from).to_vec(),
            mountinfo: "/proc/self/mountinfo".into(),
            deadline: Duration::from_mins(1),
        }
    }
}

/// The snapshots of this machine's file systems, by `btrfs` (btrfs-progs) and `zfs` (OpenZFS).
///
/// Making and removing them takes root's rights. Nothing is asked of a program for whose file system
/// there is no path.
///
/// ```no_run
/// use fs_snapshots::{Owner, Snapshotter, SystemOptions, SystemSnapshotter};
///
/// # async fn example() {
/// let snapshotter = SystemSnapshotter::new(Owner::new("docker01"), SystemOptions::default());
/// match &snapshotter.survey(&["/srv/wiki".into()]).await[0] {
///     Ok(served) => println!("in a snapshot of {}", served.origin),
///     Err(why) => println!("copied, because {why}"),
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SystemSnapshotter {
    owner: Owner,
    options: SystemOptions,
}

impl SystemSnapshotter {
    /// Nothing is looked at yet.
    #[must_use]
    pub fn new(owner: Owner, options: SystemOptions) -> Self {
        Self { owner, options }
    }

    async fn mounts(&self) -> io::Result<Vec<MountEntry>> {
        let text = tokio::fs::read(&self.options.mountinfo).await?;
        Ok(mountinfo::parse(&text))
    }
}

#[async_trait]
impl Snapshotter for SystemSnapshotter {
    fn owner(&self) -> &Owner {
        &self.owner
    }

    async fn survey(&self, paths: &[PathBuf]) -> Vec<Result<Served, NotServed>> {
        let mounts = match self.mounts().await {
            Ok(mounts) => mounts,
            Err(error) => {
                let path = &self.options.mountinfo;
                let why = |_: &PathBuf| Err(NotServed::not_there(path, &error));
                return paths.iter().map(why).collect();
            }
        };
        survey::survey(&self.options, &mounts, paths).await
    }

    async fn create(
        &self,
        origin: &Origin,
        name: &SnapshotName,
    ) -> Result<Snapshot, SnapshotError> {
        let snapshot = origin.snapshot(name);
        match &snapshot.id {
            SnapshotId::Btrfs { path } => {
                btrfs::create(&self.options, origin.root(), path).await?;
            }
            SnapshotId::Zfs { snapshot } => zfs::create(&self.options, snapshot).await?,
        }
        // A snapshot of ZFS is mounted when somebody looks, if that works here at all.
        let root = snapshot.root.clone();
        let seen = tokio::task::spawn_blocking(move || fs::read_dir(root).map(|_| ())).await;
        match seen.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => Ok(snapshot),
            Err(source) => Err(SnapshotError::NotVisible {
                path: snapshot.root,
                source,
            }),
        }
    }

    async fn remove(&self, snapshot: &SnapshotId) -> Result<(), SnapshotError> {
        if !name::is_anybodys(snapshot.name()) {
            return Err(SnapshotError::NotOurs {
                snapshot: snapshot.to_string(),
                why: "its name is not one that we give",
            });
        }
        match snapshot {
            SnapshotId::Btrfs { path } => btrfs::remove(&self.options, path).await,
            SnapshotId::Zfs { snapshot } => zfs::remove(&self.options, snapshot).await,
        }
    }

    async fn leftovers(&self) -> Result<Vec<SnapshotId>, SnapshotError> {
        let mounts = self.mounts().await.map_err(|source| SnapshotError::Io {
            operation: "read what is mounted from",
            path: self.options.mountinfo.clone(),
            source,
        })?;
        let mut found = btrfs::leftovers(&self.owner, &mounts).await?;
        found.extend(zfs::leftovers(&self.options, &self.owner, &mounts).await?);
        Ok(found)
    }
}
