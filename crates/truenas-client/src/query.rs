//! Which snapshots are asked for.

use jiff::Timestamp;

use crate::Snapshot;

/// Which snapshots [`TrueNas::snapshots`](crate::TrueNas::snapshots) lists: those for which all of
/// this holds.
///
/// The NAS looks for them, so that one with 200,000 snapshots is asked for a page of them at a
/// time, and never for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotQuery {
    /// They are of this dataset, such as `tank/docker`; not of its children.
    pub dataset: Option<String>,
    /// They are called so: the part after the `@`.
    pub name: Option<String>,
    /// Their names come at or after this text in the order of characters. Names of a schema with
    /// the date in front sort by time, so that this spares the NAS the snapshots of former years;
    /// see [`NamingSchema::names_since`](crate::NamingSchema::names_since).
    pub names_from: Option<String>,
    /// They were created at this time or later, by the NAS's clock.
    pub since: Option<Timestamp>,
}

impl SnapshotQuery {
    /// The snapshots of `dataset`.
    #[must_use]
    pub fn of(dataset: impl Into<String>) -> Self {
        Self {
            dataset: Some(dataset.into()),
            ..Self::default()
        }
    }

    /// The snapshots of this name, of whichever dataset: what a recursive snapshot task took in one
    /// go.
    #[must_use]
    pub fn everywhere(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Only the one of this name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Only those whose names come at or after this one.
    #[must_use]
    pub fn names_from(mut self, name: Option<String>) -> Self {
        self.names_from = name;
        self
    }

    /// Only those created at `since` or later.
    #[must_use]
    pub fn since(mut self, since: Timestamp) -> Self {
        self.since = Some(since);
        self
    }

    /// Whether a snapshot is asked for. Clients apply it to what they are answered, so that a NAS
    /// that reads the question in another way cannot pass one snapshot off as another; those who
    /// stand in for a NAS may answer with it.
    #[must_use]
    pub fn matches(&self, snapshot: &Snapshot) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        is(&self.dataset, &snapshot.dataset)
            && is(&self.name, &snapshot.name)
            && self
                .names_from
                .as_deref()
                .is_none_or(|from| snapshot.name.as_str() >= from)
            && self.since.is_none_or(|since| snapshot.created >= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_asked_for_must_hold() {
        let snapshot = Snapshot {
            dataset: "tank/a".to_owned(),
            name: "auto-2".to_owned(),
            created: Timestamp::from_second(100).unwrap(),
            guid: None,
        };
        let at = |second| Timestamp::from_second(second).unwrap();
        for (query, expected) in [
            (SnapshotQuery::default(), true),
            (SnapshotQuery::of("tank/a"), true),
            (SnapshotQuery::of("tank"), false),
            (SnapshotQuery::everywhere("auto-2"), true),
            (SnapshotQuery::of("tank/a").named("auto-3"), false),
            (SnapshotQuery::of("tank/a").since(at(100)), true),
            (SnapshotQuery::of("tank/a").since(at(101)), false),
            (
                SnapshotQuery::of("tank/a").names_from(Some("auto-2".to_owned())),
                true,
            ),
            (
                SnapshotQuery::of("tank/a").names_from(Some("auto-20".to_owned())),
                false,
            ),
        ] {
            assert_eq!(query.matches(&snapshot), expected, "{query:?}");
        }
    }
}
