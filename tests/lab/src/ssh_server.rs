//! The backup NAS's SSH server: an account that can do nothing but switch it
//! off. A real `sshd` where there is one, a stand-in where there is none.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::ssh_stand_in::StandIn;
use crate::sshd::Sshd;

/// How to start an [`SshServer`].
pub struct SshServerOptions {
    /// Where to listen. Port 0 chooses a free one.
    pub address: SocketAddr,
    /// A directory for its keys and files, which must exist and not lie
    /// beneath `/run`. Keys that are there already are used again, so that a
    /// host that is started again is recognised.
    pub dir: PathBuf,
    /// Called, on a thread of the server's, each time a client asks for the
    /// power-off. It may drop the server.
    pub on_power_off: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for SshServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshServerOptions")
            .field("address", &self.address)
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// Why an SSH server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SshServerError {
    /// A program is not installed.
    #[error("find the program {}", program.display())]
    Missing {
        /// Where it was looked for.
        program: PathBuf,
    },
    /// The account of this process cannot be logged in to.
    #[error("log in with the account of the user {uid}: {reason}")]
    Account {
        /// The user of this process.
        uid: u32,
        /// What is in the way.
        reason: &'static str,
    },
    /// The directory lies where the server cannot see it.
    #[error("use {} for the SSH server: it lies beneath /run, which the server has of its own", dir.display())]
    HiddenDir {
        /// The directory.
        dir: PathBuf,
    },
    /// The server ended instead of listening.
    #[error("start the SSH server: it said: {log}")]
    DidNotStart {
        /// The end of its log.
        log: String,
    },
    /// A file or process could not be made.
    #[error("{doing}")]
    Io {
        /// As in "failed to *write the keys*".
        doing: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

impl SshServerError {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

/// What both kinds of server share with the threads that serve.
pub(crate) struct PowerButton {
    requests: Mutex<Vec<String>>,
    on_power_off: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for PowerButton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PowerButton")
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

impl PowerButton {
    pub(crate) fn new(on_power_off: Box<dyn Fn() + Send + Sync>) -> Arc<Self> {
        Arc::new(Self {
            requests: Mutex::default(),
            on_power_off,
        })
    }

    /// A client ran the forced command, having asked for `command`.
    pub(crate) fn press(&self, command: &str) {
        tracing::info!(command, "the power-off was asked for");
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(command.to_owned());
        (self.on_power_off)();
    }
}

/// A running SSH server. Dropping it cuts all connections, as a power cut
/// would, and returns when nobody listens any more.
#[derive(Debug)]
pub struct SshServer {
    server: Kind,
    kind: String,
    address: SocketAddr,
    host_key_sha256: String,
    client_key_file: PathBuf,
    user: String,
    button: Arc<PowerButton>,
}

#[derive(Debug)]
enum Kind {
    Real { _sshd: Sshd },
    StandIn { _server: StandIn },
}

impl SshServer {
    /// Starts a real `sshd` where the machine has one and this account can be logged in to,
    /// otherwise the stand-in.
    ///
    /// Call it on a thread of the network namespace that it shall serve.
    ///
    /// # Errors
    ///
    /// See [`SshServerError`].
    pub fn start(options: SshServerOptions) -> Result<Self, SshServerError> {
        if Sshd::missing_program().is_none() && Sshd::lets_this_account_in() {
            Self::start_sshd(options)
        } else {
            Self::start_stand_in(options)
        }
    }

    /// Starts a real `sshd`.
    ///
    /// # Errors
    ///
    /// See [`SshServerError`]; [`SshServerError::Missing`] where there is none.
    pub fn start_sshd(options: SshServerOptions) -> Result<Self, SshServerError> {
        let button = PowerButton::new(options.on_power_off);
        let sshd = Sshd::start(options.address, &options.dir, Arc::clone(&button))?;
        Ok(Self {
            kind: sshd.version(),
            address: sshd.address(),
            host_key_sha256: sshd.host_key_sha256().to_owned(),
            client_key_file: sshd.client_key_file().to_owned(),
            user: sshd.user().to_owned(),
            server: Kind::Real { _sshd: sshd },
            button,
        })
    }

    /// Starts the stand-in, even where there is a real one.
    ///
    /// # Errors
    ///
    /// See [`SshServerError`].
    pub fn start_stand_in(options: SshServerOptions) -> Result<Self, SshServerError> {
        let button = PowerButton::new(options.on_power_off);
        let server = StandIn::start(options.address, &options.dir, Arc::clone(&button))?;
        Ok(Self {
            kind: "stand-in".into(),
            address: server.address(),
            host_key_sha256: server.host_key_sha256().to_owned(),
            client_key_file: server.client_key_file().to_owned(),
            user: server.user().to_owned(),
            server: Kind::StandIn { _server: server },
            button,
        })
    }

    /// What serves: `OpenSSH 9.2`, or `stand-in`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Whether it is a real `sshd`.
    #[must_use]
    pub fn is_real(&self) -> bool {
        matches!(self.server, Kind::Real { .. })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port of [`address`](Self::address).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its host key's fingerprint: `SHA256:…`.
    #[must_use]
    pub fn host_key_sha256(&self) -> &str {
        &self.host_key_sha256
    }

    /// The private key that may log in and run the forced command.
    #[must_use]
    pub fn client_key_file(&self) -> &Path {
        &self.client_key_file
    }

    /// The user who may log in: the one that this process runs as.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// What clients asked to run, oldest first; the forced command ran each
    /// time in its place. Empty text stands for a shell.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.button
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The account of this process, which is the only one that an `sshd` of an
/// ordinary user can log in to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) shell: String,
}

impl Account {
    /// Finds the user in the text of `/etc/passwd`, by `passwd(5)`.
    pub(crate) fn find(uid: u32, passwd: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, id, _, _, _, shell] = fields[..] else {
                return None;
            };
            (id.parse() == Ok(uid)).then(|| Self {
                name: name.into(),
                shell: shell.into(),
            })
        })
    }

    /// The account of this process.
    pub(crate) fn current() -> Result<Self, SshServerError> {
        let uid = rustix::process::getuid().as_raw();
        let passwd = std::fs::read_to_string("/etc/passwd")
            .map_err(SshServerError::io("read /etc/passwd"))?;
        Self::find(uid, &passwd).ok_or(SshServerError::Account {
            uid,
            reason: "it has no line in /etc/passwd",
        })
    }
}

#[cfg(test)]
mod tests;
