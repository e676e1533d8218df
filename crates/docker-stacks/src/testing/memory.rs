//! An engine, and a journal, in memory.

mod archive;
mod engine;
mod item;
mod journal;
mod services;
mod workbench;

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::{
    sync::broadcast,
    time::{Instant, sleep},
};

use crate::{
    engine::{EngineError, EngineInfo, ExecCommand},
    model::{Container, ContainerId, ContainerState, Image, Network, Volume},
};
use item::Item;
use services::ServiceItem;

pub use item::{Behaviour, HealthBehaviour};
pub use journal::MemoryJournal;
pub use services::ServiceBehaviour;

/// Where the engine says that it is.
const ENDPOINT: &str = "memory";

/// An engine that only keeps the states of its containers.
///
/// It keeps the contract of [`Engine`](crate::Engine), and counts time from its creation by tokio's clock. Volumes
/// may point at real directories: nothing but the states is made up.
#[derive(Debug)]
pub struct MemoryEngine {
    state: Mutex<State>,
    starts: broadcast::Sender<ContainerId>,
    created: Instant,
    created_at: Timestamp,
}

/// How many starts a watcher may lag behind before it misses one.
const UNREAD_STARTS: usize = 1024;

/// What a command in a container comes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecBehaviour {
    /// How long it takes.
    pub takes: Duration,
    /// What it ends with.
    pub code: i64,
    /// What it prints.
    pub output: String,
}

/// What commands come to, by the container's name and the command.
type OnExec = Box<dyn Fn(&str, &ExecCommand) -> ExecBehaviour + Send>;

#[derive(Default)]
struct State {
    items: Vec<Item>,
    volumes: Vec<Volume>,
    networks: Vec<Network>,
    images: Vec<Image>,
    requests: usize,
    services: Vec<ServiceItem>,
    calls: Vec<Call>,
    latency: Duration,
    inspection_latency: Duration,
    away_calls: usize,
    on_exec: Option<OnExec>,
    archives: HashMap<(String, PathBuf), Bytes>,
    on_make: Option<workbench::OnMake>,
    volume_folder: Option<std::path::PathBuf>,
    info: InfoAnswer,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("items", &self.items)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}

/// What the engine says of itself.
#[derive(Debug, Default)]
enum InfoAnswer {
    #[default]
    Nothing,
    Said(EngineInfo),
    Refused,
}

/// A call that was to change something, with the container's name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// [`Engine::stop`](crate::Engine::stop), with the grace time that was given.
    Stop(String, Duration),
    /// [`Engine::start`](crate::Engine::start).
    Start(String),
    /// [`Engine::pause`](crate::Engine::pause).
    Pause(String),
    /// [`Engine::unpause`](crate::Engine::unpause).
    Unpause(String),
    /// [`Engine::exec`](crate::Engine::exec), with the command as it was written.
    Exec(String, String),
    /// [`Engine::halt_service`](crate::Engine::halt_service).
    Halt(String),
    /// [`Engine::resume_service`](crate::Engine::resume_service).
    Resume(String),
}

impl Default for MemoryEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryEngine {
    /// An engine without containers, created at midnight before 2025-01-01 in UTC.
    #[must_use]
    pub fn new() -> Self {
        Self::created_at(Timestamp::constant(1_735_689_600, 0))
    }

    /// An engine whose containers' start times begin at this time.
    #[must_use]
    pub fn created_at(created_at: Timestamp) -> Self {
        Self {
            state: Mutex::new(State::default()),
            starts: broadcast::channel(UNREAD_STARTS).0,
            created: Instant::now(),
            created_at,
        }
    }

    /// Adds a container in the state that it says it is in.
    pub fn add(&self, container: Container, behaviour: Behaviour) {
        let at = self.now();
        self.lock().items.push(Item::new(container, behaviour, at));
    }

    /// Adds a volume.
    pub fn add_volume(&self, volume: Volume) {
        self.lock().volumes.push(volume);
    }

    /// Adds a network.
    pub fn add_network(&self, network: Network) {
        self.lock().networks.push(network);
    }

    /// Adds an image.
    pub fn add_image(&self, image: Image) {
        self.lock().images.push(image);
    }

    /// How many requests a real engine would have been sent so far: a list of the containers takes
    /// one for itself and one for each of them, as with [`BollardEngine`](crate::BollardEngine).
    #[must_use]
    pub fn requests(&self) -> usize {
        self.lock().requests
    }

    /// Lets every inspection that is part of a list of the containers take this long from now on,
    /// of which eight go on at a time, as with [`BollardEngine`](crate::BollardEngine). Without
    /// this, a list takes no longer than any other call.
    pub fn set_inspection_latency(&self, latency: Duration) {
        self.lock().inspection_latency = latency;
    }

    /// Says what commands in containers come to; without it, they end at once, with code 0.
    pub fn on_exec(
        &self,
        behaviour: impl Fn(&str, &ExecCommand) -> ExecBehaviour + Send + 'static,
    ) {
        self.lock().on_exec = Some(Box::new(behaviour));
    }

    /// Lets every call from now on take this long before anything happens.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Fails the next `calls` calls, as if the engine were not there.
    pub fn go_away_for(&self, calls: usize) {
        self.lock().away_calls = calls;
    }

    /// Says this of itself from now on; until then, nothing but that it is in no swarm.
    pub fn set_info(&self, info: EngineInfo) {
        self.lock().info = InfoAnswer::Said(info);
    }

    /// Says nothing of itself from now on, as a socket proxy does that forbids `GET /info`.
    pub fn refuse_info(&self) {
        self.lock().info = InfoAnswer::Refused;
    }

    /// The changing calls so far that reached a container, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// What a container does; nothing if there is none of that name.
    #[must_use]
    pub fn state_of(&self, name: &str) -> Option<ContainerState> {
        self.lock()
            .items
            .iter()
            .find(|item| item.name() == name)
            .map(|item| item.view(Instant::now()).state)
    }

    /// Does to a container what somebody else might: changes how it behaves.
    pub fn behave(&self, name: &str, behaviour: &Behaviour) {
        self.each(name, |item, _| item.behave(behaviour.clone()));
    }

    /// Does to a container what somebody else might: ends it.
    pub fn end(&self, name: &str, code: i64) {
        self.each(name, |item, _| item.end(code));
    }

    /// Does to a container what somebody else might: starts it.
    pub fn start_behind_the_back(&self, name: &str) {
        let mut started = Vec::new();
        self.each(name, |item, now| {
            item.start(now);
            started.push(item.id().clone());
        });
        for id in started {
            self.tell_of_start(id);
        }
    }

    /// Does to a container what somebody else might: replaces it by one with another identifier,
    /// which was created and not started.
    pub fn recreate(&self, name: &str) {
        self.each(name, |item, _| item.recreate());
    }

    /// Does to a container what somebody else might: deletes it.
    pub fn remove(&self, name: &str) {
        self.lock().items.retain(|item| item.name() != name);
    }

    fn each(&self, name: &str, mut change: impl FnMut(&mut Item, (Instant, Timestamp))) {
        let now = self.now();
        let mut state = self.lock();
        for item in state.items.iter_mut().filter(|item| item.name() == name) {
            item.settle(now.0);
            change(item, now);
        }
    }

    fn tell_of_start(&self, id: ContainerId) {
        // Nobody need be watching.
        let _ = self.starts.send(id);
    }

    /// Now, by tokio's clock and by the engine's own.
    fn now(&self) -> (Instant, Timestamp) {
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.created);
        // Past the end of jiff's calendar, the engine's clock stands still.
        let at = self.created_at.checked_add(passed);
        (now, at.unwrap_or(self.created_at))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panics with the lock held has failed already; others may go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What every call begins with.
    async fn arrive(&self, operation: &str) -> Result<(), EngineError> {
        let latency = self.lock().latency;
        if !latency.is_zero() {
            sleep(latency).await;
        }
        let mut state = self.lock();
        state.requests += 1;
        if state.away_calls > 0 {
            state.away_calls -= 1;
            return Err(EngineError::Unreachable {
                endpoint: ENDPOINT.to_owned(),
                operation: operation.to_owned(),
                hint: "it is away, as the test asked for".to_owned(),
                source: io::Error::from(io::ErrorKind::ConnectionRefused).into(),
            });
        }
        Ok(())
    }

    /// A container cannot be started into the namespaces of one that does not run.
    fn has_namespaces(&self, id: &ContainerId) -> Result<(), EngineError> {
        let now = Instant::now();
        let state = self.lock();
        let views: Vec<Container> = state.items.iter().map(|item| item.view(now)).collect();
        let missing = views
            .iter()
            .filter(|container| container.id == *id)
            .flat_map(Container::namespaces)
            .find(|(_, key)| {
                !views
                    .iter()
                    .any(|other| key.names(other) && other.state.is_active())
            });
        match missing {
            None => Ok(()),
            Some((_, key)) => Err(EngineError::Refused {
                endpoint: ENDPOINT.to_owned(),
                operation: format!("start container {}", id.short()),
                status: 409,
                message: format!("cannot join the namespaces of a non running container: {key}"),
            }),
        }
    }

    /// Does something with one container, brought up to date.
    fn with<T>(
        &self,
        operation: &str,
        id: &ContainerId,
        act: impl FnOnce(&mut Item, (Instant, Timestamp), &mut Vec<Call>) -> Result<T, String>,
    ) -> Result<T, EngineError> {
        let now = self.now();
        let mut state = self.lock();
        let State { items, calls, .. } = &mut *state;
        let operation = || format!("{operation} container {}", id.short());
        let Some(item) = items.iter_mut().find(|item| item.id() == id) else {
            return Err(EngineError::NotFound {
                endpoint: ENDPOINT.to_owned(),
                operation: operation(),
            });
        };
        item.settle(now.0);
        act(item, now, calls).map_err(|message| EngineError::Refused {
            endpoint: ENDPOINT.to_owned(),
            operation: operation(),
            status: 500,
            message,
        })
    }
}

#[cfg(test)]
mod tests;
