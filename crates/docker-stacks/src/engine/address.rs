//! Where an engine listens.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// Where an engine listens, in the notation of `DOCKER_HOST`.
///
/// Only Unix sockets so far: `unix:///var/run/docker.sock`, which is also the default.
///
/// ```
/// use docker_stacks::EngineAddress;
///
/// let address: EngineAddress = "unix:///run/user/1000/docker.sock".parse()?;
/// assert_ne!(address, EngineAddress::default());
/// # Ok::<(), docker_stacks::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EngineAddress {
    socket: String,
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
                socket: socket.to_owned(),
            }),
            _ => Err(AddressError::NotAbsolute {
                address: format!("unix://{}", path.display()),
            }),
        }
    }

    /// The socket's path.
    #[must_use]
    pub fn socket(&self) -> &Path {
        Path::new(&self.socket)
    }

    /// The same, in the type that bollard asks for.
    pub(super) fn socket_str(&self) -> &str {
        &self.socket
    }
}

impl Default for EngineAddress {
    fn default() -> Self {
        Self {
            socket: "/var/run/docker.sock".to_owned(),
        }
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix://{}", self.socket)
    }
}

impl FromStr for EngineAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix://") {
            return Self::unix(path);
        }
        Err(match text.split_once("://") {
            Some((scheme, _)) => AddressError::NotSupportedYet {
                address: text.to_owned(),
                scheme: scheme.to_owned(),
            },
            None => AddressError::NoScheme {
                address: text.to_owned(),
            },
        })
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
    /// An address that Docker knows, and this crate does not.
    #[error(
        "use the engine at '{address}': {scheme}:// is not supported yet, expected unix:// and the path of its socket"
    )]
    NotSupportedYet {
        /// What was given.
        address: String,
        /// The part before `://`.
        scheme: String,
    },
    /// Not a URL.
    #[error(
        "read '{address}' as the address of an engine: expected unix:// and the path of its socket, as in unix:///var/run/docker.sock"
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_read_and_written_back() {
        let address: EngineAddress = "unix:///run/user/1000/docker.sock".parse().unwrap();
        assert_eq!(address.socket(), Path::new("/run/user/1000/docker.sock"));
        assert_eq!(address.to_string(), "unix:///run/user/1000/docker.sock");
        assert_eq!(
            EngineAddress::default().to_string(),
            "unix:///var/run/docker.sock"
        );
        let json = serde_json::to_string(&address).unwrap();
        assert_eq!(json, r#""unix:///run/user/1000/docker.sock""#);
        assert_eq!(
            serde_json::from_str::<EngineAddress>(&json).unwrap(),
            address
        );
    }

    #[test]
    fn everything_else_is_refused_with_what_was_expected() {
        for bad in [
            "tcp://10.0.0.1:2376",
            "ssh://root@host",
            "npipe:////./pipe/docker_engine",
            "",
            "/var/run/docker.sock",
            "unix://docker.sock",
            "unix://",
        ] {
            let error = bad.parse::<EngineAddress>().unwrap_err();
            assert!(error.to_string().contains("expected"), "{error}");
            assert!(error.to_string().contains(bad), "{error}");
        }
        assert!(matches!(
            "tcp://10.0.0.1:2376".parse::<EngineAddress>(),
            Err(AddressError::NotSupportedYet { scheme, .. }) if scheme == "tcp"
        ));
        assert!(serde_json::from_str::<EngineAddress>(r#""docker.sock""#).is_err());
    }
}
