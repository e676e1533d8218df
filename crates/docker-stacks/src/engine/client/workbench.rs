//! Making and taking away what a drill takes, by the engine's calls for it.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use bollard::{
    models::{NetworkConnectRequest, NetworkCreateRequest, VolumeCreateRequest},
    query_parameters::{
        CreateContainerOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
        ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
    },
};

use super::BollardEngine;
use crate::{
    engine::{
        Cleared, Engine, EngineError, EngineErrorKind, Mark, Replica, Workbench, convert,
        workbench::MARK_LABEL,
    },
    model::{ContainerId, Volume},
};

/// Has Docker give the bridge of a network no address of the machine's own. Without it, an internal
/// network leads to whatever of the machine listens on all addresses
/// (<https://docs.docker.com/engine/network/drivers/bridge/>).
const NO_ADDRESS_OF_THE_MACHINE: &str = "com.docker.network.bridge.inhibit_ipv4";

/// HTTP's word for "you may not".
const FORBIDDEN: u16 = 403;

/// How long a container may take to be deleted, on top of a call's own time: its processes are
/// killed, and its layer may be large.
const REMOVAL: Duration = Duration::from_secs(30);

#[async_trait]
impl Workbench for BollardEngine {
    async fn make_volume(&self, mark: &Mark, name: &str) -> Result<Volume, EngineError> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver: Some("local".to_owned()),
            labels: Some(mark.labels().into_iter().collect()),
            ..VolumeCreateRequest::default()
        };
        let operation = format!("make the volume {name}");
        let made = self.call(&operation, Duration::ZERO, |docker| async move {
            docker.create_volume(request).await
        });
        made.await.map(convert::volume)
    }

    async fn make_network(&self, mark: &Mark, name: &str) -> Result<(), EngineError> {
        let option = (NO_ADDRESS_OF_THE_MACHINE.to_owned(), "true".to_owned());
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            internal: Some(true),
            enable_ipv6: Some(false),
            options: Some(HashMap::from([option])),
            labels: Some(mark.labels().into_iter().collect()),
            ..NetworkCreateRequest::default()
        };
        let operation = format!("make the network {name}");
        self.call(&operation, Duration::ZERO, |docker| async move {
            docker.create_network(request).await.map(drop)
        })
        .await
    }

    async fn make_container(
        &self,
        mark: &Mark,
        replica: &Replica,
    ) -> Result<ContainerId, EngineError> {
        let operation = format!("make the container {}", replica.name);
        self.see_own_files_only(&operation, mark, replica).await?;
        let mut body = replica.body.clone();
        body.labels = Some(mark.labels().into_iter().collect());
        let options = CreateContainerOptionsBuilder::new()
            .name(&replica.name)
            .build();
        let made = self.call(&operation, Duration::ZERO, |docker| async move {
            docker.create_container(Some(options), body).await
        });
        let id = made.await?.id;
        for (network, place) in &replica.more_networks {
            let request = NetworkConnectRequest {
                container: id.clone(),
                endpoint_config: Some(place.clone()),
            };
            self.call(&operation, Duration::ZERO, |docker| async move {
                docker.connect_network(network, request).await
            })
            .await?;
        }
        Ok(ContainerId::new(id))
    }

    async fn clear(&self, mark: Option<&Mark>) -> Result<Cleared, EngineError> {
        let filter = match mark {
            None => MARK_LABEL.to_owned(),
            Some(mark) => format!("{MARK_LABEL}={mark}"),
        };
        let filters = HashMap::from([("label".to_owned(), vec![filter])]);
        let mut cleared = Cleared::default();
        let ends = [
            self.clear_containers(mark, &filters, &mut cleared).await,
            self.clear_networks(mark, &filters, &mut cleared).await,
            self.clear_volumes(mark, &filters, &mut cleared).await,
        ];
        ends.into_iter().collect::<Result<Vec<()>, _>>()?;
        Ok(cleared)
    }
}

type Filters = HashMap<String, Vec<String>>;

impl BollardEngine {
    /// A file that is mounted lies at the top of a volume of the same drill, whatever the caller
    /// says.
    async fn see_own_files_only(
        &self,
        operation: &str,
        mark: &Mark,
        replica: &Replica,
    ) -> Result<(), EngineError> {
        if replica.files().next().is_none() {
            return Ok(());
        }
        let volumes = self.volumes().await?;
        let foreign = replica.files().find(|file| {
            !volumes.iter().any(|volume| {
                Mark::made(Some(mark), &volume.name, &volume.labels)
                    && file.parent() == Some(volume.mount_point.as_path())
                    && file.file_name().is_some()
            })
        });
        match foreign {
            None => Ok(()),
            Some(file) => Err(EngineError::Refused {
                endpoint: self.endpoint(),
                operation: operation.to_owned(),
                status: FORBIDDEN,
                message: format!("{} is in no volume of the drill", file.display()),
            }),
        }
    }

    async fn clear_containers(
        &self,
        mark: Option<&Mark>,
        filters: &Filters,
        cleared: &mut Cleared,
    ) -> Result<(), EngineError> {
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(filters)
            .build();
        let listed = self.call("list the containers", Duration::ZERO, |docker| async move {
            docker.list_containers(Some(options)).await
        });
        let mut end = Ok(());
        for summary in listed.await? {
            let names = summary.names.unwrap_or_default();
            let Some(name) = names.first().map(|name| name.trim_start_matches('/')) else {
                continue;
            };
            let labels = summary.labels.unwrap_or_default();
            let (true, Some(id)) = (Mark::made(mark, name, &labels), summary.id) else {
                continue;
            };
            // With the nameless volumes that its image asked for.
            let options = RemoveContainerOptionsBuilder::new()
                .force(true)
                .v(true)
                .build();
            let operation = format!("take away the container {name}");
            let gone = self.call(&operation, REMOVAL, |docker| async move {
                docker.remove_container(&id, Some(options)).await
            });
            note(gone.await, name, &mut cleared.containers, &mut end);
        }
        end
    }

    async fn clear_networks(
        &self,
        mark: Option<&Mark>,
        filters: &Filters,
        cleared: &mut Cleared,
    ) -> Result<(), EngineError> {
        let options = ListNetworksOptionsBuilder::new().filters(filters).build();
        let listed = self.call("list the networks", Duration::ZERO, |docker| async move {
            docker.list_networks(Some(options)).await
        });
        let mut end = Ok(());
        for network in listed.await?.into_iter().map(convert::network) {
            if !Mark::made(mark, &network.name, &network.labels) {
                continue;
            }
            let operation = format!("take away the network {}", network.name);
            let gone = self.call(&operation, Duration::ZERO, |docker| async move {
                docker.remove_network(&network.id).await
            });
            note(gone.await, &network.name, &mut cleared.networks, &mut end);
        }
        end
    }

    async fn clear_volumes(
        &self,
        mark: Option<&Mark>,
        filters: &Filters,
        cleared: &mut Cleared,
    ) -> Result<(), EngineError> {
        let options = ListVolumesOptionsBuilder::new().filters(filters).build();
        let listed = self.call("list the volumes", Duration::ZERO, |docker| async move {
            docker.list_volumes(Some(options)).await
        });
        let listed = listed.await?.volumes.unwrap_or_default();
        let mut end = Ok(());
        for volume in listed.into_iter().map(convert::volume) {
            if !Mark::made(mark, &volume.name, &volume.labels) {
                continue;
            }
            let name = volume.name.as_str();
            let operation = format!("take away the volume {name}");
            let gone = self.call(&operation, REMOVAL, |docker| async move {
                let options = None::<RemoveVolumeOptions>;
                docker.remove_volume(name, options).await
            });
            note(gone.await, name, &mut cleared.volumes, &mut end);
        }
        end
    }
}

/// What has gone by itself is as good as taken away; of the errors, the first is kept.
fn note(
    gone: Result<(), EngineError>,
    name: &str,
    cleared: &mut Vec<String>,
    end: &mut Result<(), EngineError>,
) {
    match gone {
        Ok(()) => cleared.push(name.to_owned()),
        Err(error) if error.kind() == EngineErrorKind::NotFound => {}
        Err(error) if end.is_ok() => *end = Err(error),
        Err(error) => tracing::warn!(%error, "something of a drill is left behind"),
    }
}
