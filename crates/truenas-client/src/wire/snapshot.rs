use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::Snapshot;

/// An entry of `zfs.snapshot.query`.
#[derive(Debug, Deserialize)]
pub(crate) struct WireSnapshot {
    dataset: String,
    snapshot_name: String,
    /// The transaction group: unlike the creation time, it tells snapshots of one second apart.
    #[serde(default, deserialize_with = "lenient_number")]
    createtxg: Option<u64>,
    properties: WireProperties,
}

#[derive(Debug, Deserialize)]
struct WireProperties {
    creation: WireCreation,
    guid: Option<WireProperty>,
}

#[derive(Debug, Deserialize)]
struct WireProperty {
    rawvalue: String,
}

/// The creation time, in seconds since 1970. Its `parsed` form has passed through the NAS's idea
/// of time zones, `rawvalue` is what ZFS says.
#[derive(Debug)]
struct WireCreation(Timestamp);

impl<'de> Deserialize<'de> for WireCreation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let WireProperty { rawvalue } = WireProperty::deserialize(deserializer)?;
        let time = rawvalue
            .parse()
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok());
        time.map(Self)
            .ok_or_else(|| D::Error::custom(format_args!("{rawvalue:?} is no time in seconds")))
    }
}

fn lenient_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_u64().or_else(|| value.as_str()?.parse().ok()))
}

impl WireSnapshot {
    /// What puts snapshots into the order in which they were taken.
    pub(crate) fn age(&self) -> (Timestamp, Option<u64>) {
        (self.properties.creation.0, self.createtxg)
    }
}

impl From<WireSnapshot> for Snapshot {
    fn from(wire: WireSnapshot) -> Self {
        Self {
            dataset: wire.dataset,
            name: wire.snapshot_name,
            created: wire.properties.creation.0,
            guid: wire.properties.guid.map(|guid| guid.rawvalue),
        }
    }
}
