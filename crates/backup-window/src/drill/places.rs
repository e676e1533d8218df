//! Where the copies of containers find what the originals mount: in volumes that are thrown away.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use backup_store::{
    CompareRequest, Manifest, RestoreSummary, Snapshot, SnapshotPath, Store, StoreError,
    StoreErrorKind, TreeManifest,
};
use docker_stacks::{
    Blueprint, EngineError, Mark, Mount, MountKind, ThrowAwayMount, Volume, Workbench,
};

use super::verdict::Findings;
use crate::restore::{RestoreCause, RestoreFailure, RestoreJob, Restored, Restorer};
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
    Restore(RestoreFailure),
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
            Self::Restore(failure) => match failure.cause {
                RestoreCause::Bad => findings.unreadable = Some(failure.message),
                _ => findings.untried = Some(failure.message),
            },
            Self::Engine(error) => findings.untried = Some(sentence::failed_to(&error)),
            Self::Disk(path, error) => {
                findings.untried = Some(format!("{}: {error}", path.display()));
            }
        }
    }
}

/// Restores a place into a folder that is made for it, by the process that may write nowhere else.
/// `None` if the snapshot does not have it.
pub(super) async fn restore(
    restorer: &dyn Restorer,
    snapshot: &Snapshot,
    place: &SnapshotPath,
    to: &Path,
) -> Result<Option<Restored>, Failure> {
    let mut folder = DirBuilder::new();
    folder
        .mode(0o700)
        .create(to)
        .map_err(|error| Failure::Disk(to.to_owned(), error))?;
    let job = RestoreJob {
        snapshot: snapshot.id,
        only: Some(place.clone()),
        to: to.to_owned(),
        verify: Vec::new(),
    };
    match restorer.restore(job).await {
        Ok(written) => Ok(Some(written)),
        Err(failure) if failure.cause == RestoreCause::NotInSnapshot => Ok(None),
        Err(failure) => Err(Failure::Restore(failure)),
    }
}

/// What data is restored from, and held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) restorer: &'a dyn Restorer,
    pub(super) snapshot: &'a Snapshot,
    pub(super) manifest: Option<&'a Manifest>,
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
    /// How many sources are what the manifest says; nothing if there is none.
    pub(super) manifested: Option<u64>,
    /// Something was restored by a process that the kernel did not confine.
    pub(super) unconfined: bool,
}

/// The places in a snapshot that hold data: its sources, and beneath them what containers mount of
/// them.
pub(super) fn wanted(snapshot: &Snapshot, blueprints: &[Blueprint]) -> BTreeSet<SnapshotPath> {
    let sources = snapshot
        .paths
        .iter()
        .map(|path| path.trim_start_matches('/'));
    let mut places: BTreeSet<SnapshotPath> = sources
        .filter(|path| is_data(path))
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

/// Whether a source holds data. Compose's files are read while the stack runs.
fn is_data(place: &str) -> bool {
    place.starts_with("volumes/") || place.starts_with("binds/")
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
    /// Restores each place into a volume of its own, and holds it against the snapshot and against
    /// what was recorded at the stop.
    pub(super) async fn fill(
        &mut self,
        engine: &dyn Workbench,
        origin: Origin<'_>,
        mark: &Mark,
        places: &BTreeSet<SnapshotPath>,
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        self.manifested = origin.manifest.map(|_| 0);
        for (number, place) in places.iter().enumerate() {
            let name = mark.name(&format!("data{number}"));
            let volume = engine
                .make_volume(mark, &name)
                .await
                .map_err(Failure::Engine)?;
            let to = beside(&volume);
            let Some(restored) = restore(origin.restorer, origin.snapshot, place, &to).await?
            else {
                // What is mounted of a source was not there when it was copied.
                continue;
            };
            self.note(place, &restored, findings);
            let (path, by) = settle(&volume, place)?;
            self.hold(origin, place, path, findings).await?;
            self.filled.insert(place.clone(), by);
        }
        self.find_missing(origin.manifest, findings);
        Ok(())
    }

    fn note(&mut self, place: &SnapshotPath, restored: &Restored, findings: &mut Findings) {
        let RestoreSummary { files, bytes, .. } = &restored.summary;
        self.files += files;
        self.bytes += bytes;
        self.unconfined |= !restored.confined;
        let incomplete = restored.summary.incomplete.iter();
        findings.differences.extend(
            incomplete.map(|entry| format!("{place}: {}: {}", entry.path.display(), entry.reason)),
        );
    }

    /// Holds what was restored of a place against the snapshot, and against the manifest.
    async fn hold(
        &mut self,
        origin: Origin<'_>,
        place: &SnapshotPath,
        path: PathBuf,
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        let request = CompareRequest {
            snapshot: origin.snapshot.id,
            place: place.clone(),
            path: path.clone(),
            exclude: Vec::new(),
        };
        let comparison = origin
            .store
            .compare(request)
            .await
            .map_err(Failure::Store)?;
        self.compared += comparison.unchanged;
        let changes = comparison.changes.iter().take(NAMED_DIFFERENCES);
        findings.differences.extend(changes.map(|change| {
            let what = change.what.join(", ");
            format!(
                "{place}: {}: {:?} {what}",
                change.path.display(),
                change.kind
            )
        }));
        let recorded = origin
            .manifest
            .and_then(|manifest| manifest.sources.get(&place.to_string()).cloned());
        let Some(recorded) = recorded else {
            return Ok(());
        };
        let walked = path.clone();
        let found = tokio::task::spawn_blocking(move || TreeManifest::of_tree(&walked))
            .await
            .map_err(io::Error::other)
            .and_then(|found| found)
            .map_err(|error| Failure::Disk(path, error))?;
        let differences = recorded.differences(&found);
        findings
            .differences
            .extend(differences.iter().map(|what| format!("{place}: {what}")));
        if differences.is_empty() {
            self.manifested = self.manifested.map(|count| count + 1);
        }
        Ok(())
    }

    /// Notes the data that was recorded at the stop, and of which the snapshot has nothing.
    fn find_missing(&self, manifest: Option<&Manifest>, findings: &mut Findings) {
        let recorded = manifest.iter().flat_map(|manifest| &manifest.sources);
        let has = |name: &str| self.filled.keys().any(|place| place.to_string() == name);
        let missing = recorded.filter(|(name, tree)| {
            is_data(name) && tree.files + tree.directories + tree.other > 0 && !has(name)
        });
        findings.differences.extend(missing.map(|(name, tree)| {
            format!(
                "{name}: {} files were recorded at the stop, and nothing of it is there",
                tree.files
            )
        }));
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
