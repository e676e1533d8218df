//! The configuration: one TOML file for all binaries.
//!
//! Unknown keys are errors, secrets are named by file and never written in it, and every complaint
//! says in which file and line, what was expected and what to do.

mod engine;
mod error;
mod file_ref;
mod repository;
mod settings;
mod shutdown;
mod value;

use std::path::{Path, PathBuf};

use secrecy::SecretString;

pub use engine::{ClientCertificateSettings, SshSettings, TlsSettings};
pub use error::ConfigError;
pub use file_ref::{FileProblem, FileRef, read_secret_file};
pub use repository::{PlaceSettings, RepositorySettings, ServerSettings};
pub use settings::{
    BackupNasSettings, DockerSettings, DrillSettings, NasApi, PrimaryNasSettings, RestoreSettings,
    Settings, TrustSettings,
};
pub use shutdown::{HostKeySettings, ShutdownKey, ShutdownSettings};
pub use value::parse_duration;

use crate::window::Window;

/// Where the configuration lies unless something else is said.
pub const DEFAULT_CONFIG_FILE: &str = "/etc/backup-window/config.toml";

/// Where the state lies unless something else is said.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/backup-window";

/// A configuration that was read, and the text that it was read from.
#[derive(Debug, Clone)]
pub struct Config {
    settings: Settings,
    file: PathBuf,
    text: String,
    credentials: Option<PathBuf>,
}

impl Config {
    /// Reads the configuration file.
    ///
    /// # Errors
    /// When the file cannot be read or does not say what it must: see [`ConfigError`].
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|source| ConfigError::Unreadable {
            file: file.to_owned(),
            source,
        })?;
        Self::parse(file, text)
    }

    /// Reads a configuration from its text; `file` is what complaints call it.
    ///
    /// # Errors
    /// When the text does not say what it must: see [`ConfigError`].
    pub fn parse(file: &Path, text: String) -> Result<Self, ConfigError> {
        let settings: Settings =
            toml::from_str(&text).map_err(|error| ConfigError::from_toml(file, &text, &error))?;
        let docker = &settings.docker;
        let contradiction = engine::contradiction(&docker.host, docker.tls.as_ref(), &docker.ssh);
        if let Some((offset, problem)) = contradiction {
            return Err(ConfigError::Invalid {
                place: error::Place::at(file, &text, offset),
                problem,
            });
        }
        Ok(Self {
            settings,
            file: file.to_owned(),
            text,
            credentials: None,
        })
    }

    /// With the folder in which systemd hands credentials to a service (`$CREDENTIALS_DIRECTORY`),
    /// if it does. They are what `credential:NAME` means in place of a file with a secret.
    #[must_use]
    pub fn with_credentials(mut self, folder: Option<PathBuf>) -> Self {
        self.credentials = folder;
        self
    }

    /// The file that it was read from.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Where the journal, the lock and the history lie.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        self.settings
            .state_dir
            .as_deref()
            .unwrap_or(Path::new(DEFAULT_STATE_DIR))
    }

    /// The `[window]` section.
    ///
    /// # Errors
    /// When the file has none.
    pub fn window(&self) -> Result<&Window, ConfigError> {
        self.settings
            .window
            .as_ref()
            .ok_or_else(|| self.missing("[window]", "start, end and time_zone"))
    }

    /// The `[docker]` section; everything in it has a default.
    #[must_use]
    pub fn docker(&self) -> &DockerSettings {
        &self.settings.docker
    }

    /// The `[drill]` section; everything in it has a default.
    #[must_use]
    pub fn drill(&self) -> &DrillSettings {
        &self.settings.drill
    }

    /// The `[repository]` section.
    ///
    /// # Errors
    /// When the file has none.
    pub fn repository(&self) -> Result<&RepositorySettings, ConfigError> {
        self.settings.repository.as_ref().ok_or_else(|| {
            self.missing("[repository]", "path and mount (or url), and password_file")
        })
    }

    /// The `[restore]` section; everything in it has a default.
    #[must_use]
    pub fn restore(&self) -> &RestoreSettings {
        &self.settings.restore
    }

    /// The `[primary_nas]` section.
    ///
    /// # Errors
    /// When the file has none.
    pub fn primary_nas(&self) -> Result<&PrimaryNasSettings, ConfigError> {
        self.settings
            .primary_nas
            .as_ref()
            .ok_or_else(|| self.missing("[primary_nas]", "url, api_key_file and replication_tasks"))
    }

    /// The `[backup_nas]` section.
    ///
    /// # Errors
    /// When the file has none.
    pub fn backup_nas(&self) -> Result<&BackupNasSettings, ConfigError> {
        self.settings
            .backup_nas
            .as_ref()
            .ok_or_else(|| self.missing("[backup_nas]", "address and mac"))
    }

    /// The `[backup_nas.shutdown]` section.
    ///
    /// # Errors
    /// When the file has none.
    pub fn shutdown(&self) -> Result<&ShutdownSettings, ConfigError> {
        self.backup_nas()?.shutdown.as_ref().ok_or_else(|| {
            self.missing(
                "[backup_nas.shutdown]",
                "user, key_file, system, and host_key_sha256 or known_hosts",
            )
        })
    }

    /// Reads a secret from the file that the configuration names.
    ///
    /// # Errors
    /// When the file is missing, empty, no regular file, or one that others than its owner can
    /// read (I10).
    pub fn read_secret(&self, file: &FileRef) -> Result<SecretString, ConfigError> {
        file.read_secret(self.credentials.as_deref())
            .map_err(|problem| self.bad_file(file, problem))
    }

    /// Where a file is that need not be there yet.
    ///
    /// # Errors
    /// When it is a credential, and there are none.
    pub fn path_of(&self, file: &FileRef) -> Result<PathBuf, ConfigError> {
        file.locate(self.credentials.as_deref())
            .map_err(|problem| self.bad_file(file, problem))
    }

    /// Checks a file with a secret that another library reads by itself, and gives its path.
    ///
    /// # Errors
    /// As [`Config::read_secret`].
    pub fn secret_path(&self, file: &FileRef) -> Result<PathBuf, ConfigError> {
        self.read_secret(file)?;
        self.path_of(file)
    }

    /// Checks that a file that is no secret can be read, and gives its path.
    ///
    /// # Errors
    /// When it cannot.
    pub fn readable_path(&self, file: &FileRef) -> Result<PathBuf, ConfigError> {
        file.check_readable(self.credentials.as_deref())
            .map_err(|problem| self.bad_file(file, problem))
    }

    /// Reads a text that is no secret.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read_text(&self, file: &FileRef) -> Result<String, ConfigError> {
        file.read_text(self.credentials.as_deref())
            .map_err(|problem| self.bad_file(file, problem))
    }

    /// The complaint about a file that can be read, but not used.
    pub(crate) fn bad_value(&self, file: &FileRef, error: &dyn std::error::Error) -> ConfigError {
        let why = crate::sentence::failed_to(error);
        self.bad_file(file, FileProblem::Unusable(why))
    }

    fn bad_file(&self, file: &FileRef, problem: FileProblem) -> ConfigError {
        ConfigError::BadFile {
            place: error::Place::at(&self.file, &self.text, file.span_start()),
            key: error::key_at(&self.text, file.span_start()),
            path: file.shown(),
            problem,
        }
    }

    fn missing(&self, section: &'static str, keys: &'static str) -> ConfigError {
        ConfigError::MissingSection {
            file: self.file.clone(),
            section,
            keys,
        }
    }
}

#[cfg(test)]
mod tests;
