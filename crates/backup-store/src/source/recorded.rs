//! The tree of a moment that has passed, for the library to archive.

use std::{
    iter::Peekable,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use jiff::Timestamp;
use rustic_core::{ReadSource, RusticResult};

use super::{
    Base, Captured, Entries, Entry, Tree, node_entry, place_of, places,
    reader::Opener,
    record::{Contents, RecordReader, RecordedEntry},
    whole_tree,
};
use crate::{
    SnapshotPath, StoreError,
    account::{Account, locked},
    spool::Spool,
};

/// What was captured, as a source: contents come from the spool, and those that did not change
/// from the snapshot before.
#[derive(Debug)]
pub(crate) struct Recorded {
    captured: Captured,
    spool: Arc<Spool>,
    base: Arc<Base>,
    started_at: Timestamp,
    account: Arc<Account>,
}

impl Recorded {
    pub(crate) fn new(
        captured: Captured,
        spool: Arc<Spool>,
        base: Arc<Base>,
        started_at: Timestamp,
        account: Arc<Account>,
    ) -> Self {
        Self {
            captured,
            spool,
            base,
            started_at,
            account,
        }
    }

    /// The places of the sources, as they are recorded in the snapshot.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        places(&self.captured.ordered)
    }
}

impl ReadSource for Recorded {
    type Open = Opener;
    type Iter = Box<dyn Iterator<Item = RusticResult<Entry>> + Send>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        let reading = match self.captured.record.read() {
            Ok(reader) => Reading {
                entries: Mutex::new(reader.peekable()),
                contents: self.captured.contents.file(),
                spool: Arc::clone(&self.spool),
                base: Arc::clone(&self.base),
                account: Arc::clone(&self.account),
            },
            Err(error) => {
                self.account.fail(self.spool.failed("read from", error));
                return Box::new(std::iter::empty());
            }
        };
        let reading = Arc::new(reading);
        let mut number = 0;
        whole_tree(
            self.captured.ordered.clone(),
            self.started_at,
            Arc::clone(&self.account),
            move |name, tree| {
                let of = (number, name, tree);
                number += 1;
                Reading::entries_of(Arc::clone(&reading), of)
            },
        )
    }
}

/// The record while it is read, source by source.
struct Reading {
    entries: Mutex<Peekable<RecordReader>>,
    contents: Arc<std::fs::File>,
    spool: Arc<Spool>,
    base: Arc<Base>,
    account: Arc<Account>,
}

impl Reading {
    /// The entries of one source; those of the sources before it have been taken.
    fn entries_of(self: Arc<Self>, (number, name, tree): (u32, SnapshotPath, Tree)) -> Entries {
        Box::new(std::iter::from_fn(move || {
            let next = locked(&self.entries).next_if(|entry| match entry {
                Ok(entry) => entry.source == number,
                Err(_) => true,
            })?;
            match next {
                Ok(entry) => Some(self.entry(&name, &tree, entry)),
                Err(error) => {
                    let error: StoreError = self.spool.failed("read from", error);
                    self.account.fail(error);
                    None
                }
            }
        }))
    }

    fn entry(&self, name: &SnapshotPath, tree: &Tree, entry: RecordedEntry) -> Entry {
        let account = || Arc::clone(&self.account);
        let place = place_of(name, entry.beneath());
        let path = match tree {
            Tree::OnDisk { path, .. } => entry.path(path),
            Tree::Archive(_) => place.clone(),
        };
        let beneath = entry.beneath().to_owned();
        let RecordedEntry {
            mut described,
            contents,
            ..
        } = entry;
        self.account.count(described.counts_as());
        let open = match contents {
            Contents::Nothing => None,
            Contents::Unchanged => Some(Opener::unchanged(path, described.clone(), account())),
            Contents::Spooled(extents) => {
                let from = (Arc::clone(&self.contents), extents);
                Some(Opener::spooled(path, described.size, from, account()))
            }
            Contents::InPlace => Some(match tree {
                Tree::OnDisk { .. } => Opener::file(path, &described, account()),
                Tree::Archive(archive) => {
                    let from = (archive.clone(), beneath.clone());
                    Opener::archived(path, described.size, from, account())
                }
            }),
        };
        if self.base.is_racy(described.changed) {
            described.differ();
        }
        node_entry(name, place, &beneath, &described, open)
    }
}
