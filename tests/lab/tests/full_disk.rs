//! A full disk under a repository and under a restore: an error with the path, no panic, no
//! snapshot that is not whole, and a repository that works on as soon as there is room.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use backup_store::{
    BackupRequest, CheckDepth, InitOptions, RestoreRequest, RusticStore, Severity, SnapshotPath,
    Source, Store, StoreError, StoreErrorKind,
};
use tempfile::TempDir;

/// A file system of its own in memory, unmounted with the namespaces it lives in.
fn small_disk(at: &Path, size: &str) {
    fs::create_dir(at).unwrap();
    let options = std::ffi::CString::new(format!("size={size}")).unwrap();
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("none", at, "tmpfs", flags, options.as_c_str()).unwrap();
}

/// A folder with one file of incompressible bytes.
fn data(dir: &TempDir, size_bytes: u64) -> PathBuf {
    let path = dir.path().join("data");
    fs::create_dir(&path).unwrap();
    let mut random = File::open("/dev/urandom").unwrap().take(size_bytes);
    std::io::copy(&mut random, &mut File::create(path.join("file")).unwrap()).unwrap();
    path
}

fn request(data: &Path) -> BackupRequest {
    let started_at = "2026-03-01T03:00:00Z".parse().unwrap();
    BackupRequest {
        stack: "wiki".to_owned(),
        host: "docker01".to_owned(),
        started_at,
        sources: vec![Source::path(
            SnapshotPath::new("volumes/data").unwrap(),
            data,
        )],
        tags: Vec::new(),
    }
}

async fn create(path: &Path) -> RusticStore {
    RusticStore::init(path, &"correct horse".into(), InitOptions::default())
        .await
        .unwrap()
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(test);
}

#[test]
fn a_full_repository_keeps_what_it_has() {
    lab::isolation::isolated(|| {
        run(async {
            let dir = tempfile::tempdir().unwrap();
            let disk = dir.path().join("disk");
            small_disk(&disk, "48m");
            let store = create(&disk.join("repository")).await;
            let data = data(&dir, 4 << 20);
            let first = store.back_up(request(&data)).await.unwrap();

            let mut random = File::open("/dev/urandom").unwrap().take(128 << 20);
            std::io::copy(&mut random, &mut File::create(data.join("larger")).unwrap()).unwrap();
            let error = store.back_up(request(&data)).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Full, "{error:?}");
            assert!(
                matches!(&error, StoreError::Repository { path, .. } if path.starts_with(&disk)),
                "{error:?}"
            );

            let snapshots = store.snapshots().await.unwrap();
            assert_eq!(
                snapshots.iter().map(|it| it.id).collect::<Vec<_>>(),
                [first.snapshot]
            );
            let report = store
                .check(CheckDepth::ReadData { percent: 100 })
                .await
                .unwrap();
            let errors = report
                .findings
                .iter()
                .filter(|it| it.severity == Severity::Error);
            assert_eq!(errors.count(), 0, "{:?}", report.findings);

            fs::remove_file(data.join("larger")).unwrap();
            store.back_up(request(&data)).await.unwrap();
        });
    });
}

#[test]
fn a_full_target_is_an_error_with_its_path() {
    lab::isolation::isolated(|| {
        run(async {
            let dir = tempfile::tempdir().unwrap();
            let disk = dir.path().join("disk");
            small_disk(&disk, "4m");
            let store = create(&dir.path().join("repository")).await;
            let snapshot = store
                .back_up(request(&data(&dir, 8 << 20)))
                .await
                .unwrap()
                .snapshot;

            let to = disk.join("restored");
            let request = RestoreRequest {
                snapshot,
                only: None,
                to: to.clone(),
            };
            let error = store.restore(request).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Full, "{error:?}");
            let file = to.join("volumes/data/file");
            assert!(
                matches!(&error, StoreError::Restore { path, .. } if *path == file),
                "{error:?}"
            );
        });
    });
}
