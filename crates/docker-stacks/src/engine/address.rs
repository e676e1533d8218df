//! Where an engine listens.

mod parse;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// Where an engine listens, in the notation of
/// [`DOCKER_HOST`](https://docs.docker.com/reference/cli/docker/#host).
///
/// - `unix:///var/run/docker.sock`: a socket of this machine; the default.
/// - `tcp://HOST[:PORT]`: a port; without one it is 2375, or 2376 with TLS, as docker has it. **Who
///   reaches such a port without TLS is root on its machine**, so it must be no port of a network
///   that others are in; what speaks so with good reason is a socket proxy in a network of its own.
/// - `ssh://[USER@]HOST[:PORT][/SOCKET]`: the `docker` command of another machine, which connects
///   to the engine that is that user's, or to the socket of the given path.
///
/// ```
/// use docker_stacks::{AddressKind, EngineAddress};
///
/// let address: EngineAddress = "ssh://backup@docker.lan:2222".parse()?;
/// assert_eq!(address.kind(), AddressKind::Ssh);
/// assert_eq!(address.to_string(), "ssh://backup@docker.lan:2222");
/// # Ok::<(), docker_stacks::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EngineAddress {
    place: Place,
}

/// The parts of an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// The absolute path of a socket, in UTF-8.
    Unix { socket: String },
    /// A host name or address, an IPv6 address without its brackets.
    Tcp { host: String, port: Option<u16> },
    /// What `ssh` is told. No part of it begins with a hyphen, which `ssh` would take for an option.
    Ssh {
        user: Option<String>,
        host: String,
        port: Option<u16>,
        socket: Option<String>,
    },
}

/// By which way an engine is reached.
///
/// ```
/// use docker_stacks::{AddressKind, EngineAddress};
///
/// assert_eq!(EngineAddress::default().kind(), AddressKind::Unix);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressKind {
    /// `unix://`: a socket of this machine. What answers there may still be elsewhere.
    Unix,
    /// `tcp://`.
    Tcp,
    /// `ssh://`.
    Ssh,
}

impl EngineAddress {
    /// The socket at `path`.
    ///
    /// # Errors
    ///
    /// If the path is not absolute, or not UTF-8 (which a URL cannot carry).
    pub fn unix(path: impl Into<PathBuf>) -> Result<Self, AddressError> {
        let path: PathBuf = path.into();
        match path.to_str() {
            Some(socket) if path.is_absolute() => Ok(Self {
                place: Place::Unix {
                    socket: socket.to_owned(),
                },
            }),
            _ => Err(AddressError::NotAbsolute {
                address: format!("unix://{}", path.display()),
            }),
        }
    }

    /// By which way the engine is reached.
    #[must_use]
    pub fn kind(&self) -> AddressKind {
        match self.place {
            Place::Unix { .. } => AddressKind::Unix,
            Place::Tcp { .. } => AddressKind::Tcp,
            Place::Ssh { .. } => AddressKind::Ssh,
        }
    }

    /// The host of a `tcp://` address.
    pub(crate) fn tcp_host(&self) -> Option<&str> {
        match &self.place {
            Place::Tcp { host, .. } => Some(host),
            Place::Unix { .. } | Place::Ssh { .. } => None,
        }
    }

    /// The path of the socket, if it is one of this machine.
    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        match &self.place {
            Place::Unix { socket } => Some(Path::new(socket)),
            Place::Tcp { .. } | Place::Ssh { .. } => None,
        }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

impl Default for EngineAddress {
    fn default() -> Self {
        Self {
            place: Place::Unix {
                socket: "/var/run/docker.sock".to_owned(),
            },
        }
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Unix { socket } => write!(f, "unix://{socket}"),
            Place::Tcp { host, port } => {
                f.write_str("tcp://")?;
                write_host(f, host, *port)
            }
            Place::Ssh {
                user,
                host,
                port,
                socket,
            } => {
                f.write_str("ssh://")?;
                if let Some(user) = user {
                    write!(f, "{user}@")?;
                }
                write_host(f, host, *port)?;
                f.write_str(socket.as_deref().unwrap_or_default())
            }
        }
    }
}

fn write_host(f: &mut fmt::Formatter<'_>, host: &str, port: Option<u16>) -> fmt::Result {
    if host.contains(':') {
        write!(f, "[{host}]")?;
    } else {
        f.write_str(host)?;
    }
    port.map_or(Ok(()), |port| write!(f, ":{port}"))
}

impl FromStr for EngineAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once("://") {
            Some(("unix", path)) => Self::unix(path),
            Some(("tcp", rest)) => parse::tcp(text, rest).map(|place| Self { place }),
            Some(("ssh", rest)) => parse::ssh(text, rest).map(|place| Self { place }),
            Some((scheme, _)) => Err(AddressError::NotSupported {
                address: text.to_owned(),
                scheme: scheme.to_owned(),
            }),
            None => Err(AddressError::NoScheme {
                address: text.to_owned(),
            }),
        }
    }
}

impl TryFrom<String> for EngineAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EngineAddress> for String {
    fn from(address: EngineAddress) -> Self {
        address.to_string()
    }
}

/// Why a text is not an engine's address.
///
/// ```
/// use docker_stacks::{AddressError, EngineAddress};
///
/// let error = "docker.sock".parse::<EngineAddress>().unwrap_err();
/// assert!(matches!(error, AddressError::NoScheme { .. }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// A way that does not lead to an engine from here.
    #[error(
        "use the engine at '{address}': {scheme}:// is not supported, expected unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST"
    )]
    NotSupported {
        /// What was given.
        address: String,
        /// The part before `://`.
        scheme: String,
    },
    /// Not a URL.
    #[error(
        "read '{address}' as the address of an engine: expected unix:// and the path of its socket, as in unix:///var/run/docker.sock, or tcp://HOST:PORT or ssh://USER@HOST"
    )]
    NoScheme {
        /// What was given.
        address: String,
    },
    /// A path that depends on where the program was started.
    #[error(
        "read '{address}' as the address of an engine: expected an absolute path in UTF-8, as in unix:///var/run/docker.sock"
    )]
    NotAbsolute {
        /// What was given.
        address: String,
    },
    /// A host, a port or a user that cannot be one.
    #[error("read '{address}' as the address of an engine: {problem}")]
    BadPart {
        /// What was given.
        address: String,
        /// What is wrong, and what was expected.
        problem: String,
    },
    /// A password, which is not repeated here.
    #[error(
        "use a password that is written in an ssh:// address: expected ssh://USER@HOST, and a key that ssh uses by itself; remove the password, and change it where it was written down"
    )]
    HasPassword,
}

#[cfg(test)]
mod tests;
