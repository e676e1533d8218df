//! Pools, and the scans that must not be cut short.

use jiff::Timestamp;
use serde::Serialize;

/// A ZFS pool.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// ZFS's word for its state: `ONLINE`, `DEGRADED`, `FAULTED`, `OFFLINE`, …
    pub status: String,
    /// Whether TrueNAS calls it healthy. It may at the same time have a `warning`.
    pub healthy: bool,
    /// Whether TrueNAS warns about it.
    pub warning: bool,
    /// What is wrong, in ZFS's words.
    pub status_detail: Option<String>,
    /// The scrub or resilver that runs, or the last one; `None` if there has been none.
    pub scan: Option<Scan>,
}

impl Pool {
    /// A healthy pool that has never been scrubbed. For those who stand in for a NAS.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: "ONLINE".to_owned(),
            healthy: true,
            warning: false,
            status_detail: None,
            scan: None,
        }
    }

    /// Whether a scrub or resilver is under way, also if it is paused; `None` if the pool says
    /// something that is not known here, which should count as yes where it matters.
    #[must_use]
    pub fn is_scanning(&self) -> Option<bool> {
        match self.scan.as_ref().map(|scan| &scan.state) {
            None | Some(ScanState::Finished | ScanState::Canceled) => Some(false),
            Some(ScanState::Scanning) => Some(true),
            Some(ScanState::Other(_)) => None,
        }
    }
}

/// A scrub or resilver.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Scan {
    /// Which of the two.
    pub function: ScanFunction,
    /// How far it is.
    pub state: ScanState,
    /// How much of it is done, 0 to 100.
    pub percentage: Option<f64>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Since when it is paused.
    pub paused_since: Option<Timestamp>,
    /// How many errors it found.
    pub errors: Option<u64>,
}

impl Scan {
    /// A scan of which nothing more is known. For those who stand in for a NAS.
    #[must_use]
    pub fn new(function: ScanFunction, state: ScanState) -> Self {
        Self {
            function,
            state,
            percentage: None,
            started: None,
            ended: None,
            paused_since: None,
            errors: None,
        }
    }
}

/// What a [`Scan`] does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScanFunction {
    /// Reads everything and checks it.
    Scrub,
    /// Fills a new disk.
    Resilver,
    /// A word that is not known here.
    Other(String),
}

/// How far a [`Scan`] is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ScanState {
    /// Under way, or paused.
    Scanning,
    /// Done.
    Finished,
    /// Ended by someone.
    Canceled,
    /// A word that is not known here.
    Other(String),
}
