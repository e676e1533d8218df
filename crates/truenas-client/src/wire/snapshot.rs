use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::paging::{Pages, Turn};
use crate::{Snapshot, SnapshotQuery};

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

/// A snapshot as it was listed, and what puts it into the order in which they were taken.
#[derive(Debug)]
pub(crate) struct ListedSnapshot {
    snapshot: Snapshot,
    created_txg: Option<u64>,
}

impl WireSnapshot {
    /// Takes a page of the answer to `query`.
    pub(crate) fn turn(
        pages: &mut Pages<ListedSnapshot>,
        entries: Vec<Self>,
        query: &SnapshotQuery,
    ) -> Turn {
        let entries = entries.into_iter().map(ListedSnapshot::from).collect();
        pages.take(
            entries,
            |listed| &listed.snapshot,
            |listed| query.matches(&listed.snapshot),
        )
    }

    /// What was wanted, the oldest first.
    pub(crate) fn in_order(pages: Pages<ListedSnapshot>) -> Vec<Snapshot> {
        let mut listed = pages.into_kept();
        listed.sort_by_key(|listed| (listed.snapshot.created, listed.created_txg));
        listed.into_iter().map(|listed| listed.snapshot).collect()
    }
}

impl From<WireSnapshot> for ListedSnapshot {
    fn from(wire: WireSnapshot) -> Self {
        Self {
            created_txg: wire.createtxg,
            snapshot: Snapshot {
                dataset: wire.dataset,
                name: wire.snapshot_name,
                created: wire.properties.creation.0,
                guid: wire.properties.guid.map(|guid| guid.rawvalue),
            },
        }
    }
}

impl From<WireSnapshot> for Snapshot {
    fn from(wire: WireSnapshot) -> Self {
        ListedSnapshot::from(wire).snapshot
    }
}
