//! What the configuration leaves alone.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use super::data;
use crate::{
    find::{COMPOSE_VOLUME, Stack},
    model::{Container, MountKind, StackName, Volume},
};

/// Something to leave alone: `stack:NAME`, `container:NAME`, `volume:NAME`, `bind:/PATH`, or `NAME`
/// alone for whichever of the first three has that name.
///
/// ```
/// use docker_stacks::Exclusion;
///
/// assert_eq!("volume:media".parse(), Ok(Exclusion::Volume("media".into())));
/// assert_eq!("media".parse(), Ok(Exclusion::Any("media".into())));
/// assert_eq!("bind:/srv/media/".parse(), Ok(Exclusion::Bind("/srv/media".into())));
/// assert!("service:media".parse::<Exclusion>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Exclusion {
    /// A stack: nothing of it is stopped or copied.
    Stack(String),
    /// A container: it is not stopped, and what only it mounts is not copied.
    Container(String),
    /// A volume: it is not copied.
    Volume(String),
    /// A directory or file of this machine, by its absolute path, with all that is in it: it is
    /// not copied, whether it is mounted itself or lies in something that is.
    Bind(PathBuf),
    /// Whichever has that name.
    Any(String),
}

impl Exclusion {
    pub(super) fn matches_stack(&self, name: &StackName) -> bool {
        matches!(self, Self::Stack(n) | Self::Any(n) if n == name.as_str())
    }

    pub(super) fn matches_container(&self, container: &Container) -> bool {
        // A task's container is called anew each time: its stack is what can be excluded.
        !container.is_task()
            && matches!(self, Self::Container(n) | Self::Any(n) if *n == container.name)
    }

    pub(super) fn matches_volume(&self, name: &str) -> bool {
        matches!(self, Self::Volume(n) | Self::Any(n) if n == name)
    }

    /// Does it exclude what lies in this place?
    pub(super) fn holds(&self, source: &Path) -> bool {
        self.path().is_some_and(|path| source.starts_with(path))
    }

    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Bind(path) => Some(path),
            _ => None,
        }
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Stack(name) | Self::Container(name) | Self::Volume(name) | Self::Any(name) => {
                Some(name)
            }
            Self::Bind(_) => None,
        }
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stack(name) => write!(f, "stack:{name}"),
            Self::Container(name) => write!(f, "container:{name}"),
            Self::Volume(name) => write!(f, "volume:{name}"),
            Self::Bind(path) => write!(f, "bind:{}", path.display()),
            Self::Any(name) => f.write_str(name),
        }
    }
}

impl FromStr for Exclusion {
    type Err = ExclusionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || ExclusionError {
            text: text.to_owned(),
        };
        let (make, name): (fn(String) -> Self, &str) = match text.split_once(':') {
            Some(("stack", name)) => (Self::Stack, name),
            Some(("container", name)) => (Self::Container, name),
            Some(("volume", name)) => (Self::Volume, name),
            Some(("bind", path)) if path.starts_with('/') => {
                return Ok(Self::Bind(data::normal(path.as_ref())));
            }
            Some(_) => return Err(bad()),
            None => (Self::Any, text),
        };
        // What Docker allows in the names of containers and volumes; Compose allows less.
        let named = !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
        if named {
            Ok(make(name.to_owned()))
        } else {
            Err(bad())
        }
    }
}

impl TryFrom<String> for Exclusion {
    type Error = ExclusionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Exclusion> for String {
    fn from(exclusion: Exclusion) -> Self {
        exclusion.to_string()
    }
}

/// A text that excludes nothing.
///
/// ```
/// let error = "service:web".parse::<docker_stacks::Exclusion>().unwrap_err();
/// assert!(error.to_string().contains("expected stack:NAME"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "read '{text}' as an exclusion: expected stack:NAME, container:NAME, volume:NAME, or NAME alone, with a name of letters, digits, '_', '.' and '-', or bind:/ABSOLUTE/PATH"
)]
pub struct ExclusionError {
    text: String,
}

/// Warns of the exclusions that leave nothing alone, with what may have been meant.
pub(super) fn unmatched(
    exclusions: &[Exclusion],
    stacks: &[Stack],
    volumes: &[Volume],
) -> Vec<String> {
    exclusions
        .iter()
        .filter(|exclusion| !matches_anything(exclusion, stacks, volumes))
        .map(|exclusion| {
            // Compose prefixes volumes with the project's name, which its files do not show.
            let meant: Vec<String> = volumes
                .iter()
                .filter(|volume| {
                    let own = volume.labels.get(COMPOSE_VOLUME).map(String::as_str);
                    own.is_some() && own == exclusion.name()
                })
                .map(|volume| format!("volume:{}", volume.name))
                .collect();
            if meant.is_empty() {
                format!("the exclusion '{exclusion}' matches nothing that the engine knows")
            } else {
                format!(
                    "the exclusion '{exclusion}' matches nothing that the engine knows; was {} meant?",
                    meant.join(" or ")
                )
            }
        })
        .collect()
}

fn matches_anything(exclusion: &Exclusion, stacks: &[Stack], volumes: &[Volume]) -> bool {
    let containers = || stacks.iter().flat_map(|stack| &stack.containers);
    stacks
        .iter()
        .any(|stack| exclusion.matches_stack(&stack.name))
        || containers().any(|container| exclusion.matches_container(container))
        || volumes
            .iter()
            .any(|volume| exclusion.matches_volume(&volume.name))
        || containers().any(|container| {
            container.mounts.iter().any(|mount| {
                matches!(&mount.kind, MountKind::Volume { name, .. } if exclusion.matches_volume(name))
            })
        })
        || exclusion.path().is_some_and(|path| {
            let sources = containers().flat_map(|container| &container.mounts);
            let devices = volumes.iter().filter_map(|volume| volume.options.get("device"));
            sources
                .map(|mount| data::normal(&mount.source))
                .chain(devices.map(|device| data::normal(device.as_ref())))
                .any(|source| source.is_absolute() && data::overlap(path, &source))
        })
}
