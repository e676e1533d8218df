//! A simulated TrueNAS: REST v2.0 and JSON-RPC 2.0 over TLS, in five versions, with tasks that go
//! on by themselves and faults on demand.
//!
//! TrueNAS cannot be run here, so this is the one part of the lab that only behaves like the real
//! one. It does so in what a client can see: the shape of the answers, the oddities of filters and
//! errors, the states that a replication goes through and the times at which they change. It has
//! no disks: a snapshot is a name, a time and a GUID.
//!
//! ```no_run
//! use std::time::Duration;
//! use lab::truenas::{SimReplication, SimSnapshotTask, SimulatedVersion, Simulator, SimulatorOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let backup = Simulator::start(SimulatorOptions {
//!     version: SimulatedVersion::Core13_0,
//!     datasets: vec!["dozer/docker".to_owned()],
//!     ..SimulatorOptions::new("backup")
//! }).await?;
//! let primary = Simulator::start(SimulatorOptions {
//!     datasets: vec!["tank/docker".to_owned()],
//!     snapshot_tasks: vec![SimSnapshotTask::new(1, "tank/docker").every(Duration::from_secs(2))],
//!     replication_tasks: vec![SimReplication::new(1, "docker to backup", "tank/docker", "dozer/docker").after(1)],
//!     ..SimulatorOptions::new("primary")
//! }).await?;
//! primary.control().replicate_to(backup.control());
//! # Ok(())
//! # }
//! ```

mod clock;
mod control;
mod events;
mod fault;
mod http;
mod jsonrpc;
mod keys;
mod options;
mod query;
mod records;
mod refusal;
mod replication;
mod resource;
mod service;
mod snapshots;
mod tasks;
mod versions;
mod world;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

use crate::tls;

use control::Listening;

pub use control::Control;
pub use keys::KeyState;
pub use options::{KeyRole, PoolHealth, RateLimit, SimulatorOptions};
pub use records::{CallSeen, ConnectionSeen, KeySeen, RequestSeen};
pub use service::TrueNasService;
pub use snapshots::SimSnapshot;
pub use tasks::{SimReplication, SimSchedule, SimSnapshotTask};
pub use versions::SimulatedVersion;
pub use world::ShutdownSeen;

/// How often the tasks go on when nobody asks.
const TICK: Duration = Duration::from_millis(50);

/// Why there is no simulated NAS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulatorError {
    /// Its port cannot be had.
    #[error("listen at {address} as a simulated TrueNAS")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// Its certificate cannot be made.
    #[error("make the certificate of a simulated TrueNAS")]
    Certificate {
        /// Why not.
        source: io::Error,
    },
    /// Its time zone cannot be had.
    #[error("put a simulated TrueNAS into the time zone {name:?}")]
    TimeZone {
        /// The name.
        name: String,
        /// Why not.
        source: jiff::Error,
    },
}

/// A simulated TrueNAS that is switched on. Dropping it switches it off.
#[derive(Debug)]
pub struct Simulator {
    control: Control,
    address: SocketAddr,
    server: JoinHandle<()>,
    ticker: JoinHandle<()>,
    plain: Option<JoinHandle<()>>,
}

impl Simulator {
    /// Makes a NAS and switches it on. It runs on the current runtime, and listens in the network
    /// namespace of the thread that calls this.
    ///
    /// # Errors
    /// If its certificate cannot be made or its address cannot be had.
    pub async fn start(options: SimulatorOptions) -> Result<Self, SimulatorError> {
        let address = options.address;
        Self::boot(Control::new(options)?, address).await
    }

    /// Switches a NAS on (again): with what is on its disks, its certificate and its key, but
    /// without its jobs, and with every task as it last ended.
    ///
    /// # Errors
    /// If its address cannot be had.
    pub async fn boot(control: Control, address: SocketAddr) -> Result<Self, SimulatorError> {
        let (listener, address) = listen(address).await?;
        control.switched_on();
        let server = tokio::spawn(serve(control.clone(), listener, address, true));
        let ticker = tokio::spawn({
            let control = control.clone();
            async move {
                let mut ticks = tokio::time::interval(TICK);
                loop {
                    ticks.tick().await;
                    control.go_on();
                }
            }
        });
        Ok(Self {
            control,
            address,
            server,
            ticker,
            plain: None,
        })
    }

    /// Listens without encryption, too, at a port of its own, and returns its address. What is
    /// sent there can be read by everybody: a key that comes there to a login is worth nothing any
    /// more.
    ///
    /// # Errors
    /// If no port can be had.
    pub async fn plain_http(&mut self) -> Result<SocketAddr, SimulatorError> {
        let address = SocketAddr::new(self.address.ip(), 0);
        let (listener, address) = listen(address).await?;
        let server = serve(self.control.clone(), listener, address, false);
        if let Some(before) = self.plain.replace(tokio::spawn(server)) {
            before.abort();
        }
        Ok(address)
    }

    /// Where it is: `https://IP:PORT`.
    #[must_use]
    #[expect(
        clippy::missing_panics_doc,
        reason = "the address of a socket is a URL"
    )]
    pub fn url(&self) -> Url {
        Url::parse(&format!("https://{}", self.address))
            .expect("an IP address and a port make a URL")
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A key that it accepts.
    #[must_use]
    pub fn api_key(&self) -> String {
        self.control.api_key()
    }

    /// Whose key that is: JSON-RPC wants to know.
    #[must_use]
    pub fn username(&self) -> String {
        self.control.username()
    }

    /// The fingerprint of its certificate, as its web page would show it.
    #[must_use]
    pub fn certificate_sha256(&self) -> String {
        self.control.certificate_sha256()
    }

    /// Its certificate, which is its own authority.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.control.identity().pem
    }

    /// What makes it do things, and tells what was done to it.
    #[must_use]
    pub fn control(&self) -> Control {
        self.control.clone()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.server.abort();
        self.ticker.abort();
        if let Some(plain) = &self.plain {
            plain.abort();
        }
        self.control.switched_off();
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), SimulatorError> {
    let bound: io::Result<_> = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    }
    .await;
    bound.map_err(|source| SimulatorError::Bind { address, source })
}

/// Serves as long as the NAS is on, and is away while it is.
async fn serve(control: Control, listener: TcpListener, address: SocketAddr, secure: bool) {
    let mut listener = Some(listener);
    loop {
        // Seen from here on, so that no cut is missed.
        let mut cuts = control.cuts();
        match control.listening() {
            Listening::No => return,
            Listening::NotFor(time) => {
                drop(listener.take());
                tokio::select! {
                    () = tokio::time::sleep(time) => {}
                    _ = cuts.changed() => {}
                }
                control.end_outages();
            }
            Listening::Yes => {
                let here = match listener.take() {
                    Some(here) => here,
                    None => match TcpListener::bind(address).await {
                        Ok(here) => here,
                        Err(error) => {
                            tracing::debug!(%error, "the port is taken");
                            tokio::time::sleep(TICK).await;
                            continue;
                        }
                    },
                };
                let encrypted = secure && control.speaks_tls();
                let identity = encrypted.then(|| control.identity());
                let service = TowerToHyperService::new(http::router(control.clone(), encrypted));
                tokio::select! {
                    // First, so that no connection is taken that is then cut with the old ones.
                    biased;
                    _ = cuts.changed() => {}
                    () = tls::serve(&here, identity, service) => {}
                }
                listener = Some(here);
            }
        }
    }
}
