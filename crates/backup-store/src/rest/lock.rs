//! Locks as restic makes them, so that both respect each other's.
//!
//! A lock is a file in `locks/`, encrypted like all others, that says who uses the repository, and
//! whether alone. It is written first and looked for others afterwards, so that of two that come at
//! the same time at least one sees the other. While it is held it is written anew every five
//! minutes; one that is older than half an hour, or whose process is gone from this machine, is of
//! nobody any more. The rules are those of [restic]. Times are the server's, which all agree on.
//!
//! [restic]: https://restic.readthedocs.io/en/stable/100_references.html#locks

mod seal;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use jiff::Timestamp;
use reqwest::Method;
use rustic_core::{Id, repofile::MasterKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;

use super::{
    Connection,
    connection::{Request, server_time},
    list, remove, write,
};
use crate::{
    StoreError,
    account::{Account, locked},
    backend::FileError,
};

/// How often a lock is written anew.
const REFRESH: Duration = Duration::from_mins(5);

/// From which age on a lock is of nobody.
const STALE_AFTER: Duration = Duration::from_mins(30);

/// How long to wait before a second look for others, as restic does.
const SECOND_LOOK: Duration = Duration::from_millis(200);

/// A lock as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    time: Timestamp,
    exclusive: bool,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    username: String,
    pid: u32,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
}

/// This process, as locks tell it apart.
#[derive(Debug)]
struct Me {
    host: String,
    pid: u32,
    uid: u32,
    gid: u32,
}

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    held: Arc<Held>,
    refreshing: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Held {
    connection: Arc<Connection>,
    key: MasterKeyBytes,
    exclusive: bool,
    me: Me,
    /// Where it lies now.
    place: Mutex<String>,
}

/// The key in the order of the cipher; it is not for the log.
struct MasterKeyBytes([u8; 64]);

impl std::fmt::Debug for MasterKeyBytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("[…]")
    }
}

impl Lock {
    /// Takes a lock, or says who is in the way. When it is lost while it is held, the account
    /// fails, and nothing is written any more.
    pub(crate) fn acquire(
        connection: &Arc<Connection>,
        key: &MasterKey,
        exclusive: bool,
        account: Option<&Arc<Account>>,
    ) -> Result<Self, StoreError> {
        let to_store = |error: FileError| error.to_store_error();
        let key = seal::key(key).ok_or_else(|| StoreError::Damaged {
            path: connection.shown(),
            what: "the master key".to_owned(),
            detail: "it does not have the length of one".to_owned(),
        })?;
        let held = Arc::new(Held {
            connection: Arc::clone(connection),
            key: MasterKeyBytes(key),
            exclusive,
            me: Me::this_process(),
            place: Mutex::default(),
        });
        // First those that are there anyhow, so that nobody is kept waiting by a lock for nothing.
        held.look_for_others().map_err(Refusal::into_store)?;
        held.write_anew().map_err(to_store)?;
        let mut lock = Self {
            held,
            refreshing: None,
        };
        if let Some(runtime) = connection.runtime() {
            runtime.block_on(tokio::time::sleep(SECOND_LOOK));
            lock.held.look_for_others().map_err(Refusal::into_store)?;
            let account = account.map(Arc::downgrade);
            let task = refresh(Arc::downgrade(&lock.held), account);
            lock.refreshing = Some(runtime.spawn(task));
        }
        Ok(lock)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(task) = self.refreshing.take() {
            task.abort();
        }
        let place = std::mem::take(&mut *locked(&self.held.place));
        if !place.is_empty()
            && let Err(error) = remove(&self.held.connection, &place)
        {
            tracing::warn!(
                %error,
                cause = %error.source,
                "the lock stays behind; it counts for nothing once it is half an hour old"
            );
        }
    }
}

/// Writes the lock anew until it is dropped.
async fn refresh(held: Weak<Held>, account: Option<Weak<Account>>) {
    let mut failing_for = Duration::ZERO;
    loop {
        tokio::time::sleep(REFRESH).await;
        let Some(held) = held.upgrade() else { return };
        let written = tokio::task::spawn_blocking(move || held.write_anew()).await;
        let Ok(Err(error)) = written else {
            failing_for = Duration::ZERO;
            continue;
        };
        failing_for += REFRESH;
        tracing::warn!(%error, cause = %error.source, "cannot refresh the lock of the repository");
        // Soon others will take the lock for one of nobody.
        if failing_for + 2 * REFRESH >= STALE_AFTER {
            if let Some(account) = account.as_ref().and_then(Weak::upgrade) {
                account.fail(error.to_store_error());
            }
            return;
        }
    }
}

/// Why there is no lock.
enum Refusal {
    Other(PathBuf, String),
    Failed(FileError),
}

impl Refusal {
    fn into_store(self) -> StoreError {
        match self {
            Self::Other(path, by) => StoreError::Locked { path, by },
            Self::Failed(error) => error.to_store_error(),
        }
    }
}

impl From<FileError> for Refusal {
    fn from(error: FileError) -> Self {
        Self::Failed(error)
    }
}

impl Held {
    /// Writes the lock with the time that it is now, and removes the one before.
    fn write_anew(&self) -> Result<(), FileError> {
        let note = Note {
            time: self.now()?,
            exclusive: self.exclusive,
            hostname: self.me.host.clone(),
            username: match self.me.uid {
                0 => "root".to_owned(),
                uid => uid.to_string(),
            },
            pid: self.me.pid,
            uid: self.me.uid,
            gid: self.me.gid,
        };
        let failed = |error| self.connection.failed("write a lock to", "locks/", error);
        let text = serde_json::to_vec(&note).map_err(|error| failed(error.into()))?;
        let sealed = seal::seal(&self.key.0, &text).map_err(failed)?;
        let id = Id::new(Sha256::digest(&sealed).into());
        let place = format!("locks/{}", id.to_hex().as_str());
        write(&self.connection, &place, sealed.into())?;
        let before = std::mem::replace(&mut *locked(&self.place), place);
        if !before.is_empty() {
            match remove(&self.connection, &before) {
                // Somebody broke it, by mistake or because this process seemed dead; now it is
                // there again.
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                    tracing::warn!("somebody removed the lock of the repository while it was held");
                }
                removed => removed?,
            }
        }
        Ok(())
    }

    /// What time it is at the server.
    fn now(&self) -> Result<Timestamp, FileError> {
        let request = Request::new("look for", Method::HEAD, "config");
        let answer = self.connection.ask(&request)?;
        server_time(&answer).ok_or_else(|| {
            let why = io::Error::other("the server does not say what time it is");
            self.connection.failed("lock", "", why)
        })
    }

    /// Looks at the locks of others; those of nobody are removed.
    fn look_for_others(&self) -> Result<(), Refusal> {
        let mine = locked(&self.place).clone();
        let mut now = None;
        for entry in list(&self.connection, "locks")? {
            let place = format!("locks/{}", entry.name);
            if place == mine {
                continue;
            }
            let read = self
                .connection
                .ask(&Request::new("read", Method::GET, &place));
            let answer = match read {
                Ok(answer) => answer,
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            let address = PathBuf::from(self.connection.address(&place));
            let note = seal::open(&self.key.0, &answer.body)
                .ok()
                .and_then(|text| serde_json::from_slice::<Note>(&text).ok());
            let Some(note) = note else {
                let by = "somebody whose lock cannot be read; `restic unlock --remove-all` \
                          removes it when nobody uses the repository";
                return Err(Refusal::Other(address, by.to_owned()));
            };
            let time = match now {
                Some(time) => time,
                None => *now.insert(self.now()?),
            };
            if let Some(why) = note.is_of_nobody(time, &self.me, is_alive) {
                tracing::warn!(lock = %address.display(), by = note.holder(), why, "removed a lock");
                remove(&self.connection, &place)?;
            } else if self.exclusive || note.exclusive {
                return Err(Refusal::Other(address, note.holder()));
            }
        }
        Ok(())
    }
}

impl Note {
    fn holder(&self) -> String {
        format!(
            "process {} of {} on {}, which said so last at {}",
            self.pid, self.username, self.hostname, self.time
        )
    }

    /// Why nobody has this lock any more, if so.
    fn is_of_nobody(
        &self,
        now: Timestamp,
        me: &Me,
        is_alive: impl Fn(u32) -> bool,
    ) -> Option<&'static str> {
        let age = now.duration_since(self.time);
        if Duration::try_from(age).is_ok_and(|age| age > STALE_AFTER) {
            Some("it is older than half an hour")
        } else if self.hostname == me.host && self.pid != me.pid && !is_alive(self.pid) {
            Some("its process is gone from this machine")
        } else {
            None
        }
    }
}

fn is_alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

impl Me {
    fn this_process() -> Self {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
        Self {
            host: name.unwrap_or_default().trim().to_owned(),
            pid: std::process::id(),
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
        }
    }
}

#[cfg(test)]
mod tests;
