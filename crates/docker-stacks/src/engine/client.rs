//! The Docker Engine, by bollard.

mod archive;
mod create;
mod exec;
mod raw;
mod swarm;
mod workbench;

use std::{collections::HashMap, future::ready, path::Path, time::Duration};

use async_trait::async_trait;
use bollard::{
    Docker,
    errors::Error as BollardError,
    query_parameters::{
        EventsOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptions, ListVolumesOptions,
        StopContainerOptionsBuilder,
    },
};
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Engine, EngineAddress, EngineError, EngineErrorKind, EngineInfo, EngineOptions, EngineVersion,
    ExecCommand, ExecEnd, INSPECTIONS_AT_ONCE, Stopped, connection, convert, explain,
};
use crate::model::{
    Container, ContainerId, ContainerState, Image, Network, Service, ServiceId, ServiceMode, Volume,
};

/// How often a container is looked at whose state lags behind.
const STATE_POLL: Duration = Duration::from_millis(20);

/// How long an engine is given to refuse to tell its events. What it has not refused by then, it is
/// taken to tell: there is no other sign of it before the first event.
const EVENTS_REFUSAL: Duration = Duration::from_millis(200);

/// What a process that SIGKILL ended exits with.
const KILLED_EXIT_CODE: i64 = 128 + 9;

/// A Docker Engine, wherever it listens; also what speaks its API, such as Podman.
///
/// Requests name no API version, which an engine takes as its own newest one: so engines that
/// speak nothing newer than 1.41 (Docker 20.10) and engines that refuse everything older than
/// 1.44 (Docker 29) are both understood, and an engine that is replaced by another release
/// in the middle of a night as well. No connection is kept between calls, for the same reason.
///
/// ```no_run
/// use docker_stacks::{BollardEngine, Engine, EngineAddress, EngineOptions};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let address: EngineAddress = "unix:///run/user/1000/docker.sock".parse()?;
/// let engine = BollardEngine::connect(&address, EngineOptions::default()).await?;
/// println!("{} containers", engine.containers().await?.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct BollardEngine {
    address: EngineAddress,
    options: EngineOptions,
}

impl BollardEngine {
    /// An engine that may not be there yet: nothing is asked of it before the first call.
    ///
    /// At boot, [`recover`](crate::recover) waits for such an engine.
    #[must_use]
    pub fn new(address: &EngineAddress, options: EngineOptions) -> Self {
        Self {
            address: address.clone(),
            options,
        }
    }

    /// An engine that answers: its version was asked for, and understood.
    ///
    /// # Errors
    ///
    /// If nobody listens at the address, this user may not connect, or what answers is no engine.
    pub async fn connect(
        address: &EngineAddress,
        options: EngineOptions,
    ) -> Result<Self, EngineError> {
        let engine = Self::new(address, options);
        let version = engine.version().await?;
        tracing::debug!(
            endpoint = %address,
            version = version.version,
            api = version.api_version,
            "the engine answers"
        );
        Ok(engine)
    }

    /// Makes one call within a deadline: the call's own, and `more` on top.
    async fn call<T, F>(
        &self,
        operation: &str,
        more: Duration,
        ask: impl FnOnce(Docker) -> F + Send,
    ) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, BollardError>> + Send,
    {
        let client = connection::client(&self.address, &self.options)
            .map_err(|error| self.explain(operation, error))?;
        let deadline = self.options.call_deadline.saturating_add(more);
        match timeout(deadline, ask(client)).await {
            Ok(answer) => answer.map_err(|error| self.explain(operation, error)),
            Err(_) => Err(EngineError::DeadlinePassed {
                endpoint: self.endpoint(),
                operation: operation.to_owned(),
                deadline,
            }),
        }
    }

    /// Waits until a container says that what was done to it has happened. Docker before 23 notes
    /// a pause and its end only when containerd's event comes in, a moment after its answer.
    async fn wait_until(
        &self,
        id: &ContainerId,
        verb: &str,
        done: impl Fn(ContainerState) -> bool + Send,
    ) -> Result<(), EngineError> {
        let deadline = self.options.call_deadline;
        let waiting = async {
            while !done(self.container(id).await?.state) {
                sleep(STATE_POLL).await;
            }
            Ok(())
        };
        timeout(deadline, waiting).await.unwrap_or_else(|_| {
            Err(EngineError::DeadlinePassed {
                endpoint: self.endpoint(),
                operation: format!("{verb} container {}", id.short()),
                deadline,
            })
        })
    }

    /// Puts bollard's error into the words of this crate.
    fn explain(&self, operation: &str, error: BollardError) -> EngineError {
        explain::explain(self.endpoint(), operation, error)
    }

    /// The names of what is asked for, in errors: the short identifier is what `docker ps` shows.
    async fn about<T, F>(
        &self,
        verb: &str,
        id: &ContainerId,
        more: Duration,
        ask: impl FnOnce(Docker) -> F + Send,
    ) -> Result<T, EngineError>
    where
        F: Future<Output = Result<T, BollardError>> + Send,
    {
        self.call(&format!("{verb} container {}", id.short()), more, ask)
            .await
    }
}

#[async_trait]
impl Engine for BollardEngine {
    fn endpoint(&self) -> String {
        self.address.to_string()
    }

    async fn version(&self) -> Result<EngineVersion, EngineError> {
        let version = self
            .call("ask for the version", Duration::ZERO, |docker| async move {
                docker.version().await
            })
            .await?;
        convert::version(version).map_err(|source| self.bad("ask for the version", source))
    }

    async fn info(&self) -> Result<EngineInfo, EngineError> {
        let answer = self.call("ask what it is", Duration::ZERO, |docker| async move {
            docker.info().await
        });
        answer.await.map(convert::info)
    }

    async fn containers(&self) -> Result<Vec<Container>, EngineError> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let listed = self
            .call("list the containers", Duration::ZERO, |docker| async move {
                docker.list_containers(Some(options)).await
            })
            .await?;
        let ids = listed.into_iter().filter_map(|summary| summary.id);
        let inspections = ids.map(|id| async move {
            match self.container(&ContainerId::new(id)).await {
                Ok(container) => Ok(Some(container)),
                // It went away since the list was made.
                Err(error) if error.kind() == EngineErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        });
        let mut containers: Vec<Container> = stream::iter(inspections)
            .buffer_unordered(INSPECTIONS_AT_ONCE)
            .try_filter_map(|found| ready(Ok(found)))
            .try_collect()
            .await?;
        containers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(containers)
    }

    async fn container(&self, id: &ContainerId) -> Result<Container, EngineError> {
        let inspected = self
            .about("inspect", id, Duration::ZERO, |docker| async move {
                docker.inspect_container(id.as_str(), None).await
            })
            .await?;
        convert::container(inspected)
            .map_err(|source| self.bad(&format!("inspect container {}", id.short()), source))
    }

    async fn volumes(&self) -> Result<Vec<Volume>, EngineError> {
        let listed = self
            .call("list the volumes", Duration::ZERO, |docker| async move {
                docker.list_volumes(None::<ListVolumesOptions>).await
            })
            .await?;
        let mut volumes: Vec<Volume> = listed
            .volumes
            .unwrap_or_default()
            .into_iter()
            .map(convert::volume)
            .collect();
        volumes.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(volumes)
    }

    async fn create_volume(&self, volume: &Volume) -> Result<Volume, EngineError> {
        self.make_volume(volume).await
    }

    async fn networks(&self) -> Result<Vec<Network>, EngineError> {
        let listed = self
            .call("list the networks", Duration::ZERO, |docker| async move {
                docker.list_networks(None).await
            })
            .await?;
        let mut networks: Vec<Network> = listed.into_iter().map(convert::network).collect();
        networks.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(networks)
    }

    async fn images(&self) -> Result<Vec<Image>, EngineError> {
        let listed = self
            .call("list the images", Duration::ZERO, |docker| async move {
                docker.list_images(None::<ListImagesOptions>).await
            })
            .await?;
        let mut images: Vec<Image> = listed.into_iter().map(convert::image).collect();
        images.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(images)
    }

    async fn definition(&self, id: &ContainerId) -> Result<serde_json::Value, EngineError> {
        let operation = format!("inspect container {}", id.short());
        self.read_raw_one(&operation, "/containers/", id.as_str(), "/json")
            .await
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<Stopped, EngineError> {
        // The engine answers 304 when there was nothing to stop, which bollard takes for success
        // like any other: so look first.
        if !self.container(id).await?.state.is_active() {
            return Ok(Stopped::AlreadyStopped);
        }
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let options = StopContainerOptionsBuilder::new()
            .t(i32::try_from(seconds).unwrap_or(i32::MAX))
            .build();
        let begun = Instant::now();
        self.about("stop", id, grace, |docker| async move {
            docker.stop_container(id.as_str(), Some(options)).await
        })
        .await?;
        let waited = begun.elapsed();
        // Nor does the answer say whether the engine had to kill: the exit code does, but only
        // together with the time, since a program may die of SIGKILL by other hands.
        let state = self.container(id).await?.state;
        Ok(match state {
            ContainerState::Exited { code } if code == KILLED_EXIT_CODE && waited >= grace => {
                Stopped::Killed
            }
            ContainerState::Exited { code } => Stopped::Clean { exit_code: code },
            ContainerState::Running | ContainerState::Paused | ContainerState::Restarting => {
                return Err(EngineError::Refused {
                    endpoint: self.endpoint(),
                    operation: format!("stop container {}", id.short()),
                    status: 204,
                    message: format!("it was stopped, and is {state} again; who starts it?"),
                });
            }
            _ => Stopped::AlreadyStopped,
        })
    }

    async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.about("start", id, Duration::ZERO, |docker| async move {
            docker.start_container(id.as_str(), None).await
        })
        .await
    }

    async fn pause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.about("pause", id, Duration::ZERO, |docker| async move {
            docker.pause_container(id.as_str()).await
        })
        .await?;
        self.wait_until(id, "pause", |state| state == ContainerState::Paused)
            .await
    }

    async fn unpause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.about("unpause", id, Duration::ZERO, |docker| async move {
            docker.unpause_container(id.as_str()).await
        })
        .await?;
        self.wait_until(id, "unpause", |state| state != ContainerState::Paused)
            .await
    }

    async fn exec(&self, id: &ContainerId, command: &ExecCommand) -> Result<ExecEnd, EngineError> {
        exec::exec(self, id, command).await
    }

    async fn archive(
        &self,
        id: &ContainerId,
        path: &Path,
    ) -> Result<BoxStream<'static, Result<Bytes, EngineError>>, EngineError> {
        self.read_archive(id, path).await
    }

    async fn starts(&self) -> Result<BoxStream<'static, ContainerId>, EngineError> {
        let filters = HashMap::from([("type", vec!["container"]), ("event", vec!["start"])]);
        let options = EventsOptionsBuilder::new().filters(&filters).build();
        // The first event may be long in coming, so that only an error that comes at once is one.
        let mut events = self
            .call("watch its events", Duration::ZERO, |docker| async move {
                Ok(docker.events(Some(options)).boxed())
            })
            .await?;
        let first = tokio::time::timeout(EVENTS_REFUSAL, events.next()).await;
        let early = match first {
            Ok(Some(Err(error))) => return Err(self.explain("watch its events", error)),
            Ok(Some(Ok(event))) => Some(event),
            Ok(None) | Err(_) => None,
        };
        let ids = stream::iter(early.map(Ok))
            .chain(events)
            .take_while(|event| ready(event.is_ok()))
            .filter_map(|event| ready(event.ok().and_then(|event| event.actor?.id)))
            .map(ContainerId::new);
        Ok(ids.boxed())
    }

    async fn services(&self) -> Result<Vec<Service>, EngineError> {
        self.list_services().await
    }

    async fn service(&self, id: &ServiceId) -> Result<Service, EngineError> {
        self.look_at_service(id).await
    }

    async fn halt_service(&self, id: &ServiceId, was: ServiceMode) -> Result<(), EngineError> {
        self.halt(id, was).await
    }

    async fn resume_service(&self, id: &ServiceId, was: ServiceMode) -> Result<(), EngineError> {
        self.resume(id, was).await
    }
}
