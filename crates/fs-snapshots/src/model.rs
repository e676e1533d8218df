//! What snapshots are made of, and what they are.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::name::SnapshotName;

/// What a snapshot is made of, as a whole and at one moment.
///
/// ```
/// use fs_snapshots::{Origin, Owner};
///
/// let origin = Origin::Zfs {
///     dataset: "tank/apps".to_owned(),
///     mount_point: "/mnt/tank/apps".into(),
/// };
/// let name = Owner::new("nas").name("2026-03-01T03:00:00Z".parse()?, 0);
/// let snapshot = origin.snapshot(&name);
/// assert_eq!(snapshot.id.to_string(), "tank/apps@backup-window-nas-20260301T030000Z-0");
/// assert_eq!(
///     snapshot.path_of("/mnt/tank/apps/wiki".as_ref()).unwrap(),
///     snapshot.root.join("wiki")
/// );
/// assert_eq!(snapshot.path_of("/mnt/tank/other".as_ref()), None);
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// A btrfs subvolume.
    Btrfs {
        /// The root folder of the subvolume.
        subvolume: PathBuf,
        /// The folder that its snapshots lie in while they last: where its file system is mounted.
        place: PathBuf,
    },
    /// A ZFS dataset.
    Zfs {
        /// The dataset's name: `tank/apps`.
        dataset: String,
        /// Where it is mounted.
        mount_point: PathBuf,
    },
}

impl Origin {
    /// What its snapshot of this name is, and where; nothing is made.
    #[must_use]
    pub fn snapshot(&self, name: &SnapshotName) -> Snapshot {
        let (id, root) = match self {
            Self::Btrfs { place, .. } => {
                // With a dot, so that a listing of the root folder stays what it was.
                let path = place.join(format!(".{name}"));
                (SnapshotId::Btrfs { path: path.clone() }, path)
            }
            Self::Zfs {
                dataset,
                mount_point,
            } => (
                SnapshotId::Zfs {
                    snapshot: format!("{dataset}@{name}"),
                },
                mount_point.join(".zfs/snapshot").join(name.as_str()),
            ),
        };
        Snapshot {
            origin: self.clone(),
            id,
            root,
        }
    }

    /// The folder whose contents are what a snapshot has.
    #[must_use]
    pub fn root(&self) -> &Path {
        match self {
            Self::Btrfs { subvolume, .. } => subvolume,
            Self::Zfs { mount_point, .. } => mount_point,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Btrfs { subvolume, .. } => {
                write!(f, "the btrfs subvolume {}", subvolume.display())
            }
            Self::Zfs { dataset, .. } => write!(f, "the ZFS dataset {dataset}"),
        }
    }
}

/// Which snapshot: all that it takes to remove it, and what is written down of it.
///
/// ```
/// use fs_snapshots::SnapshotId;
///
/// let id = SnapshotId::Btrfs { path: "/.backup-window-nas-20260301T030000Z-0".into() };
/// let json = serde_json::to_string(&id)?;
/// assert_eq!(json, r#"{"kind":"btrfs","path":"/.backup-window-nas-20260301T030000Z-0"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SnapshotId {
    /// A read-only btrfs subvolume.
    Btrfs {
        /// Where it lies.
        path: PathBuf,
    },
    /// A ZFS snapshot.
    Zfs {
        /// Its whole name: `tank/apps@backup-window-…`.
        snapshot: String,
    },
}

impl SnapshotId {
    /// The name, without what it is a snapshot of.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Btrfs { path } => path
                .file_name()
                .and_then(|name| name.to_str()?.strip_prefix('.'))
                .unwrap_or_default(),
            Self::Zfs { snapshot } => snapshot.split_once('@').map_or("", |(_, name)| name),
        }
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Btrfs { path } => write!(f, "{}", path.display()),
            Self::Zfs { snapshot } => f.write_str(snapshot),
        }
    }
}

/// A snapshot, and where its contents are read. [`Origin`] shows one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What it is a snapshot of.
    pub origin: Origin,
    /// Which one it is.
    pub id: SnapshotId,
    /// The folder with what was in [`Origin::root`].
    pub root: PathBuf,
}

impl Snapshot {
    /// Where the snapshot has what `path` (absolute and without links, as in [`Served::path`]) leads
    /// to; nothing if that is not beneath its origin.
    #[must_use]
    pub fn path_of(&self, path: &Path) -> Option<PathBuf> {
        let within = path.strip_prefix(self.origin.root()).ok()?;
        // Joining nothing would add a slash, with which a file cannot be opened.
        Some(if within.as_os_str().is_empty() {
            self.root.clone()
        } else {
            self.root.join(within)
        })
    }
}

/// A path that can be read from a snapshot.
///
/// ```no_run
/// # async fn example(snapshotter: &dyn fs_snapshots::Snapshotter) {
/// for served in snapshotter.survey(&["/srv/wiki".into()]).await.into_iter().flatten() {
///     println!("{} is in {}", served.path.display(), served.origin);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The path that was asked about.
    pub asked: PathBuf,
    /// The same place, without links.
    pub path: PathBuf,
    /// What a snapshot would be made of.
    pub origin: Origin,
}

/// Why a path cannot be read from a snapshot. As a text, it goes after "because".
///
/// ```
/// use fs_snapshots::NotServed;
///
/// let why = NotServed::NoSnapshots { file_system: "ext4".to_owned() };
/// assert_eq!(why.to_string(), "ext4 has no snapshots");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotServed {
    /// It cannot be looked at.
    #[error("{} cannot be looked at: {why}", .path.display())]
    NotThere {
        /// The path.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Its file system is none of those that have snapshots.
    #[error("{file_system} has no snapshots")]
    NoSnapshots {
        /// The kernel's name of the file system: `ext4`.
        file_system: String,
    },
    /// Another file system is mounted beneath it, which a snapshot would lack.
    #[error("{file_system} is mounted beneath it, at {}", .mount_point.display())]
    MountBeneath {
        /// Where.
        mount_point: PathBuf,
        /// The kernel's name of that file system.
        file_system: String,
    },
    /// Another subvolume lies beneath it, which a snapshot would lack.
    #[error("the btrfs subvolume {} (as its file system calls it) lies beneath it", .subvolume.display())]
    SubvolumeBeneath {
        /// The subvolume, as a path in its file system.
        subvolume: PathBuf,
    },
    /// The root of its subvolume or dataset cannot be seen from here.
    #[error("only a part of its {of} is mounted at {}", .mount_point.display())]
    PartOnly {
        /// Of what: a btrfs subvolume, a ZFS dataset.
        of: &'static str,
        /// Where that part is mounted.
        mount_point: PathBuf,
    },
    /// There is no place for a snapshot.
    #[error("the btrfs file system is mounted read-only at {}", .mount_point.display())]
    ReadOnly {
        /// Where it is mounted.
        mount_point: PathBuf,
    },
    /// The program that makes the snapshots is not here.
    #[error(
        "`{program}` is not installed, which makes snapshots of {file_system} (package {package})"
    )]
    ProgramMissing {
        /// The program.
        program: &'static str,
        /// The file system that it is for.
        file_system: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// The program did not say what was asked of it.
    #[error("what lies beneath it is not known: {why}")]
    Unknown {
        /// What the program said.
        why: String,
    },
}

impl NotServed {
    pub(crate) fn not_there(path: &Path, error: &io::Error) -> Self {
        Self::NotThere {
            path: path.to_owned(),
            why: error.to_string(),
        }
    }
}
