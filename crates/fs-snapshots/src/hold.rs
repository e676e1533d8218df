//! Snapshots for as long as a copy takes, and not longer, whatever happens meanwhile.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::join_all;
use jiff::Timestamp;

use crate::{
    error::{LedgerError, SnapshotError},
    ledger::Ledger,
    model::{NotServed, Origin, Served, Snapshot, SnapshotId},
    snapshotter::Snapshotter,
};

/// Makes snapshots, and sees to it that they go again.
///
/// What is about to be made is written down first ([`Ledger`]), and struck out when it is gone, so
/// that [`recover`](Holder::recover) finds what a process left that was killed.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use fs_snapshots::{Holder, Ledger, Owner, SystemOptions, SystemSnapshotter};
///
/// # async fn example(now: jiff::Timestamp) -> Result<(), Box<dyn std::error::Error>> {
/// let snapshotter = SystemSnapshotter::new(Owner::new("docker01"), SystemOptions::default());
/// let ledger = Ledger::new("/var/lib/my-backup/snapshots.json");
/// let holder = Holder::new(Arc::new(snapshotter), ledger);
/// holder.recover().await?;
///
/// // Before the stop: who is served, and what is owed from now on.
/// let data = ["/srv/wiki".into(), "/srv/photos".into()];
/// let served: Vec<_> = holder.survey(&data).await.into_iter().flatten().collect();
/// let prepared = holder.prepare(served, now).await?;
///
/// // While everything is down: nothing but the snapshots.
/// let held = prepared.take().await;
///
/// // After the start: copy, from the snapshot where there is one.
/// for path in &data {
///     let from = held.path_of(path).unwrap_or_else(|| path.clone());
///     // …
/// }
/// let removal = held.release().await?;
/// assert!(removal.left.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Holder {
    snapshotter: Arc<dyn Snapshotter>,
    ledger: Ledger,
    /// The number in the next name: two snapshots of one second are told apart by it.
    next: Arc<AtomicUsize>,
}

impl Holder {
    /// Snapshots by this snapshotter, written down in this ledger.
    #[must_use]
    pub fn new(snapshotter: Arc<dyn Snapshotter>, ledger: Ledger) -> Self {
        Self {
            snapshotter,
            ledger,
            next: Arc::default(),
        }
    }

    /// What makes the snapshots.
    #[must_use]
    pub fn snapshotter(&self) -> &dyn Snapshotter {
        self.snapshotter.as_ref()
    }

    /// Says of each path what serves it, or why nothing does ([`Snapshotter::survey`]).
    pub async fn survey(&self, paths: &[PathBuf]) -> Vec<Result<Served, NotServed>> {
        self.snapshotter.survey(paths).await
    }

    /// Writes down the snapshots that are to be made for these paths: one for each origin. Makes
    /// none. Once this has returned, either [`Prepared::take`] or [`Prepared::abandon`] is due.
    ///
    /// # Errors
    ///
    /// If they could not be written down for good. Nothing must be made then.
    pub async fn prepare(
        &self,
        served: Vec<Served>,
        at: Timestamp,
    ) -> Result<Prepared, LedgerError> {
        let mut seen = HashSet::new();
        let planned: Vec<_> = served
            .iter()
            .filter(|served| seen.insert(served.origin.clone()))
            .map(|served| {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let name = self.snapshotter.owner().name(at, number);
                let id = served.origin.snapshot(&name).id;
                Planned {
                    origin: served.origin.clone(),
                    name,
                    id,
                }
            })
            .collect();
        self.ledger.add(&ids(&planned)).await?;
        Ok(Prepared {
            holder: self.clone(),
            served,
            planned,
        })
    }

    /// Removes what an earlier process left: what is in the ledger, and all else that has a name of
    /// this owner's. No other process may hold snapshots with this ledger or this owner meanwhile.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read or kept. What cannot be removed is in the answer, and stays in
    /// the ledger.
    pub async fn recover(&self) -> Result<Removal, LedgerError> {
        let mut owed = self.ledger.owed().await?;
        let mut not_listed = None;
        match self.snapshotter.leftovers().await {
            Ok(leftovers) => {
                for leftover in leftovers {
                    if !owed.contains(&leftover) {
                        owed.push(leftover);
                    }
                }
            }
            Err(error) => not_listed = Some(error),
        }
        let mut removal = self.remove(&owed).await?;
        removal.not_listed = not_listed;
        Ok(removal)
    }

    async fn remove(&self, snapshots: &[SnapshotId]) -> Result<Removal, LedgerError> {
        let mut removal = Removal::default();
        for snapshot in snapshots {
            match self.snapshotter.remove(snapshot).await {
                Ok(()) => removal.gone.push(snapshot.clone()),
                Err(error) => removal.left.push((snapshot.clone(), error)),
            }
        }
        self.ledger.strike(&removal.gone).await?;
        Ok(removal)
    }
}

#[derive(Debug)]
struct Planned {
    origin: Origin,
    name: crate::SnapshotName,
    id: SnapshotId,
}

fn ids(planned: &[Planned]) -> Vec<SnapshotId> {
    planned.iter().map(|planned| planned.id.clone()).collect()
}

/// Snapshots that are written down and not made yet. [`Holder`] shows the way.
#[derive(Debug)]
#[must_use = "what is written down is to be made, or struck out again"]
pub struct Prepared {
    holder: Holder,
    served: Vec<Served>,
    planned: Vec<Planned>,
}

impl Prepared {
    /// Makes the snapshots, all at once. This is what containers must be down for, and nothing else.
    pub async fn take(self) -> Held {
        let snapshotter = &self.holder.snapshotter;
        let creations = self
            .planned
            .iter()
            .map(|planned| snapshotter.create(&planned.origin, &planned.name));
        let ends = join_all(creations).await;
        let mut held = Held {
            owed: ids(&self.planned),
            holder: self.holder,
            served: self.served,
            snapshots: Vec::new(),
            failures: Vec::new(),
        };
        for (planned, end) in self.planned.into_iter().zip(ends) {
            match end {
                Ok(snapshot) => held.snapshots.push(snapshot),
                Err(error) => held.failures.push((planned.origin, error)),
            }
        }
        held
    }

    /// Makes nothing, and strikes out what was written down.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be kept: the next [`Holder::recover`] looks for what was never made.
    pub async fn abandon(self) -> Result<(), LedgerError> {
        self.holder.ledger.strike(&ids(&self.planned)).await
    }
}

/// Snapshots that are there. [`Holder`] shows the way.
///
/// One that is dropped without [`release`](Held::release) leaves its snapshots to
/// [`Holder::recover`].
#[derive(Debug)]
#[must_use = "snapshots that are not released fill the disk"]
pub struct Held {
    holder: Holder,
    served: Vec<Served>,
    snapshots: Vec<Snapshot>,
    failures: Vec<(Origin, SnapshotError)>,
    owed: Vec<SnapshotId>,
}

impl Held {
    /// Where a path that was asked about is read; nothing if there is no snapshot with it, and it
    /// has to be copied where it is.
    #[must_use]
    pub fn path_of(&self, asked: &Path) -> Option<PathBuf> {
        let served = self.served.iter().find(|served| served.asked == asked)?;
        let snapshot = self
            .snapshots
            .iter()
            .find(|snapshot| snapshot.origin == served.origin)?;
        snapshot.path_of(&served.path)
    }

    /// The snapshots that were made.
    #[must_use]
    pub fn snapshots(&self) -> &[Snapshot] {
        &self.snapshots
    }

    /// Of what no snapshot could be made, and why.
    #[must_use]
    pub fn failures(&self) -> &[(Origin, SnapshotError)] {
        &self.failures
    }

    /// Removes the snapshots. Nothing may be read from them any more.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be kept. What could not be removed is in the answer, and stays in the
    /// ledger.
    pub async fn release(self) -> Result<Removal, LedgerError> {
        // Also what failed: a program that was killed may have made its snapshot before.
        self.holder.remove(&self.owed).await
    }
}

/// What came of removing snapshots.
///
/// ```no_run
/// # async fn example(holder: &fs_snapshots::Holder) -> Result<(), fs_snapshots::LedgerError> {
/// for (snapshot, error) in holder.recover().await?.left {
///     eprintln!("the snapshot {snapshot} is still there: failed to {error}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct Removal {
    /// What is gone, or was not there.
    pub gone: Vec<SnapshotId>,
    /// What is still there, or may be, and why.
    pub left: Vec<(SnapshotId, SnapshotError)>,
    /// Why it is not known whether there are more; only after [`Holder::recover`].
    pub not_listed: Option<SnapshotError>,
}

#[cfg(test)]
mod tests;
