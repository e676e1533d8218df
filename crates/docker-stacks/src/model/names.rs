//! How containers and stacks are named, and told apart.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Container;

/// How many characters of an identifier the docker command line shows, and people copy.
const SHORT_ID_CHARACTERS: usize = 12;

/// The identifier that an engine gave to a container: 64 hexadecimal digits on Docker.
///
/// A container that is recreated (`docker compose up` after a change) gets a new one.
///
/// ```
/// let id = docker_stacks::ContainerId::new("5f1c0b2d9a6e4f7788990011223344556677889900aabbccddeeff");
/// assert_eq!(id.short(), "5f1c0b2d9a6e");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContainerId(String);

impl ContainerId {
    /// Takes an identifier as the engine wrote it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The whole identifier.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve characters, as `docker ps` shows them.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..SHORT_ID_CHARACTERS).unwrap_or(&self.0)
    }

    /// Is the other one this, or at least its first twelve characters?
    pub(crate) fn begins_with(&self, other: &Self) -> bool {
        self == other || (other.0.len() >= SHORT_ID_CHARACTERS && self.0.starts_with(&other.0))
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a stack: a Compose project, a Swarm stack, or a container that belongs to neither.
///
/// ```
/// assert_eq!(docker_stacks::StackName::new("shop").to_string(), "shop");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StackName(String);

impl StackName {
    /// Takes a name as the labels wrote it.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One container, by both of its names: the identifier for the engine, the name for people.
///
/// ```
/// let reference = docker_stacks::Container::new("1f2e", "shop-db-1").to_ref();
/// assert_eq!(reference.to_string(), "shop-db-1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContainerRef {
    /// What the engine knows it by.
    pub id: ContainerId,
    /// What people know it by, without the leading slash of the API.
    pub name: String,
}

impl fmt::Display for ContainerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// How one container's configuration names another: by identifier, by the beginning of one, or by
/// name, as it was written when the container was created.
///
/// Compose writes identifiers, people on a command line write names; the engine keeps either.
///
/// ```
/// use docker_stacks::{Container, ContainerKey};
///
/// let db = Container::new("5f1c0b2d9a6e4f77", "shop-db-1");
/// assert!(ContainerKey::new("/shop-db-1").names(&db));
/// assert!(ContainerKey::new("5f1c0b2d9a6e").names(&db));
/// assert!(!ContainerKey::new("5f1c").names(&db), "too short to be certain");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContainerKey(String);

impl ContainerKey {
    /// Takes an identifier or a name; a leading slash does not count.
    pub fn new(key: impl AsRef<str>) -> Self {
        Self(key.as_ref().trim_start_matches('/').to_owned())
    }

    /// The identifier or name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Does this name the container?
    #[must_use]
    pub fn names(&self, container: &Container) -> bool {
        container.name == self.0
            || container.id.as_str() == self.0
            || (self.0.len() >= SHORT_ID_CHARACTERS && container.id.as_str().starts_with(&self.0))
    }
}

impl fmt::Display for ContainerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
