//! Evidence: that what a replication task sends is on both NAS.
//!
//! The state of a task is what the sending NAS says of its work; a snapshot that the receiving NAS
//! lists is there. `zfs receive` keeps the GUID and the creation time of a snapshot, so that one
//! which merely has the same name is told apart.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::model::replication::is_within;
use crate::{ReplicationTask, Snapshot, SnapshotQuery, TrueNas, TrueNasError};

/// What was found of one dataset of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DatasetEvidence {
    /// The dataset, on the NAS that sends.
    pub dataset: String,
    /// What was found.
    pub finding: Finding,
}

/// What was found of a dataset on both NAS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Finding {
    /// A snapshot that is new enough is on both.
    OnBoth {
        /// It, on the NAS that sends.
        source: Snapshot,
        /// It, on the NAS that receives.
        target: Snapshot,
        /// How it was recognised there.
        recognised_by: RecognisedBy,
    },
    /// There is one on the NAS that sends. The NAS that receives was not asked.
    Unproven {
        /// It, on the NAS that sends.
        source: Snapshot,
    },
    /// There is one on the NAS that sends, and neither it nor another new one on the other.
    NotOnTarget {
        /// The newest, on the NAS that sends.
        source: Snapshot,
        /// How many new ones there are on the NAS that sends.
        candidates: usize,
        /// Where it was looked for.
        target_dataset: String,
    },
    /// The task excludes the dataset, or does not say where it sends it.
    NoTarget {
        /// The newest, on the NAS that sends.
        source: Snapshot,
    },
    /// There is none that is new enough on the NAS that sends.
    NotOnSource,
}

impl Finding {
    /// Whether the snapshot was seen on both NAS.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        matches!(self, Self::OnBoth { .. })
    }
}

/// How a snapshot on the NAS that receives was recognised as the one that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecognisedBy {
    /// By ZFS's identity for it.
    Guid,
    /// By its name and the time of its creation, where one of the NAS does not tell its GUID.
    NameAndTime,
}

/// What evidence is asked for.
#[derive(Debug, Clone, Copy)]
pub struct EvidenceRequest<'a> {
    /// The task.
    pub task: &'a ReplicationTask,
    /// What a snapshot must not be older than, by the clock of the NAS that sends.
    pub since: Timestamp,
    /// The time zone in which that NAS names snapshots, if it is known; it spares the NAS work.
    pub time_zone: Option<&'a TimeZone>,
}

impl EvidenceRequest<'_> {
    /// Looks for the newest snapshot of each dataset of the task on the NAS that sends, and for the
    /// same on the NAS that receives; without that, nothing is proven.
    ///
    /// If the task is recursive, the children of its datasets are looked at as well: those of which
    /// the NAS that sends has a snapshot of the same name, and which the task does not exclude.
    /// That takes two further questions to each NAS, whatever they have.
    ///
    /// # Errors
    /// See [`TrueNasError`].
    pub async fn collect(
        &self,
        source: &dyn TrueNas,
        target: Option<&dyn TrueNas>,
    ) -> Result<Vec<DatasetEvidence>, TrueNasError> {
        let mut found = Vec::new();
        for dataset in &self.task.source_datasets {
            let candidates = source.snapshots(&self.new_ones_of(dataset)).await?;
            let evidence = self.of_dataset(target, dataset, &candidates).await?;
            let newest = match &evidence.finding {
                Finding::OnBoth { source, .. }
                | Finding::Unproven { source }
                | Finding::NotOnTarget { source, .. } => Some(source.name.clone()),
                Finding::NoTarget { .. } | Finding::NotOnSource => None,
            };
            found.push(evidence);
            if let Some(name) = newest.filter(|_| self.task.recursive) {
                found.extend(self.of_children(source, target, dataset, &name).await?);
            }
        }
        Ok(found)
    }

    fn new_ones_of(&self, dataset: &str) -> SnapshotQuery {
        SnapshotQuery::of(dataset)
            .since(self.since)
            .names_from(self.names_from())
    }

    /// Before all names that the task may send, if all its schemas sort by time.
    fn names_from(&self) -> Option<String> {
        let time_zone = self.time_zone?;
        let schemas = self.task.naming_schemas.iter();
        let from: Option<Vec<String>> = schemas
            .map(|schema| schema.names_since(self.since, time_zone))
            .collect();
        from?.into_iter().min()
    }

    async fn of_dataset(
        &self,
        target: Option<&dyn TrueNas>,
        dataset: &str,
        candidates: &[Snapshot],
    ) -> Result<DatasetEvidence, TrueNasError> {
        let found = |finding| DatasetEvidence {
            dataset: dataset.to_owned(),
            finding,
        };
        let Some(newest) = candidates.last().cloned() else {
            return Ok(found(Finding::NotOnSource));
        };
        let Some(target) = target else {
            return Ok(found(Finding::Unproven { source: newest }));
        };
        let Some(target_dataset) = self.task.target_of(dataset) else {
            return Ok(found(Finding::NoTarget { source: newest }));
        };
        let there = target.snapshots(&self.new_ones_of(&target_dataset)).await?;
        Ok(found(match newest_on_both(candidates, &there) {
            Some(finding) => finding,
            None => Finding::NotOnTarget {
                source: newest,
                candidates: candidates.len(),
                target_dataset,
            },
        }))
    }

    /// The children of `dataset` with a snapshot of this name, which a recursive snapshot task took
    /// in one go.
    async fn of_children(
        &self,
        source: &dyn TrueNas,
        target: Option<&dyn TrueNas>,
        dataset: &str,
        name: &str,
    ) -> Result<Vec<DatasetEvidence>, TrueNasError> {
        let query = SnapshotQuery::everywhere(name).since(self.since);
        let mut here = source.snapshots(&query).await?;
        here.retain(|snapshot| {
            snapshot.dataset != dataset
                && is_within(&snapshot.dataset, dataset)
                && !self.task.excludes(&snapshot.dataset)
                // Listed by itself, and looked at then.
                && !self.task.source_datasets.contains(&snapshot.dataset)
        });
        here.sort_by(|a, b| a.dataset.cmp(&b.dataset));
        let there = match target {
            Some(target) if !here.is_empty() => Some(target.snapshots(&query).await?),
            Some(_) => Some(Vec::new()),
            None => None,
        };
        let children = here.into_iter().map(|snapshot| {
            let finding = match (&there, self.task.target_of(&snapshot.dataset)) {
                (None, _) => Finding::Unproven {
                    source: snapshot.clone(),
                },
                (Some(_), None) => Finding::NoTarget {
                    source: snapshot.clone(),
                },
                (Some(there), Some(target_dataset)) => {
                    let there: Vec<Snapshot> = there
                        .iter()
                        .filter(|copy| copy.dataset == target_dataset)
                        .cloned()
                        .collect();
                    let candidates = std::slice::from_ref(&snapshot);
                    newest_on_both(candidates, &there).unwrap_or(Finding::NotOnTarget {
                        source: snapshot.clone(),
                        candidates: 1,
                        target_dataset,
                    })
                }
            };
            DatasetEvidence {
                dataset: snapshot.dataset,
                finding,
            }
        });
        Ok(children.collect())
    }
}

/// The newest of the source's snapshots that is on the target, too.
fn newest_on_both(candidates: &[Snapshot], there: &[Snapshot]) -> Option<Finding> {
    candidates.iter().rev().find_map(|source| {
        let (target, recognised_by) = there
            .iter()
            .find_map(|copy| recognise(source, copy).map(|how| (copy, how)))?;
        Some(Finding::OnBoth {
            source: source.clone(),
            target: target.clone(),
            recognised_by,
        })
    })
}

/// Whether `copy` is the very snapshot of the source, and how that is known.
fn recognise(source: &Snapshot, copy: &Snapshot) -> Option<RecognisedBy> {
    match (&source.guid, &copy.guid) {
        (Some(here), Some(there)) => (here == there).then_some(RecognisedBy::Guid),
        _ => (source.name == copy.name && source.created == copy.created)
            .then_some(RecognisedBy::NameAndTime),
    }
}

#[cfg(test)]
mod tests;
