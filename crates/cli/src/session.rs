//! What a command works in: its configuration, its state, the night, the clock, the signals.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup_store::Progress;
use backup_window::config::{Config, ConfigError, DEFAULT_STATE_DIR};
use backup_window::exit::Exit;
use backup_window::setup::{ConfiguredHost, SetupError};
use backup_window::state::StateDir;
use backup_window::step::replicate::ReplicationProgress;
use tokio_util::sync::CancellationToken;

use crate::args::Global;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::StandardError;
use crate::signals::Signals;

/// What a command works in.
#[derive(Debug)]
pub struct Session {
    global: Global,
    signals: Signals,
    progress: Option<Arc<dyn Progress>>,
    replication_progress: Option<Arc<dyn ReplicationProgress>>,
}

impl Session {
    pub(crate) fn begin(global: Global, standard_error: &StandardError) -> Result<Self, Failure> {
        Ok(Self {
            progress: standard_error.progress(global.quiet),
            replication_progress: standard_error.replication_progress(global.quiet),
            global,
            signals: Signals::listen().map_err(|error| Failure::failed(&error))?,
        })
    }

    pub(crate) fn global(&self) -> &Global {
        &self.global
    }

    pub(crate) fn signals(&self) -> &Signals {
        &self.signals
    }

    pub(crate) fn cancelled(&self) -> &CancellationToken {
        self.signals.cancelled()
    }

    pub(crate) fn output(&self) -> Output {
        Output::new(self.global.json)
    }

    /// Who is told how far long work has come, if anybody is.
    pub(crate) fn progress(&self) -> Option<Arc<dyn Progress>> {
        self.progress.clone()
    }

    /// Who is told how far a replication has come, if anybody is.
    pub(crate) fn replication_progress(&self) -> Option<Arc<dyn ReplicationProgress>> {
        self.replication_progress.clone()
    }

    /// The Docker host and the repository of the configuration.
    pub(crate) fn docker_host(
        &self,
        config: &Config,
        state: &StateDir,
    ) -> Result<ConfiguredHost, SetupError> {
        Ok(ConfiguredHost::new(config, state)?.with_progress(self.progress()))
    }

    fn load(&self) -> Result<Config, ConfigError> {
        let config = Config::load(&self.global.config)?;
        Ok(config.with_credentials(self.global.credentials_directory.clone()))
    }

    /// The configuration, which must be there.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        self.load().map_err(|error| Failure::usage(&error))
    }

    /// The configuration, if there is one; for commands whose arguments may say enough.
    pub(crate) fn config_if_any(&self) -> Result<Option<Config>, Failure> {
        match self.load() {
            Ok(config) => Ok(Some(config)),
            Err(ConfigError::Unreadable { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound
                    && self.global.config
                        == Path::new(backup_window::config::DEFAULT_CONFIG_FILE) =>
            {
                Ok(None)
            }
            Err(error) => Err(Failure::usage(&error)),
        }
    }

    /// The state directory.
    pub(crate) fn state(&self, config: Option<&Config>) -> Result<StateDir, Failure> {
        let path: PathBuf = self
            .global
            .state_dir
            .clone()
            .or_else(|| config.map(|config| config.state_dir().to_owned()))
            .unwrap_or_else(|| DEFAULT_STATE_DIR.into());
        StateDir::open(&path).map_err(|error| {
            Failure::text(
                Exit::Usage,
                format!(
                    "the state directory {} cannot be created ({error}); set state_dir in the \
                     configuration, or BACKUP_WINDOW_STATE_DIR, to a directory that can",
                    path.display()
                ),
            )
        })
    }
}
