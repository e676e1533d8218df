//! The SSH server of a host, as one of its services.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use async_trait::async_trait;

use super::{PowerSwitch, Running, Service, ServiceError};
use crate::ssh_server::{SshServer, SshServerError, SshServerOptions};

/// An [`SshServer`] that runs while the host is up, and whose account turns the host off.
///
/// Its keys are made beforehand, so that a client can be configured while the host is asleep.
#[derive(Debug)]
pub struct SshService {
    dir: PathBuf,
    port: u16,
    access: SshAccess,
}

/// What a client of an [`SshService`] needs to know.
#[derive(Debug, Clone)]
pub struct SshAccess {
    /// What serves: `OpenSSH 9.2`, or `stand-in`.
    pub kind: String,
    /// The account that may switch the host off.
    pub user: String,
    /// That account's private key.
    pub client_key_file: PathBuf,
    /// The fingerprint of the server's key, `SHA256:…`.
    pub host_key_sha256: String,
}

impl SshService {
    /// A server with its keys in this directory, which must exist, on this port (0 for a free
    /// one).
    ///
    /// # Errors
    ///
    /// When a server cannot be started: one is, for a moment, on the loopback interface, to make
    /// the keys.
    pub fn new(dir: PathBuf, port: u16) -> Result<Self, SshServerError> {
        let server = SshServer::start(SshServerOptions {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            dir: dir.clone(),
            on_power_off: Box::new(|| ()),
        })?;
        let access = SshAccess {
            kind: server.kind().to_owned(),
            user: server.user().to_owned(),
            client_key_file: server.client_key_file().to_owned(),
            host_key_sha256: server.host_key_sha256().to_owned(),
        };
        Ok(Self { dir, port, access })
    }

    /// What a client needs to know, beside the address.
    #[must_use]
    pub fn access(&self) -> &SshAccess {
        &self.access
    }
}

#[async_trait]
impl Service for SshService {
    fn name(&self) -> &'static str {
        "ssh"
    }

    fn port(&self) -> u16 {
        self.port
    }

    async fn start(
        &mut self,
        address: SocketAddr,
        power: PowerSwitch,
    ) -> Result<Box<dyn Running>, ServiceError> {
        let server = SshServer::start(SshServerOptions {
            address,
            dir: self.dir.clone(),
            on_power_off: Box::new(move || power.off()),
        })?;
        Ok(Box::new(RunningSsh { _server: server }))
    }
}

struct RunningSsh {
    _server: SshServer,
}

#[async_trait]
impl Running for RunningSsh {
    async fn stop(self: Box<Self>) {
        // Dropped: that ends its processes and waits for their end.
    }
}
