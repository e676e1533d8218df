//! `[repository]`: where the copies go, and how they are kept.

use std::path::PathBuf;

use backup_store::{Chunks, Keep, RestServer};
use serde::Deserialize;

use super::file_ref::FileRef;
use super::value;
use crate::upkeep::PruneSchedule;

/// `[repository]`: where the copies go.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "WrittenRepository")]
pub struct RepositorySettings {
    /// Where it is.
    pub place: PlaceSettings,
    /// The file with the repository's password.
    pub password_file: FileRef,
    /// The name under which this machine's snapshots are kept; the machine's host name unless
    /// something else is said.
    pub host_name: Option<String>,
    /// How large files are cut, when the repository is made.
    pub chunks: Chunks,
    /// What is kept of each stack. Without it, nothing is ever forgotten.
    pub keep: Option<Keep>,
    /// How many days the snapshots are kept that a restore takes of what it replaces.
    pub safety_days: u32,
    /// By how many percent a stack's backup may shrink before forgetting pauses for it.
    pub shrink_alarm_percent: u8,
    /// How often the data of what was forgotten is taken away.
    pub prune: PruneSchedule,
    /// Within how many nights all data is read; 0 reads none of it.
    pub read_all_within_nights: u32,
}

/// Where the repository is.
#[derive(Debug, Clone)]
pub enum PlaceSettings {
    /// In a folder of a mounted NAS.
    Folder {
        /// The repository's folder.
        path: PathBuf,
        /// The mount point of the NAS, which must hold `path` and be mounted, or nothing is written.
        mount: PathBuf,
    },
    /// On a server that speaks restic's REST protocol.
    Server(Box<ServerSettings>),
}

/// A REST server, and how it lets this machine in.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The server, without anybody to be let in.
    pub server: RestServer,
    /// The user, and the file with the password that the server wants.
    pub login: Option<(String, FileRef)>,
    /// The authorities that its certificate is held against; those that this machine trusts unless
    /// something is said.
    pub ca_file: Option<FileRef>,
}

impl PlaceSettings {
    /// The folder, where it is in one.
    #[must_use]
    pub fn folder(&self) -> Option<PathBuf> {
        match self {
            Self::Folder { path, .. } => Some(path.clone()),
            Self::Server(_) => None,
        }
    }

    /// The folder, or the server's address, for people.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Folder { path, .. } => path.display().to_string(),
            Self::Server(server) => server.server.to_string(),
        }
    }
}

/// The keys of `[repository]` as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRepository {
    path: Option<PathBuf>,
    mount: Option<PathBuf>,
    url: Option<String>,
    user: Option<String>,
    server_password_file: Option<FileRef>,
    ca_file: Option<FileRef>,
    password_file: FileRef,
    host_name: Option<String>,
    #[serde(default)]
    chunks: Chunks,
    keep: Option<Keep>,
    #[serde(default = "thirty")]
    safety_days: u32,
    #[serde(default = "half", deserialize_with = "value::percent")]
    shrink_alarm_percent: u8,
    #[serde(default)]
    prune: PruneSchedule,
    #[serde(default = "thirty")]
    read_all_within_nights: u32,
}

impl TryFrom<WrittenRepository> for RepositorySettings {
    type Error = String;

    fn try_from(written: WrittenRepository) -> Result<Self, String> {
        let of_server = [
            ("user", written.user.is_some()),
            (
                "server_password_file",
                written.server_password_file.is_some(),
            ),
            ("ca_file", written.ca_file.is_some()),
        ];
        let place = match (written.path, written.mount, written.url) {
            (Some(path), Some(mount), None) => {
                if let Some((key, _)) = of_server.iter().find(|(_, given)| *given) {
                    return Err(format!(
                        "{key} is given, which is for a server, and path, which is a folder: remove \
                         {key}, or give url in place of path and mount"
                    ));
                }
                PlaceSettings::Folder { path, mount }
            }
            (None, None, Some(url)) => PlaceSettings::Server(Box::new(ServerSettings {
                server: RestServer::new(&url).map_err(|error| format!("url: {error}"))?,
                login: login(written.user, written.server_password_file)?,
                ca_file: written.ca_file,
            })),
            (None, None | Some(_), None) | (Some(_), None, None) => {
                return Err(
                    "expected path and mount (a folder of a mounted NAS), or url (a REST server)"
                        .to_owned(),
                );
            }
            (_, _, Some(_)) => {
                return Err(
                    "url is given together with path or mount: a repository is either on a server \
                     or in a folder; remove the other"
                        .to_owned(),
                );
            }
        };
        Ok(Self {
            place,
            password_file: written.password_file,
            host_name: written.host_name,
            chunks: written.chunks,
            keep: written.keep,
            safety_days: written.safety_days,
            shrink_alarm_percent: written.shrink_alarm_percent,
            prune: written.prune,
            read_all_within_nights: written.read_all_within_nights,
        })
    }
}

fn login(
    user: Option<String>,
    password_file: Option<FileRef>,
) -> Result<Option<(String, FileRef)>, String> {
    match (user, password_file) {
        (None, None) => Ok(None),
        (Some(user), Some(file)) => Ok(Some((user, file))),
        (Some(_), None) => {
            Err("user is given without server_password_file: expected both, or neither".to_owned())
        }
        (None, Some(_)) => {
            Err("server_password_file is given without user: expected both, or neither".to_owned())
        }
    }
}

fn thirty() -> u32 {
    30
}

fn half() -> u8 {
    50
}
