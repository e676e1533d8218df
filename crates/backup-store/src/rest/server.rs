//! Which server, and how to be let in.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    time::Duration,
};

use secrecy::SecretString;
use url::{Host, Url};

/// A repository on a server that speaks version 2 of restic's [REST protocol][protocol].
///
/// ```
/// use backup_store::RestServer;
///
/// # fn main() -> Result<(), backup_store::InvalidRestServer> {
/// let server = RestServer::new("rest:https://nas.example:8000/docker01/")?
///     .login("docker01", "correct horse".into());
/// assert_eq!(server.to_string(), "https://nas.example:8000/docker01/");
/// # Ok(())
/// # }
/// ```
///
/// [protocol]: https://restic.readthedocs.io/en/stable/REST_backend.html
#[derive(Debug, Clone)]
pub struct RestServer {
    pub(super) url: Url,
    pub(super) login: Option<(String, SecretString)>,
    pub(super) authorities: Option<Vec<u8>>,
    pub(super) patience: Duration,
    pub(super) addresses: Vec<SocketAddr>,
}

/// Why a text is no address of a repository on a REST server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRestServer {
    /// It is no URL, or one of something else.
    #[error("{reason}: expected https://HOST:PORT/PATH/")]
    NoAddress {
        /// What is wrong with it.
        reason: String,
    },
    /// It holds a user or a password.
    #[error(
        "the URL holds a user or a password, which would appear in logs: \
         give the user and a file with the password apart from it"
    )]
    HoldsCredentials,
    /// It is not encrypted, and leads to another machine.
    #[error(
        "http sends the server's password in clear: expected https, \
         or http to this machine itself (127.0.0.1, ::1 or localhost)"
    )]
    NotEncrypted,
}

impl RestServer {
    /// A repository by its URL, with or without restic's `rest:` before it.
    ///
    /// # Errors
    ///
    /// See [`InvalidRestServer`].
    pub fn new(url: &str) -> Result<Self, InvalidRestServer> {
        let no = |reason: &str| InvalidRestServer::NoAddress {
            reason: reason.to_owned(),
        };
        let mut url: Url = url
            .strip_prefix("rest:")
            .unwrap_or(url)
            .parse()
            .map_err(|error| no(&format!("this is no URL ({error})")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidRestServer::HoldsCredentials);
        }
        match url.scheme() {
            "https" => {}
            "http" if is_this_machine(&url) => {}
            "http" => return Err(InvalidRestServer::NotEncrypted),
            _ => return Err(no("this is the address of no REST server")),
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(no("the URL goes on after its path"));
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self {
            url,
            login: None,
            authorities: None,
            patience: Duration::from_secs(30),
            addresses: Vec::new(),
        })
    }

    /// Who is to be let in.
    #[must_use]
    pub fn login(self, user: impl Into<String>, password: SecretString) -> Self {
        Self {
            login: Some((user.into(), password)),
            ..self
        }
    }

    /// Believes the certificates of these authorities (one or more, PEM) and of no other.
    #[must_use]
    pub fn trusting(self, authorities: impl Into<Vec<u8>>) -> Self {
        Self {
            authorities: Some(authorities.into()),
            ..self
        }
    }

    /// How long a request is repeated that fails for a reason that passes: a server that cannot be
    /// reached, that is busy or that breaks off. 30 s unless said.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Looks the host's addresses up now, for a process that is about to give up the right to.
    ///
    /// This blocks.
    ///
    /// # Errors
    ///
    /// What the resolver says.
    pub fn resolved(self) -> io::Result<Self> {
        let host = self.url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.url.port_or_known_default().unwrap_or(443);
        let addresses = (host, port).to_socket_addrs()?.collect();
        Ok(Self { addresses, ..self })
    }
}

impl fmt::Display for RestServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.url.as_str())
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_with_and_without_the_prefix_of_restic() {
        for (written, shown) in [
            ("rest:https://nas:8000/a", "https://nas:8000/a/"),
            ("https://nas/a/", "https://nas/a/"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000/"),
            ("http://[::1]:8000/", "http://[::1]:8000/"),
            ("rest:http://localhost/x", "http://localhost/x/"),
        ] {
            assert_eq!(RestServer::new(written).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_would_tell_secrets_is_refused() {
        for url in ["https://me@nas/", "rest:https://me:hunter2@nas/"] {
            let error = RestServer::new(url).unwrap_err();
            assert_eq!(error, InvalidRestServer::HoldsCredentials);
            assert!(!error.to_string().contains("hunter2"));
        }
        for url in [
            "http://nas:8000/",
            "http://192.0.2.7/",
            "http://127.0.0.1.example/",
        ] {
            let error = RestServer::new(url).unwrap_err();
            assert_eq!(error, InvalidRestServer::NotEncrypted);
        }
        for url in [
            "",
            "/mnt/nas",
            "ftp://nas/",
            "https://nas/?a=b",
            "https://nas/#a",
        ] {
            let error = RestServer::new(url).unwrap_err();
            assert!(
                matches!(error, InvalidRestServer::NoAddress { .. }),
                "{url}"
            );
        }
        let server = RestServer::new("https://nas/").unwrap();
        let server = server.login("me", "hunter2".into());
        assert!(!format!("{server:?} {server}").contains("hunter2"));
    }
}
