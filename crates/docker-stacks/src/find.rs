//! Which containers belong together: pure, from labels alone.
//!
//! Compose labels what it creates (<https://github.com/docker/compose/blob/main/pkg/api/labels.go>);
//! version 1 used the same names with less in them: no `project.environment_file`, and
//! `project.config_files` as they were typed. `docker stack deploy` labels with
//! `com.docker.stack.namespace`, and the engine every task of a service with
//! `com.docker.swarm.service.name`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::model::{Container, Service, StackName};

pub(crate) const COMPOSE_PROJECT: &str = "com.docker.compose.project";
pub(crate) const COMPOSE_SERVICE: &str = "com.docker.compose.service";
pub(crate) const COMPOSE_NUMBER: &str = "com.docker.compose.container-number";
pub(crate) const COMPOSE_DEPENDS_ON: &str = "com.docker.compose.depends_on";
pub(crate) const COMPOSE_VOLUME: &str = "com.docker.compose.volume";
const COMPOSE_WORKING_DIR: &str = "com.docker.compose.project.working_dir";
const COMPOSE_CONFIG_FILES: &str = "com.docker.compose.project.config_files";
const COMPOSE_ENVIRONMENT_FILE: &str = "com.docker.compose.project.environment_file";
pub(crate) const SWARM_STACK: &str = "com.docker.stack.namespace";
pub(crate) const SWARM_SERVICE: &str = "com.docker.swarm.service.name";
pub(crate) const SWARM_SERVICE_ID: &str = "com.docker.swarm.service.id";

/// Containers that were deployed together.
///
/// ```
/// use docker_stacks::{Container, find_stacks};
///
/// let stacks = find_stacks(vec![Container::new("9c8b", "portainer")]);
/// assert_eq!(stacks[0].name.as_str(), "portainer");
/// assert_eq!(stacks[0].containers.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stack {
    /// The project's, stack's, or container's name.
    pub name: StackName,
    /// What deployed it.
    pub kind: StackKind,
    /// Its containers, ordered by name; running or not.
    pub containers: Vec<Container>,
    /// A Swarm stack's services, ordered by name; with or without tasks. None are known where the
    /// engine is not a manager of its swarm.
    #[serde(default)]
    pub services: Vec<Service>,
}

/// What deployed a stack.
///
/// ```
/// use docker_stacks::{Container, StackKind, find_stacks};
///
/// let mut db = Container::new("1f2e", "shop-db-1");
/// for (key, value) in [
///     ("com.docker.compose.project", "shop"),
///     ("com.docker.compose.project.working_dir", "/srv/shop"),
/// ] {
///     db.labels.insert(key.into(), value.into());
/// }
/// let StackKind::Compose { config_files, .. } = &find_stacks(vec![db])[0].kind else {
///     panic!("it is a project of Compose");
/// };
/// assert_eq!(config_files[0], *"/srv/shop/.env");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StackKind {
    /// `docker compose up`.
    Compose {
        /// The directory that relative paths in its files begin at, on the machine where Compose
        /// ran: for a stack that Portainer deployed, a path inside Portainer's container.
        working_dir: Option<PathBuf>,
        /// Its Compose files, then its environment files (`.env` in the working directory where
        /// no other was named); absolute, and not known to exist.
        config_files: Vec<PathBuf>,
    },
    /// `docker stack deploy`, or a service of its own.
    Swarm,
    /// One container, started by hand or by another program.
    Single,
}

/// Sorts containers into stacks, ordered by name.
///
/// Every container is in exactly one stack. A project and a single container of the same name
/// stay two stacks.
///
/// ```
/// use docker_stacks::{Container, StackKind, find_stacks};
///
/// let mut db = Container::new("1f2e", "shop-db-1");
/// db.labels.insert("com.docker.compose.project".into(), "shop".into());
/// let stacks = find_stacks(vec![Container::new("9c8b", "portainer"), db]);
///
/// assert_eq!(stacks[0].name.as_str(), "portainer");
/// assert_eq!(stacks[0].kind, StackKind::Single);
/// assert_eq!(stacks[1].name.as_str(), "shop");
/// ```
#[must_use]
pub fn find_stacks(containers: Vec<Container>) -> Vec<Stack> {
    find_stacks_in_swarm(containers, Vec::new())
}

/// The same, on an engine that manages a swarm, with its services
/// ([`Engine::services`](crate::Engine::services)).
///
/// A service belongs to the stack that its label `com.docker.stack.namespace` names, or else it is
/// a stack of its own; its tasks' containers belong to the same. A stack whose services are all
/// scaled to 0 has no containers, and is found all the same.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use docker_stacks::{ServiceMode, StackKind, find_stacks_in_swarm, testing};
///
/// let db = testing::service("shop_db", ServiceMode::Replicated { replicas: 1 });
/// let stacks = find_stacks_in_swarm(Vec::new(), vec![testing::in_stack(db, "shop")]);
///
/// assert_eq!(stacks[0].name.as_str(), "shop");
/// assert_eq!(stacks[0].kind, StackKind::Swarm);
/// assert_eq!(stacks[0].services[0].name, "shop_db");
/// # }
/// ```
#[must_use]
pub fn find_stacks_in_swarm(containers: Vec<Container>, services: Vec<Service>) -> Vec<Stack> {
    let mut found: BTreeMap<(StackName, Owner), (Vec<Container>, Vec<Service>)> = BTreeMap::new();
    for container in containers {
        let id = container.label(SWARM_SERVICE_ID);
        let service = services.iter().find(|s| Some(s.id.as_str()) == id);
        let owner = service.map_or_else(|| owner(&container), owner_of_service);
        found.entry(owner).or_default().0.push(container);
    }
    for service in services {
        let owner = owner_of_service(&service);
        found.entry(owner).or_default().1.push(service);
    }
    found
        .into_iter()
        .map(|((name, owner), (mut containers, mut services))| {
            services.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
            containers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
            let kind = match owner {
                Owner::Compose => compose_kind(&containers),
                Owner::Swarm => StackKind::Swarm,
                Owner::Nobody => StackKind::Single,
            };
            Stack {
                name,
                kind,
                containers,
                services,
            }
        })
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    Compose,
    Swarm,
    Nobody,
}

fn owner(container: &Container) -> (StackName, Owner) {
    // An empty label is what a template left behind: it names nothing.
    let named = |key| container.label(key).filter(|value| !value.is_empty());
    if let Some(project) = named(COMPOSE_PROJECT) {
        (StackName::new(project), Owner::Compose)
    } else if let Some(stack) = named(SWARM_STACK).or_else(|| named(SWARM_SERVICE)) {
        (StackName::new(stack), Owner::Swarm)
    } else {
        (StackName::new(&container.name), Owner::Nobody)
    }
}

fn owner_of_service(service: &Service) -> (StackName, Owner) {
    let stack = service.labels.get(SWARM_STACK);
    let stack = stack.filter(|name| !name.is_empty());
    (StackName::new(stack.unwrap_or(&service.name)), Owner::Swarm)
}

/// Reads what the containers say of their project. They need not agree: each has the labels of
/// the `up` that created it, so everything that any of them names counts, once.
fn compose_kind(containers: &[Container]) -> StackKind {
    let working_dir = containers
        .iter()
        .find_map(|container| container.label(COMPOSE_WORKING_DIR))
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let mut config_files = Vec::new();
    let mut add = |files: &str, beneath: Option<&Path>| {
        for file in files.split(',').map(str::trim) {
            // `-` is standard input: there is no file to copy.
            if file.is_empty() || file == "-" {
                continue;
            }
            let file = match beneath {
                Some(directory) => directory.join(file),
                None => PathBuf::from(file),
            };
            if file.is_absolute() && !config_files.contains(&file) {
                config_files.push(file);
            }
        }
    };
    for container in containers {
        if let Some(files) = container.label(COMPOSE_CONFIG_FILES) {
            add(files, container.label(COMPOSE_WORKING_DIR).map(Path::new));
        }
    }
    let mut environment_named = false;
    for container in containers {
        if let Some(files) = container.label(COMPOSE_ENVIRONMENT_FILE) {
            environment_named = true;
            add(files, container.label(COMPOSE_WORKING_DIR).map(Path::new));
        }
    }
    if !environment_named && let Some(directory) = &working_dir {
        add(".env", Some(directory));
    }
    StackKind::Compose {
        working_dir,
        config_files,
    }
}

#[cfg(test)]
mod tests;
