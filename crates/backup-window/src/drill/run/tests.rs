use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use backup_store::{
    BackupRequest, BackupSummary, CheckDepth, CheckReport, CompareRequest, Comparison,
    ExportRequest, ExportSummary, PruneOptions, PruneSummary, RestoreRequest, RestoreSummary,
    SnapshotId, StagedBackup, StoreError,
};
use docker_stacks::testing::{Behaviour, ExecBehaviour, HealthBehaviour, MemoryEngine};
use docker_stacks::{Engine as _, Image};
use serde_json::json;

use super::*;
use crate::restore::{RestoreFailure, RestoreJob, Restored, restore_here};

/// A repository of one snapshot: what `restore` writes, by its place.
#[derive(Debug, Default)]
struct Repository {
    files: HashMap<PathBuf, String>,
    damaged: bool,
    different: bool,
    compared: Mutex<Vec<String>>,
}

#[async_trait]
impl Store for Repository {
    fn location(&self) -> String {
        "/mnt/nas/restic".to_owned()
    }

    async fn back_up(&self, _: BackupRequest) -> Result<BackupSummary, StoreError> {
        unreachable!("a drill saves nothing")
    }

    async fn stage(&self, _: BackupRequest) -> Result<Box<dyn StagedBackup>, StoreError> {
        unreachable!("a drill saves nothing")
    }

    async fn forget(&self, _: Vec<SnapshotId>) -> Result<(), StoreError> {
        unreachable!("a drill forgets nothing")
    }

    async fn prune(&self, _: PruneOptions) -> Result<PruneSummary, StoreError> {
        unreachable!("a drill removes nothing of the repository")
    }

    async fn snapshots(&self) -> Result<Vec<Snapshot>, StoreError> {
        Ok(vec![snapshot()])
    }

    async fn restore(&self, request: RestoreRequest) -> Result<RestoreSummary, StoreError> {
        let only = request.only.unwrap();
        let wanted: Vec<_> = self
            .files
            .iter()
            .filter(|(path, _)| path.starts_with(only.as_path()))
            .collect();
        if wanted.is_empty() {
            return Err(StoreError::PathNotInSnapshot {
                snapshot: request.snapshot,
                path: only,
            });
        }
        if self.damaged && only.as_path().starts_with("volumes") {
            return Err(StoreError::Damaged {
                path: self.location().into(),
                what: "a pack".to_owned(),
                detail: "its hash is wrong".to_owned(),
            });
        }
        for (path, text) in wanted {
            let path = request.to.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Ok(RestoreSummary {
            files: 1,
            bytes: 4,
            ..RestoreSummary::default()
        })
    }

    async fn compare(&self, request: CompareRequest) -> Result<Comparison, StoreError> {
        assert!(
            request.path.exists(),
            "{} is in its place",
            request.path.display()
        );
        self.compared
            .lock()
            .unwrap()
            .push(request.place.to_string());
        let mut comparison = Comparison {
            unchanged: 2,
            ..Comparison::default()
        };
        if self.different {
            comparison.changes.push(backup_store::Change {
                kind: backup_store::ChangeKind::Different,
                path: "file".into(),
                bytes: 4,
                what: vec!["contents".to_owned()],
            });
        }
        Ok(comparison)
    }

    async fn export(&self, _: ExportRequest) -> Result<ExportSummary, StoreError> {
        unreachable!("a drill exports nothing")
    }

    async fn check(&self, _: CheckDepth) -> Result<CheckReport, StoreError> {
        unreachable!("a drill checks its own snapshot")
    }
}

#[async_trait]
impl Restorer for Repository {
    async fn restore(&self, job: RestoreJob) -> Result<Restored, RestoreFailure> {
        let summary = restore_here(self, &job).await?;
        Ok(Restored {
            summary,
            confined: true,
        })
    }
}

fn snapshot() -> Snapshot {
    Snapshot {
        id: "0".repeat(64).parse().unwrap(),
        time: jiff::Timestamp::UNIX_EPOCH,
        stack: "shop".to_owned(),
        host: "docker01".to_owned(),
        tags: Vec::new(),
        paths: vec![
            "/volumes/shop_data".to_owned(),
            "/containers/shop_db_1.json".to_owned(),
        ],
        files: None,
        processed_bytes: None,
        made_here: true,
    }
}

/// A house with one stack, of one container with a health check and an owner's check.
struct Scene {
    dir: tempfile::TempDir,
    engine: MemoryEngine,
    store: Repository,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = MemoryEngine::new();
        engine.keep_volumes_in(dir.path().join("volumes"));
        engine.add_image(Image::new("sha256:00"));
        engine.on_make(|_| Behaviour {
            health: HealthBehaviour::HealthyAfter(Duration::from_secs(2)),
            ..Behaviour::default()
        });
        let definition = json!({
            "Id": "1".repeat(64), "Name": "/shop_db_1", "Image": "sha256:00",
            "State": { "Status": "running" },
            "Config": { "Image": "shop:1", "Labels": { "backup-window.drill": "count" } },
            "HostConfig": { "PortBindings": { "80/tcp": [{ "HostPort": "80" }] } },
            "Mounts": [
                { "Type": "volume", "Name": "shop_data", "Driver": "local",
                  "Source": "/v/shop_data/_data", "Destination": "/data", "RW": true },
                { "Type": "bind", "Source": "/etc/localtime", "Destination": "/etc/localtime" }
            ],
            "NetworkSettings": { "Networks": { "shop_default": { "Aliases": ["db"] } } }
        });
        let store = Repository {
            files: HashMap::from([
                ("volumes/shop_data/file".into(), "good".to_owned()),
                ("containers/shop_db_1.json".into(), definition.to_string()),
            ]),
            ..Repository::default()
        };
        let scene = Self { dir, engine, store };
        // The check looks at the data, as an owner's should.
        let volumes = scene.dir.path().join("volumes");
        scene.engine.on_exec(move |_, _| ExecBehaviour {
            code: i64::from(!holds_data(&volumes)),
            ..ExecBehaviour::default()
        });
        scene
    }

    fn edit(&mut self, edit: impl Fn(&mut serde_json::Value)) {
        let text = self
            .store
            .files
            .get_mut(&PathBuf::from("containers/shop_db_1.json"))
            .unwrap();
        let mut definition = serde_json::from_str(text).unwrap();
        edit(&mut definition);
        *text = definition.to_string();
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = snapshot();
        let has_manifest = self.store.files.contains_key(Path::new(Manifest::PLACE));
        let manifest = has_manifest.then(|| format!("/{}", Manifest::PLACE));
        snapshot.paths.extend(manifest);
        snapshot
    }

    async fn drill(&self) -> DrillReport {
        let journal = DrillJournal::new(self.dir.path().join("drill.json"));
        let mark = Mark::new("1");
        let options = DrillOptions::default();
        let report = drill(
            &self.engine,
            (&self.store, &self.store),
            &journal,
            &self.snapshot(),
            &mark,
            &options,
        )
        .await;
        assert!(
            self.engine.volumes().await.unwrap().is_empty(),
            "nothing stays"
        );
        assert!(
            self.engine.networks().await.unwrap().is_empty(),
            "nothing stays"
        );
        assert!(
            self.engine.containers().await.unwrap().is_empty(),
            "nothing stays"
        );
        assert!(!journal.is_begun());
        report.unwrap()
    }
}

fn holds_data(volumes: &Path) -> bool {
    let files = fs::read_dir(volumes).unwrap();
    files
        .flatten()
        .any(|volume| volume.path().join("_data/file").exists())
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_runs_on_its_data_passes() {
    let scene = Scene::new();
    let report = scene.drill().await;
    assert_eq!(report.verdict, Verdict::Pass, "{report:#?}");
    assert_eq!(report.findings.checks[0].passes_on_empty, Some(false));
    assert_eq!(*scene.store.compared.lock().unwrap(), ["volumes/shop_data"]);
    assert_eq!(report.withheld, ["shop_db_1: published ports"]);
    assert_eq!(report.findings.handicaps, Vec::<String>::new());
    assert_eq!((report.files, report.same_entries), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn data_that_is_not_what_was_recorded_is_not_even_tried() {
    let mut scene = Scene::new();
    scene.store.different = true;
    let report = scene.drill().await;
    assert_eq!(report.verdict, Verdict::Unusable);
    assert!(report.findings.containers.is_empty());
    insta::assert_snapshot!(report.reason, @"what was restored is not what was recorded: volumes/shop_data: file: Different contents");
    scene.store.damaged = true;
    let report = scene.drill().await;
    assert_eq!(report.verdict, Verdict::Unusable);
    assert!(
        report.reason.starts_with("the data cannot be read back"),
        "{}",
        report.reason
    );
}

#[tokio::test(start_paused = true)]
async fn a_check_that_passes_without_data_is_worth_nothing() {
    let scene = Scene::new();
    scene.engine.on_exec(|_, _| ExecBehaviour::default());
    let report = scene.drill().await;
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert!(report.reason.contains("worth nothing"), "{}", report.reason);
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_ill_is_held_against_the_data_unless_it_went_without_something() {
    let mut scene = Scene::new();
    scene.engine.on_make(|_| Behaviour {
        crashing_starts: 1,
        crash_code: 3,
        ..Behaviour::default()
    });
    let report = scene.drill().await;
    assert_eq!(report.verdict, Verdict::Unusable);
    assert_eq!(report.reason, "shop_db_1 ended with code 3");
    scene.edit(|definition| definition["HostConfig"]["Privileged"] = json!(true));
    let report = scene.drill().await;
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert!(
        report
            .reason
            .ends_with("shop_db_1 went without privileged mode")
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_tried_leaves_the_verdict_open() {
    let mut scene = Scene::new();
    scene.edit(|definition| definition["Image"] = json!("sha256:ff"));
    let report = scene.drill().await;
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert!(
        report.reason.contains("nothing is pulled"),
        "{}",
        report.reason
    );
    scene.edit(|definition| definition["State"]["Status"] = json!("exited"));
    let report = scene.drill().await;
    assert!(
        report.reason.contains("nothing of the stack ran"),
        "{}",
        report.reason
    );
    scene.edit(|definition| *definition = json!({ "name": "shop_db_1" }));
    let report = scene.drill().await;
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert_eq!(report.same_entries, 2, "the data is compared all the same");
    scene.engine.go_away_for(1);
    let journal = DrillJournal::new(scene.dir.path().join("drill.json"));
    let options = DrillOptions::default();
    let report = drill(
        &scene.engine,
        (&scene.store, &scene.store),
        &journal,
        &snapshot(),
        &Mark::new("1"),
        &options,
    )
    .await;
    assert_eq!(report.unwrap().verdict, Verdict::Inconclusive);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_well_in_time_says_nothing() {
    let scene = Scene::new();
    scene.engine.on_make(|_| Behaviour {
        health: HealthBehaviour::HealthyAfter(Duration::from_hours(1)),
        ..Behaviour::default()
    });
    let report = scene.drill().await;
    assert_eq!(report.verdict, Verdict::Inconclusive);
    assert_eq!(report.reason, "shop_db_1 was not well in time");
}

#[tokio::test(start_paused = true)]
async fn a_drill_that_is_dropped_is_settled_from_its_journal() {
    let scene = Scene::new();
    scene.engine.on_make(|_| Behaviour {
        health: HealthBehaviour::HealthyAfter(Duration::from_hours(1)),
        ..Behaviour::default()
    });
    let journal = DrillJournal::new(scene.dir.path().join("drill.json"));
    let (mark, snapshot, options) = (Mark::new("1"), snapshot(), DrillOptions::default());
    let work = drill(
        &scene.engine,
        (&scene.store, &scene.store),
        &journal,
        &snapshot,
        &mark,
        &options,
    );
    let dropped = tokio::time::timeout(Duration::from_secs(10), work).await;
    assert!(dropped.is_err() && journal.is_begun());
    let cleared = journal.settle(&scene.engine).await.unwrap();
    assert_eq!(cleared.containers, [mark.name("shop_db_1")]);
    assert!(journal.settle(&scene.engine).await.unwrap().is_nothing());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_as_it_was_at_the_stop_is_unusable_though_the_snapshot_holds_together() {
    let mut scene = Scene::new();
    let manifest = Manifest {
        sources: [("volumes/shop_data", 2), ("volumes/gone", 1)]
            .map(|(name, files)| (name.to_owned(), tree(files)))
            .into(),
    };
    let text = String::from_utf8(manifest.to_json()).unwrap();
    scene.store.files.insert(Manifest::PLACE.into(), text);
    let report = scene.drill().await;
    assert_eq!(report.verdict, Verdict::Unusable);
    assert_eq!(report.as_at_the_stop, Some(0));
    let said = report.findings.differences.join("\n");
    assert!(
        said.contains("volumes/shop_data: 2 files were recorded at the stop, 1 are there"),
        "{said}"
    );
    assert!(
        said.contains("volumes/gone: 1 files were recorded at the stop, and nothing"),
        "{said}"
    );
    // Damage to the manifest itself is not taken for a snapshot without one.
    scene
        .store
        .files
        .insert(Manifest::PLACE.into(), "{".to_owned());
    assert_eq!(scene.drill().await.verdict, Verdict::Unusable);
}

fn tree(files: u64) -> backup_store::TreeManifest {
    backup_store::TreeManifest {
        files,
        directories: 1,
        other: 0,
        bytes: 4,
        digest: String::new(),
    }
}
