//! What a simulated NAS has from the beginning.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use jiff::SignedDuration;

use super::tasks::{SimReplication, SimSnapshotTask};
use super::versions::SimulatedVersion;

/// A simulated NAS.
#[derive(Debug, Clone)]
pub struct SimulatorOptions {
    /// What runs on it.
    pub version: SimulatedVersion,
    /// Its name, which is also in its certificate.
    pub hostname: String,
    /// Where it listens. Port 0 takes a free one.
    pub address: SocketAddr,
    /// Its datasets, such as `tank/docker`; the pools follow from them.
    pub datasets: Vec<String>,
    /// Its periodic snapshot tasks.
    pub snapshot_tasks: Vec<SimSnapshotTask>,
    /// Its replication tasks.
    pub replication_tasks: Vec<SimReplication>,
    /// How far its clock is ahead of this machine's.
    pub clock_ahead: SignedDuration,
    /// Where it believes to be: an IANA name. Its snapshots are named after the local time.
    pub time_zone: String,
    /// How long after each start it says that it is booting.
    pub boots_for: Duration,
    /// Whose key it accepts. Before 25.04 nobody asks.
    pub username: String,
    /// What the owner of the key may do. Before 25.04 a key may do everything.
    pub key_role: KeyRole,
    /// How many logins it takes.
    pub rate_limit: RateLimit,
}

impl SimulatorOptions {
    /// A SCALE 24.10 with nothing on it, at a free port of this machine.
    #[must_use]
    pub fn new(hostname: &str) -> Self {
        Self {
            version: SimulatedVersion::Scale24_10,
            hostname: hostname.to_owned(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            datasets: Vec::new(),
            snapshot_tasks: Vec::new(),
            replication_tasks: Vec::new(),
            clock_ahead: SignedDuration::ZERO,
            time_zone: "UTC".to_owned(),
            boots_for: Duration::ZERO,
            username: "backup".to_owned(),
            key_role: KeyRole::FullAdmin,
            rate_limit: RateLimit::default(),
        }
    }
}

/// What the owner of a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRole {
    /// Everything.
    FullAdmin,
    /// Read, and of the jobs only their own. REST refuses them altogether.
    ReadOnly,
}

/// How many logins a NAS takes from one address by one method, over WebSocket alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many it takes…
    pub calls: u32,
    /// … in such a time, which begins with the first.
    pub period: Duration,
    /// How long it thinks before it refuses one more. The original throws dice between one second
    /// and ten.
    pub pause: Duration,
}

impl Default for RateLimit {
    /// As the original has it.
    fn default() -> Self {
        Self {
            calls: 20,
            period: Duration::from_mins(1),
            pause: Duration::from_secs(1),
        }
    }
}

/// How a pool is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolHealth {
    /// `ONLINE`, `DEGRADED`, `OFFLINE`, …
    pub status: String,
    /// Whether TrueNAS calls it healthy.
    pub healthy: bool,
    /// Whether it has something to say all the same.
    pub warning: bool,
    /// `OK`, or what is wrong in one word of ZFS.
    pub code: String,
    /// What is wrong, in a sentence.
    pub detail: Option<String>,
}

impl PoolHealth {
    /// All is well.
    #[must_use]
    pub fn online() -> Self {
        Self {
            status: "ONLINE".to_owned(),
            healthy: true,
            warning: false,
            code: "OK".to_owned(),
            detail: None,
        }
    }

    /// A disk is missing.
    #[must_use]
    pub fn degraded(detail: &str) -> Self {
        Self {
            status: "DEGRADED".to_owned(),
            healthy: false,
            warning: false,
            code: "FAULTED_DEV_R".to_owned(),
            detail: Some(detail.to_owned()),
        }
    }

    /// Healthy, with a warning.
    #[must_use]
    pub fn warning(detail: &str) -> Self {
        Self {
            warning: true,
            code: "FEAT_DISABLED".to_owned(),
            detail: Some(detail.to_owned()),
            ..Self::online()
        }
    }

    /// Not there: its sizes are unknown.
    #[must_use]
    pub fn offline() -> Self {
        Self {
            status: "OFFLINE".to_owned(),
            healthy: false,
            warning: false,
            code: "UNKNOWN".to_owned(),
            detail: None,
        }
    }
}
