//! A container, as it was when the engine was asked.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::find::SWARM_SERVICE;

use super::{Attachment, ContainerId, ContainerKey, ContainerRef, Mount, seconds};

/// A container, as it was when the engine was asked.
///
/// Made by an [`Engine`](crate::Engine), or by [`Container::new`] where none is at hand.
///
/// ```
/// use docker_stacks::Container;
///
/// let mut db = Container::new("1f2e", "shop-db-1");
/// db.labels.insert("com.example.role".into(), "database".into());
/// assert_eq!(db.label("com.example.role"), Some("database"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Container {
    /// What the engine knows it by.
    pub id: ContainerId,
    /// Its name, without the leading slash of the API.
    pub name: String,
    /// The image that it was created from, as it was written: `postgres:17`.
    pub image: String,
    /// The image's identifier: what `image` meant when the container was created.
    pub image_id: String,
    /// What it is doing.
    pub state: ContainerState,
    /// What its health check says; `None` while there is none, or before the first start.
    pub health: Option<Health>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What is mounted into it.
    pub mounts: Vec<Mount>,
    /// Its places in networks, by their names. Empty for one that uses another's network or the
    /// machine's (`host`).
    #[serde(default)]
    pub networks: BTreeMap<String, Attachment>,
    /// The container whose network it uses (`network_mode: container:…` or `service:…`).
    pub network_mode: Option<ContainerKey>,
    /// The container whose processes it sees (`pid: container:…`).
    pub pid_mode: Option<ContainerKey>,
    /// The container whose shared memory it uses (`ipc: container:…`).
    pub ipc_mode: Option<ContainerKey>,
    /// The containers whose volumes it took over when it was created.
    pub volumes_from: Vec<ContainerKey>,
    /// The containers that it is linked to (`links`, the legacy of the default bridge).
    pub links: Vec<ContainerKey>,
    /// What the engine does when it ends by itself.
    #[serde(default)]
    pub restart_policy: RestartPolicy,
    /// The engine deletes it as soon as it stops (`docker run --rm`).
    pub auto_remove: bool,
    /// When it was last started.
    pub started_at: Option<Timestamp>,
    /// How long it asked to be given between SIGTERM and SIGKILL: by its label
    /// `backup-window.stop-timeout`, or else by its configuration (`stop_grace_period`).
    #[serde(with = "seconds::option")]
    pub stop_timeout: Option<Duration>,
    /// It has a health check, its own or its image's.
    pub has_health_check: bool,
}

impl Container {
    /// A running container without labels, mounts or ties to others.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: ContainerId::new(id),
            name: name.into(),
            image: String::new(),
            image_id: String::new(),
            state: ContainerState::Running,
            health: None,
            labels: BTreeMap::new(),
            mounts: Vec::new(),
            networks: BTreeMap::new(),
            network_mode: None,
            pid_mode: None,
            ipc_mode: None,
            volumes_from: Vec::new(),
            links: Vec::new(),
            restart_policy: RestartPolicy::No,
            auto_remove: false,
            started_at: None,
            stop_timeout: None,
            has_health_check: false,
        }
    }

    /// Both of its names.
    #[must_use]
    pub fn to_ref(&self) -> ContainerRef {
        ContainerRef {
            id: self.id.clone(),
            name: self.name.clone(),
        }
    }

    /// The value of a label.
    #[must_use]
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str)
    }

    /// It was made for a task of a Swarm service, and is replaced by the swarm when it ends.
    #[must_use]
    pub fn is_task(&self) -> bool {
        self.labels.contains_key(SWARM_SERVICE)
    }

    /// The containers in whose namespaces it lives, and what it shares with each: without them it
    /// cannot start, and when they restart it is cut off until it restarts too.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = (&'static str, &ContainerKey)> {
        [
            ("network", self.network_mode.as_ref()),
            ("processes", self.pid_mode.as_ref()),
            ("shared memory", self.ipc_mode.as_ref()),
        ]
        .into_iter()
        .filter_map(|(what, key)| key.map(|key| (what, key)))
    }

    /// Every container that its own configuration names.
    pub(crate) fn references(&self) -> impl Iterator<Item = &ContainerKey> {
        self.namespaces()
            .map(|(_, key)| key)
            .chain(&self.volumes_from)
            .chain(&self.links)
    }
}

/// What the engine does when a container ends by itself (`docker run --restart`).
///
/// ```
/// use docker_stacks::{Container, RestartPolicy};
///
/// assert_eq!(Container::new("1f2e", "db").restart_policy, RestartPolicy::No);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RestartPolicy {
    /// Nothing.
    #[default]
    No,
    /// Runs it again, always; also when the engine starts, unless somebody stopped it since the
    /// engine's last start.
    Always,
    /// Runs it again, unless somebody stopped it; that is remembered over the engine's restarts.
    UnlessStopped,
    /// Runs it again if its exit code is not 0.
    OnFailure {
        /// How often at most; without end where nothing is said.
        at_most: Option<u32>,
    },
}

/// What a container is doing.
///
/// ```
/// use docker_stacks::ContainerState;
///
/// let ended = ContainerState::Exited { code: 137 };
/// assert!(!ended.is_active() && ContainerState::Paused.is_active());
/// assert_eq!(ended.to_string(), "exited with code 137");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContainerState {
    /// Its process runs.
    Running,
    /// Its processes are frozen where they were (`docker pause`).
    Paused,
    /// Its process ended, and the engine is about to run it again as its restart policy says.
    Restarting,
    /// Its process ended.
    Exited {
        /// What it ended with; 128 + n where signal n ended it.
        code: i64,
    },
    /// It was never started.
    Created,
    /// The engine is deleting it.
    Removing,
    /// The engine tried to delete it, and could not.
    Dead,
}

impl ContainerState {
    /// Something of it runs now, or will soon without anyone asking for it.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }
}

impl fmt::Display for ContainerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("running"),
            Self::Paused => f.write_str("paused"),
            Self::Restarting => f.write_str("restarting"),
            Self::Exited { code } => write!(f, "exited with code {code}"),
            Self::Created => f.write_str("created, but never started"),
            Self::Removing => f.write_str("being removed"),
            Self::Dead => f.write_str("dead: the engine could not remove it"),
        }
    }
}

/// What a container's health check says.
///
/// ```
/// assert_eq!(docker_stacks::Health::Unhealthy.to_string(), "unhealthy");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Not known yet: the first check has not passed, and its start period is not over.
    Starting,
    /// The last check passed.
    Healthy,
    /// Too many checks in a row failed.
    Unhealthy,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        })
    }
}
