//! Snapshots and their ids.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use rustic_core::Id;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{TAG_LIVE, TAG_SAFETY};

/// The id of a snapshot: the SHA-256 of its encrypted file, as restic names it.
///
/// `Display` gives the first eight hexadecimal digits, as `restic snapshots` does; `{:#}` and
/// serde give all 64. Parsing wants all 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(Id);

/// A text that is no [`SnapshotId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read {text:?} as the id of a snapshot (expected 64 hexadecimal digits)")]
pub struct InvalidSnapshotId {
    text: String,
}

impl SnapshotId {
    pub(crate) fn new(id: Id) -> Self {
        Self(id)
    }

    pub(crate) fn id(self) -> Id {
        self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = self.0.to_hex();
        if formatter.alternate() {
            formatter.pad(hex.as_str())
        } else {
            formatter.pad(&hex.as_str()[..8])
        }
    }
}

impl FromStr for SnapshotId {
    type Err = InvalidSnapshotId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| InvalidSnapshotId {
            text: text.to_owned(),
        })
    }
}

impl Serialize for SnapshotId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.to_hex().as_str())
    }
}

impl<'de> Deserialize<'de> for SnapshotId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// One snapshot in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// When the backup was started, by the clock of the host that made it.
    pub time: Timestamp,
    /// The stack it holds; empty for a snapshot that another tool made without saying so.
    pub stack: String,
    /// The host it was made on.
    pub host: String,
    /// Whether this crate made it, on whichever host: it has the tag `stack=…`. What other tools
    /// made is listed and restored like anything else, but never forgotten.
    pub made_here: bool,
    /// Its tags, sorted, without the tag `stack=…` that carries the stack's name.
    pub tags: Vec<String>,
    /// The places of its sources, each with a leading `/`, sorted.
    pub paths: Vec<String>,
    /// How many files, links and special files it holds, if that was recorded.
    pub files: Option<u64>,
    /// How many bytes those files hold, if that was recorded.
    pub processed_bytes: Option<u64>,
}

impl Snapshot {
    /// Whether it is what a night has saved: neither a copy of a stack at work ([`TAG_LIVE`]) nor
    /// what a restore replaced ([`TAG_SAFETY`]). The newest of these is what is restored unless
    /// another one is named.
    #[must_use]
    pub fn is_of_a_night(&self) -> bool {
        let has = |tag: &str| self.tags.iter().any(|own| own == tag);
        !has(TAG_LIVE) && !has(TAG_SAFETY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "00ff2233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn an_id_is_short_for_people_and_whole_for_machines() {
        let id: SnapshotId = HEX.parse().unwrap();
        assert_eq!(id.to_string(), "00ff2233");
        assert_eq!(format!("{id:#}"), HEX);
        assert_eq!(format!("{id:>10}"), "  00ff2233");
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{HEX}\""));
        assert_eq!(
            serde_json::from_str::<SnapshotId>(&format!("\"{HEX}\"")).unwrap(),
            id
        );
    }

    #[test]
    fn a_part_of_an_id_is_no_id() {
        for text in [
            "",
            "00ff2233",
            &HEX[1..],
            &format!("{HEX}0"),
            &HEX.replace('0', "g"),
        ] {
            assert!(text.parse::<SnapshotId>().is_err(), "{text:?} was accepted");
        }
    }
}
