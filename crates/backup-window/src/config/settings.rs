//! The sections and keys of the configuration file.

use std::path::PathBuf;
use std::time::Duration;

use docker_stacks::{EngineAddress, Exclusion, Inclusion, PathGlob};
use reachability::{ProbeSpec, SSH_PORT};
use serde::Deserialize;
use truenas_client::CertificateFingerprint;
use url::Url;
use wol::{Aim, Destination, MacAddr};

use super::engine::{SshSettings, TlsSettings};
use super::file_ref::FileRef;
use super::repository::RepositorySettings;
use super::shutdown::ShutdownSettings;
use super::value;
use crate::fs_snapshots::SnapshotUse;
use crate::window::Window;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where the journal, the lock and the history lie.
    pub state_dir: Option<PathBuf>,
    /// The hours in which the night may run.
    pub window: Option<Window>,
    /// The Docker engine and what is backed up.
    #[serde(default)]
    pub docker: DockerSettings,
    /// Where the copies go.
    pub repository: Option<RepositorySettings>,
    /// How restores are made.
    #[serde(default)]
    pub restore: RestoreSettings,
    /// How copies are tried out.
    #[serde(default)]
    pub drill: DrillSettings,
    /// The NAS that is always on.
    pub primary_nas: Option<PrimaryNasSettings>,
    /// The NAS that sleeps.
    pub backup_nas: Option<BackupNasSettings>,
}

/// `[docker]`: the engine and what is backed up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DockerSettings {
    /// The engine's address.
    #[serde(deserialize_with = "value::from_str")]
    pub host: EngineAddress,
    /// How an engine at a `tcp://` address is known.
    pub tls: Option<TlsSettings>,
    /// How to log in at an `ssh://` address.
    pub ssh: SshSettings,
    /// What is left alone: `NAME`, `stack:NAME`, `container:NAME`, `volume:NAME` or `bind:/PATH`.
    #[serde(deserialize_with = "value::list_from_str")]
    pub exclude: Vec<Exclusion>,
    /// Volumes and directories that are copied although the rules would not: `volume:NAME` or
    /// `bind:/PATH`.
    #[serde(deserialize_with = "value::list_from_str")]
    pub include: Vec<Inclusion>,
    /// Patterns of paths, as the containers see them, that are not copied from any of them.
    #[serde(deserialize_with = "value::list_from_str")]
    pub exclude_paths: Vec<PathGlob>,
    /// How long a container may take to stop before the engine kills it, where the container does
    /// not say so itself.
    #[serde(deserialize_with = "value::duration")]
    pub stop_timeout: Duration,
    /// How long a container with a health check may take to become healthy after its start.
    #[serde(deserialize_with = "value::duration")]
    pub healthy_within: Duration,
    /// How long a container without a health check must run after its start to count as running. A
    /// run waits for it once, when everything is back: what has fallen until then is started again.
    #[serde(deserialize_with = "value::duration")]
    pub settle: Duration,
    /// The folder on a local disk for copies of what has changed, from when a stack is stopped until
    /// they are in the repository; beneath the state directory unless something else is said.
    pub spool: Option<PathBuf>,
    /// How much may lie there at once. What does not fit is read while its stack is down.
    #[serde(deserialize_with = "value::bytes")]
    pub spool_limit: u64,
    /// Whether data is read from snapshots of its file system, where that has them.
    pub snapshots: SnapshotUse,
}

impl Default for DockerSettings {
    fn default() -> Self {
        Self {
            host: EngineAddress::default(),
            tls: None,
            ssh: SshSettings::default(),
            exclude: Vec::new(),
            include: Vec::new(),
            exclude_paths: Vec::new(),
            stop_timeout: Duration::from_secs(10),
            healthy_within: Duration::from_mins(2),
            settle: Duration::from_secs(3),
            spool: None,
            spool_limit: 8 << 30,
            snapshots: SnapshotUse::default(),
        }
    }
}

/// `[restore]`: how restores are made.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RestoreSettings {
    /// Restore also where the kernel has no Landlock to confine the process that writes.
    pub unconfined: bool,
}

/// `[drill]`: how copies are tried out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DrillSettings {
    /// Whether each night tries one stack, in turn, after its copy.
    pub nightly: bool,
    /// How much memory each container of a drill may use, in bytes: written `1GiB`.
    #[serde(rename = "memory", deserialize_with = "value::bytes")]
    pub memory_bytes: u64,
    /// How long the containers of a stack may take to be well.
    #[serde(deserialize_with = "value::duration")]
    pub timeout: Duration,
}

impl Default for DrillSettings {
    fn default() -> Self {
        Self {
            nightly: false,
            memory_bytes: 1 << 30,
            timeout: Duration::from_mins(5),
        }
    }
}

/// How to reach the API of a TrueNAS and how to know that it is the right one.
#[derive(Debug, Clone)]
pub struct NasApi {
    /// `https://HOST[:PORT]`.
    pub url: Url,
    /// The user that the API key belongs to, where it has one.
    pub user: Option<String>,
    /// The file with the API key.
    pub api_key_file: FileRef,
    /// What its certificate is held against.
    pub trust: TrustSettings,
}

/// What the certificate of a TrueNAS is held against.
#[derive(Debug, Clone)]
pub enum TrustSettings {
    /// This certificate and no other.
    Certificate(CertificateFingerprint),
    /// The authorities in this file.
    CaFile(FileRef),
    /// The authorities that this machine trusts.
    SystemRoots,
}

/// `[primary_nas]`: the NAS that is always on.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "WrittenPrimaryNas")]
pub struct PrimaryNasSettings {
    /// Its API.
    pub api: NasApi,
    /// The names of the replication tasks that bring the repository to the backup NAS.
    pub replication_tasks: Vec<String>,
    /// How long to wait between two looks at a replication that has not ended, where the NAS does
    /// not tell of it by itself. While nothing happens, it becomes longer.
    pub poll_interval: Duration,
    /// Whether to run the snapshot tasks and the replication, rather than to wait for their time.
    pub trigger: bool,
    /// How long a running replication may stand still before somebody is told.
    pub stalled_after: Duration,
}

/// `[backup_nas]`: the NAS that sleeps.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "WrittenBackupNas")]
pub struct BackupNasSettings {
    /// Its host name or address.
    pub address: String,
    /// The MAC address of the interface that listens for magic packets.
    pub mac: MacAddr,
    /// Where magic packets are sent: through which interfaces, to which addresses, and whether in
    /// Ethernet frames.
    pub aim: Aim,
    /// The file with the `SecureOn` password, where its network card wants one.
    pub secure_on_file: Option<FileRef>,
    /// What must answer before the NAS counts as ready.
    pub ready: ProbeSpec,
    /// How long it may take to become ready.
    pub wake_deadline: Duration,
    /// How long to wait before the magic packet is sent again.
    pub wake_interval: Duration,
    /// Its own API, for evidence and guard.
    pub api: Option<NasApi>,
    /// How long it must stay silent to count as off: longer than it takes to restart.
    pub silent_for: Duration,
    /// How long its switching off may take, the silence included.
    pub off_deadline: Duration,
    /// How it is switched off.
    pub shutdown: Option<ShutdownSettings>,
}

/// The keys of `[primary_nas]` as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPrimaryNas {
    #[serde(deserialize_with = "value::https_url")]
    url: Url,
    #[serde(deserialize_with = "value::optional_user", default)]
    user: Option<String>,
    api_key_file: FileRef,
    certificate_sha256: Option<CertificateFingerprint>,
    ca_file: Option<FileRef>,
    replication_tasks: Vec<String>,
    #[serde(deserialize_with = "value::duration", default = "ten_seconds")]
    poll_interval: Duration,
    #[serde(default)]
    trigger: bool,
    #[serde(deserialize_with = "value::duration", default = "ten_minutes")]
    stalled_after: Duration,
}

/// The keys of `[backup_nas]` as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBackupNas {
    address: String,
    mac: MacAddr,
    #[serde(default, deserialize_with = "value::optional_list_from_str")]
    broadcast: Option<Vec<Destination>>,
    interface: Option<String>,
    interfaces: Option<Vec<String>>,
    #[serde(default)]
    ethernet: bool,
    secure_on_file: Option<FileRef>,
    ready: Option<ProbeSpec>,
    #[serde(deserialize_with = "value::duration", default = "ten_minutes")]
    wake_deadline: Duration,
    #[serde(deserialize_with = "value::duration", default = "ten_seconds")]
    wake_interval: Duration,
    #[serde(deserialize_with = "value::optional_https_url", default)]
    url: Option<Url>,
    #[serde(deserialize_with = "value::optional_user", default)]
    user: Option<String>,
    api_key_file: Option<FileRef>,
    certificate_sha256: Option<CertificateFingerprint>,
    ca_file: Option<FileRef>,
    #[serde(deserialize_with = "value::duration", default = "five_minutes")]
    silent_for: Duration,
    #[serde(deserialize_with = "value::duration", default = "fifteen_minutes")]
    off_deadline: Duration,
    shutdown: Option<ShutdownSettings>,
}

impl TrustSettings {
    fn from_keys(
        certificate: Option<CertificateFingerprint>,
        ca_file: Option<FileRef>,
    ) -> Result<Self, String> {
        match (certificate, ca_file) {
            (Some(_), Some(_)) => Err(
                "certificate_sha256 and ca_file are both given: expected one of them; remove the other"
                    .to_owned(),
            ),
            (Some(fingerprint), None) => Ok(Self::Certificate(fingerprint)),
            (None, Some(file)) => Ok(Self::CaFile(file)),
            (None, None) => Ok(Self::SystemRoots),
        }
    }
}

impl TryFrom<WrittenPrimaryNas> for PrimaryNasSettings {
    type Error = String;

    fn try_from(written: WrittenPrimaryNas) -> Result<Self, String> {
        if written.replication_tasks.is_empty() {
            return Err(
                "replication_tasks is empty: expected the name of at least one replication task, \
                 as TrueNAS shows it under Data Protection"
                    .to_owned(),
            );
        }
        Ok(Self {
            api: NasApi {
                url: written.url,
                user: written.user,
                api_key_file: written.api_key_file,
                trust: TrustSettings::from_keys(written.certificate_sha256, written.ca_file)?,
            },
            replication_tasks: written.replication_tasks,
            poll_interval: written.poll_interval,
            trigger: written.trigger,
            stalled_after: written.stalled_after,
        })
    }
}

impl TryFrom<WrittenBackupNas> for BackupNasSettings {
    type Error = String;

    fn try_from(written: WrittenBackupNas) -> Result<Self, String> {
        let aim = Aim {
            interfaces: interfaces(written.interface, written.interfaces)?,
            broadcasts: given("broadcast", written.broadcast)?,
            ethernet: written.ethernet,
        };
        let trust = TrustSettings::from_keys(written.certificate_sha256, written.ca_file)?;
        let api = match (written.url, written.api_key_file) {
            (Some(url), Some(api_key_file)) => Some(NasApi {
                url,
                user: written.user,
                api_key_file,
                trust,
            }),
            (None, None) if written.user.is_some() => {
                return Err(
                    "user is given without url and api_key_file: it is the user of the API key; \
                     the one that switches the NAS off is in [backup_nas.shutdown]"
                        .to_owned(),
                );
            }
            (None, None) => None,
            (Some(_), None) => {
                return Err("url is given without api_key_file: expected both".to_owned());
            }
            (None, Some(_)) => {
                return Err("api_key_file is given without url: expected both".to_owned());
            }
        };
        let ready = match written.ready {
            Some(probe) => probe,
            None => ProbeSpec::Ssh {
                host: written.address.clone(),
                port: written
                    .shutdown
                    .as_ref()
                    .map_or(SSH_PORT, |shutdown| shutdown.port),
            },
        };
        Ok(Self {
            address: written.address,
            mac: written.mac,
            aim,
            secure_on_file: written.secure_on_file,
            ready,
            wake_deadline: written.wake_deadline,
            wake_interval: written.wake_interval,
            api,
            silent_for: written.silent_for,
            off_deadline: written.off_deadline,
            shutdown: written.shutdown,
        })
    }
}

/// Where packets leave by: `interface` and `interfaces` say the same.
fn interfaces(one: Option<String>, several: Option<Vec<String>>) -> Result<Vec<String>, String> {
    match (one, several) {
        (Some(_), Some(_)) => Err(
            "interface and interfaces are both given: expected one of them; remove the other"
                .to_owned(),
        ),
        (Some(one), None) => Ok(vec![one]),
        (None, several) => given("interfaces", several),
    }
}

/// A list that says something, or is not there.
fn given<T>(key: &str, list: Option<Vec<T>>) -> Result<Vec<T>, String> {
    match list {
        Some(list) if list.is_empty() => Err(format!(
            "{key} is empty: leave it out, and every network is used that this machine is on by a \
             network card"
        )),
        list => Ok(list.unwrap_or_default()),
    }
}

fn ten_seconds() -> Duration {
    Duration::from_secs(10)
}

fn five_minutes() -> Duration {
    Duration::from_mins(5)
}

fn ten_minutes() -> Duration {
    Duration::from_mins(10)
}

fn fifteen_minutes() -> Duration {
    Duration::from_mins(15)
}
