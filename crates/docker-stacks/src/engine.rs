//! The engine: what runs the containers.

mod address;
mod blueprint;
mod client;
mod connection;
mod convert;
mod error;
mod exec;
mod explain;
mod info;
mod options;
pub(crate) mod workbench;

use std::{path::Path, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::model::{
    Container, ContainerId, Image, Network, Service, ServiceId, ServiceMode, Volume,
};

pub use address::{AddressError, AddressKind, EngineAddress};
pub use blueprint::{Blueprint, BlueprintError, Placement, Replica, ThrowAwayMount, Withheld};
pub use client::BollardEngine;
pub use error::{EngineError, EngineErrorKind};
pub(crate) use exec::Tail;
pub use exec::{ExecCommand, ExecEnd};
pub use info::{EngineInfo, SwarmRole};
pub use options::{ClientCertificate, EngineOptions, EngineSsh, EngineTls};
pub use workbench::{Cleared, Mark, Workbench};

/// How many containers are inspected at the same time: enough that a hundred stacks are known
/// within a second, and few enough for an engine that is busy.
pub(crate) const INSPECTIONS_AT_ONCE: usize = 8;

/// Something that runs containers, and can be asked to stop and start them.
///
/// # Contract
///
/// - No call waits for ever: each ends within a deadline of its own, `stop` within its grace time
///   and that deadline.
/// - [`containers`](Engine::containers) lists stopped containers too, ordered by name. A container
///   that vanishes while the list is made is not in it.
/// - [`stop`](Engine::stop) returns when the container no longer runs. What it makes of a paused
///   container is not promised, and may be a kill where it stands: unpause it first.
/// - [`pause`](Engine::pause) and [`unpause`](Engine::unpause) return when the container says so.
/// - [`start`](Engine::start) of a container that runs, and `stop` of one that does not, succeed
///   and change nothing.
/// - [`exec`](Engine::exec) runs its command once, or says why not; it ends within the command's own
///   limit and a deadline of its own.
/// - [`archive`](Engine::archive) reads what a container has at a path, volumes and binds included,
///   whether it runs or not; an archive is whole if, and only if, it ends with a block of zeros.
/// - [`starts`](Engine::starts) tells of every start from the moment that it returns, and ends when
///   the engine goes away.
/// - A service that is halted has no tasks as soon as they have ended; a halt does not wait for
///   that. Nothing of the service changes but what the halt is about, and
///   [`resume_service`](Engine::resume_service) gives back just that: what somebody else changed in
///   between stays. Either changes nothing where there is nothing left to change.
/// - A container or service that does not exist is an error of kind
///   [`EngineErrorKind::NotFound`], an engine
///   that cannot be spoken to one for which [`EngineError::is_away`] holds.
/// - Dropping the future of a call does not undo it: an engine that was told to stop a container
///   stops it.
///
/// `testing::conformance` (feature `testing`) holds these as checks to run against an engine.
///
/// ```no_run
/// # async fn example(engine: &dyn docker_stacks::Engine) -> Result<(), docker_stacks::EngineError> {
/// for container in engine.containers().await? {
///     println!("{} is {}", container.name, container.state);
/// }
/// # Ok(())
/// # }
/// ```
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Engine: std::fmt::Debug + Send + Sync + 'static {
    /// Where the engine is, for people: `unix:///var/run/docker.sock`.
    fn endpoint(&self) -> String;

    /// Asks which engine answers.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached, or answers with something else.
    async fn version(&self) -> Result<EngineVersion, EngineError>;

    /// Asks what the engine is, and on what machine it runs.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached, or refuses.
    async fn info(&self) -> Result<EngineInfo, EngineError>;

    /// Lists every container, running or not, ordered by name.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached, or refuses.
    async fn containers(&self) -> Result<Vec<Container>, EngineError>;

    /// Looks at one container.
    ///
    /// # Errors
    ///
    /// If there is no such container, the engine cannot be reached, or it refuses.
    async fn container(&self, id: &ContainerId) -> Result<Container, EngineError>;

    /// Lists every volume, ordered by name.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached, or refuses.
    async fn volumes(&self) -> Result<Vec<Volume>, EngineError>;

    /// Creates a volume of this name, with this driver, these options and these labels, and gives
    /// it back as the engine has it: where it lies is the engine's to say, and not the caller's. A
    /// volume that is there already is left and given back as it is.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached, knows no such driver, or refuses.
    async fn create_volume(&self, volume: &Volume) -> Result<Volume, EngineError>;

    /// Lists every network, ordered by name.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached, or refuses.
    async fn networks(&self) -> Result<Vec<Network>, EngineError>;

    /// Lists every image, ordered by identifier. One call, however many there are.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached, or refuses.
    async fn images(&self) -> Result<Vec<Image>, EngineError>;

    /// Everything that the engine knows of a container, in its own words: what it takes to make it
    /// again. Docker's is what `docker inspect` shows, **secrets in its environment included**: keep
    /// it where nobody else reads it.
    ///
    /// # Errors
    ///
    /// If there is no such container, the engine cannot be reached, or it refuses.
    async fn definition(&self, id: &ContainerId) -> Result<serde_json::Value, EngineError>;

    /// Sends the container its stop signal, and kills it when `grace` has passed. Parts of a
    /// second are rounded up.
    ///
    /// # Errors
    ///
    /// If there is no such container, the engine cannot be reached, or it refuses.
    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<Stopped, EngineError>;

    /// Starts the container.
    ///
    /// # Errors
    ///
    /// If there is no such container, the engine cannot be reached, or it cannot start it (a port
    /// is taken, a mount is gone, the container whose network it uses does not run).
    async fn start(&self, id: &ContainerId) -> Result<(), EngineError>;

    /// Freezes the container's processes.
    ///
    /// # Errors
    ///
    /// If there is no such container, it does not run, the engine cannot be reached, or it refuses.
    async fn pause(&self, id: &ContainerId) -> Result<(), EngineError>;

    /// Lets the container's processes go on.
    ///
    /// # Errors
    ///
    /// If there is no such container, it is not paused, the engine cannot be reached, or it refuses.
    async fn unpause(&self, id: &ContainerId) -> Result<(), EngineError>;

    /// Runs a command in a container that runs, and waits for its end.
    ///
    /// # Errors
    ///
    /// If there is no such container, it does not run or is paused, the engine cannot be reached,
    /// or it refuses. A program that the container does not have, or may not run, is no error, but
    /// ends with code 126 or 127.
    async fn exec(&self, id: &ContainerId, command: &ExecCommand) -> Result<ExecEnd, EngineError>;

    /// Reads a file or folder of a container as a tar archive (`tar(5)`, with the extended headers of
    /// POSIX), part by part. This needs no path of the machine that the engine runs on, and is slower
    /// than reading there. The names in it begin with the last part of `path`: `data/`,
    /// `data/wiki.db` for `/data`.
    ///
    /// What Docker's archives lack of the files: access control lists and all extended attributes
    /// but `security.capability`; parts of a second in times; holes, which come as zeros; sockets
    /// and, **without a word**, whatever the engine cannot read. An engine that fails in the middle
    /// ends the archive without its block of zeros.
    ///
    /// # Errors
    ///
    /// If there is no such container or nothing at the path, the engine cannot be reached, or it
    /// refuses. Afterwards, a part may be an error, which is then the last.
    async fn archive(
        &self,
        id: &ContainerId,
        path: &Path,
    ) -> Result<BoxStream<'static, Result<Bytes, EngineError>>, EngineError>;

    /// Tells which containers are started from now on, by whomever.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached, or refuses.
    async fn starts(&self) -> Result<BoxStream<'static, ContainerId>, EngineError>;

    /// Lists every service of the swarm that the engine manages, ordered by name. An engine that
    /// is no [`SwarmRole::Manager`] has none.
    ///
    /// # Errors
    ///
    /// If the engine cannot be reached, or refuses: a swarm that has lost most of its managers
    /// answers nothing.
    async fn services(&self) -> Result<Vec<Service>, EngineError>;

    /// Looks at one service.
    ///
    /// # Errors
    ///
    /// If there is no such service, the engine cannot be reached, or it refuses: an engine that is
    /// no manager, or not yet again after its start, does so with an error for which
    /// [`EngineError::is_away`] holds.
    async fn service(&self, id: &ServiceId) -> Result<Service, EngineError>;

    /// Takes the service's tasks from it: a replicated one is scaled to 0, a global one gets a
    /// constraint that no node satisfies.
    ///
    /// # Errors
    ///
    /// If there is no such service, the engine cannot be reached, or it refuses: as it does for a
    /// job, and for a service that is not what it `was` thought to be, because then nobody knows
    /// what it is to be resumed to.
    async fn halt_service(&self, id: &ServiceId, was: ServiceMode) -> Result<(), EngineError>;

    /// Makes a halted service what it `was`: it gets its replicas back, or loses the constraint.
    /// One that was scaled up since is left as it is.
    ///
    /// # Errors
    ///
    /// If there is no such service, the engine cannot be reached, or it refuses.
    async fn resume_service(&self, id: &ServiceId, was: ServiceMode) -> Result<(), EngineError>;
}

/// Which engine answers.
///
/// ```no_run
/// # async fn example(engine: &dyn docker_stacks::Engine) -> Result<(), docker_stacks::EngineError> {
/// let version = engine.version().await?;
/// println!("Docker {} speaks the API up to {}", version.version, version.api_version);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineVersion {
    /// The engine's release: `28.5.1`.
    pub version: String,
    /// The newest API that it speaks: `1.51`.
    pub api_version: String,
    /// The oldest API that it still speaks, where it says so.
    pub min_api_version: Option<String>,
    /// What it runs on: `linux/amd64`.
    pub platform: String,
}

/// How a stop ended.
///
/// ```
/// use docker_stacks::Stopped;
///
/// fn is_clean(stopped: Stopped) -> bool {
///     !matches!(stopped, Stopped::Killed)
/// }
/// assert!(is_clean(Stopped::Clean { exit_code: 143 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stopped {
    /// The container ended by itself within its grace time.
    Clean {
        /// What it ended with.
        exit_code: i64,
    },
    /// The engine killed it when its grace time was over: what it had in memory is lost.
    Killed,
    /// It did not run.
    AlreadyStopped,
}
