//! The Docker host and the repository that the configuration describes.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backup_store::{
    OpenOptions, Progress, RepositoryPlace, RetentionRules, RusticStore, SpoolOptions, Store,
    StoreError,
};
use docker_stacks::{
    AddressKind, BollardEngine, ClientCertificate, Engine, EngineAddress, EngineError,
    EngineOptions, EngineSsh, EngineTls, FileJournal, Journal, OutageOptions, PlanRules, Workbench,
    detect_own_container,
};
use fs_snapshots::{Holder, Ledger, Owner, SystemOptions, SystemSnapshotter};
use secrecy::SecretString;
use tokio::sync::OnceCell;

use super::{SetupError, check_mount, repository_place};
use crate::config::{Config, ConfigError, RepositorySettings};
use crate::drill::DrillOptions;
use crate::fs_snapshots::SnapshotUse;
use crate::mount::{Mounted, NotMounted};
use crate::state::StateDir;
use crate::step::stacks::{DockerHost, HostView, Permission, StacksOptions};
use crate::step::upkeep::UpkeepOptions;
use crate::whereabouts::Here;

/// The Docker host and the repository that the configuration describes.
#[derive(Debug)]
pub struct ConfiguredHost {
    engine: BollardEngine,
    settings: RepositorySettings,
    repository: RepositoryPlace,
    password: SecretString,
    spool: SpoolOptions,
    snapshots: Option<Holder>,
    journal: FileJournal,
    host_name: String,
    progress: Option<Arc<dyn Progress>>,
    /// Opened once: deriving the key takes a second of work and 128 MiB of memory.
    store: OnceCell<Arc<dyn Store>>,
}

impl ConfiguredHost {
    /// Reads what is needed from the configuration, the password included.
    ///
    /// # Errors
    /// When the configuration lacks something, or the password cannot be read.
    pub fn new(config: &Config, state: &StateDir) -> Result<Self, SetupError> {
        let repository = config.repository()?;
        let docker = config.docker();
        Ok(Self {
            engine: engine(config)?,
            settings: repository.clone(),
            repository: repository_place(config)?,
            password: config.read_secret(&repository.password_file)?,
            spool: SpoolOptions {
                folder: docker.spool.clone().unwrap_or_else(|| state.spool()),
                limit_bytes: docker.spool_limit,
            },
            snapshots: (docker.snapshots == SnapshotUse::Auto
                && host_view(&docker.host) == HostView::ThisMachine)
                .then(|| snapshot_holder(config, state)),
            journal: FileJournal::new(state.outage_journal()),
            host_name: host_name(repository),
            progress: None,
            store: OnceCell::new(),
        })
    }

    /// Has its repository tell how far long work has come.
    #[must_use]
    pub fn with_progress(mut self, progress: Option<Arc<dyn Progress>>) -> Self {
        self.progress = progress;
        self
    }

    /// The engine, as something on which copies of containers can be tried. Nothing is asked of it
    /// before the first call.
    #[must_use]
    pub fn workbench(&self) -> &dyn Workbench {
        &self.engine
    }

    /// How copies are tried out, as the configuration says it.
    #[must_use]
    pub fn drill_options(config: &Config) -> DrillOptions {
        DrillOptions {
            memory_bytes: config.drill().memory_bytes,
            timeout: config.drill().timeout,
            settle: config.docker().settle,
        }
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
                copies_go_to: config.repository().ok().and_then(|to| to.place.folder()),
                engine: Some(docker.host.clone()),
                ..PlanRules::default()
            },
            host_view: host_view(&docker.host),
            only,
            permission,
            outage: outage_options(config),
            here: here(config),
        }
    }
}

/// How the repository is kept, as the configuration says it.
///
/// # Errors
/// When the configuration has no `[repository]` or no `[window]`, in whose time zone days begin.
pub fn upkeep(config: &Config, state: &StateDir) -> Result<UpkeepOptions, SetupError> {
    let repository = config.repository()?;
    let time_zone = &config.window()?.time_zone;
    let rules = repository.keep.map(|keep| RetentionRules {
        safety_for: Duration::from_hours(24 * u64::from(repository.safety_days)),
        shrink_alarm_percent: repository.shrink_alarm_percent,
        ..RetentionRules::new(host_name(repository), keep, time_zone.clone())
    });
    Ok(UpkeepOptions {
        rules,
        prune: repository.prune,
        read_all_within_nights: repository.read_all_within_nights,
        state_file: state.upkeep(),
    })
}

fn host_name(repository: &RepositorySettings) -> String {
    repository.host_name.clone().unwrap_or_else(machine_name)
}

/// What makes snapshots of this machine's file systems; the machine's name is part of theirs.
#[must_use]
pub fn snapshotter(config: &Config) -> SystemSnapshotter {
    let name = config.repository().ok().and_then(|it| it.host_name.clone());
    let owner = Owner::new(&name.unwrap_or_else(machine_name));
    SystemSnapshotter::new(owner, SystemOptions::default())
}

/// The same, with the list of what is owed its removal.
#[must_use]
pub fn snapshot_holder(config: &Config, state: &StateDir) -> Holder {
    let ledger = Ledger::new(state.snapshot_ledger());
    Holder::new(Arc::new(snapshotter(config)), ledger)
}

/// Only what listens on this machine's file system is certain to see the same files.
fn host_view(engine: &EngineAddress) -> HostView {
    if engine.kind() == AddressKind::Unix {
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
        settle: config.docker().settle,
        ..OutageOptions::default()
    }
}

/// The engine that the configuration names, which need not be there yet.
///
/// # Errors
/// When a file that the configuration names for the way to it cannot be used.
pub fn engine(config: &Config) -> Result<BollardEngine, SetupError> {
    let options = engine_options(config)?;
    Ok(BollardEngine::new(&config.docker().host, options))
}

/// The files are looked at now, so that a bad one is a complaint about the configuration; what is
/// in them is read for each connection.
fn engine_options(config: &Config) -> Result<EngineOptions, ConfigError> {
    let readable = |file| config.readable_path(file);
    let secret = |file| config.secret_path(file);
    let mut options = EngineOptions::default();
    if let Some(tls) = &config.docker().tls {
        let client = tls.client.as_ref().map(|client| {
            Ok::<_, ConfigError>(ClientCertificate {
                certificate_file: readable(&client.certificate_file)?,
                key_file: secret(&client.key_file)?,
            })
        });
        options.tls = Some(EngineTls {
            ca_file: readable(&tls.ca_file)?,
            client: client.transpose()?,
        });
    }
    let ssh = &config.docker().ssh;
    options.ssh = EngineSsh {
        key_file: ssh.key_file.as_ref().map(secret).transpose()?,
        known_hosts_file: ssh.known_hosts.as_ref().map(readable).transpose()?,
    };
    Ok(options)
}

/// What this program knows of the machine that it runs on.
fn here(config: &Config) -> Here {
    let read = |path| {
        let text = std::fs::read_to_string(path).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let memory = read("/proc/meminfo").and_then(|text| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kibibytes.checked_mul(1024)
    });
    Here {
        reached_by: config.docker().host.kind(),
        machine: read("/proc/sys/kernel/hostname").filter(|_| detect_own_container().is_none()),
        kernel: read("/proc/sys/kernel/osrelease"),
        memory_bytes: memory,
        reads_all: rustix::process::geteuid().is_root(),
    }
}

#[async_trait]
impl DockerHost for ConfiguredHost {
    async fn engine(&self) -> Result<Arc<dyn Engine>, EngineError> {
        let version = self.engine.version().await?;
        tracing::debug!(
            endpoint = self.engine.endpoint(),
            version = version.version,
            "the engine answers"
        );
        Ok(Arc::new(self.engine.clone()))
    }

    fn check_mount(&self) -> Result<Option<Mounted>, NotMounted> {
        check_mount(&self.settings)
    }

    async fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        let options = OpenOptions {
            spool: Some(self.spool.clone()),
            progress: self.progress.clone(),
            ..OpenOptions::default()
        };
        let open = || async {
            let store = RusticStore::open(self.repository.clone(), &self.password, options).await?;
            Ok(Arc::new(store) as Arc<dyn Store>)
        };
        self.store.get_or_try_init(open).await.cloned()
    }

    fn journal(&self) -> &dyn Journal {
        &self.journal
    }

    fn snapshots(&self) -> Option<&Holder> {
        self.snapshots.as_ref()
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
