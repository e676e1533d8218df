//! A Swarm service, as it was when a manager was asked.

mod spec;

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{ContainerId, seconds};

pub use spec::ServiceSpec;
pub(crate) use spec::{BadSpec, NotAsExpected};

/// The identifier that a swarm gave to a service: 25 letters and digits.
///
/// A service that is removed and deployed again gets a new one; an update keeps it.
///
/// ```
/// use docker_stacks::ServiceId;
///
/// let id = ServiceId::new("9mnpnzenvg8p8tdbtq4wvbkcz");
/// assert_eq!(id.as_str().len(), 25);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceId(String);

impl ServiceId {
    /// Takes an identifier as the swarm wrote it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The whole identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One service, by both of its names: the identifier for the swarm, the name for people.
///
/// ```
/// use docker_stacks::{ServiceId, ServiceRef};
///
/// let db = ServiceRef { id: ServiceId::new("9mnpnz"), name: "shop_db".into() };
/// assert_eq!(db.to_string(), "shop_db");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceRef {
    /// What the swarm knows it by.
    pub id: ServiceId,
    /// What people know it by: `STACK_SERVICE` where `docker stack deploy` created it.
    pub name: String,
}

impl fmt::Display for ServiceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// A service, as it was when a manager of its swarm was asked.
///
/// Made by an [`Engine`](crate::Engine).
///
/// ```
/// use docker_stacks::Service;
///
/// fn is_all_there(service: &Service) -> bool {
///     service.running().count() == service.tasks.len()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Service {
    /// What the swarm knows it by.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// The service's own labels: `deploy.labels` in a stack's file.
    pub labels: BTreeMap<String, String>,
    /// The labels of the containers that its tasks get.
    pub container_labels: BTreeMap<String, String>,
    /// The image that its containers are made of, as it was written.
    pub image: String,
    /// How many tasks it has, and where.
    pub mode: ServiceMode,
    /// What is mounted into its containers.
    pub mounts: Vec<ServiceMount>,
    /// Which nodes may run its tasks: `node.hostname==nas`.
    pub constraints: Vec<String>,
    /// How long its containers are given between their stop signal and SIGKILL
    /// (`stop_grace_period`).
    #[serde(with = "seconds::option")]
    pub stop_grace: Option<Duration>,
    /// The tasks that have not ended.
    pub tasks: Vec<Task>,
    /// The swarm's other nodes, by their host names: where tasks may run, or have left data.
    pub other_nodes: Vec<String>,
    /// All that the swarm knows of how the service is to be.
    pub spec: ServiceSpec,
}

/// How many tasks a service has, and where.
///
/// ```
/// use docker_stacks::ServiceMode;
///
/// let mode = ServiceMode::Replicated { replicas: 3 };
/// assert_eq!(mode.to_string(), "3 replicas");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServiceMode {
    /// So many, wherever there is room.
    Replicated {
        /// How many are wanted.
        replicas: u64,
    },
    /// One on every node that its constraints allow.
    Global,
    /// Tasks that run to their end, on one node or on all; halting one would run it again.
    Job,
}

/// What is mounted into a service's containers.
///
/// ```
/// use docker_stacks::{Service, ServiceMount};
///
/// fn volumes(service: &Service) -> Vec<&str> {
///     let is_volume = |mount: &&ServiceMount| mount.kind == "volume";
///     service.mounts.iter().filter(is_volume).map(|mount| mount.source.as_str()).collect()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServiceMount {
    /// What kind of thing: `volume`, `bind`, `tmpfs`, …
    pub kind: String,
    /// The volume's name or the path on the node; empty for a volume that every task gets anew.
    /// Either may be a template (`{{.Node.Hostname}}-data`), which means something else for each
    /// task.
    pub source: String,
    /// Where the containers see it.
    pub target: PathBuf,
    /// The containers cannot write to it.
    pub read_only: bool,
    /// A volume's driver, where one is named: what a node that has no such volume creates it with.
    pub driver: Option<String>,
    /// The driver's options, likewise.
    pub driver_options: BTreeMap<String, String>,
}

/// One task of a service that has not ended.
///
/// ```
/// use docker_stacks::{Service, Task};
///
/// fn here(service: &Service) -> impl Iterator<Item = &Task> {
///     service.tasks.iter().filter(|task| task.here)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Task {
    /// What the swarm knows it by.
    pub id: String,
    /// It runs, and its health check passes if it has one. Otherwise it has not got there yet.
    pub running: bool,
    /// The host name of the node that it was given to.
    pub node: Option<String>,
    /// That node is the engine that was asked.
    pub here: bool,
    /// Its container, once there is one.
    pub container: Option<ContainerId>,
    /// What it said last of its troubles.
    pub error: Option<String>,
}

impl Service {
    /// Reads a service from its specification.
    pub(crate) fn read(
        id: ServiceId,
        spec: ServiceSpec,
        tasks: Vec<Task>,
        other_nodes: Vec<String>,
    ) -> Result<Self, BadSpec> {
        Ok(Self {
            id,
            name: spec.name()?,
            labels: spec.labels(),
            container_labels: spec.container_labels(),
            image: spec.image(),
            mode: spec.mode()?,
            mounts: spec.mounts(),
            constraints: spec.constraints(),
            stop_grace: spec.stop_grace(),
            tasks,
            other_nodes,
            spec,
        })
    }

    /// Both of its names.
    #[must_use]
    pub fn to_ref(&self) -> ServiceRef {
        ServiceRef {
            id: self.id.clone(),
            name: self.name.clone(),
        }
    }

    /// It is to have no tasks: it was scaled to 0, or
    /// [`Engine::halt_service`](crate::Engine::halt_service) has taken all its nodes from it.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        match self.mode {
            ServiceMode::Replicated { replicas } => replicas == 0,
            ServiceMode::Global => self.constraints.iter().any(|c| c == spec::NOWHERE),
            ServiceMode::Job => false,
        }
    }

    /// Its tasks that run.
    pub fn running(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().filter(|task| task.running)
    }
}

impl fmt::Display for ServiceMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replicated { replicas: 1 } => f.write_str("1 replica"),
            Self::Replicated { replicas } => write!(f, "{replicas} replicas"),
            Self::Global => f.write_str("one task on each node"),
            Self::Job => f.write_str("a job"),
        }
    }
}
