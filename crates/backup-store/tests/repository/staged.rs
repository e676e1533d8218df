//! Backups in stages: what comes back is what was there at the capture, whatever went on around it.

use std::{
    fs::{self, File, FileTimes},
    io::Write,
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use crate::scene::{Scene, furnish, noise, password};
use backup_store::{
    Capture, OpenOptions, RusticStore, SpoolOptions, StagedBackup, Store, StoreError,
    testing::compare_trees,
};
use jiff::Timestamp;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

const NIGHT_1: &str = "2026-03-01T03:00:00.5Z";

#[expect(
    clippy::disallowed_methods,
    reason = "what files are held against is the kernel's clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

async fn store_with_spool(scene: &Scene, limit_bytes: u64) -> RusticStore {
    let options = OpenOptions {
        spool: Some(SpoolOptions {
            folder: scene.path("spool"),
            limit_bytes,
        }),
        ..OpenOptions::default()
    };
    let path = scene.path("repository");
    RusticStore::open(&path, &password(), options)
        .await
        .unwrap()
}

/// What is in the folder now, kept aside with all its attributes.
fn keep(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(status.unwrap().success());
}

fn assert_same(left: &Path, right: &Path) {
    let differences = compare_trees(left, right);
    assert!(differences.is_empty(), "{differences:#?}");
}

/// Writes other contents of the same length, and gives the file back the time it had.
fn change_behind_the_back(path: &Path, seed: u64) {
    let metadata = fs::metadata(path).unwrap();
    let length = usize::try_from(metadata.len()).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(&noise(seed, length), 0).unwrap();
    let times = FileTimes::new().set_modified(metadata.modified().unwrap());
    file.set_times(times).unwrap();
}

async fn captured(store: &RusticStore, scene: &Scene) -> (Box<dyn StagedBackup>, Capture) {
    let mut staged = store.stage(scene.request(NIGHT_1)).await.unwrap();
    staged.warm_up(now()).await.unwrap();
    let capture = staged.capture(now()).await.unwrap();
    (staged, capture)
}

#[tokio::test]
async fn what_is_archived_is_what_was_there_at_the_capture() {
    let scene = Scene::new().await;
    let store = store_with_spool(&scene, 1 << 30).await;
    let data = scene.path("data");
    furnish(&data);
    let (first, _) = captured(&store, &scene).await;
    first.archive().await.unwrap();

    let mut staged = store.stage(scene.request(NIGHT_1)).await.unwrap();
    let large: PathBuf = data.join("large enough to be copied ahead");
    fs::write(&large, noise(5, 9 << 20)).unwrap();
    let warm_up = staged.warm_up(now()).await.unwrap();
    assert!(!warm_up.copied_live);
    let file = File::options().write(true).open(&large).unwrap();
    file.write_all_at(b"a page of it", 5 << 20).unwrap();
    file.write_all_at(&noise(6, 3 << 20), 9 << 20).unwrap();
    fs::remove_file(data.join("small")).unwrap();
    fs::write(data.join("new"), "since").unwrap();
    fs::set_permissions(data.join("empty"), fs::Permissions::from_mode(0o640)).unwrap();
    change_behind_the_back(&data.join("large"), 7);
    let capture = staged.capture(now()).await.unwrap();
    assert_eq!((capture.in_place_files, capture.unsteady.len()), (0, 0));
    keep(&data, &scene.path("kept"));

    fs::write(data.join("new"), "after").unwrap();
    fs::write(&large, "short").unwrap();
    fs::remove_dir_all(data.join("deep")).unwrap();
    change_behind_the_back(&data.join("large"), 8);
    let saved = staged.archive().await.unwrap();
    assert_eq!(saved.unreadable, []);
    scene.restore(saved.snapshot, "restored").await;
    assert_same(&scene.path("kept"), &scene.path("restored/volumes/data"));
    assert_eq!(fs::read_dir(scene.path("spool")).unwrap().count(), 0);
}

#[tokio::test]
async fn files_that_are_hammered_during_the_live_pass_are_as_they_were_at_the_capture() {
    let scene = Scene::new().await;
    let store = store_with_spool(&scene, 1 << 30).await;
    let data = scene.path("data");
    let name = |number: usize| data.join(format!("{:02}/{number}", number % 50));
    for folder in 0..50 {
        fs::create_dir(data.join(format!("{folder:02}"))).unwrap();
    }
    for number in 0..6000 {
        fs::write(name(number), noise(number as u64, 700)).unwrap();
    }
    let mut staged = store.stage(scene.request(NIGHT_1)).await.unwrap();

    let hammering = Arc::new(AtomicBool::new(true));
    let hammer = {
        let (on, names) = (
            Arc::clone(&hammering),
            (0..300).map(name).collect::<Vec<_>>(),
        );
        thread::spawn(move || {
            let mut rounds = 0_u64;
            while on.load(Relaxed) {
                rounds += 1;
                for (path, number) in names.iter().zip(0..) {
                    change_behind_the_back(path, rounds * 1000 + number);
                }
            }
            rounds
        })
    };
    let warm_up = staged.warm_up(now()).await.unwrap();
    assert!(warm_up.copied_live, "{warm_up:?}");
    hammering.store(false, Relaxed);
    let rounds = hammer.join().unwrap();
    assert!(rounds > 1, "{rounds} rounds");

    let capture = staged.capture(now()).await.unwrap();
    keep(&data, &scene.path("kept"));
    assert!(capture.spooled_files >= 300, "{capture:?}");
    for number in 0..600 {
        change_behind_the_back(&name(number), 1);
    }
    let saved = staged.archive().await.unwrap();
    assert_eq!(saved.unreadable, []);
    scene.restore(saved.snapshot, "restored").await;
    assert_same(&scene.path("kept"), &scene.path("restored/volumes/data"));
    let left: Vec<_> = store.snapshots().await.unwrap();
    assert_eq!(left.len(), 1, "the snapshot of the live pass is gone");
}

#[tokio::test]
async fn what_does_not_fit_is_read_before_anything_is_started() {
    let scene = Scene::new().await;
    let store = store_with_spool(&scene, 4 << 10).await;
    let data = scene.path("data");
    let (first, _) = {
        fs::write(data.join("old"), "old").unwrap();
        captured(&store, &scene).await
    };
    first.archive().await.unwrap();
    let mut staged = store.stage(scene.request(NIGHT_1)).await.unwrap();
    staged.warm_up(now()).await.unwrap();
    fs::write(data.join("fits"), noise(1, 1 << 10)).unwrap();
    fs::write(data.join("too large"), noise(2, 1 << 20)).unwrap();
    let capture = staged.capture(now()).await.unwrap();
    assert_eq!(
        (capture.in_place_files, capture.in_place_bytes),
        (1, 1 << 20)
    );
    keep(&data, &scene.path("kept"));
    fs::remove_file(data.join("too large")).unwrap();
    fs::remove_file(data.join("fits")).unwrap();
    let saved = staged.archive().await.unwrap();
    assert_eq!(saved.unreadable, []);
    scene.restore(saved.snapshot, "restored").await;
    assert_same(&scene.path("kept"), &scene.path("restored/volumes/data"));
}

#[tokio::test]
async fn what_the_last_snapshot_lost_is_read_again_if_it_is_still_the_same() {
    let scene = Scene::new().await;
    let store = store_with_spool(&scene, 1 << 30).await;
    let data = scene.path("data");
    for name in ["same", "changed after", "gone after"] {
        fs::write(data.join(name), noise(name.len() as u64, 2000)).unwrap();
    }
    // So old that they are not copied because they might have changed again.
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let (first, _) = captured(&store, &scene).await;
    first.archive().await.unwrap();
    let (staged, capture) = captured(&store, &scene).await;
    assert_eq!(capture.spooled_files, 0, "they are in the snapshot");
    for object in scene.objects("index") {
        fs::remove_file(object).unwrap();
    }
    change_behind_the_back(&data.join("changed after"), 3);
    fs::remove_file(data.join("gone after")).unwrap();
    let saved = staged.archive().await.unwrap();
    let lost: Vec<_> = saved.unreadable.iter().map(|file| &file.path).collect();
    assert_eq!(
        lost,
        [&data.join("changed after"), &data.join("gone after")]
    );
    assert!(
        saved.unreadable[0]
            .reason
            .contains("before it could be read")
    );
    scene.restore(saved.snapshot, "restored").await;
    let restored = scene.path("restored/volumes/data");
    assert_eq!(fs::read_dir(&restored).unwrap().count(), 1);
    let same = fs::read(restored.join("same")).unwrap();
    assert_eq!(same, fs::read(data.join("same")).unwrap());
}

#[tokio::test]
async fn stages_out_of_order_are_refused() {
    let scene = Scene::new().await;
    fs::write(scene.path("data/file"), "x").unwrap();
    let none = scene.store.stage(scene.request(NIGHT_1)).await.unwrap_err();
    assert!(matches!(none, StoreError::InvalidRequest { .. }), "{none}");

    let store = store_with_spool(&scene, 1 << 30).await;
    let staged = store.stage(scene.request(NIGHT_1)).await.unwrap();
    let error = staged.archive().await.unwrap_err();
    assert!(
        matches!(error, StoreError::InvalidRequest { .. }),
        "{error}"
    );

    // The first may be left out.
    let mut staged = store.stage(scene.request(NIGHT_1)).await.unwrap();
    staged.capture(now()).await.unwrap();
    assert_eq!(
        staged.archive().await.unwrap().files,
        2,
        "with the manifest"
    );

    let mut staged = store.stage(scene.request(NIGHT_1)).await.unwrap();
    fs::remove_dir_all(scene.path("data")).unwrap();
    let error = staged.capture(now()).await.unwrap_err();
    assert!(matches!(error, StoreError::SourceMissing { .. }), "{error}");
}

/// A change somewhere in a tree of twelve places.
#[derive(Debug, Clone)]
enum Change {
    Write(usize, u64, usize),
    Append(usize, u64),
    Truncate(usize),
    BehindTheBack(usize, u64),
    Remove(usize),
    Rename(usize, usize),
    HardLink(usize, usize),
    Link(usize),
    Folder(usize),
    Mode(usize, u32),
    Sparse(usize, u64),
}

fn change() -> impl Strategy<Value = Change> {
    let place = 0..12_usize;
    let length = prop_oneof![0..2000_usize, 60_000..200_000_usize, Just((4 << 20) + 5)];
    prop_oneof![
        4 => (place.clone(), any::<u64>(), length).prop_map(|(at, seed, length)| Change::Write(at, seed, length)),
        2 => (place.clone(), any::<u64>()).prop_map(|(at, seed)| Change::Append(at, seed)),
        1 => place.clone().prop_map(Change::Truncate),
        3 => (place.clone(), any::<u64>()).prop_map(|(at, seed)| Change::BehindTheBack(at, seed)),
        2 => place.clone().prop_map(Change::Remove),
        1 => (place.clone(), place.clone()).prop_map(|(from, to)| Change::Rename(from, to)),
        1 => (place.clone(), place.clone()).prop_map(|(from, to)| Change::HardLink(from, to)),
        1 => place.clone().prop_map(Change::Link),
        1 => place.clone().prop_map(Change::Folder),
        1 => (place.clone(), 0..0o1000_u32).prop_map(|(at, mode)| Change::Mode(at, mode)),
        1 => (place, 0..20_u64).prop_map(|(at, page)| Change::Sparse(at, page)),
    ]
}

/// Makes a change, if it can be made to what is there.
fn apply(root: &Path, change: &Change) {
    let at = |place: usize| {
        root.join(["", "a", "b/c"][place % 3])
            .join(place.to_string())
    };
    let is_file = |path: &Path| fs::symlink_metadata(path).is_ok_and(|file| file.is_file());
    let is_free = |path: &Path| fs::symlink_metadata(path).is_err();
    // What cannot be made (a link over a folder, say) is no change; that is as random as the rest.
    let _ = match change {
        Change::Write(place, seed, length) if !at(*place).is_symlink() => {
            fs::write(at(*place), noise(*seed, *length))
        }
        Change::Append(place, seed) if is_file(&at(*place)) => File::options()
            .append(true)
            .open(at(*place))
            .and_then(|mut file| file.write_all(&noise(*seed, 3000))),
        Change::Truncate(place) if is_file(&at(*place)) => File::options()
            .write(true)
            .open(at(*place))
            .and_then(|file| file.set_len(file.metadata()?.len() / 2)),
        Change::BehindTheBack(place, seed) if is_file(&at(*place)) => {
            change_behind_the_back(&at(*place), *seed);
            Ok(())
        }
        Change::Remove(place) => {
            let path = at(*place);
            fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path))
        }
        Change::Rename(from, to) => fs::rename(at(*from), at(*to)),
        Change::HardLink(from, to) if is_file(&at(*from)) => fs::hard_link(at(*from), at(*to)),
        Change::Link(place) if is_free(&at(*place)) => symlink("to nowhere", at(*place)),
        Change::Folder(place) if is_free(&at(*place)) => fs::create_dir(at(*place)),
        Change::Mode(place, mode) if is_file(&at(*place)) => {
            fs::set_permissions(at(*place), fs::Permissions::from_mode(*mode))
        }
        Change::Sparse(place, page) if is_free(&at(*place)) => File::create_new(at(*place))
            .and_then(|file| {
                file.set_len(1 << 20)?;
                file.write_all_at(b"x", page << 12)
            }),
        _ => Ok(()),
    };
}

fn apply_all(root: &Path, changes: &[Change]) {
    for change in changes {
        apply(root, change);
    }
}

#[test]
fn whatever_changes_before_between_and_after_it_is_the_capture_that_comes_back() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let scene = runtime.block_on(Scene::new());
    let data = scene.path("data");
    // Some nights must find that the spool is too small.
    let stores =
        [64 << 20, 5 << 20, 100_000].map(|limit| runtime.block_on(store_with_spool(&scene, limit)));
    let changes = |most| prop::collection::vec(change(), 0..most);
    let night = (changes(25), changes(8), changes(8), changes(12), 0..3_usize);
    let cases = Config::default().cases.min(64);
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let number = AtomicUsize::new(0);
    runner
        .run(&prop::collection::vec(night, 1..4), |nights| {
            let number = number.fetch_add(1, Relaxed);
            let _ = fs::remove_dir_all(&data);
            fs::create_dir_all(data.join("a")).unwrap();
            fs::create_dir_all(data.join("b/c")).unwrap();
            for (between, meanwhile, before, after, store) in nights {
                let mut request = scene.request(NIGHT_1);
                request.stack = format!("stack {number}");
                apply_all(&data, &between);
                let kept = scene.path("kept");
                let _ = fs::remove_dir_all(&kept);
                let saved = runtime.block_on(async {
                    let mut staged = stores[store].stage(request).await.unwrap();
                    let root = data.clone();
                    let at_work = thread::spawn(move || {
                        apply_all(&root, &meanwhile);
                    });
                    staged.warm_up(now()).await.unwrap();
                    at_work.join().unwrap();
                    apply_all(&data, &before);
                    let capture = staged.capture(now()).await.unwrap();
                    keep(&data, &kept);
                    prop_assert!(capture.unsteady.is_empty(), "{:?}", capture);
                    apply_all(&data, &after);
                    Ok(staged.archive().await.unwrap())
                })?;
                prop_assert_eq!(&saved.unreadable, &[]);
                let restored = scene.path("restored");
                let _ = fs::remove_dir_all(&restored);
                runtime.block_on(scene.restore(saved.snapshot, "restored"));
                let differences = compare_trees(&kept, &restored.join("volumes/data"));
                prop_assert!(differences.is_empty(), "{:#?}", differences);
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(
        fs::metadata(scene.path("spool")).unwrap().mode() & 0o777,
        0o700
    );
}
