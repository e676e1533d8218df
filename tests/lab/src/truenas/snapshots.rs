//! The snapshots of a simulated NAS: many, and found quickly all the same.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::query::{Query, Refusal, Row};
use super::world::millis;

/// A snapshot on a simulated NAS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimSnapshot {
    /// The dataset.
    pub dataset: String,
    /// The part after the `@`.
    pub name: String,
    /// When it was created, to the second. A replica has the time of the original.
    pub created: Timestamp,
    /// Its identity, the same on both NAS.
    pub guid: u64,
    pub(super) created_txg: u64,
}

/// All snapshots of a NAS, by their datasets.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    shelves: BTreeMap<String, Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    /// In the order in which they were taken.
    taken: Vec<SimSnapshot>,
    names: HashSet<String>,
}

impl Snapshots {
    pub(super) fn contains(&self, dataset: &str, name: &str) -> bool {
        self.shelves
            .get(dataset)
            .is_some_and(|shelf| shelf.names.contains(name))
    }

    /// Adds one, unless there is one of this name.
    pub(super) fn add(&mut self, snapshot: SimSnapshot) {
        let of_dataset = self.shelves.entry(snapshot.dataset.clone()).or_default();
        if of_dataset.names.insert(snapshot.name.clone()) {
            of_dataset.taken.push(snapshot);
        }
    }

    pub(super) fn remove(&mut self, dataset: &str, name: &str) {
        if let Some(of_dataset) = self.shelves.get_mut(dataset)
            && of_dataset.names.remove(name)
        {
            of_dataset.taken.retain(|snapshot| snapshot.name != name);
        }
    }

    /// Those of one dataset, in the order in which they were taken.
    pub(super) fn of(&self, dataset: &str) -> &[SimSnapshot] {
        self.shelves
            .get(dataset)
            .map_or(&[], |shelf| shelf.taken.as_slice())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SimSnapshot> {
        self.shelves.values().flat_map(|shelf| &shelf.taken)
    }

    /// Answers a query, looking only at the dataset in question if there is one.
    pub(super) fn answer(&self, query: &Query, zone: &TimeZone) -> Result<Value, Refusal> {
        let dataset = query.wants("dataset").or_else(|| {
            let full_name = query.wants("id").or_else(|| query.wants("name"))?;
            Some(
                full_name
                    .split_once('@')
                    .map_or(full_name, |(dataset, _)| dataset),
            )
        });
        let row = |snapshot| SnapshotRow { snapshot, zone };
        match dataset {
            Some(dataset) => query.apply(self.of(dataset).iter().map(row)),
            None => query.apply(self.iter().map(row)),
        }
    }
}

/// A snapshot as the API shows it, once it is known that it has to.
struct SnapshotRow<'a> {
    snapshot: &'a SimSnapshot,
    zone: &'a TimeZone,
}

impl Row for SnapshotRow<'_> {
    fn text(&self, field: &str) -> Option<Cow<'_, str>> {
        let SimSnapshot { dataset, name, .. } = self.snapshot;
        match field {
            "id" | "name" => Some(Cow::Owned(format!("{dataset}@{name}"))),
            "dataset" => Some(Cow::Borrowed(dataset)),
            "snapshot_name" => Some(Cow::Borrowed(name)),
            "pool" => dataset.split('/').next().map(Cow::Borrowed),
            "type" => Some(Cow::Borrowed("SNAPSHOT")),
            "createtxg" => Some(Cow::Owned(self.snapshot.created_txg.to_string())),
            _ => None,
        }
    }

    fn entry(&self) -> Value {
        let SimSnapshot {
            dataset,
            name,
            created,
            guid,
            created_txg,
        } = self.snapshot;
        let full_name = format!("{dataset}@{name}");
        let property = |value: String, parsed: Value| json!({ "value": value, "rawvalue": value, "source": "NONE", "parsed": parsed });
        let mut creation = property(created.as_second().to_string(), millis(*created));
        let local = created.to_zoned_datetime(self.zone.clone());
        creation["value"] = json!(local.strftime("%a %b %e %k:%M %Y").to_string());
        json!({
            "id": full_name,
            "properties": {
                "creation": creation,
                "createtxg": property(created_txg.to_string(), json!(created_txg.to_string())),
                "guid": property(guid.to_string(), json!(guid.to_string())),
                "used": property("0".to_owned(), json!(0)),
            },
            "pool": dataset.split('/').next(),
            "name": full_name,
            "type": "SNAPSHOT",
            "snapshot_name": name,
            "dataset": dataset,
            "createtxg": created_txg.to_string(),
        })
    }
}
