//! From the configuration to the real parts: the thin edge where everything is put together.

mod docker_host;
mod probe;
mod repository;

use std::path::Path;
use std::time::Duration;

use reachability::{BuildError, DownOptions, Probe, ProbeSpec};
use remote_shutdown::{AgentKey, HostKeyPolicy, Key, KeyFile, SshShutdown, SshTarget};
use secrecy::ExposeSecret as _;
use thiserror::Error;
use truenas_client::{NasClient, NasOptions, TrueNasError, Trust};
use wol::SecureOn;

pub use docker_host::{
    ConfiguredHost, engine, outage_options, snapshot_holder, snapshotter, upkeep,
};
pub use probe::{probe, probes};
pub use repository::{check_mount, repository_for_job, repository_place};

use crate::config::{Config, ConfigError, HostKeySettings, NasApi, ShutdownKey, TrustSettings};
use crate::step::replicate::Replication;
use crate::step::wake::WakeOptions;

/// Why the parts could not be put together. All of it is bad configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The configuration lacks something, or names a file that cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The client of a TrueNAS cannot be made of what the configuration says.
    #[error("{file}: {section}: the API cannot be used")]
    Api {
        /// The configuration file.
        file: String,
        /// The section that describes the NAS.
        section: &'static str,
        /// Why.
        source: Box<TrueNasError>,
    },
    /// What is to answer cannot be asked.
    #[error(transparent)]
    Probe {
        /// Why.
        source: Box<BuildError>,
    },
    /// A TrueNAS is to say that it is ready, and the key to its API is not known.
    #[error(
        "{spec}: a TrueNAS says whether it is ready only to who has an API key; expected url and \
         api_key_file of this NAS in the configuration, or https:// in place of truenas:, to see \
         whether its web server answers"
    )]
    NoKeyFor {
        /// What was to be asked.
        spec: Box<ProbeSpec>,
    },
}

/// How the backup NAS is woken, and what must answer then.
///
/// # Errors
/// When the configuration does not say it.
pub fn wake(config: &Config) -> Result<(WakeOptions, Box<dyn Probe>), SetupError> {
    let nas = config.backup_nas()?;
    let secure_on = nas
        .secure_on_file
        .as_ref()
        .map(|file| {
            let password = config.read_secret(file)?;
            password
                .expose_secret()
                .parse::<SecureOn>()
                .map_err(|error| config.bad_value(file, &error))
        })
        .transpose()?;
    let options = WakeOptions {
        secure_on,
        interval: nas.wake_interval,
        deadline: nas.wake_deadline,
        ..WakeOptions::new(nas.mac, nas.aim.clone())
    };
    Ok((options, probe(Some(config), &nas.ready)?))
}

/// The API of the primary NAS.
///
/// # Errors
/// When the configuration does not say how to reach it, or its key cannot be read.
pub fn primary_nas(config: &Config) -> Result<NasClient, SetupError> {
    api(config, &config.primary_nas()?.api, "[primary_nas]")
}

/// The API of the backup NAS, where the configuration has one.
///
/// # Errors
/// As [`primary_nas`].
pub fn backup_nas(config: &Config) -> Result<Option<NasClient>, SetupError> {
    config
        .backup_nas()?
        .api
        .as_ref()
        .map(|nas| api(config, nas, "[backup_nas]"))
        .transpose()
}

fn api(config: &Config, nas: &NasApi, section: &'static str) -> Result<NasClient, SetupError> {
    let trust = trust(config, &nas.trust)?;
    client(config, nas, section, trust)
}

fn trust(config: &Config, trust: &TrustSettings) -> Result<Trust, SetupError> {
    Ok(match trust {
        TrustSettings::Certificate(fingerprint) => Trust::Certificate(*fingerprint),
        TrustSettings::CaFile(file) => Trust::CaFile(config.readable_path(file)?),
        TrustSettings::SystemRoots => Trust::SystemRoots,
    })
}

fn client(
    config: &Config,
    nas: &NasApi,
    section: &'static str,
    trust: Trust,
) -> Result<NasClient, SetupError> {
    let key = config.read_secret(&nas.api_key_file)?;
    let mut options = NasOptions::new(nas.url.clone(), key, trust);
    options.user.clone_from(&nas.user);
    NasClient::new(options).map_err(|source| SetupError::Api {
        file: display(config.file()),
        section,
        source: Box::new(source),
    })
}

/// How the replication is waited for, and whether it is triggered.
///
/// # Errors
/// When the configuration has no `[primary_nas]`.
pub fn replication(config: &Config) -> Result<Replication, SetupError> {
    let nas = config.primary_nas()?;
    Ok(Replication {
        poll_interval: nas.poll_interval,
        stalled_after: nas.stalled_after,
        trigger: nas.trigger,
        ..Replication::new(nas.replication_tasks.clone())
    })
}

/// How the backup NAS is switched off.
///
/// # Errors
/// When the configuration does not say it, or the key cannot be used.
pub fn shutdown(config: &Config) -> Result<SshShutdown, SetupError> {
    let nas = config.backup_nas()?;
    let settings = config.shutdown()?;
    let key = match &settings.key {
        ShutdownKey::File {
            key_file,
            passphrase_file,
        } => {
            let key = KeyFile::new(config.secret_path(key_file)?);
            Key::File(match passphrase_file {
                Some(file) => key.with_passphrase(config.read_secret(file)?),
                None => key,
            })
        }
        ShutdownKey::Agent {
            socket,
            fingerprint,
        } => Key::Agent(AgentKey {
            socket: socket.clone(),
            fingerprint: *fingerprint,
        }),
    };
    let host_key = match &settings.host_key {
        HostKeySettings::Sha256(fingerprint) => HostKeyPolicy::Sha256(*fingerprint),
        HostKeySettings::KnownHosts(file) => HostKeyPolicy::KnownHosts(config.readable_path(file)?),
    };
    let target =
        SshTarget::new(nas.address.clone(), settings.user.clone()).with_port(settings.port);
    let system = settings.system.clone();
    let shutdown = SshShutdown::new(target, key, host_key, system, settings.deadlines);
    Ok(if settings.dispatcher {
        shutdown.with_dispatcher()
    } else {
        shutdown
    })
}

/// How it is made sure that the backup NAS is off.
///
/// # Errors
/// When the configuration has no `[backup_nas]`.
pub fn confirmation(config: &Config) -> Result<(DownOptions, Box<dyn Probe>), SetupError> {
    let nas = config.backup_nas()?;
    let options = DownOptions {
        silence: nas.silent_for,
        deadline: nas.off_deadline,
        timeout: Duration::from_secs(3),
        interval: Duration::from_secs(1),
        ..DownOptions::default()
    };
    Ok((options, probe(Some(config), &nas.ready)?))
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
