//! The whole homelab: a Docker host with stacks, a primary NAS, a backup NAS that sleeps, and the
//! configuration that describes them.

mod schedule;
mod settings;
mod stacks;

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use docker_stacks::testing::MemoryEngine;
use thiserror::Error;
use tokio::task::JoinHandle;

use crate::docker::PrivateDocker;
use crate::nas_path::{NasPath, NasPathError};
use crate::sleeping_host::{
    SleepingHost, SleepingHostError, SleepingHostOptions, SshAccess, SshService,
};
use crate::ssh_server::SshServerError;
use crate::truenas::{
    Control, SimReplication, SimSnapshotTask, SimulatedVersion, Simulator, SimulatorError,
    SimulatorOptions, TrueNasService,
};

pub use stacks::LabStack;

/// The dataset that the Docker host writes to.
const DATASET: &str = "tank/docker_backup";

/// The task that takes snapshots of it, each of which is replicated at once.
pub const SNAPSHOT_TASK: i64 = 1;

/// What it becomes on the backup NAS.
const TARGET: &str = "dozer/docker_backup";

/// How a [`Homelab`] is built.
#[derive(Debug, Clone)]
pub struct HomelabOptions {
    /// The name of the replication task that brings the repository to the backup NAS.
    pub replication_task: String,
    /// How long a replication runs.
    pub replication_takes: Duration,
    /// How the backup NAS sleeps and wakes.
    pub sleeping: SleepingHostOptions,
}

impl Default for HomelabOptions {
    /// The names of `examples/homelab.toml`, with hours shortened to seconds.
    fn default() -> Self {
        Self {
            replication_task: "docker_backup to sth-bckp-01".to_owned(),
            replication_takes: Duration::from_secs(1),
            sleeping: SleepingHostOptions::default(),
        }
    }
}

/// A homelab. Dropping it takes it down.
#[derive(Debug)]
pub struct Homelab {
    dir: PathBuf,
    engine: LabEngine,
    stacks: Vec<LabStack>,
    nas: NasPath,
    primary: Simulator,
    backup: Control,
    host: SleepingHost,
    ssh: SshAccess,
    schedule: JoinHandle<()>,
}

/// What runs the stacks.
#[derive(Debug)]
pub enum LabEngine {
    /// A real engine of the lab's own.
    Docker(Box<PrivateDocker>),
    /// Containers that are only states, over real folders.
    Memory {
        /// The engine.
        engine: Arc<MemoryEngine>,
        /// What kept a real one from being used.
        why: String,
    },
}

/// Why there is no homelab.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HomelabError {
    /// A file could not be written.
    #[error("write {path} for the lab")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The NAS path could not be mounted.
    #[error(transparent)]
    NasPath(#[from] NasPathError),
    /// A simulated NAS could not be switched on.
    #[error(transparent)]
    Simulator(#[from] SimulatorError),
    /// The backup NAS could not be put on the network.
    #[error(transparent)]
    SleepingHost(#[from] SleepingHostError),
    /// Its SSH server could not be started.
    #[error(transparent)]
    Ssh(#[from] SshServerError),
    /// The stacks could not be started.
    #[error("start the stack {stack} on the lab's engine")]
    Stack {
        /// The stack.
        stack: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The configuration to start from cannot be understood.
    #[error("point the configuration at the lab: {why}")]
    Template {
        /// What is wrong with it.
        why: String,
    },
}

impl Homelab {
    /// Builds it beneath `dir`, on the current runtime.
    ///
    /// With a real Docker engine where one can be had, else with one in memory: see
    /// [`Homelab::stand_ins`].
    ///
    /// # Errors
    /// When a part can be had neither real nor as a stand-in.
    pub async fn build(dir: &Path, options: HomelabOptions) -> Result<Self, HomelabError> {
        let nas = NasPath::mount(dir)?;
        let (engine, stacks) = stacks::start(dir).await?;
        let backup = Control::new(SimulatorOptions {
            version: SimulatedVersion::Core13_0,
            datasets: vec!["dozer".to_owned(), TARGET.to_owned()],
            ..SimulatorOptions::new("sth-bckp-01")
        })?;
        let ssh_dir = dir.join("sshd");
        create_dir(&ssh_dir)?;
        let ssh_service = SshService::new(ssh_dir, 0)?;
        let ssh = ssh_service.access().clone();
        let host = SleepingHost::start(
            options.sleeping,
            vec![
                Box::new(ssh_service),
                Box::new(TrueNasService::new(backup.clone())),
            ],
        )?;
        let replication = SimReplication::new(1, &options.replication_task, DATASET, TARGET)
            .after(SNAPSHOT_TASK)
            .takes(options.replication_takes);
        let primary = Simulator::start(SimulatorOptions {
            datasets: vec!["tank".to_owned(), DATASET.to_owned()],
            snapshot_tasks: vec![SimSnapshotTask::new(SNAPSHOT_TASK, DATASET)],
            replication_tasks: vec![replication],
            ..SimulatorOptions::new("sth-prd-01")
        })
        .await?;
        let target = backup.clone();
        primary.control().replicate_to(backup.clone());
        primary
            .control()
            .set_target_reachable(Arc::new(move || target.is_on()));
        let history = dir.join("state/history");
        let control = primary.control();
        let schedule = tokio::spawn(async move {
            schedule::snapshot_after_every_backup(&history, control, SNAPSHOT_TASK).await;
        });
        Ok(Self {
            dir: dir.to_owned(),
            engine,
            stacks,
            nas,
            primary,
            backup,
            host,
            ssh,
            schedule,
        })
    }

    /// What is not the real thing, and why, a sentence each.
    #[must_use]
    pub fn stand_ins(&self) -> Vec<String> {
        let mut stand_ins = Vec::new();
        if let LabEngine::Memory { why, .. } = &self.engine {
            stand_ins.push(format!(
                "no private Docker engine ({why}): containers are states in memory, over real folders"
            ));
        }
        if self.ssh.kind == "stand-in" {
            stand_ins.push("no sshd: a stand-in speaks SSH".to_owned());
        }
        stand_ins
    }

    /// What runs the stacks.
    #[must_use]
    pub fn engine(&self) -> &LabEngine {
        &self.engine
    }

    /// The stacks.
    #[must_use]
    pub fn stacks(&self) -> &[LabStack] {
        &self.stacks
    }

    /// The path under which the Docker host sees the primary NAS.
    #[must_use]
    pub fn nas(&self) -> &NasPath {
        &self.nas
    }

    /// The primary NAS.
    #[must_use]
    pub fn primary(&self) -> Control {
        self.primary.control()
    }

    /// The backup NAS, as a TrueNAS.
    #[must_use]
    pub fn backup(&self) -> Control {
        self.backup.clone()
    }

    /// The backup NAS, as a machine.
    #[must_use]
    pub fn host(&self) -> &SleepingHost {
        &self.host
    }

    /// Its SSH server.
    #[must_use]
    pub fn ssh(&self) -> &SshAccess {
        &self.ssh
    }

    /// Writes a configuration that says what `template` says, of this homelab, and gives its path.
    ///
    /// Addresses, secrets and fingerprints become those of the lab, and the window one that is open
    /// now; times that are minutes in a house become seconds.
    ///
    /// # Errors
    /// When `template` is not a configuration, or a file cannot be written.
    pub fn write_config(&self, template: &str) -> Result<PathBuf, HomelabError> {
        settings::write(self, template)
    }

    fn write_file(&self, name: &str, mode: u32, contents: &str) -> Result<PathBuf, HomelabError> {
        let path = self.dir.join(name);
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&path)
            .and_then(|mut file| file.write_all(contents.as_bytes()));
        match written {
            Ok(()) => Ok(path),
            Err(source) => Err(HomelabError::File { path, source }),
        }
    }
}

impl Drop for Homelab {
    fn drop(&mut self) {
        self.schedule.abort();
    }
}

fn create_dir(path: &Path) -> Result<(), HomelabError> {
    fs::create_dir_all(path).map_err(|source| HomelabError::File {
        path: path.to_owned(),
        source,
    })
}
