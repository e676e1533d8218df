//! Making and taking away what a drill takes, in memory.

use async_trait::async_trait;

use super::{Behaviour, ENDPOINT, MemoryEngine, item::Item};
use crate::{
    engine::{Cleared, EngineError, Mark, Replica, Workbench},
    model::{Container, ContainerId, ContainerState, Network, Volume},
    testing::fixture,
};

/// How the copies that are made behave, and what the engine has of them.
pub(super) type OnMake = Box<dyn Fn(&Replica) -> Behaviour + Send>;

impl MemoryEngine {
    /// Says how the copies behave that drills make; without it, they run.
    pub fn on_make(&self, behaviour: impl Fn(&Replica) -> Behaviour + Send + 'static) {
        self.lock().on_make = Some(Box::new(behaviour));
    }

    /// Makes volumes as folders in this one, as an engine does: `NAME/_data`. Without it, they are
    /// nowhere.
    pub fn keep_volumes_in(&self, folder: impl Into<std::path::PathBuf>) {
        self.lock().volume_folder = Some(folder.into());
    }

    fn refuse(operation: String, status: u16, message: String) -> EngineError {
        EngineError::Refused {
            endpoint: ENDPOINT.to_owned(),
            operation,
            status,
            message,
        }
    }
}

#[async_trait]
impl Workbench for MemoryEngine {
    async fn make_volume(&self, mark: &Mark, name: &str) -> Result<Volume, EngineError> {
        self.arrive("make a volume").await?;
        let mut state = self.lock();
        let folder = state.volume_folder.clone();
        let is_real = folder.is_some();
        let mount_point = folder
            .unwrap_or_else(|| "/v".into())
            .join(name)
            .join("_data");
        if is_real {
            std::fs::create_dir_all(&mount_point).map_err(|error| {
                Self::refuse(format!("make the volume {name}"), 500, error.to_string())
            })?;
        }
        let mut volume = Volume::local(name, mount_point);
        volume.labels = mark.labels();
        state.volumes.push(volume.clone());
        Ok(volume)
    }

    async fn make_network(&self, mark: &Mark, name: &str) -> Result<(), EngineError> {
        self.arrive("make a network").await?;
        let mut network = Network::bridge(fixture::id(name, 0), name);
        network.internal = true;
        network.labels = mark.labels();
        self.lock().networks.push(network);
        Ok(())
    }

    async fn make_container(
        &self,
        mark: &Mark,
        replica: &Replica,
    ) -> Result<ContainerId, EngineError> {
        self.arrive("make a container").await?;
        let at = self.now();
        let mut state = self.lock();
        let image = replica.image_id();
        if !state.images.iter().any(|known| known.id == image) {
            return Err(EngineError::NotFound {
                endpoint: ENDPOINT.to_owned(),
                operation: format!("make the container {}", replica.name()),
            });
        }
        let id = fixture::id(replica.name(), 0);
        let mut container = Container::new(&id, replica.name());
        image.clone_into(&mut container.image_id);
        container.labels = mark.labels();
        container.state = ContainerState::Created;
        let behaviour = state.on_make.as_ref().map(|make| make(replica));
        let item = Item::new(container, behaviour.unwrap_or_default(), at);
        state.items.push(item);
        Ok(ContainerId::new(id))
    }

    async fn clear(&self, mark: Option<&Mark>) -> Result<Cleared, EngineError> {
        self.arrive("take away what a drill made").await?;
        let (now, _) = self.now();
        let mut state = self.lock();
        let mut cleared = Cleared::default();
        state.items.retain(|item| {
            let view = item.view(now);
            keep(mark, &view.name, &view.labels, &mut cleared.containers)
        });
        state
            .networks
            .retain(|network| keep(mark, &network.name, &network.labels, &mut cleared.networks));
        state
            .volumes
            .retain(|volume| keep(mark, &volume.name, &volume.labels, &mut cleared.volumes));
        let folder = state.volume_folder.clone();
        for volume in folder.iter().flat_map(|folder| {
            let names = cleared.volumes.iter();
            names.map(|name| folder.join(name))
        }) {
            std::fs::remove_dir_all(&volume).map_err(|error| {
                Self::refuse("take away a volume".to_owned(), 500, error.to_string())
            })?;
        }
        Ok(cleared)
    }
}

fn keep(
    mark: Option<&Mark>,
    name: &str,
    labels: &std::collections::BTreeMap<String, String>,
    cleared: &mut Vec<String>,
) -> bool {
    let goes = Mark::made(mark, name, labels);
    if goes {
        cleared.push(name.to_owned());
    }
    !goes
}
