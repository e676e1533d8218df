//! The engine's calls, on what is in memory.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::{
    sync::broadcast,
    time::{Instant, sleep, sleep_until},
};

use super::{Call, ENDPOINT, InfoAnswer, MemoryEngine};
use crate::{
    engine::{
        Engine, EngineError, EngineInfo, EngineVersion, ExecCommand, ExecEnd, INSPECTIONS_AT_ONCE,
        Stopped, SwarmRole,
    },
    model::{Container, ContainerId, Image, Network, Service, ServiceId, ServiceMode, Volume},
};

#[async_trait]
impl Engine for MemoryEngine {
    fn endpoint(&self) -> String {
        ENDPOINT.to_owned()
    }

    async fn version(&self) -> Result<EngineVersion, EngineError> {
        self.arrive("ask for the version").await?;
        Ok(EngineVersion {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api_version: "1.41".to_owned(),
            min_api_version: None,
            platform: "memory/none".to_owned(),
        })
    }

    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.arrive("ask what it is").await?;
        let state = self.lock();
        match &state.info {
            InfoAnswer::Nothing if state.services.is_empty() => {
                Ok(EngineInfo::new(SwarmRole::None))
            }
            InfoAnswer::Nothing => Ok(EngineInfo::new(SwarmRole::Manager)),
            InfoAnswer::Said(info) => Ok(info.clone()),
            InfoAnswer::Refused => Err(EngineError::Refused {
                endpoint: ENDPOINT.to_owned(),
                operation: "ask what it is".to_owned(),
                status: 403,
                message: "Request forbidden by administrative rules.".to_owned(),
            }),
        }
    }

    async fn containers(&self) -> Result<Vec<Container>, EngineError> {
        self.arrive("list the containers").await?;
        let (rounds, latency) = {
            let mut state = self.lock();
            state.requests += state.items.len();
            (
                state.items.len().div_ceil(INSPECTIONS_AT_ONCE),
                state.inspection_latency,
            )
        };
        // Without latency, the clock is not even asked.
        if !latency.is_zero() && rounds > 0 {
            sleep(latency * u32::try_from(rounds).unwrap_or(u32::MAX)).await;
        }
        let now = Instant::now();
        let mut all: Vec<_> = self
            .lock()
            .items
            .iter()
            .map(|item| item.view(now))
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    async fn container(&self, id: &ContainerId) -> Result<Container, EngineError> {
        self.arrive("inspect a container").await?;
        self.with("inspect", id, |item, (now, _), _| Ok(item.view(now)))
    }

    async fn volumes(&self) -> Result<Vec<Volume>, EngineError> {
        self.arrive("list the volumes").await?;
        let mut all = self.lock().volumes.clone();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    async fn create_volume(&self, volume: &Volume) -> Result<Volume, EngineError> {
        self.arrive("create a volume").await?;
        let mut state = self.lock();
        if let Some(there) = state.volumes.iter().find(|there| there.name == volume.name) {
            return Ok(there.clone());
        }
        state.volumes.push(volume.clone());
        Ok(volume.clone())
    }

    async fn networks(&self) -> Result<Vec<Network>, EngineError> {
        self.arrive("list the networks").await?;
        let mut all = self.lock().networks.clone();
        all.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(all)
    }

    async fn images(&self) -> Result<Vec<Image>, EngineError> {
        self.arrive("list the images").await?;
        let mut all = self.lock().images.clone();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    /// What this crate knows of the container: there is no engine that knows more.
    async fn definition(&self, id: &ContainerId) -> Result<serde_json::Value, EngineError> {
        self.arrive("inspect a container").await?;
        self.with("inspect", id, |item, (now, _), _| {
            serde_json::to_value(item.view(now)).map_err(|error| error.to_string())
        })
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<Stopped, EngineError> {
        self.arrive("stop a container").await?;
        let ends = self.with("stop", id, |item, (now, _), calls| {
            calls.push(Call::Stop(item.name().to_owned(), grace));
            item.stop(now, grace)
        })?;
        let Some((at, how)) = ends else {
            return Ok(Stopped::AlreadyStopped);
        };
        // The end is set: who drops this future does not keep the container from it.
        sleep_until(at).await;
        Ok(how)
    }

    async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.arrive("start a container").await?;
        self.has_namespaces(id)?;
        let started = self.with("start", id, |item, now, calls| {
            calls.push(Call::Start(item.name().to_owned()));
            item.try_start(now)
        })?;
        if started {
            self.tell_of_start(id.clone());
        }
        Ok(())
    }

    async fn pause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.arrive("pause a container").await?;
        self.with("pause", id, |item, _, calls| {
            calls.push(Call::Pause(item.name().to_owned()));
            item.pause()
        })
    }

    async fn unpause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.arrive("unpause a container").await?;
        self.with("unpause", id, |item, _, calls| {
            calls.push(Call::Unpause(item.name().to_owned()));
            item.unpause()
        })
    }

    async fn exec(&self, id: &ContainerId, command: &ExecCommand) -> Result<ExecEnd, EngineError> {
        self.arrive("run a command").await?;
        let name = self.with("run a command in", id, |item, _, calls| {
            item.runs_commands()?;
            let name = item.name().to_owned();
            calls.push(Call::Exec(name.clone(), command.to_string()));
            Ok(name)
        })?;
        let does = self
            .lock()
            .on_exec
            .as_ref()
            .map(|behaviour| behaviour(&name, command))
            .unwrap_or_default();
        sleep(does.takes.min(command.limit)).await;
        let output = does.output;
        Ok(if does.takes > command.limit {
            ExecEnd::StillRuns { output }
        } else {
            let code = does.code;
            ExecEnd::Exited { code, output }
        })
    }

    async fn starts(&self) -> Result<BoxStream<'static, ContainerId>, EngineError> {
        // Before anything is waited for: no start from here on is missed.
        let starts = self.starts.subscribe();
        self.arrive("watch its events").await?;
        let next = async |mut starts: broadcast::Receiver<ContainerId>| {
            let id = starts.recv().await.ok()?;
            Some((id, starts))
        };
        Ok(stream::unfold(starts, next).boxed())
    }

    async fn services(&self) -> Result<Vec<Service>, EngineError> {
        self.arrive("list the services").await?;
        let now = Instant::now();
        let mut all: Vec<_> = self.lock().services.iter().map(|s| s.view(now)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    async fn service(&self, id: &ServiceId) -> Result<Service, EngineError> {
        self.arrive("inspect a service").await?;
        self.with_service("inspect", id, |item, now, _| Ok(item.view(now)))
    }

    async fn halt_service(&self, id: &ServiceId, was: ServiceMode) -> Result<(), EngineError> {
        self.arrive("halt a service").await?;
        self.with_service("halt", id, |item, now, calls| {
            calls.push(Call::Halt(item.name(now)));
            item.change(now, |spec| {
                spec.halt(was).map_err(|error| error.to_string())
            })
        })
    }

    async fn resume_service(&self, id: &ServiceId, was: ServiceMode) -> Result<(), EngineError> {
        self.arrive("resume a service").await?;
        self.with_service("resume", id, |item, now, calls| {
            calls.push(Call::Resume(item.name(now)));
            item.change(now, |spec| Ok(spec.resume(was)))
        })
    }
}
