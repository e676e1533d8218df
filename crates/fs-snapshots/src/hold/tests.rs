use std::{io, sync::Mutex};

use async_trait::async_trait;

use super::*;
use crate::name::{Owner, SnapshotName};

/// A file system in memory: which snapshots there are, and what goes wrong.
#[derive(Debug)]
struct Memory {
    owner: Owner,
    there: Mutex<Vec<SnapshotId>>,
    ledger: Ledger,
    full: bool,
    busy: bool,
}

impl Memory {
    fn new(ledger: &Ledger) -> Self {
        Self {
            owner: Owner::new("nas"),
            there: Mutex::default(),
            ledger: ledger.clone(),
            full: false,
            busy: false,
        }
    }

    fn failure(operation: &'static str) -> SnapshotError {
        SnapshotError::Io {
            operation,
            path: "/".into(),
            source: io::ErrorKind::StorageFull.into(),
        }
    }

    fn there(&self) -> Vec<SnapshotId> {
        self.there.lock().unwrap().clone()
    }
}

#[async_trait]
impl Snapshotter for Memory {
    fn owner(&self) -> &Owner {
        &self.owner
    }

    async fn survey(&self, paths: &[PathBuf]) -> Vec<Result<Served, NotServed>> {
        paths.iter().map(|path| Ok(served(path, "/mnt"))).collect()
    }

    async fn create(
        &self,
        origin: &Origin,
        name: &SnapshotName,
    ) -> Result<Snapshot, SnapshotError> {
        let snapshot = origin.snapshot(name);
        let owed = self.ledger.owed().await.unwrap();
        assert!(
            owed.contains(&snapshot.id),
            "made before it was written down"
        );
        self.there.lock().unwrap().push(snapshot.id.clone());
        if self.full {
            return Err(Self::failure("make the snapshot"));
        }
        Ok(snapshot)
    }

    async fn remove(&self, snapshot: &SnapshotId) -> Result<(), SnapshotError> {
        if self.busy {
            return Err(Self::failure("remove the snapshot"));
        }
        self.there.lock().unwrap().retain(|it| it != snapshot);
        Ok(())
    }

    async fn leftovers(&self) -> Result<Vec<SnapshotId>, SnapshotError> {
        Ok(self.there())
    }
}

fn served(path: &Path, mount_point: &str) -> Served {
    Served {
        asked: path.to_owned(),
        path: path.to_owned(),
        origin: Origin::Zfs {
            dataset: mount_point.trim_start_matches('/').to_owned(),
            mount_point: mount_point.into(),
        },
    }
}

struct House {
    folder: tempfile::TempDir,
    now: Timestamp,
}

impl House {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            now: Timestamp::UNIX_EPOCH,
        }
    }

    fn ledger(&self) -> Ledger {
        Ledger::new(self.folder.path().join("snapshots.json"))
    }
}

#[tokio::test]
async fn paths_of_one_origin_share_a_snapshot_that_goes_with_its_hold() {
    let house = House::new();
    let memory = Arc::new(Memory::new(&house.ledger()));
    let holder = Holder::new(memory.clone(), house.ledger());
    let wanted = ["/mnt/wiki", "/mnt/photos"].map(|path| served(path.as_ref(), "/mnt"));
    let other = served("/srv".as_ref(), "/srv");
    let all = wanted.iter().chain([&other]).cloned().collect();
    let held = holder.prepare(all, house.now).await.unwrap().take().await;
    assert_eq!(held.snapshots().len(), 2);
    assert!(held.failures().is_empty());
    assert_eq!(
        held.path_of("/mnt/wiki".as_ref()).unwrap(),
        Path::new("/mnt/.zfs/snapshot/backup-window-nas-19700101T000000Z-0/wiki")
    );
    let of_a_root = held.path_of("/srv".as_ref()).unwrap();
    assert!(!of_a_root.as_os_str().to_string_lossy().ends_with('/'));
    assert_eq!(held.path_of("/mnt/else".as_ref()), None, "nobody asked");

    // Another one at the same time has a name of its own.
    let second = holder.prepare(vec![other], house.now).await.unwrap();
    let second = second.take().await;
    assert_eq!(memory.there().len(), 3);
    let removal = held.release().await.unwrap();
    assert_eq!(removal.gone.len(), 2);
    assert_eq!(memory.there().len(), 1);
    second.release().await.unwrap();
    assert_eq!(memory.there(), []);
    assert!(!house.ledger().path().exists());
}

#[tokio::test]
async fn what_a_killed_run_left_is_removed_by_the_next_one() {
    let house = House::new();
    let memory = Arc::new(Memory::new(&house.ledger()));
    let holder = Holder::new(memory.clone(), house.ledger());
    let prepared = holder
        .prepare(vec![served("/srv".as_ref(), "/srv")], house.now)
        .await
        .unwrap();
    // Killed with the snapshot made.
    drop(prepared.take().await);
    // And one that is in no ledger, because the state directory was lost, say.
    let lost = SnapshotId::Zfs {
        snapshot: "srv@lost".to_owned(),
    };
    memory.there.lock().unwrap().push(lost);
    let removal = Holder::new(memory.clone(), house.ledger())
        .recover()
        .await
        .unwrap();
    assert_eq!(removal.gone.len(), 2);
    assert_eq!(memory.there(), []);
    assert_eq!(house.ledger().owed().await.unwrap(), []);
}

#[tokio::test]
async fn a_snapshot_that_failed_is_removed_all_the_same() {
    let house = House::new();
    let mut memory = Memory::new(&house.ledger());
    memory.full = true;
    let memory = Arc::new(memory);
    let holder = Holder::new(memory.clone(), house.ledger());
    let prepared = holder
        .prepare(vec![served("/srv".as_ref(), "/srv")], house.now)
        .await
        .unwrap();
    let held = prepared.take().await;
    assert_eq!(held.failures().len(), 1);
    assert_eq!(held.path_of("/srv".as_ref()), None);
    assert_eq!(memory.there().len(), 1);
    held.release().await.unwrap();
    assert_eq!(memory.there(), []);
}

#[tokio::test]
async fn what_cannot_be_removed_stays_owed() {
    let house = House::new();
    let mut memory = Memory::new(&house.ledger());
    memory.busy = true;
    let holder = Holder::new(Arc::new(memory), house.ledger());
    let prepared = holder
        .prepare(vec![served("/srv".as_ref(), "/srv")], house.now)
        .await
        .unwrap();
    let removal = prepared.take().await.release().await.unwrap();
    assert_eq!(removal.left.len(), 1);
    assert_eq!(house.ledger().owed().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_not_made_is_not_owed() {
    let house = House::new();
    let memory = Arc::new(Memory::new(&house.ledger()));
    let holder = Holder::new(memory.clone(), house.ledger());
    let prepared = holder
        .prepare(vec![served("/srv".as_ref(), "/srv")], house.now)
        .await
        .unwrap();
    prepared.abandon().await.unwrap();
    assert_eq!(memory.there(), []);
    assert!(!house.ledger().path().exists());

    std::fs::write(house.ledger().path(), "damaged").unwrap();
    let refused = holder
        .prepare(vec![served("/srv".as_ref(), "/srv")], house.now)
        .await;
    assert!(refused.is_err(), "nothing is made that is not written down");
}
