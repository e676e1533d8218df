//! `[backup_nas.shutdown]`: how the backup NAS is switched off.

use std::path::PathBuf;
use std::time::Duration;

use reachability::SSH_PORT;
use remote_shutdown::{Deadlines, Fingerprint, System};
use serde::Deserialize;

use super::file_ref::FileRef;
use super::value;

/// `[backup_nas.shutdown]`: how the backup NAS is switched off.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "WrittenShutdown")]
pub struct ShutdownSettings {
    /// The user that may switch it off and nothing else.
    pub user: String,
    /// The port of its SSH server.
    pub port: u16,
    /// What the user logs in with.
    pub key: ShutdownKey,
    /// What its host key is held against.
    pub host_key: HostKeySettings,
    /// What kind of system it is.
    pub system: System,
    /// Whether the dispatcher that `nas-shutdown kit` prints is behind the key.
    pub dispatcher: bool,
    /// How long each stage of the conversation may take.
    pub deadlines: Deadlines,
}

/// What is logged in with.
#[derive(Debug, Clone)]
pub enum ShutdownKey {
    /// A private key in a file.
    File {
        /// The private key.
        key_file: FileRef,
        /// The file with its passphrase, where it has one.
        passphrase_file: Option<FileRef>,
    },
    /// A key that an SSH agent holds.
    Agent {
        /// The agent's socket.
        socket: PathBuf,
        /// Which of its keys.
        fingerprint: Fingerprint,
    },
}

/// What the host key of an SSH server is held against.
#[derive(Debug, Clone)]
pub enum HostKeySettings {
    /// This key and no other.
    Sha256(Fingerprint),
    /// The keys in this file.
    KnownHosts(FileRef),
}

fn ssh_port() -> u16 {
    SSH_PORT
}

/// The keys of `[backup_nas.shutdown]` as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenShutdown {
    user: String,
    #[serde(default = "ssh_port")]
    port: u16,
    key_file: Option<FileRef>,
    passphrase_file: Option<FileRef>,
    agent_socket: Option<PathBuf>,
    agent_key: Option<Fingerprint>,
    host_key_sha256: Option<Fingerprint>,
    known_hosts: Option<FileRef>,
    system: System,
    #[serde(default)]
    dispatcher: bool,
    #[serde(default)]
    deadlines: WrittenDeadlines,
}

/// The stages as they are written: `{ connect = "10s" }`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenDeadlines {
    #[serde(deserialize_with = "value::duration")]
    connect: Duration,
    #[serde(deserialize_with = "value::duration")]
    authenticate: Duration,
    #[serde(deserialize_with = "value::duration")]
    examine: Duration,
    #[serde(deserialize_with = "value::duration")]
    execute: Duration,
    #[serde(deserialize_with = "value::duration")]
    close: Duration,
}

impl Default for WrittenDeadlines {
    fn default() -> Self {
        let Deadlines {
            connect,
            authenticate,
            examine,
            execute,
            close,
        } = Deadlines::default();
        Self {
            connect,
            authenticate,
            examine,
            execute,
            close,
        }
    }
}

impl TryFrom<WrittenShutdown> for ShutdownSettings {
    type Error = String;

    fn try_from(written: WrittenShutdown) -> Result<Self, String> {
        let host_key = match (written.host_key_sha256, written.known_hosts) {
            (Some(fingerprint), None) => HostKeySettings::Sha256(fingerprint),
            (None, Some(file)) => HostKeySettings::KnownHosts(file),
            (None, None) | (Some(_), Some(_)) => {
                return Err(
                    "expected either host_key_sha256 (what `ssh-keygen -lf` prints for the NAS's \
                     host key) or known_hosts, and not both"
                        .to_owned(),
                );
            }
        };
        let agent = (written.agent_socket, written.agent_key);
        let key = match (written.key_file, agent) {
            (Some(key_file), (None, None)) => ShutdownKey::File {
                key_file,
                passphrase_file: written.passphrase_file,
            },
            (None, (Some(socket), Some(fingerprint))) if written.passphrase_file.is_none() => {
                ShutdownKey::Agent {
                    socket,
                    fingerprint,
                }
            }
            _ => {
                return Err(
                    "expected either key_file, with or without passphrase_file, or agent_socket \
                     together with agent_key (what `ssh-add -l` prints for the key)"
                        .to_owned(),
                );
            }
        };
        let WrittenDeadlines {
            connect,
            authenticate,
            examine,
            execute,
            close,
        } = written.deadlines;
        Ok(Self {
            user: written.user,
            port: written.port,
            key,
            host_key,
            system: written.system,
            dispatcher: written.dispatcher,
            deadlines: Deadlines {
                connect,
                authenticate,
                examine,
                execute,
                close,
            },
        })
    }
}
