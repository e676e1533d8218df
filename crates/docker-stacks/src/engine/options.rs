//! How to speak to an engine.

use std::{path::PathBuf, time::Duration};

/// How to speak to an engine.
///
/// ```
/// use std::time::Duration;
///
/// use docker_stacks::EngineOptions;
///
/// let options = EngineOptions {
///     call_deadline: Duration::from_secs(10),
///     ..EngineOptions::default()
/// };
/// assert_eq!(options.tls, None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineOptions {
    /// How long one call may take, 60 s by default, and how long the way to the engine may; a stop
    /// may take its grace time besides.
    pub call_deadline: Duration,
    /// How to know the engine at a `tcp://` address and be known to it; plain HTTP without. At
    /// other addresses it means nothing.
    pub tls: Option<EngineTls>,
    /// How to log in at an `ssh://` address. At other addresses it means nothing.
    pub ssh: EngineSsh,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            // An engine whose disk is busy (as it is during a backup) takes its time to start a
            // container; docker's own command line waits for ever.
            call_deadline: Duration::from_mins(1),
            tls: None,
            ssh: EngineSsh::default(),
        }
    }
}

/// TLS, as in docker's [`--tlsverify`](https://docs.docker.com/engine/security/protect-access/).
///
/// The files are PEM, and are read for each connection: a certificate that is renewed counts at
/// once.
///
/// ```
/// use docker_stacks::{EngineOptions, EngineTls};
///
/// let options = EngineOptions {
///     tls: Some(EngineTls {
///         ca_file: "/etc/my-backup/ca.pem".into(),
///         client: None,
///     }),
///     ..EngineOptions::default()
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineTls {
    /// The authorities that may have issued the engine's certificate (docker's `ca.pem`). No other
    /// is trusted, those of the system included.
    pub ca_file: PathBuf,
    /// What the engine knows this client by, where it asks for it.
    pub client: Option<ClientCertificate>,
}

/// A client's certificate and its key.
///
/// ```
/// use docker_stacks::ClientCertificate;
///
/// let certificate = ClientCertificate {
///     certificate_file: "/etc/my-backup/cert.pem".into(),
///     key_file: "/etc/my-backup/key.pem".into(),
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, followed by those between it and the authority (docker's `cert.pem`).
    pub certificate_file: PathBuf,
    /// Its private key, not encrypted (docker's `key.pem`).
    pub key_file: PathBuf,
}

/// How `ssh` logs in. Whatever is not said here is as `ssh` itself is configured for this user:
/// `~/.ssh/config`, its keys, an agent.
///
/// The host key is always held against the known hosts: what is not in there is refused. Nothing is
/// ever asked: a key whose passphrase nobody gave to an agent does not serve.
///
/// ```
/// use docker_stacks::{EngineOptions, EngineSsh};
///
/// let options = EngineOptions {
///     ssh: EngineSsh {
///         key_file: Some("/etc/my-backup/id_ed25519".into()),
///         ..EngineSsh::default()
///     },
///     ..EngineOptions::default()
/// };
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineSsh {
    /// The private key, and no other.
    pub key_file: Option<PathBuf>,
    /// The file with the known host keys, and no other.
    pub known_hosts_file: Option<PathBuf>,
}
