//! The Docker host and the repository that the configuration describes.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use backup_store::{OpenOptions, RusticStore, Store, StoreError};
use docker_stacks::{
    BollardEngine, Engine, EngineAddress, EngineError, EngineOptions, FileJournal, Journal,
    OutageOptions, PlanRules, detect_own_container,
};
use secrecy::SecretString;

use super::SetupError;
use crate::config::Config;
use crate::mount::{self, Mounted, NotMounted};
use crate::state::StateDir;
use crate::step::stacks::{DockerHost, HostView, Permission, StacksOptions};

/// The Docker host and the repository that the configuration describes.
#[derive(Debug)]
pub struct ConfiguredHost {
    engine: EngineAddress,
    repository: PathBuf,
    mount: PathBuf,
    password: SecretString,
    journal: FileJournal,
    host_name: String,
}

impl ConfiguredHost {
    /// Reads what is needed from the configuration, the password included.
    ///
    /// # Errors
    /// When the configuration lacks something, or the password cannot be read.
    pub fn new(config: &Config, state: &StateDir) -> Result<Self, SetupError> {
        let repository = config.repository()?;
        Ok(Self {
            engine: config.docker().host.clone(),
            repository: repository.path.clone(),
            mount: repository.mount.clone(),
            password: config.read_secret(&repository.password_file)?,
            journal: FileJournal::new(state.outage_journal()),
            host_name: repository.host_name.clone().unwrap_or_else(machine_name),
        })
    }

    /// What to back up and how, as the configuration says it. Where this program runs in a
    /// container, that is found out here, so that it does not stop itself.
    #[must_use]
    pub fn options(config: &Config, only: Vec<String>, permission: Permission) -> StacksOptions {
        let docker = config.docker();
        StacksOptions {
            rules: PlanRules {
                exclude: docker.exclude.clone(),
                include: docker.include.clone(),
                exclude_paths: docker.exclude_paths.clone(),
                own_container: detect_own_container(),
                copies_go_to: config.repository().ok().map(|to| to.path.clone()),
                ..PlanRules::default()
            },
            host_view: host_view(&docker.host),
            only,
            permission,
            outage: outage_options(config),
        }
    }
}

/// Only what listens on this machine's file system is certain to see the same files.
fn host_view(engine: &EngineAddress) -> HostView {
    if engine.to_string().starts_with("unix://") {
        HostView::ThisMachine
    } else {
        HostView::Unknown
    }
}

/// How containers are stopped and started, as the configuration says it.
#[must_use]
pub fn outage_options(config: &Config) -> OutageOptions {
    OutageOptions {
        grace: config.docker().stop_timeout,
        healthy_within: config.docker().healthy_within,
        ..OutageOptions::default()
    }
}

/// The engine that the configuration names, which need not be there yet.
#[must_use]
pub fn engine(config: &Config) -> BollardEngine {
    BollardEngine::new(&config.docker().host, EngineOptions::default())
}

/// Connects to the engine that the configuration names.
///
/// # Errors
/// When there is none, or it does not answer.
pub async fn connect_engine(config: &Config) -> Result<BollardEngine, EngineError> {
    BollardEngine::connect(&config.docker().host, EngineOptions::default()).await
}

#[async_trait]
impl DockerHost for ConfiguredHost {
    async fn engine(&self) -> Result<Arc<dyn Engine>, EngineError> {
        let engine = BollardEngine::connect(&self.engine, EngineOptions::default()).await?;
        Ok(Arc::new(engine))
    }

    fn check_mount(&self) -> Result<Mounted, NotMounted> {
        mount::check(&self.repository, &self.mount)
    }

    async fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        let store =
            RusticStore::open(&self.repository, &self.password, OpenOptions::default()).await?;
        Ok(Arc::new(store))
    }

    fn journal(&self) -> &dyn Journal {
        &self.journal
    }

    fn host_name(&self) -> &str {
        &self.host_name
    }
}

/// The machine's name, as the kernel knows it.
fn machine_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}
