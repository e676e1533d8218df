//! Snapshots and their names.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A snapshot that exists.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Snapshot {
    /// The dataset, such as `tank/docker`.
    pub dataset: String,
    /// Its name after the `@`, such as `auto-2026-11-23_03-15`.
    pub name: String,
    /// When ZFS created it, by the NAS's clock, rounded down to the second. A replica has the
    /// creation time of the original.
    pub created: Timestamp,
    /// ZFS's identity for it, the same on both NAS: of two snapshots with the same name, it tells
    /// whether one is a replica of the other.
    pub guid: Option<String>,
}

impl Snapshot {
    /// Dataset and name together.
    #[must_use]
    pub fn full_name(&self) -> SnapshotName {
        SnapshotName {
            dataset: self.dataset.clone(),
            name: self.name.clone(),
        }
    }
}

/// The full name of a snapshot: `tank/docker@auto-2026-11-23_03-15`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SnapshotName {
    /// The part before the `@`.
    pub dataset: String,
    /// The part after the `@`.
    pub name: String,
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.dataset, self.name)
    }
}

/// A text that is not the full name of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read {text:?} as the name of a snapshot (expected DATASET@NAME)")]
pub struct ParseSnapshotNameError {
    text: String,
}

impl FromStr for SnapshotName {
    type Err = ParseSnapshotNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('@') {
            Some((dataset, name))
                if !dataset.is_empty() && !name.is_empty() && !name.contains(['@', '/']) =>
            {
                Ok(Self {
                    dataset: dataset.to_owned(),
                    name: name.to_owned(),
                })
            }
            _ => Err(ParseSnapshotNameError {
                text: text.to_owned(),
            }),
        }
    }
}

impl Serialize for SnapshotName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SnapshotName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        let name: SnapshotName = "tank/a b@auto-1".parse().unwrap();
        assert_eq!(
            (name.dataset.as_str(), name.name.as_str()),
            ("tank/a b", "auto-1")
        );
        assert_eq!(name.to_string(), "tank/a b@auto-1");
        assert_eq!(
            serde_json::from_str::<SnapshotName>("\"tank/a b@auto-1\"").unwrap(),
            name
        );
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"tank/a b@auto-1\"");
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for text in ["", "tank/a", "@auto-1", "tank/a@", "tank@a@b", "tank@a/b"] {
            assert!(text.parse::<SnapshotName>().is_err(), "{text}");
        }
    }
}
