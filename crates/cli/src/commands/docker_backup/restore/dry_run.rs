//! `docker-backup restore --dry-run`: what would change.

use std::path::{Path, PathBuf};

use backup_store::{Change, ChangeKind, CompareRequest, SnapshotPath};
use backup_window::evidence::Bytes;
use backup_window::exit::Exit;
use backup_window::restore::Targets;
use serde::Serialize;

use super::Restoring;
use crate::failure::{Failure, failed_to};
use crate::table::table;

/// What would change at one place.
#[derive(Debug, Serialize)]
struct PlaceChanges {
    /// Its place in the snapshot.
    place: SnapshotPath,
    /// Where it would be restored to.
    path: PathBuf,
    unchanged: u64,
    changes: Vec<Change>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    stack: &'a str,
    snapshot: String,
    places: Vec<PlaceChanges>,
    /// What the snapshot has, and the stack on this machine has no place for.
    unused: Vec<String>,
}

impl Restoring<'_> {
    /// Says what would change where the stack's data is.
    pub(super) async fn compare(&self, found: &Targets) -> Result<Exit, Failure> {
        let mut places = Vec::new();
        for target in &found.targets {
            let exclude = if target.within.as_os_str().is_empty() {
                target.exclude.clone()
            } else {
                Vec::new()
            };
            let request = CompareRequest {
                snapshot: self.snapshot.id,
                place: target.place.clone(),
                path: target.path.clone(),
                exclude,
            };
            places.push(self.compare_one(request).await?);
        }
        self.show(places, found.unused.clone())
    }

    /// Says what would be written into a folder, in which nothing may be yet.
    pub(super) async fn compare_with_folder(&self, to: &Path) -> Result<Exit, Failure> {
        let mut places = Vec::new();
        for place in self.all_places()? {
            let request = CompareRequest {
                snapshot: self.snapshot.id,
                path: to.join(place.as_path()),
                place,
                exclude: Vec::new(),
            };
            places.push(self.compare_one(request).await?);
        }
        self.show(places, Vec::new())
    }

    /// Says what a machine that does not have the stack would get, by name alone.
    pub(super) fn list_all(&self) -> Result<Exit, Failure> {
        let rows = self.snapshot.paths.iter().map(|path| [path.clone()]);
        self.session.output().write(&self.snapshot, || {
            format!(
                "there is no stack called {} on this machine; the snapshot {} has\n{}",
                self.args.stack,
                self.snapshot.id,
                table(["PLACE"], rows)
            )
        })?;
        Ok(Exit::Done)
    }

    fn all_places(&self) -> Result<Vec<SnapshotPath>, Failure> {
        if let Some(only) = &self.only {
            return Ok(vec![only.clone()]);
        }
        let paths = self.snapshot.paths.iter();
        paths
            .map(|path| SnapshotPath::new(path.trim_start_matches('/')))
            .collect::<Result<_, _>>()
            .map_err(|error| failed_to(Exit::Failed, &error))
    }

    async fn compare_one(&self, request: CompareRequest) -> Result<PlaceChanges, Failure> {
        let (place, path) = (request.place.clone(), request.path.clone());
        let comparison = self
            .store
            .compare(request)
            .await
            .map_err(|error| failed_to(Exit::Failed, &error))?;
        Ok(PlaceChanges {
            place,
            path,
            unchanged: comparison.unchanged,
            changes: comparison.changes,
        })
    }

    fn show(&self, places: Vec<PlaceChanges>, unused: Vec<String>) -> Result<Exit, Failure> {
        let document = Document {
            stack: &self.args.stack,
            snapshot: format!("{:#}", self.snapshot.id),
            places,
            unused,
        };
        self.session
            .output()
            .write(&document, || describe(&document))?;
        Ok(Exit::Done)
    }
}

fn describe(document: &Document<'_>) -> String {
    let changes = document.places.iter().flat_map(|place| &place.changes);
    let changes: Vec<&Change> = changes.collect();
    let of = |kind| {
        let of_kind = changes.iter().filter(|change| change.kind == kind);
        let (count, bytes) = of_kind.fold((0_u64, 0), |(count, bytes), change| {
            (count + 1, bytes + change.bytes)
        });
        format!("{count} ({})", Bytes(bytes))
    };
    let unchanged: u64 = document.places.iter().map(|place| place.unchanged).sum();
    let rows = document.places.iter().flat_map(|place| {
        place.changes.iter().map(|change| {
            let path = if change.path.as_os_str().is_empty() {
                place.path.clone()
            } else {
                place.path.join(&change.path)
            };
            [
                match change.kind {
                    ChangeKind::New => "new",
                    ChangeKind::Different => "different",
                    ChangeKind::Removed => "removed",
                }
                .to_owned(),
                Bytes(change.bytes).to_string(),
                change.what.join(", "),
                path.display().to_string().replace('\n', "\\n"),
            ]
        })
    });
    let mut lines = Vec::new();
    if !changes.is_empty() {
        lines.push(table(["CHANGE", "SIZE", "WHAT", "PATH"], rows));
    }
    lines.extend(
        document
            .unused
            .iter()
            .map(|place| format!("{place} has no place on this machine")),
    );
    lines.push(format!(
        "new: {}, different: {}, removed: {}, unchanged: {unchanged}",
        of(ChangeKind::New),
        of(ChangeKind::Different),
        of(ChangeKind::Removed),
    ));
    lines.join("\n")
}
