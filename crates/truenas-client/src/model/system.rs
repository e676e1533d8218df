//! The NAS itself.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use crate::Version;

/// What a NAS says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct System {
    /// Its version.
    pub version: Version,
    /// Its name.
    pub hostname: String,
    /// What its clock showed when it answered. Every other time that it reports is by this clock.
    pub datetime: Timestamp,
    /// The IANA name of the time zone in which it names snapshots and runs schedules.
    pub time_zone: String,
    /// How long it has been up.
    #[serde(rename = "uptime_seconds", serialize_with = "seconds")]
    pub uptime: Duration,
    /// Differs from one boot to the next, where the version has it.
    pub boot_id: Option<String>,
}

/// Whether a NAS has started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SystemState {
    /// It is starting.
    Booting,
    /// It has started: its pools are there, and its tasks run.
    Ready,
    /// It is going down.
    ShuttingDown,
    /// A word that is not known here.
    Other(String),
}

impl SystemState {
    pub(crate) fn parse(word: String) -> Self {
        match word.as_str() {
            "BOOTING" => Self::Booting,
            "READY" => Self::Ready,
            "SHUTTING_DOWN" => Self::ShuttingDown,
            _ => Self::Other(word),
        }
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

impl System {
    /// A NAS of this version whose clock shows `datetime`, in UTC and just started. For those who
    /// stand in for a NAS.
    #[must_use]
    pub fn new(version: Version, hostname: impl Into<String>, datetime: Timestamp) -> Self {
        Self {
            version,
            hostname: hostname.into(),
            datetime,
            time_zone: "UTC".to_owned(),
            uptime: Duration::ZERO,
            boot_id: None,
        }
    }
}
