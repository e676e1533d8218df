//! What goes in comes out: every attribute, every kind of file, and a summary that is true.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use crate::scene::{HOLE_BYTES, Scene, furnish, is_root, noise, password, place};
use backup_store::{RestoreRequest, Source, Store, StoreError, testing::compare_trees};

const NIGHT_1: &str = "2026-03-01T03:00:00.5Z";
const NIGHT_2: &str = "2026-03-02T03:00:00Z";

#[tokio::test]
async fn a_tree_comes_back_as_it_was() {
    let scene = Scene::new().await;
    furnish(&scene.path("data"));
    let saved = scene.back_up(NIGHT_1).await;
    assert_eq!(saved.unreadable, []);
    assert_eq!(saved.sockets, [scene.path("data/socket")]);
    // Eight plain files and a sparse one, and two more names of one of them.
    assert_eq!((saved.files, saved.directories), (11, 5));
    assert_eq!(saved.other, if is_root() { 8 } else { 6 });

    let restored = scene.restore(saved.snapshot, "restored").await;
    assert_eq!(restored.incomplete, []);
    let differences = compare_trees(&scene.path("data"), &scene.path("restored/volumes/data"));
    assert!(differences.is_empty(), "{differences:#?}");
    assert_eq!(
        (restored.files, restored.other, restored.directories),
        (saved.files, saved.other, saved.directories + 1),
        "the folder above the source is made as well"
    );
    assert!(saved.processed_bytes >= restored.bytes);
    assert_eq!(
        fs::metadata(scene.path("restored")).unwrap().mode() & 0o7777,
        0o700
    );
}

#[tokio::test]
async fn holes_stay_holes() {
    let scene = Scene::new().await;
    furnish(&scene.path("data"));
    let saved = scene.back_up(NIGHT_1).await;
    assert!(
        saved.added_bytes < HOLE_BYTES / 8,
        "{} bytes for a hole",
        saved.added_bytes
    );
    scene.restore(saved.snapshot, "restored").await;
    let sparse = fs::metadata(scene.path("restored/volumes/data/sparse")).unwrap();
    assert_eq!(sparse.len(), HOLE_BYTES + 1);
    assert!(
        sparse.blocks() * 512 < 1 << 20,
        "{} blocks for a hole",
        sparse.blocks()
    );
}

#[tokio::test]
async fn the_second_night_adds_little() {
    let scene = Scene::new().await;
    furnish(&scene.path("data"));
    let first = scene.back_up(NIGHT_1).await;
    assert!(first.added_bytes > 3 << 20);
    fs::write(scene.path("data/small"), "changed").unwrap();
    let second = scene.back_up(NIGHT_2).await;
    assert!(
        second.added_bytes < 64 << 10,
        "{} bytes for a small change",
        second.added_bytes
    );
    assert_eq!(
        (first.files, first.directories),
        (second.files, second.directories)
    );

    scene.restore(second.snapshot, "restored").await;
    let restored = scene.path("restored/volumes/data");
    assert_eq!(compare_trees(&scene.path("data"), &restored), []);
    scene.restore(first.snapshot, "before").await;
    assert_eq!(
        fs::read(scene.path("before/volumes/data/small")).unwrap(),
        b"hello"
    );
}

#[tokio::test]
async fn what_another_run_stored_is_not_stored_again() {
    let scene = Scene::new().await;
    let other = scene.reopened().await;
    fs::write(scene.path("data/large"), noise(2, 2 << 20)).unwrap();
    // Both have read the index by now; then one of them adds to it.
    scene.back_up(NIGHT_1).await;
    fs::write(scene.path("data/larger"), noise(3, 4 << 20)).unwrap();
    other.back_up(scene.request(NIGHT_1)).await.unwrap();
    let again = scene.back_up(NIGHT_2).await;
    assert!(
        again.added_bytes < 64 << 10,
        "{} bytes were stored again",
        again.added_bytes
    );
}

#[tokio::test]
async fn snapshots_are_listed_newest_last() {
    let scene = Scene::new().await;
    fs::write(scene.path("data/f"), "12345").unwrap();
    let second = scene.back_up(NIGHT_2).await;
    let first = scene.back_up(NIGHT_1).await;
    let snapshots = scene.store.snapshots().await.unwrap();
    let ids: Vec<_> = snapshots.iter().map(|snapshot| snapshot.id).collect();
    assert_eq!(ids, [first.snapshot, second.snapshot]);
    let oldest = &snapshots[0];
    assert_eq!(oldest.time.to_string(), NIGHT_1);
    assert_eq!(
        (oldest.stack.as_str(), oldest.host.as_str()),
        ("wiki", "docker01")
    );
    assert_eq!(
        (&oldest.tags[..], &oldest.paths[..]),
        (
            &["nightly".to_owned()][..],
            &["/volumes/data".to_owned()][..]
        )
    );
    assert_eq!((oldest.files, oldest.processed_bytes), (Some(1), Some(5)));
}

#[tokio::test]
async fn several_sources_lie_where_the_request_says() {
    let scene = Scene::new().await;
    fs::write(scene.path("data/f"), "volume").unwrap();
    fs::write(scene.path("compose.yaml"), "services:").unwrap();
    let mut request = scene.request(NIGHT_1);
    request.sources.push(Source::path(
        place("compose/project.yaml"),
        scene.path("compose.yaml"),
    ));
    let modified = "2026-02-28T12:00:00Z".parse().unwrap();
    request
        .sources
        .push(Source::bytes(place("containers.json"), "[1]", modified));
    let first = scene.store.back_up(request.clone()).await.unwrap();
    assert_eq!((first.files, first.directories), (3, 1));

    // Of the same length and age, but not the same.
    request.sources[2] = Source::bytes(place("containers.json"), "[2]", modified);
    let second = scene.store.back_up(request).await.unwrap();

    scene.restore(second.snapshot, "restored").await;
    let read = |name: &str| fs::read_to_string(scene.path("restored").join(name)).unwrap();
    assert_eq!(read("volumes/data/f"), "volume");
    assert_eq!(read("compose/project.yaml"), "services:");
    assert_eq!(read("containers.json"), "[2]");
    let definitions = fs::metadata(scene.path("restored/containers.json")).unwrap();
    assert_eq!(definitions.mode() & 0o7777, 0o600);
    assert_eq!(definitions.mtime(), modified.as_second());
}

#[tokio::test]
async fn a_part_of_a_snapshot_can_be_restored() {
    let scene = Scene::new().await;
    fs::create_dir_all(scene.path("data/a/b")).unwrap();
    fs::create_dir_all(scene.path("data/c")).unwrap();
    fs::write(scene.path("data/a/b/f"), "wanted").unwrap();
    fs::write(scene.path("data/a/b/g"), "next to it").unwrap();
    fs::set_permissions(scene.path("data/a"), fs::Permissions::from_mode(0o711)).unwrap();
    let snapshot = scene.back_up(NIGHT_1).await.snapshot;
    let restore = async |only: &str, to: &str| {
        let (only, to) = (Some(place(only)), scene.path(to));
        scene
            .store
            .restore(RestoreRequest { snapshot, only, to })
            .await
    };

    let one_file = restore("volumes/data/a/b/f", "one").await.unwrap();
    assert_eq!((one_file.files, one_file.directories), (1, 4));
    let found = scene.path("one/volumes/data/a/b/f");
    assert_eq!(fs::read_to_string(found).unwrap(), "wanted");
    assert_eq!(
        fs::metadata(scene.path("one/volumes/data/a"))
            .unwrap()
            .mode()
            & 0o777,
        0o711
    );

    let folder = restore("volumes/data/a", "folder").await.unwrap();
    assert_eq!((folder.files, folder.directories), (2, 4));
    assert!(!scene.path("folder/volumes/data/c").exists());

    for missing in ["volumes/other", "volumes/data/a/b/f/x", "data"] {
        let error = restore(missing, "never").await.unwrap_err();
        assert!(
            matches!(&error, StoreError::PathNotInSnapshot { path, .. } if *path == place(missing)),
            "{missing}: {error}"
        );
        assert!(
            !scene.path("never").exists(),
            "nothing is made for what is not there"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_the_rest_is_saved() {
    let scene = Scene::new().await;
    fs::write(scene.path("data/readable"), "saved").unwrap();
    // Deeper than a path can be long: not even root can read it by its path.
    let bottom = dig(&scene.path("data"));
    if !is_root() {
        fs::write(scene.path("data/secret"), "").unwrap();
        fs::set_permissions(scene.path("data/secret"), fs::Permissions::from_mode(0o000)).unwrap();
    }

    let saved = scene.back_up(NIGHT_1).await;
    assert_eq!(saved.files, 1);
    let named: Vec<_> = saved
        .unreadable
        .iter()
        .map(|it| (&it.path, it.reason.as_str()))
        .collect();
    assert_eq!(named.len(), if is_root() { 1 } else { 2 }, "{named:?}");
    assert!(bottom.starts_with(named[0].0), "{named:?}");
    assert!(named[0].1.contains("too long"), "{named:?}");

    scene.restore(saved.snapshot, "restored").await;
    let read = fs::read_to_string(scene.path("restored/volumes/data/readable"));
    assert_eq!(read.unwrap(), "saved");
}

/// Makes directories below each other until their path is longer than the kernel takes.
fn dig(top: &Path) -> std::path::PathBuf {
    use rustix::fs::{Mode, OFlags, mkdirat, openat};

    let name = "d".repeat(200);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut folder = rustix::fs::open(top, flags, Mode::empty()).unwrap();
    let mut path = top.to_owned();
    while path.as_os_str().len() < 4500 {
        mkdirat(&folder, &name, Mode::RWXU).unwrap();
        folder = openat(&folder, &name, flags, Mode::empty()).unwrap();
        path.push(&name);
    }
    path
}

#[tokio::test]
async fn a_cache_changes_nothing_but_where_it_is_read() {
    let scene = Scene::new().await;
    furnish(&scene.path("data"));
    let cache = scene.path("cache");
    let options = backup_store::OpenOptions {
        cache: Some(cache.clone()),
        ..backup_store::OpenOptions::default()
    };
    let path = scene.path("repository");
    let cached = backup_store::RusticStore::open(&path, &password(), options)
        .await
        .unwrap();
    cached.back_up(scene.request(NIGHT_1)).await.unwrap();
    let again = cached.back_up(scene.request(NIGHT_2)).await.unwrap();
    assert!(fs::read_dir(&cache).unwrap().count() > 0);
    scene.restore(again.snapshot, "restored").await;
    let restored = scene.path("restored/volumes/data");
    assert_eq!(compare_trees(&scene.path("data"), &restored), []);
}
