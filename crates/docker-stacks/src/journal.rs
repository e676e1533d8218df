//! The promise to start again what was stopped, kept where a crash cannot take it.

mod file;
mod service;

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    engine::ExecCommand,
    find::{COMPOSE_NUMBER, COMPOSE_PROJECT, COMPOSE_SERVICE},
    model::{Container, ContainerId, ContainerRef, ContainerState, StackName, seconds},
    plan::{Dependency, StartCondition},
};

pub use file::FileJournal;
pub use service::RecordedService;

/// Where an outage writes down what it must start again.
///
/// # Contract
///
/// - When [`write`](Journal::write) has returned, the record survives the end of this process and
///   of the machine; when it fails, or is cut short, the record before it is still there whole.
/// - [`read`](Journal::read) returns what was written last, or nothing after
///   [`clear`](Journal::clear). What it cannot understand is an error, never "nothing".
/// - There is one writer at a time; keeping it so is the caller's task.
///
/// ```
/// use docker_stacks::{FileJournal, Journal};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), docker_stacks::JournalError> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("outage.json");
/// let journal: Box<dyn Journal> = Box::new(FileJournal::new(path));
/// assert_eq!(journal.read().await?, None, "nothing is owed");
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Journal: std::fmt::Debug + Send + Sync + 'static {
    /// Replaces the record.
    ///
    /// # Errors
    ///
    /// If it could not be kept for good.
    async fn write(&self, record: &OutageRecord) -> Result<(), JournalError>;

    /// Removes the record. There need not be one.
    ///
    /// # Errors
    ///
    /// If it is still there.
    async fn clear(&self) -> Result<(), JournalError>;

    /// Reads the record, if there is one.
    ///
    /// # Errors
    ///
    /// If there is one that cannot be read or understood.
    async fn read(&self) -> Result<Option<OutageRecord>, JournalError>;
}

/// What an outage must start again.
///
/// ```no_run
/// # async fn example(journal: &dyn docker_stacks::Journal) -> Result<(), docker_stacks::JournalError> {
/// if let Some(record) = journal.read().await? {
///     println!("since {}, {} containers are owed", record.begun_at, record.containers.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutageRecord {
    /// When the outage began; the earliest, if an earlier one left something behind.
    pub begun_at: Timestamp,
    /// The engine that the containers belong to.
    pub engine: String,
    /// The stacks that are down.
    pub stacks: Vec<StackName>,
    /// The containers, in the order in which they are stopped.
    pub containers: Vec<RecordedContainer>,
    /// The services, in the order in which they are halted.
    #[serde(default)]
    pub services: Vec<RecordedService>,
    /// What is to be run in containers when they are up again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<RecordedHook>,
}

/// A command that a container is owed after its start: what undoes, most often, what another
/// command did before the stop.
///
/// ```
/// use std::time::Duration;
///
/// use docker_stacks::{Container, ExecCommand, RecordedHook};
///
/// let db = Container::new("1f2e", "db");
/// let thaw = ExecCommand {
///     command: vec!["/bin/thaw".into()],
///     user: None,
///     limit: Duration::from_secs(60),
/// };
/// let owed = RecordedHook::of(&db, thaw);
/// assert!(owed.is_replaced_by(&Container::new("77aa", "db")), "it was recreated");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedHook {
    /// The container, which need not be one that is stopped.
    pub container: ContainerRef,
    /// Its place in its project, by which it is found again after it was recreated.
    pub service: Option<ComposeService>,
    /// What to run in it.
    pub command: ExecCommand,
}

/// What a container waits for at its start.
///
/// ```
/// use docker_stacks::{ContainerId, Need, StartCondition};
///
/// let vpn = Need {
///     container: ContainerId::new("1f2e"),
///     condition: StartCondition::Healthy,
///     shares_namespace: true,
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Need {
    /// The container that it needs, as it was called before the outage.
    pub container: ContainerId,
    /// What must have come of that one.
    pub condition: StartCondition,
    /// It lives in that one's namespaces, and must start again whenever that one did.
    pub shares_namespace: bool,
}

/// One container that must run again.
///
/// ```
/// use std::time::Duration;
///
/// use docker_stacks::{Container, ContainerState, RecordedContainer, Was};
///
/// let mut db = Container::new("1f2e", "db");
/// let grace = Duration::from_secs(10);
/// assert_eq!(RecordedContainer::of(&db, grace).unwrap().was, Was::Running);
/// db.state = ContainerState::Created;
/// assert_eq!(RecordedContainer::of(&db, grace), None, "there is nothing to start again");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedContainer {
    /// Which container.
    pub container: ContainerRef,
    /// What it did before.
    pub was: Was,
    /// Its place in its project, by which it is found again after it was recreated.
    pub service: Option<ComposeService>,
    /// When it had last been started: what runs with the same time was not stopped yet.
    pub started_at: Option<Timestamp>,
    /// How long it is given between its stop signal and SIGKILL: for so long after a crash, a stop
    /// that was asked for may still be under way.
    #[serde(with = "seconds", rename = "grace_seconds")]
    pub grace: Duration,
    /// What it waits for at its start; only containers that come later in the order count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
}

/// What a container did before the outage, and is to do after it.
///
/// ```
/// assert_eq!(serde_json::to_string(&docker_stacks::Was::Paused)?, "\"paused\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Was {
    /// It ran.
    Running,
    /// It was paused.
    Paused,
    /// It ended again and again, and the engine restarted it each time.
    Restarting,
}

/// One container's place in a Compose project.
///
/// ```
/// use docker_stacks::{Container, RecordedContainer};
///
/// let mut db = Container::new("1f2e", "shop-db-1");
/// for (key, value) in [
///     ("com.docker.compose.project", "shop"),
///     ("com.docker.compose.service", "db"),
/// ] {
///     db.labels.insert(key.into(), value.into());
/// }
/// let recorded = RecordedContainer::of(&db, std::time::Duration::from_secs(10)).unwrap();
/// assert_eq!(recorded.service.unwrap().number, "1");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ComposeService {
    /// The project.
    pub project: String,
    /// The service.
    pub service: String,
    /// Which of the service's containers, from 1.
    pub number: String,
}

impl ComposeService {
    fn of(container: &Container) -> Option<Self> {
        Some(Self {
            project: container.label(COMPOSE_PROJECT)?.to_owned(),
            service: container.label(COMPOSE_SERVICE)?.to_owned(),
            number: container.label(COMPOSE_NUMBER).unwrap_or("1").to_owned(),
        })
    }
}

impl RecordedContainer {
    /// What to write down of a container; nothing if it does not run, and so is not to be started.
    /// `default_grace` is for containers that ask for no time of their own.
    #[must_use]
    pub fn of(container: &Container, default_grace: Duration) -> Option<Self> {
        let was = match container.state {
            ContainerState::Running => Was::Running,
            ContainerState::Paused => Was::Paused,
            ContainerState::Restarting => Was::Restarting,
            _ => return None,
        };
        Some(Self {
            container: container.to_ref(),
            was,
            service: ComposeService::of(container),
            started_at: container.started_at,
            grace: container.stop_timeout.unwrap_or(default_grace),
            needs: Vec::new(),
        })
    }

    /// The same, with what a plan says that it waits for.
    #[must_use]
    pub fn with_needs(mut self, dependencies: &[Dependency]) -> Self {
        self.needs = dependencies
            .iter()
            .filter(|dependency| dependency.container.id == self.container.id)
            .map(|dependency| Need {
                container: dependency.needs.id.clone(),
                condition: dependency.condition,
                shares_namespace: dependency.shares_namespace,
            })
            .collect();
        self
    }

    /// Is this the container that took the recorded one's place?
    #[must_use]
    pub fn is_replaced_by(&self, container: &Container) -> bool {
        takes_the_place(&self.container, self.service.as_ref(), container)
    }
}

impl RecordedHook {
    /// What to write down of a command that a container is owed.
    #[must_use]
    pub fn of(container: &Container, command: ExecCommand) -> Self {
        Self {
            container: container.to_ref(),
            service: ComposeService::of(container),
            command,
        }
    }

    /// Is this the container that took the recorded one's place?
    #[must_use]
    pub fn is_replaced_by(&self, container: &Container) -> bool {
        takes_the_place(&self.container, self.service.as_ref(), container)
    }
}

/// By its place in its project where it has one, or else by its name.
fn takes_the_place(
    before: &ContainerRef,
    service: Option<&ComposeService>,
    container: &Container,
) -> bool {
    match (service, ComposeService::of(container)) {
        (Some(before), Some(now)) => *before == now,
        _ => before.name == container.name,
    }
}

/// A journal that could not be kept.
///
/// ```
/// use docker_stacks::{FileJournal, Journal, JournalError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("outage.json");
/// std::fs::write(&path, "not a record")?;
/// let error = FileJournal::new(&path).read().await.unwrap_err();
/// assert!(matches!(error, JournalError::Damaged { .. }));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file or its folder did not do as it was told.
    #[error("{operation} {}", .path.display())]
    Io {
        /// What was to be done.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// What is in the file is no record.
    #[error(
        "read the outage journal {}: it is damaged; look into it for the containers to start, start them, and remove it",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        source: serde_json::Error,
    },
    /// Another release wrote it.
    #[error(
        "read the outage journal {}: it has format {found}, expected {expected}; use the release that wrote it",
        .path.display()
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// The format in the file.
        found: u32,
        /// The format that this release writes.
        expected: u32,
    },
}
