//! Containers and mounts in one line each.

use std::{fmt::Write, path::PathBuf};

use crate::{
    find::{COMPOSE_DEPENDS_ON, COMPOSE_PROJECT, COMPOSE_SERVICE},
    model::{Container, ContainerKey, Mount, MountKind, Volume},
};

/// How many hexadecimal digits Docker's identifiers have.
const ID_DIGITS: usize = 64;

/// A running container with an identifier that looks like Docker's, and follows from the name.
#[must_use]
pub fn container(name: &str) -> Container {
    Container::new(id(name, 0), name)
}

/// An identifier for the given generation of a container.
pub(super) fn id(name: &str, generation: u32) -> String {
    // The generation comes first, so that the short forms of two generations differ.
    let mut digits = format!("{generation:04x}");
    for byte in name.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits.truncate(ID_DIGITS);
    format!("{digits:0<ID_DIGITS$}")
}

/// The same container, as a service of a Compose project.
#[must_use]
pub fn in_project(mut container: Container, project: &str, service: &str) -> Container {
    container
        .labels
        .insert(COMPOSE_PROJECT.to_owned(), project.to_owned());
    container
        .labels
        .insert(COMPOSE_SERVICE.to_owned(), service.to_owned());
    container
}

/// The same container, with what Compose notes of its `depends_on`:
/// `db:service_healthy:true,cache:service_started:false`.
#[must_use]
pub fn depending_on(mut container: Container, list: &str) -> Container {
    container
        .labels
        .insert(COMPOSE_DEPENDS_ON.to_owned(), list.to_owned());
    container
}

/// The same container, in the network of another.
#[must_use]
pub fn in_network_of(mut container: Container, other: &Container) -> Container {
    container.network_mode = Some(ContainerKey::new(other.id.as_str()));
    container
}

/// A writable mount of a volume.
pub fn volume(volume: &Volume, destination: impl Into<PathBuf>) -> Mount {
    Mount {
        kind: MountKind::Volume {
            name: volume.name.clone(),
            driver: volume.driver.clone(),
        },
        source: volume.mount_point.clone(),
        destination: destination.into(),
        read_only: false,
    }
}

/// A writable bind mount.
pub fn bind(source: impl Into<PathBuf>, destination: impl Into<PathBuf>) -> Mount {
    Mount {
        kind: MountKind::Bind,
        source: source.into(),
        destination: destination.into(),
        read_only: false,
    }
}
