//! What it takes to make a stack again, as the engine says it.
//!
//! It is asked before an outage, not in it: each answer takes its time, and a container that is
//! asked while it is down says so of itself.

use std::collections::{BTreeMap, BTreeSet};

use docker_stacks::{
    Container, Engine, EngineErrorKind, Image, MountKind, Network, Service, Stack, Volume,
};
use serde_json::Value;

use crate::sentence;

/// What the engine has that containers are made of.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    images: Vec<Image>,
    networks: Vec<Network>,
    volumes: Vec<Volume>,
}

impl Surroundings {
    /// Asks the engine, with a sentence for each answer that could not be had: a proxy in front of
    /// the engine may refuse any of them, and the data is to be saved all the same.
    pub(super) async fn ask(engine: &dyn Engine) -> (Self, Vec<String>) {
        let mut remarks = Vec::new();
        let images = engine.images().await;
        let networks = engine.networks().await;
        let volumes = engine.volumes().await;
        let surroundings = Self {
            images: or_remark(images, "images", &mut remarks),
            networks: or_remark(networks, "networks", &mut remarks),
            volumes: or_remark(volumes, "volumes", &mut remarks),
        };
        (surroundings, remarks)
    }
}

fn or_remark<T>(
    answer: Result<Vec<T>, docker_stacks::EngineError>,
    what: &str,
    remarks: &mut Vec<String>,
) -> Vec<T> {
    answer.unwrap_or_else(|error| {
        remarks.push(format!(
            "the snapshots do not say what {what} there were: {}",
            sentence::failed_to(&error)
        ));
        Vec::new()
    })
}

/// The definitions of some containers, and of what they are made of.
#[derive(Debug)]
pub(super) struct Definitions<'a> {
    surroundings: &'a Surroundings,
    containers: BTreeMap<String, Value>,
}

impl<'a> Definitions<'a> {
    /// Asks the engine for each container of these stacks, with a sentence for each that it would
    /// not say.
    pub(super) async fn ask(
        engine: &dyn Engine,
        surroundings: &'a Surroundings,
        stacks: impl IntoIterator<Item = &Stack>,
    ) -> (Self, Vec<String>) {
        let mut remarks = Vec::new();
        let mut definitions = BTreeMap::new();
        for container in stacks.into_iter().flat_map(made_by_people) {
            let definition = match engine.definition(&container.id).await {
                Ok(definition) => definition,
                Err(error) => {
                    // What has gone since the plan was made is as it was then.
                    if error.kind() != EngineErrorKind::NotFound {
                        remarks.push(format!(
                            "the definition of {} is saved only as far as this program knows it: {}",
                            container.name,
                            sentence::failed_to(&error)
                        ));
                    }
                    as_found(container)
                }
            };
            definitions.insert(container.name.clone(), definition);
        }
        let definitions = Self {
            surroundings,
            containers: definitions,
        };
        (definitions, remarks)
    }

    /// The files that say how a stack is made again, by their names in the snapshot.
    pub(super) fn files(&self, stack: &Stack) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<(String, Vec<u8>)> = made_by_people(stack)
            .map(|container| {
                let known = self.containers.get(&container.name);
                let definition = known.cloned().unwrap_or_else(|| as_found(container));
                (
                    format!("containers/{}.json", container.name),
                    pretty(&definition),
                )
            })
            .collect();
        // A service was listed with its specification as the engine has it.
        files.extend(stack.services.iter().map(|service| {
            let name = format!("services/{}.json", service.name);
            (name, pretty(service))
        }));
        let containers = &stack.containers;
        let image_ids: BTreeSet<&str> = containers.iter().map(|c| c.image_id.as_str()).collect();
        let networks: BTreeSet<&str> = containers
            .iter()
            .flat_map(|container| container.networks.keys())
            .map(String::as_str)
            .collect();
        let mounted = containers.iter().flat_map(|container| &container.mounts);
        let of_containers = mounted.filter_map(|mount| match &mount.kind {
            MountKind::Volume { name, .. } => Some(name.as_str()),
            _ => None,
        });
        let of_services = stack.services.iter().flat_map(volumes_of);
        let volumes: BTreeSet<&str> = of_containers.chain(of_services).collect();
        let Surroundings {
            images,
            networks: all_networks,
            volumes: all_volumes,
        } = self.surroundings;
        let images: Vec<&Image> = images
            .iter()
            .filter(|image| image_ids.contains(image.id.as_str()))
            .collect();
        let networks: Vec<&Network> = all_networks
            .iter()
            .filter(|network| networks.contains(network.name.as_str()))
            .collect();
        let volumes: Vec<&Volume> = all_volumes
            .iter()
            .filter(|volume| volumes.contains(volume.name.as_str()))
            .collect();
        files.push(("images.json".to_owned(), pretty(&images)));
        files.push(("networks.json".to_owned(), pretty(&networks)));
        files.push(("volumes.json".to_owned(), pretty(&volumes)));
        files
    }
}

/// The containers that somebody has to make again. What a task's container was follows from its
/// service, and the swarm makes another.
fn made_by_people(stack: &Stack) -> impl Iterator<Item = &Container> {
    let containers = stack.containers.iter();
    containers.filter(|container| !container.is_task())
}

/// The names of the volumes that a service asks for.
fn volumes_of(service: &Service) -> impl Iterator<Item = &str> {
    let volumes = service.mounts.iter().filter(|mount| mount.kind == "volume");
    volumes.map(|mount| mount.source.as_str())
}

/// A container, as far as this program knows it.
fn as_found(container: &Container) -> Value {
    serde_json::to_value(container).expect("a container has nothing that JSON cannot express")
}

fn pretty(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("these have nothing that JSON cannot express")
}
