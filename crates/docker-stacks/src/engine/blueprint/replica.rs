//! The copy of a container.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use bollard::models::{
    ContainerCreateBody, EndpointSettings, Mount as ApiMount, MountType, MountVolumeOptions,
    NetworkingConfig,
};

use super::Blueprint;
use crate::model::{Attachment, Mount};

/// How many processes a copy may have: more than any homelab's service has, and few enough that one
/// which goes wild does not take the machine along.
const PIDS: i64 = 4096;

/// A name server that nobody is: what is asked of the engine's own for names outside of the network
/// would otherwise be asked on by the engine, from outside of it
/// (<https://github.com/moby/moby/security/advisories/GHSA-mq39-4gv4-mvpx>).
const NO_NAME_SERVER: &str = "127.0.0.1";

/// Where a copy has what the original has elsewhere.
///
/// ```
/// use docker_stacks::{Mark, Placement};
///
/// let placement = Placement::new(Mark::new("1").name("db"), 1 << 30);
/// assert!(placement.networks.is_empty(), "it will see nobody");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placement {
    /// Its name, one of [`Mark::name`](crate::Mark::name).
    pub name: String,
    /// What is mounted, by where the container sees it. What is not here is not mounted.
    pub mounts: BTreeMap<PathBuf, ThrowAwayMount>,
    /// The copies of its networks, by the names of the originals. In a network that is not here, it
    /// has no place.
    pub networks: BTreeMap<String, String>,
    /// The name of the container in whose network it lives, if it lives in another's.
    pub network_of: Option<String>,
    /// How much memory it may use, in bytes, if it did not do with less.
    pub memory_bytes: u64,
}

impl Placement {
    /// A place without mounts and networks.
    #[must_use]
    pub fn new(name: String, memory_bytes: u64) -> Self {
        Self {
            name,
            mounts: BTreeMap::new(),
            networks: BTreeMap::new(),
            network_of: None,
            memory_bytes,
        }
    }
}

/// What is mounted in a copy.
///
/// ```
/// use docker_stacks::ThrowAwayMount;
///
/// let mount = ThrowAwayMount::Volume { name: "backup-window-drill-1-data".into(), is_filled: true };
/// assert_ne!(mount, ThrowAwayMount::File { path: "/v/_data/app.conf".into() });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThrowAwayMount {
    /// A volume of the drill's.
    Volume {
        /// Its name.
        name: String,
        /// It holds what it is to hold. One that does not gets what the image has at its place.
        is_filled: bool,
    },
    /// A file in a volume of the drill's, at its top.
    File {
        /// Where it lies on the engine's machine.
        path: PathBuf,
    },
}

/// A container to be made, which can do no harm: see [`Blueprint`].
#[derive(Debug, Clone, PartialEq)]
pub struct Replica {
    pub(in crate::engine) name: String,
    pub(in crate::engine) body: ContainerCreateBody,
    /// The places in networks besides the first, for engines take one with the creation.
    pub(in crate::engine) more_networks: Vec<(String, EndpointSettings)>,
}

impl Replica {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The identifier of its image.
    #[must_use]
    pub fn image_id(&self) -> &str {
        self.body.image.as_deref().unwrap_or_default()
    }

    /// The command that it was given, if it does not run its image's.
    #[must_use]
    pub fn command(&self) -> &[String] {
        self.body.cmd.as_deref().unwrap_or_default()
    }

    /// The files of the machine that it mounts.
    pub(in crate::engine) fn files(&self) -> impl Iterator<Item = &Path> {
        let host = self.body.host_config.as_ref();
        let mounts = host.and_then(|host| host.mounts.as_ref()).into_iter();
        mounts
            .flatten()
            .filter(|mount| mount.typ == Some(MountType::BIND))
            .filter_map(|mount| mount.source.as_deref().map(Path::new))
    }
}

pub(super) fn replica(blueprint: &Blueprint, placement: &Placement) -> Replica {
    let container = &blueprint.container;
    let mut body = blueprint.body.clone();
    let mut host = body.host_config.take().unwrap_or_default();
    let most = i64::try_from(placement.memory_bytes).unwrap_or(i64::MAX);
    let tighter = |limit: Option<i64>, most: i64| {
        let asked = limit.filter(|limit| *limit > 0);
        Some(asked.map_or(most, |limit| limit.min(most)))
    };
    host.memory = tighter(host.memory, most);
    // The same: no swap besides.
    host.memory_swap = host.memory;
    host.pids_limit = tighter(host.pids_limit, PIDS);
    let mounts = container.mounts.iter();
    host.mounts = Some(
        mounts
            .filter_map(|mount| Some(mounted(mount, placement.mounts.get(&mount.destination)?)))
            .collect(),
    );

    let mut places: Vec<(String, EndpointSettings)> = container
        .networks
        .iter()
        .filter_map(|(network, attachment)| {
            let copy = placement.networks.get(network)?;
            let place = EndpointSettings {
                aliases: Some(aliases(blueprint, attachment)),
                ..EndpointSettings::default()
            };
            Some((copy.clone(), place))
        })
        .collect();
    if let Some(other) = &placement.network_of {
        host.network_mode = Some(format!("container:{other}"));
        // They are the other's.
        body.hostname = None;
        places.clear();
    } else if places.is_empty() {
        host.network_mode = Some("none".to_owned());
    } else {
        host.dns = Some(vec![NO_NAME_SERVER.to_owned()]);
    }
    let more_networks = places.split_off(places.len().min(1));
    if let Some((network, place)) = places.pop() {
        host.network_mode = Some(network.clone());
        body.networking_config = Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(network, place)])),
        });
    }
    body.host_config = Some(host);
    Replica {
        name: placement.name.clone(),
        body,
        more_networks,
    }
}

fn mounted(mount: &Mount, by: &ThrowAwayMount) -> ApiMount {
    let target = Some(mount.destination.display().to_string());
    let read_only = Some(mount.read_only);
    match by {
        ThrowAwayMount::Volume { name, is_filled } => ApiMount {
            target,
            read_only,
            source: Some(name.clone()),
            typ: Some(MountType::VOLUME),
            volume_options: Some(MountVolumeOptions {
                no_copy: Some(*is_filled),
                ..MountVolumeOptions::default()
            }),
            ..ApiMount::default()
        },
        ThrowAwayMount::File { path } => ApiMount {
            target,
            read_only,
            source: Some(path.display().to_string()),
            typ: Some(MountType::BIND),
            ..ApiMount::default()
        },
    }
}

/// The names that others look for it by: its own among them, which its copy does not have.
fn aliases(blueprint: &Blueprint, attachment: &Attachment) -> Vec<String> {
    let container = &blueprint.container;
    let mut aliases: Vec<String> = attachment
        .aliases
        .iter()
        .chain([&container.name])
        .filter(|alias| alias.as_str() != container.id.short())
        .cloned()
        .collect();
    aliases.sort();
    aliases.dedup();
    aliases
}
