//! Where the copies of containers find what the originals mount: in volumes that are thrown away.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use backup_store::{
    CompareRequest, RestoreRequest, Snapshot, SnapshotPath, Store, StoreError, StoreErrorKind,
};
use docker_stacks::{
    Blueprint, EngineError, Mark, Mount, MountKind, ThrowAwayMount, Volume, Workbench,
};

use super::verdict::Findings;
use crate::sentence;

/// What many containers mount only to know the time, and can do without.
const CLOCKS: [&str; 3] = ["/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo"];

/// How many differences are named of one place.
const NAMED_DIFFERENCES: usize = 5;

/// Why the volumes could not be filled.
#[derive(Debug)]
pub(super) enum Failure {
    Engine(EngineError),
    Store(StoreError),
    Disk(PathBuf, io::Error),
}

impl Failure {
    /// As a finding: damage is a verdict on the data, anything else leaves it open.
    pub(super) fn note(self, findings: &mut Findings) {
        match self {
            Self::Store(error) => match error.kind() {
                // A name that leads out of a folder is refused before anything is written.
                StoreErrorKind::Damaged | StoreErrorKind::Refused => {
                    findings.unreadable = Some(sentence::failed_to(&error));
                }
                _ => findings.untried = Some(sentence::failed_to(&error)),
            },
            Self::Engine(error) => findings.untried = Some(sentence::failed_to(&error)),
            Self::Disk(path, error) => {
                findings.untried = Some(format!("{}: {error}", path.display()));
            }
        }
    }
}

/// What was put where.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// What is mounted in the place of a source, by the source's place in the snapshot.
    filled: BTreeMap<SnapshotPath, ThrowAwayMount>,
    /// Volumes without data, by the name or path of what they stand for.
    empty: BTreeMap<String, String>,
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// How many entries were held against what was recorded, and are the same.
    pub(super) compared: u64,
}

/// The places in a snapshot that hold data: its sources, and beneath them what containers mount of
/// them.
pub(super) fn wanted(snapshot: &Snapshot, blueprints: &[Blueprint]) -> BTreeSet<SnapshotPath> {
    let sources = snapshot
        .paths
        .iter()
        .map(|path| path.trim_start_matches('/'));
    let is_data = |path: &&str| path.starts_with("volumes/") || path.starts_with("binds/");
    let mut places: BTreeSet<SnapshotPath> = sources
        .filter(is_data)
        .filter_map(|path| SnapshotPath::new(path).ok())
        .collect();
    let mounts = blueprints
        .iter()
        .flat_map(|blueprint| &blueprint.container().mounts);
    let within: Vec<SnapshotPath> = mounts
        .filter_map(place_of)
        .filter(|place| {
            let mut above = places.iter();
            above.any(|source| place.as_path().starts_with(source.as_path()))
        })
        .collect();
    places.extend(within);
    places
}

/// Where a mount lies in a snapshot, if it is in it.
fn place_of(mount: &Mount) -> Option<SnapshotPath> {
    match &mount.kind {
        MountKind::Volume { name, .. } => SnapshotPath::new(Path::new("volumes").join(name)).ok(),
        MountKind::Bind => SnapshotPath::new("binds").ok()?.beneath(&mount.source).ok(),
        _ => None,
    }
}

impl Places {
    /// Restores each place into a volume of its own, and holds it against the snapshot.
    pub(super) async fn fill(
        &mut self,
        engine: &dyn Workbench,
        store: &dyn Store,
        mark: &Mark,
        snapshot: &Snapshot,
        places: &BTreeSet<SnapshotPath>,
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        for (number, place) in places.iter().enumerate() {
            let name = mark.name(&format!("data{number}"));
            let volume = engine
                .make_volume(mark, &name)
                .await
                .map_err(Failure::Engine)?;
            let request = RestoreRequest {
                snapshot: snapshot.id,
                only: Some(place.clone()),
                to: beside(&volume),
            };
            let restored = match store.restore(request).await {
                // What is mounted of a source was not there when it was copied.
                Err(StoreError::PathNotInSnapshot { .. }) => continue,
                other => other.map_err(Failure::Store)?,
            };
            self.files += restored.files;
            self.bytes += restored.bytes;
            let incomplete = restored.incomplete.iter();
            let of = |what: &Path| format!("{place}: {}", what.display());
            findings
                .differences
                .extend(incomplete.map(|entry| format!("{}: {}", of(&entry.path), entry.reason)));
            let (path, by) = settle(&volume, place)?;
            let request = CompareRequest {
                snapshot: snapshot.id,
                place: place.clone(),
                path,
                exclude: Vec::new(),
            };
            let comparison = store.compare(request).await.map_err(Failure::Store)?;
            self.compared += comparison.unchanged;
            let changes = comparison.changes.iter().take(NAMED_DIFFERENCES);
            findings.differences.extend(changes.map(|change| {
                let what = change.what.join(", ");
                format!("{}: {:?} {what}", of(&change.path), change.kind)
            }));
            self.filled.insert(place.clone(), by);
        }
        Ok(())
    }

    /// Makes volumes without data in the places of those with data: of the same drill's second
    /// trial, in which an owner's check is to fail.
    pub(super) async fn emptied(
        &self,
        engine: &dyn Workbench,
        mark: &Mark,
    ) -> Result<Self, EngineError> {
        let mut places = Self::default();
        for (number, (place, by)) in self.filled.iter().enumerate() {
            // A single file is configuration rather than data, and is gone with its volume.
            if matches!(by, ThrowAwayMount::Volume { .. }) {
                let name = mark.name(&format!("data{number}"));
                engine.make_volume(mark, &name).await?;
                let by = ThrowAwayMount::Volume {
                    name,
                    is_filled: false,
                };
                places.filled.insert(place.clone(), by);
            }
        }
        for (number, what) in self.empty.keys().enumerate() {
            let name = mark.name(&format!("empty{number}"));
            engine.make_volume(mark, &name).await?;
            places.empty.insert(what.clone(), name);
        }
        Ok(places)
    }

    /// Makes an empty volume for each mount that was not copied and can be a folder, and says what
    /// the containers go without.
    pub(super) async fn make_up(
        &mut self,
        engine: &dyn Workbench,
        mark: &Mark,
        blueprints: &[&Blueprint],
        findings: &mut Findings,
    ) -> Result<(), EngineError> {
        for blueprint in blueprints {
            let container = blueprint.container();
            for mount in &container.mounts {
                let is_filled =
                    place_of(mount).is_some_and(|place| self.filled.contains_key(&place));
                let what = match &mount.kind {
                    _ if is_filled => continue,
                    MountKind::Volume { name, .. } => name.clone(),
                    MountKind::Bind if is_clock(&mount.source) => continue,
                    MountKind::Bind => mount.source.display().to_string(),
                    _ => continue,
                };
                let is_folder = match mount.kind {
                    MountKind::Bind => mount.source.is_dir(),
                    _ => true,
                };
                if is_folder && !self.empty.contains_key(&what) {
                    let name = mark.name(&format!("empty{}", self.empty.len()));
                    engine.make_volume(mark, &name).await?;
                    self.empty.insert(what.clone(), name);
                }
                let handicap = format!(
                    "{} went without {what}, which was not copied",
                    container.name
                );
                findings.handicaps.push(handicap);
            }
        }
        Ok(())
    }

    /// What a copy of the container mounts, by where it sees it.
    pub(super) fn mounts(&self, blueprint: &Blueprint) -> BTreeMap<PathBuf, ThrowAwayMount> {
        let mounts = blueprint.container().mounts.iter();
        mounts
            .filter_map(|mount| Some((mount.destination.clone(), self.mount(mount)?)))
            .collect()
    }

    fn mount(&self, mount: &Mount) -> Option<ThrowAwayMount> {
        if let Some(by) = self.filled.get(&place_of(mount)?) {
            return Some(by.clone());
        }
        let what = match &mount.kind {
            MountKind::Volume { name, .. } => name.clone(),
            _ => mount.source.display().to_string(),
        };
        let name = self.empty.get(&what)?.clone();
        Some(ThrowAwayMount::Volume {
            name,
            is_filled: false,
        })
    }
}

fn is_clock(path: &Path) -> bool {
    CLOCKS.iter().any(|clock| path.starts_with(clock))
}

/// A folder beside the volume's data, on the same file system: what is restored there can be
/// renamed, with its owner, mode and attributes, and it goes with the volume.
fn beside(volume: &Volume) -> PathBuf {
    volume.mount_point.with_file_name("restored")
}

/// Puts what was restored beside a volume's data in its place: a folder becomes the data, a file is
/// put into it.
fn settle(volume: &Volume, place: &SnapshotPath) -> Result<(PathBuf, ThrowAwayMount), Failure> {
    let restored = beside(volume).join(place.as_path());
    let data = &volume.mount_point;
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| Failure::Disk(path, error)
    };
    let kind = restored.symlink_metadata().map_err(failed(&restored))?;
    let (to, by) = if kind.is_dir() {
        // Over an empty folder, a folder can be renamed.
        let by = ThrowAwayMount::Volume {
            name: volume.name.clone(),
            is_filled: true,
        };
        (data.clone(), by)
    } else {
        let to = data.join("file");
        let by = ThrowAwayMount::File { path: to.clone() };
        (to, by)
    };
    std::fs::rename(&restored, &to).map_err(failed(&to))?;
    std::fs::remove_dir_all(beside(volume)).map_err(failed(&to))?;
    if !kind.is_dir() && !kind.is_file() {
        // The engine would follow a link, out of the volume.
        let error = io::Error::other("it is neither a folder nor a file, so nothing mounts it");
        return Err(Failure::Disk(to, error));
    }
    Ok((to, by))
}
