//! Holding what is on disk against a snapshot.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use backup_store::{ChangeKind, CompareRequest, Comparison, Store, StoreError};

use crate::scene::{Scene, furnish, place};

async fn compare(scene: &Scene, snapshot: backup_store::SnapshotId, name: &str) -> Comparison {
    let request = CompareRequest {
        snapshot,
        place: place("volumes/data"),
        path: scene.path(name),
        exclude: vec!["*.log".parse().unwrap()],
    };
    scene.store.compare(request).await.unwrap()
}

#[tokio::test]
async fn what_was_saved_is_the_same_and_so_is_what_was_restored() {
    let scene = Scene::new().await;
    furnish(&scene.path("data"));
    let saved = scene.back_up("2026-03-01T03:00:00Z").await;
    let live = compare(&scene, saved.snapshot, "data").await;
    assert_eq!(live.changes, []);
    let all = saved.files + saved.directories + saved.other;
    assert_eq!(live.unchanged, all);
    scene.restore(saved.snapshot, "restored").await;
    let restored = compare(&scene, saved.snapshot, "restored/volumes/data").await;
    assert_eq!(restored.changes, []);
    assert_eq!(restored.unchanged, all);
}

#[tokio::test]
async fn every_difference_is_named() {
    let scene = Scene::new().await;
    furnish(&scene.path("data"));
    let saved = scene.back_up("2026-03-01T03:00:00Z").await;
    let data = scene.path("data");
    let time = fs::metadata(data.join("large"))
        .unwrap()
        .modified()
        .unwrap();
    // One byte in the middle, with all else as it was.
    let mut large = fs::read(data.join("large")).unwrap();
    large[1_500_000] ^= 1;
    fs::write(data.join("large"), large).unwrap();
    let file = fs::File::open(data.join("large")).unwrap();
    file.set_modified(time).unwrap();
    fs::remove_file(data.join("empty")).unwrap();
    fs::remove_dir_all(data.join("deep/er")).unwrap();
    fs::set_permissions(data.join("small"), Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(data.join("link")).unwrap();
    symlink("elsewhere", data.join("link")).unwrap();
    xattr::remove(data.join("attributed"), "user.empty").unwrap();
    fs::create_dir(data.join("added")).unwrap();
    fs::write(data.join("added/file"), "12345").unwrap();
    fs::write(data.join("kept.log"), "not in any snapshot").unwrap();

    let comparison = compare(&scene, saved.snapshot, "data").await;
    let change = |path: &str| {
        let change = comparison
            .changes
            .iter()
            .find(|it| it.path == Path::new(path));
        change.unwrap_or_else(|| panic!("nothing about {path}: {:#?}", comparison.changes))
    };
    assert_eq!(change("large").what, ["contents"]);
    assert_eq!(change("small").what, ["mode"]);
    assert!(change("link").what.contains(&"link target".to_owned()));
    assert_eq!(change("attributed").what, ["extended attributes"]);
    for (path, kind, bytes) in [
        ("empty", ChangeKind::New, 0),
        ("deep/er", ChangeKind::New, 0),
        ("deep/er/hard link", ChangeKind::New, 5),
        ("added", ChangeKind::Removed, 5),
    ] {
        let change = change(path);
        assert_eq!((change.kind, change.bytes), (kind, bytes), "{path}");
    }
    assert!(
        comparison
            .changes
            .iter()
            .all(|it| it.path != Path::new("kept.log"))
    );
}

#[tokio::test]
async fn nothing_there_is_all_new_and_another_place_an_error() {
    let scene = Scene::new().await;
    fs::write(scene.path("data/file"), "x").unwrap();
    let saved = scene.back_up("2026-03-01T03:00:00Z").await;
    let comparison = compare(&scene, saved.snapshot, "nowhere").await;
    assert!(
        comparison
            .changes
            .iter()
            .all(|it| it.kind == ChangeKind::New)
    );
    assert_eq!(comparison.changes.len(), 2);
    for name in ["volumes/other", "volumes/data/file/further"] {
        let request = CompareRequest {
            snapshot: saved.snapshot,
            place: place(name),
            path: scene.path("data"),
            exclude: Vec::new(),
        };
        let error = scene.store.compare(request).await.unwrap_err();
        assert!(
            matches!(error, StoreError::PathNotInSnapshot { .. }),
            "{error:?}"
        );
    }
}
