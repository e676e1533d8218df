//! What a simulated NAS has from the beginning.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use jiff::SignedDuration;

/// The TrueNAS that is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SimulatedVersion {
    /// TrueNAS CORE 13.0-U6.7.
    Core13_0,
    /// TrueNAS SCALE 24.10.1.
    Scale24_10,
}

impl SimulatedVersion {
    /// As `system.info` writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Core13_0 => "TrueNAS-13.0-U6.7",
            Self::Scale24_10 => "TrueNAS-SCALE-24.10.1",
        }
    }
}

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
        }
    }
}

/// A periodic snapshot task.
#[derive(Debug, Clone)]
pub struct SimSnapshotTask {
    /// Its number.
    pub id: i64,
    /// What it takes snapshots of.
    pub dataset: String,
    /// Whether the children of the dataset are included.
    pub recursive: bool,
    /// Whether it runs at all.
    pub enabled: bool,
    /// How often it runs: for the first time so long after the NAS is switched on. `None` if it
    /// runs only when it is told to.
    pub every: Option<Duration>,
    /// How its snapshots are named. Unlike the original's default, ours has seconds, because
    /// nights in the lab are short. A name that exists already is not taken again.
    pub naming_schema: String,
}

impl SimSnapshotTask {
    /// A recursive task that runs only when it is told to.
    #[must_use]
    pub fn new(id: i64, dataset: &str) -> Self {
        Self {
            id,
            dataset: dataset.to_owned(),
            recursive: true,
            enabled: true,
            every: None,
            naming_schema: "auto-%Y-%m-%d_%H-%M-%S".to_owned(),
        }
    }

    /// Runs by itself.
    #[must_use]
    pub fn every(mut self, period: Duration) -> Self {
        self.every = Some(period);
        self
    }
}

/// A replication task with one source dataset.
#[derive(Debug, Clone)]
pub struct SimReplication {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The dataset that it sends.
    pub source: String,
    /// What that becomes on the other NAS.
    pub target_dataset: String,
    /// Whether the children of the source are included.
    pub recursive: bool,
    /// Whether it runs at all.
    pub enabled: bool,
    /// The snapshot tasks after which it runs. Without any, it runs only when it is told to.
    pub snapshot_tasks: Vec<i64>,
    /// How long it waits before it runs, as if for another task.
    pub waits: Duration,
    /// How long it runs.
    pub takes: Duration,
    /// How long it tries to reach the other NAS before it ends in an error.
    pub gives_up_after: Duration,
}

impl SimReplication {
    /// A recursive task that runs when it is told to, for half a second, and gives up after two.
    #[must_use]
    pub fn new(id: i64, name: &str, source: &str, target_dataset: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            source: source.to_owned(),
            target_dataset: target_dataset.to_owned(),
            recursive: true,
            enabled: true,
            snapshot_tasks: Vec::new(),
            waits: Duration::ZERO,
            takes: Duration::from_millis(500),
            gives_up_after: Duration::from_secs(2),
        }
    }

    /// Runs by itself after the snapshot task of this number.
    #[must_use]
    pub fn after(mut self, snapshot_task: i64) -> Self {
        self.snapshot_tasks.push(snapshot_task);
        self
    }

    /// Runs so long.
    #[must_use]
    pub fn takes(mut self, duration: Duration) -> Self {
        self.takes = duration;
        self
    }
}
