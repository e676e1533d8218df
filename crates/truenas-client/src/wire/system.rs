use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::WireTime;
use crate::{System, Version};

/// The answer of `system.info`.
#[derive(Debug, Deserialize)]
pub(crate) struct WireSystem {
    version: String,
    hostname: String,
    datetime: WireTime,
    timezone: String,
    #[serde(deserialize_with = "seconds")]
    uptime_seconds: Duration,
}

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let seconds = f64::deserialize(deserializer)?;
    Duration::try_from_secs_f64(seconds).map_err(D::Error::custom)
}

impl WireSystem {
    pub(crate) fn with_boot_id(self, boot_id: Option<String>) -> System {
        System {
            version: Version::parse(&self.version),
            hostname: self.hostname,
            datetime: self.datetime.0,
            time_zone: self.timezone,
            uptime: self.uptime_seconds,
            boot_id,
        }
    }
}
