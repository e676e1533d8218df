//! Swarm services in one line each.

use serde_json::{Value, json};

use super::fixture;
use crate::{
    find::{SWARM_SERVICE, SWARM_SERVICE_ID, SWARM_STACK},
    model::{
        Container, ContainerId, Mount, MountKind, Service, ServiceId, ServiceMode, ServiceSpec,
        Task,
    },
};

/// How many characters a swarm's identifiers have.
const ID_CHARACTERS: usize = 25;

/// A service without tasks, with an identifier that looks like a swarm's and follows from the name.
///
/// # Panics
///
/// Never: what it makes is a specification.
#[must_use]
pub fn service(name: &str, mode: ServiceMode) -> Service {
    let mode = match mode {
        ServiceMode::Replicated { replicas } => json!({"Replicated": {"Replicas": replicas}}),
        ServiceMode::Global => json!({"Global": {}}),
        ServiceMode::Job => json!({"ReplicatedJob": {}}),
    };
    let spec = ServiceSpec::new(json!({
        "Name": name,
        "Labels": {},
        "TaskTemplate": {
            "ContainerSpec": {"Image": "busybox", "Mounts": []},
            "Placement": {},
        },
        "Mode": mode,
    }));
    let mut id = fixture::id(name, 0);
    id.truncate(ID_CHARACTERS);
    read(ServiceId::new(id), spec, Vec::new(), Vec::new())
}

/// The same service, as `docker stack deploy` labels it.
#[must_use]
pub fn in_stack(service: Service, stack: &str) -> Service {
    edited(service, |spec| {
        spec["Labels"][SWARM_STACK] = stack.into();
        spec["TaskTemplate"]["ContainerSpec"]["Labels"][SWARM_STACK] = stack.into();
    })
}

/// The same service, with one more thing mounted into its containers.
#[must_use]
pub fn mounting(service: Service, mount: &Mount) -> Service {
    let entry = match &mount.kind {
        MountKind::Volume { name, driver } => json!({
            "Type": "volume",
            "Source": name,
            "Target": mount.destination,
            "VolumeOptions": {"DriverConfig": {"Name": driver}},
        }),
        _ => json!({"Type": "bind", "Source": mount.source, "Target": mount.destination}),
    };
    edited(service, |spec| {
        if let Some(mounts) = spec["TaskTemplate"]["ContainerSpec"]["Mounts"].as_array_mut() {
            mounts.push(entry);
        }
    })
}

/// The same service, with a task that runs on the named node; on this one without a name.
#[must_use]
pub fn placed(mut service: Service, node: Option<&str>) -> Service {
    let number = service.tasks.len() + 1;
    if let Some(node) = node
        && !service.other_nodes.iter().any(|other| other == node)
    {
        service.other_nodes.push(node.to_owned());
    }
    service.tasks.push(task(&service.name, number, node));
    service
}

/// A task that runs, of this number.
pub(super) fn task(service: &str, number: usize, node: Option<&str>) -> Task {
    Task {
        id: format!("{service}task{number}"),
        running: true,
        node: Some(node.unwrap_or("here").to_owned()),
        here: node.is_none(),
        container: Some(ContainerId::new(fixture::id(
            &format!("{service}.{number}"),
            0,
        ))),
        error: None,
    }
}

/// The container of a service's task, with these mounts.
///
/// # Panics
///
/// If the task has none.
#[must_use]
pub fn task_container(service: &Service, task: usize, mounts: Vec<Mount>) -> Container {
    let id = service.tasks[task].container.clone();
    let id = id.expect("the task has a container");
    let name = format!("{}.{}.{}", service.name, task + 1, service.tasks[task].id);
    let mut container = Container::new(id.as_str(), name);
    container.labels.clone_from(&service.container_labels);
    for (key, value) in [
        (SWARM_SERVICE_ID, service.id.as_str()),
        (SWARM_SERVICE, &service.name),
    ] {
        container.labels.insert(key.to_owned(), value.to_owned());
    }
    container.mounts = mounts;
    container
}

/// The same service, after a change of its specification.
pub(super) fn edited(service: Service, edit: impl FnOnce(&mut Value)) -> Service {
    let spec = service.spec.edited(edit);
    read(service.id, spec, service.tasks, service.other_nodes)
}

pub(super) fn read(
    id: ServiceId,
    spec: ServiceSpec,
    tasks: Vec<Task>,
    other_nodes: Vec<String>,
) -> Service {
    Service::read(id, spec, tasks, other_nodes).expect("a name and a mode are in it")
}
