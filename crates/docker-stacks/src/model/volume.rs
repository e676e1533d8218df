//! Where containers keep their data.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

/// One thing that is mounted into a container.
///
/// ```
/// use docker_stacks::{Container, Mount, MountKind};
///
/// let mut web = Container::new("1f2e", "web");
/// web.mounts.push(Mount {
///     kind: MountKind::Bind,
///     source: "/srv/web".into(),
///     destination: "/data".into(),
///     read_only: false,
/// });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mount {
    /// What is mounted.
    pub kind: MountKind,
    /// Where it is on the host; empty for a tmpfs.
    pub source: PathBuf,
    /// Where the container sees it.
    pub destination: PathBuf,
    /// The container cannot write to it.
    pub read_only: bool,
}

/// What kind of thing is mounted.
///
/// ```
/// use docker_stacks::{Mount, MountKind};
///
/// fn volume_name(mount: &Mount) -> Option<&str> {
///     match &mount.kind {
///         MountKind::Volume { name, .. } => Some(name),
///         _ => None,
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MountKind {
    /// A volume, named or anonymous (an anonymous one is named by 64 hexadecimal digits).
    Volume {
        /// The volume's name.
        name: String,
        /// The volume driver, `local` unless a plugin was asked for.
        driver: String,
    },
    /// A directory or file of the host.
    Bind,
    /// Memory: nothing of it survives a stop.
    Tmpfs,
    /// Anything else, as the engine calls it: `image`, `cluster`, `npipe`…
    Other(String),
}

/// A volume, as the engine lists it.
///
/// ```
/// use docker_stacks::Volume;
///
/// let mut films = Volume::local("films", "/var/lib/docker/volumes/films/_data");
/// films.options.insert("type".into(), "nfs".into());
/// assert_eq!(films.driver, "local");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// Its driver.
    pub driver: String,
    /// What it was created with (`docker volume create --opt`): for the `local` driver `type`, `o`
    /// and `device`, which are handed to mount(2).
    pub options: BTreeMap<String, String>,
    /// Where the engine keeps it, or mounts it while a container uses it.
    pub mount_point: PathBuf,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Volume {
    /// A volume of the `local` driver without options, as `docker volume create NAME` makes it.
    pub fn local(name: impl Into<String>, mount_point: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            driver: "local".to_owned(),
            options: BTreeMap::new(),
            mount_point: mount_point.into(),
            labels: BTreeMap::new(),
        }
    }
}
