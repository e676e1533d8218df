//! What goes wrong says so, names the place, and leaves no snapshot behind.

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt, symlink},
    pin::pin,
    task::{Context, Poll, Waker},
};

use crate::scene::{Scene, noise, password, place};
use backup_store::{
    CheckDepth, InitOptions, OpenOptions, RestoreRequest, RusticStore, Severity, Source, Store,
    StoreError, StoreErrorKind,
};

const NIGHT: &str = "2026-03-01T03:00:00Z";
const ALL: CheckDepth = CheckDepth::ReadData { percent: 100 };

async fn open(scene: &Scene, password: &str) -> Result<RusticStore, StoreError> {
    let path = scene.path("repository");
    RusticStore::open(&path, &password.into(), OpenOptions::default()).await
}

fn flip_a_byte(path: &std::path::Path, offset: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x40], offset).unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_told_from_everything_else() {
    let scene = Scene::new().await;
    let error = open(&scene, "hunter2").await.unwrap_err();
    assert!(
        matches!(error, StoreError::WrongPassword { .. }),
        "{error:?}"
    );
    let text = format!("{error} {error:?} {:?}", scene.store);
    assert!(
        !text.contains("hunter2") && !text.contains("correct horse"),
        "{text}"
    );
}

#[tokio::test]
async fn a_folder_without_a_repository_is_told_from_a_damaged_one() {
    let scene = Scene::new().await;
    for path in [scene.path("data"), scene.path("nowhere")] {
        let error = RusticStore::open(&path, &password(), OpenOptions::default()).await;
        assert!(matches!(error, Err(StoreError::NoRepository { path: named }) if named == path));
    }
    flip_a_byte(&scene.path("repository/config"), 40);
    let error = open(&scene, "correct horse").await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    fs::write(scene.objects("keys").remove(0), "{}").unwrap();
    let error = open(&scene, "correct horse").await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn a_repository_is_made_in_an_empty_folder_only() {
    let scene = Scene::new().await;
    let init = async |path: &str, options: InitOptions| {
        RusticStore::init(&scene.path(path), &password(), options)
            .await
            .unwrap_err()
    };
    let good = InitOptions::default;
    let error = init("repository", good()).await;
    assert!(
        matches!(error, StoreError::RepositoryExists { .. }),
        "{error:?}"
    );
    fs::write(scene.path("data/f"), "").unwrap();
    let error = init("data", good()).await;
    assert!(
        matches!(error, StoreError::FolderNotEmpty { .. }),
        "{error:?}"
    );
    let error = init("not/mounted", good()).await;
    assert!(matches!(error, StoreError::Repository { .. }), "{error:?}");
    let error = init(
        "new",
        InitOptions {
            compression_level: 23,
            ..good()
        },
    )
    .await;
    assert!(
        matches!(error, StoreError::InvalidRequest { .. }),
        "{error:?}"
    );
    assert!(!scene.path("new").exists());
}

#[tokio::test]
async fn a_second_writer_is_kept_out_and_told_who_writes() {
    let scene = Scene::new().await;
    let path = scene.path("repository/backup-store.lock");
    let lock = File::options().write(true).open(&path).unwrap();
    lock.lock().unwrap();
    fs::write(&path, "process 7 on docker02\n").unwrap();
    let error = scene.store.back_up(scene.request(NIGHT)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Locked { by, .. } if by == "process 7 on docker02"));
    // Reading needs no lock.
    assert_eq!(scene.store.snapshots().await.unwrap(), []);
    drop(lock);
    scene.back_up(NIGHT).await;
}

#[tokio::test]
async fn writers_of_one_store_take_turns() {
    let scene = Scene::new().await;
    let (a, b) = (scene.store.clone(), scene.store.clone());
    let (a, b) = tokio::join!(
        a.back_up(scene.request(NIGHT)),
        b.back_up(scene.request(NIGHT))
    );
    a.unwrap();
    b.unwrap();
    assert_eq!(scene.store.snapshots().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_missing_source_stops_the_backup_before_it_starts() {
    let scene = Scene::new().await;
    let mut request = scene.request(NIGHT);
    request
        .sources
        .push(Source::path(place("volumes/gone"), scene.path("gone")));
    let error = scene.store.back_up(request).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::SourceMissing { name, .. } if *name == place("volumes/gone"))
    );
    assert_eq!(error.kind(), StoreErrorKind::NotFound);
    assert_eq!(
        scene.objects("data").len() + scene.objects("snapshots").len(),
        0
    );
}

#[tokio::test]
async fn a_restore_wants_a_folder_of_its_own() {
    let scene = Scene::new().await;
    fs::write(scene.path("data/f"), "").unwrap();
    let snapshot = scene.back_up(NIGHT).await.snapshot;
    fs::create_dir(scene.path("empty")).unwrap();
    symlink("empty", scene.path("link")).unwrap();
    for (to, refused) in [("data", true), ("link", true), ("empty", false)] {
        let request = RestoreRequest {
            snapshot,
            only: None,
            to: scene.path(to),
        };
        let result = scene.store.restore(request).await;
        assert_eq!(
            matches!(result, Err(StoreError::TargetNotUsable { .. })),
            refused,
            "{to}"
        );
    }
    assert_eq!(fs::read_dir(scene.path("data")).unwrap().count(), 1);
}

#[tokio::test]
async fn an_unknown_snapshot_is_not_found() {
    let scene = Scene::new().await;
    let snapshot = "ab".repeat(32).parse().unwrap();
    let request = RestoreRequest {
        snapshot,
        only: None,
        to: scene.path("restored"),
    };
    let error = scene.store.restore(request).await.unwrap_err();
    assert!(matches!(error, StoreError::SnapshotNotFound { id, .. } if id == snapshot));
    assert!(!scene.path("restored").exists());
}

#[tokio::test]
async fn a_whole_repository_has_no_findings() {
    let scene = Scene::new().await;
    fs::write(scene.path("data/f"), noise(1, 1 << 20)).unwrap();
    scene.back_up(NIGHT).await;
    for depth in [
        CheckDepth::Structure,
        CheckDepth::ReadData { percent: 50 },
        ALL,
    ] {
        let report = scene.store.check(depth).await.unwrap();
        assert_eq!(
            (report.snapshots, report.findings),
            (1, vec![]),
            "{depth:?}"
        );
    }
    let shallow = scene
        .store
        .check(CheckDepth::Structure)
        .await
        .unwrap()
        .read_bytes;
    let deep = scene.store.check(ALL).await.unwrap().read_bytes;
    assert!(
        shallow < 64 << 10 && deep > 1 << 20,
        "{shallow} and {deep} bytes"
    );
    let error = scene
        .store
        .check(CheckDepth::ReadData { percent: 0 })
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::InvalidRequest { .. }));
}

#[tokio::test]
async fn a_damaged_pack_is_found_by_reading_it() {
    let scene = Scene::new().await;
    fs::write(scene.path("data/f"), noise(1, 1 << 20)).unwrap();
    let snapshot = scene.back_up(NIGHT).await.snapshot;
    let size = |path: &std::path::PathBuf| fs::metadata(path).unwrap().len();
    let pack = scene.objects("data").into_iter().max_by_key(size).unwrap();
    flip_a_byte(&pack, 500_000);

    assert!(
        scene
            .store
            .check(CheckDepth::Structure)
            .await
            .unwrap()
            .is_ok()
    );
    let report = scene.store.check(ALL).await.unwrap();
    assert!(!report.is_ok());
    let name = pack.file_name().unwrap().to_str().unwrap();
    assert!(
        report.findings[0].message.contains(&name[..8]),
        "{:?}",
        report.findings
    );
    assert!(
        report
            .findings
            .iter()
            .all(|finding| !finding.message.contains('\n'))
    );

    let request = RestoreRequest {
        snapshot,
        only: None,
        to: scene.path("restored"),
    };
    let error = scene.store.restore(request).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Damaged, "{error}");
    assert!(error.to_string().contains("volumes/data/f"), "{error}");
}

#[tokio::test]
async fn a_missing_or_short_pack_is_found_without_reading_it() {
    for shorten in [false, true] {
        let scene = Scene::new().await;
        fs::write(scene.path("data/f"), noise(1, 1 << 20)).unwrap();
        let snapshot = scene.back_up(NIGHT).await.snapshot;
        let size = |path: &std::path::PathBuf| fs::metadata(path).unwrap().len();
        let pack = scene.objects("data").into_iter().max_by_key(size).unwrap();
        if shorten {
            File::options()
                .write(true)
                .open(&pack)
                .unwrap()
                .set_len(1000)
                .unwrap();
        } else {
            fs::remove_file(&pack).unwrap();
        }
        let report = scene.store.check(CheckDepth::Structure).await.unwrap();
        assert!(!report.is_ok(), "shortened: {shorten}");

        let request = RestoreRequest {
            snapshot,
            only: None,
            to: scene.path("restored"),
        };
        let error = scene.store.restore(request).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Repository { path, .. } if *path == pack),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_damaged_snapshot_hides_no_other() {
    let scene = Scene::new().await;
    let first = scene.back_up(NIGHT).await.snapshot;
    let second = scene.back_up(NIGHT).await.snapshot;
    flip_a_byte(
        &scene
            .path("repository/snapshots")
            .join(format!("{first:#}")),
        30,
    );
    let listed = scene.store.snapshots().await.unwrap();
    assert_eq!(listed.iter().map(|it| it.id).collect::<Vec<_>>(), [second]);
    let report = scene.store.check(CheckDepth::Structure).await.unwrap();
    assert_eq!((report.snapshots, report.findings.len()), (1, 1));
    assert_eq!(report.findings[0].severity, Severity::Error);
    assert!(report.findings[0].message.contains(&first.to_string()));
}

#[tokio::test]
async fn a_damaged_index_stops_backups_and_is_found() {
    let scene = Scene::new().await;
    scene.back_up(NIGHT).await;
    flip_a_byte(&scene.objects("index").remove(0), 30);
    let error = scene.store.back_up(scene.request(NIGHT)).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Damaged { what, .. } if what == "the index"),
        "{error}"
    );
    assert!(
        !scene
            .store
            .check(CheckDepth::Structure)
            .await
            .unwrap()
            .is_ok()
    );
}

#[tokio::test]
async fn unused_data_is_only_a_warning() {
    let scene = Scene::new().await;
    scene.back_up(NIGHT).await;
    let stray = scene.path("repository/data/ab").join("ab".repeat(32));
    fs::write(stray, "left by a backup that was broken off").unwrap();
    let report = scene.store.check(CheckDepth::Structure).await.unwrap();
    assert!(report.is_ok());
    assert_eq!(report.findings[0].severity, Severity::Warning);
}

#[tokio::test]
async fn a_repository_that_cannot_be_listed_is_an_error_and_not_empty() {
    let scene = Scene::new().await;
    scene.back_up(NIGHT).await;
    fs::rename(scene.path("repository/snapshots"), scene.path("elsewhere")).unwrap();
    for error in [
        scene.store.snapshots().await.unwrap_err(),
        scene.store.check(CheckDepth::Structure).await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, StoreError::Repository { path, .. } if path.ends_with("snapshots"))
        );
    }
}

#[tokio::test]
async fn a_write_that_fails_is_an_error_with_its_path_and_leaves_no_snapshot() {
    let scene = Scene::new().await;
    fs::write(scene.path("data/f"), noise(1, 1 << 20)).unwrap();
    let packs = scene.path("repository/data");
    fs::remove_dir_all(&packs).unwrap();
    fs::write(&packs, "a file where the packs should go").unwrap();
    let error = scene.store.back_up(scene.request(NIGHT)).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Repository { path, .. } if path.starts_with(&packs)),
        "{error:?}"
    );
    assert_eq!(
        scene.objects("snapshots").len() + scene.objects("index").len(),
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_backup_writes_no_snapshot_and_lets_the_next_one_in() {
    let scene = Scene::new().await;
    for number in 0..64 {
        fs::write(
            scene.path(&format!("data/{number}")),
            noise(number, 1 << 20),
        )
        .unwrap();
    }
    {
        let mut backup = pin!(scene.store.back_up(scene.request(NIGHT)));
        // The first poll starts the thread; then wait until it has certainly begun to write.
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(backup.as_mut().poll(&mut context), Poll::Pending));
        while scene.objects("data").is_empty() {
            tokio::task::yield_now().await;
        }
    }
    // It waits for the thread of the dropped one.
    fs::remove_dir_all(scene.path("data")).unwrap();
    fs::create_dir(scene.path("data")).unwrap();
    let saved = scene.back_up(NIGHT).await;
    let snapshots = scene.store.snapshots().await.unwrap();
    assert_eq!(
        snapshots.iter().map(|it| it.id).collect::<Vec<_>>(),
        [saved.snapshot]
    );
    assert!(scene.store.check(ALL).await.unwrap().is_ok());
}
