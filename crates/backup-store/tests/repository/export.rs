//! Archives, as GNU tar extracts them.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
    process::Command,
};

use backup_store::{
    ExportRequest, ExportSummary, Store, StoreError, StoreErrorKind, testing::compare_trees,
};

use crate::scene::{HOLE_BYTES, Scene, furnish, is_root, place};

async fn export(scene: &Scene, snapshot: backup_store::SnapshotId) -> ExportSummary {
    let request = ExportRequest {
        snapshot,
        only: Some(place("volumes/data")),
        to: scene.path("export.tar.zst"),
    };
    scene.store.export(request).await.unwrap()
}

/// GNU tar is there on every Debian; zstd's own program need not be, so that the library does that.
fn extract(archive: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    let plain = archive.with_extension("");
    let packed = fs::File::open(archive).unwrap();
    zstd::stream::copy_decode(packed, fs::File::create(&plain).unwrap()).unwrap();
    let output = Command::new("tar")
        .args(["--extract", "--same-permissions", "--numeric-owner"])
        .args(["--xattrs", "--xattrs-include=*", "--acls", "--file"])
        .arg(&plain)
        .arg("--directory")
        .arg(to)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    // A file from before 1970 is extracted with its time, and remarked upon.
    let other = complaints
        .lines()
        .filter(|line| !line.contains("implausibly old"));
    assert_eq!(other.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// An access list of the kernel's: `user::rwx,user:1000:r-x,group::r--,mask::r-x,other::---`.
const ACCESS_LIST: &[u8] = b"\x02\0\0\0\
    \x01\0\x07\0\xff\xff\xff\xff\
    \x02\0\x05\0\xe8\x03\0\0\
    \x04\0\x04\0\xff\xff\xff\xff\
    \x10\0\x05\0\xff\xff\xff\xff\
    \x20\0\0\0\xff\xff\xff\xff";

#[tokio::test]
async fn gnu_tar_extracts_what_was_saved() {
    let scene = Scene::new().await;
    let data = scene.path("data");
    furnish(&data);
    let long = "n".repeat(200);
    fs::create_dir_all(data.join(&long).join(&long)).unwrap();
    fs::write(data.join(&long).join(&long).join("file"), "deep").unwrap();
    if is_root() {
        let file = data.join("with a list");
        fs::write(&file, "x").unwrap();
        xattr::set(&file, "system.posix_acl_access", ACCESS_LIST).unwrap();
        let folder = data.join("with a list to inherit");
        fs::create_dir(&folder).unwrap();
        xattr::set(&folder, "system.posix_acl_default", ACCESS_LIST).unwrap();
        // cap_net_bind_service=ep, as capabilities(7) lays it out.
        let capable = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        xattr::set(&file, "security.capability", capable).unwrap();
    }
    let saved = scene.back_up("2026-03-01T03:00:00Z").await;
    let summary = export(&scene, saved.snapshot).await;
    let archive = scene.path("export.tar.zst");
    let metadata = fs::metadata(&archive).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
    assert_eq!(metadata.len(), summary.archive_bytes);
    assert_eq!(summary.files, saved.files);
    let missing: Vec<_> = summary
        .incomplete
        .iter()
        .map(|it| it.path.clone())
        .collect();
    assert_eq!(missing, [Path::new("volumes/data/socket")]);

    extract(&archive, &scene.path("extracted"));
    let extracted = scene.path("extracted/volumes/data");
    // A socket is nothing without who listens; without it, all is to be the same.
    let time = fs::metadata(&data).unwrap().modified().unwrap();
    fs::remove_file(data.join("socket")).unwrap();
    fs::File::open(&data).unwrap().set_modified(time).unwrap();
    let differences = compare_trees(&data, &extracted);
    assert!(differences.is_empty(), "{differences:#?}");
    let sparse = fs::metadata(extracted.join("sparse")).unwrap();
    assert!(
        sparse.blocks() * 512 < HOLE_BYTES / 2,
        "{}",
        sparse.blocks()
    );
}

#[tokio::test]
async fn nothing_is_ever_written_over() {
    let scene = Scene::new().await;
    fs::write(scene.path("data/file"), "x").unwrap();
    let saved = scene.back_up("2026-03-01T03:00:00Z").await;
    let to = scene.path("precious");
    fs::write(&to, "mine").unwrap();
    let request = ExportRequest {
        snapshot: saved.snapshot,
        only: None,
        to: to.clone(),
    };
    let error = scene.store.export(request).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Refused, "{error:?}");
    assert_eq!(fs::read(&to).unwrap(), b"mine");
}

#[tokio::test]
async fn an_export_that_fails_leaves_nothing_behind() {
    let scene = Scene::new().await;
    fs::write(scene.path("data/file"), vec![7; 100_000]).unwrap();
    let saved = scene.back_up("2026-03-01T03:00:00Z").await;
    fs::create_dir(scene.path("exports")).unwrap();
    // The data is gone, which is seen only when it is read.
    for pack in scene.objects("data") {
        fs::write(pack, "").unwrap();
    }
    let request = ExportRequest {
        snapshot: saved.snapshot,
        only: None,
        to: scene.path("exports/a.tar.zst"),
    };
    let error = scene.store.export(request).await.unwrap_err();
    assert!(!matches!(error, StoreError::Export { .. }), "{error:?}");
    assert_eq!(fs::read_dir(scene.path("exports")).unwrap().count(), 0);
}
