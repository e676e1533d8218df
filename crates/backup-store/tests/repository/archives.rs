//! Sources that come as archives: what comes back is what they held, however they came.

use std::{
    ffi::OsString,
    fs::{self, FileTimes},
    io::{Cursor, Error, ErrorKind, Read, Result},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use backup_store::{
    BackupRequest, BackupSummary, Capture, OpenOptions, ReadArchive, RusticStore, Source,
    SpoolOptions, Store, StoreError, StoreErrorKind, testing::compare_trees,
};

use crate::scene::{Scene, furnish, noise, password, place};

const NIGHT_1: &str = "2026-03-01T03:00:00.5Z";

/// A folder that only GNU tar reads, as an engine reads a volume.
#[derive(Debug, Clone)]
struct Packed {
    folder: PathBuf,
    opened: Arc<AtomicUsize>,
    /// How many bytes of each archive arrive.
    cut_after: usize,
}

impl Packed {
    fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            opened: Arc::default(),
            cut_after: usize::MAX,
        }
    }
}

impl ReadArchive for Packed {
    fn origin(&self) -> String {
        "GNU tar".to_owned()
    }

    fn open(&self, beneath: &Path) -> Result<Box<dyn Read + Send>> {
        assert!(
            beneath.to_str().is_some(),
            "no engine can be asked for {beneath:?}"
        );
        self.opened.fetch_add(1, Relaxed);
        let (parent, asked) = if beneath.as_os_str().is_empty() {
            let name = self.folder.file_name().unwrap_or_default();
            (self.folder.parent().unwrap_or(&self.folder), name)
        } else {
            (&*self.folder, beneath.as_os_str())
        };
        // The name as it is, although it may begin with a dash or hold wildcards.
        let mut name = OsString::from("./");
        name.push(asked);
        let output = Command::new("tar")
            .args([
                "--create",
                "--format=posix",
                "--sort=name",
                "--numeric-owner",
            ])
            .args(["--xattrs", "--xattrs-include=*"])
            .arg("--directory")
            .arg(parent)
            .arg(name)
            .output()?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::new(ErrorKind::NotFound, why));
        }
        let mut archive = output.stdout;
        archive.truncate(self.cut_after);
        Ok(Box::new(Cursor::new(archive)))
    }
}

/// An archive made by hand, whatever is asked for.
#[derive(Debug)]
struct Made(Vec<u8>);

impl ReadArchive for Made {
    fn origin(&self) -> String {
        "the archive made by hand".to_owned()
    }

    fn open(&self, _: &Path) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.0.clone())))
    }
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

fn request(source: Source) -> BackupRequest {
    BackupRequest {
        stack: "wiki".to_owned(),
        host: "docker01".to_owned(),
        started_at: NIGHT_1.parse().unwrap(),
        sources: vec![source],
        tags: Vec::new(),
    }
}

/// Saves a source in stages.
async fn save(
    store: &RusticStore,
    source: Source,
) -> std::result::Result<(Capture, BackupSummary), StoreError> {
    let at = NIGHT_1.parse().unwrap();
    let mut staged = store.stage(request(source)).await?;
    staged.warm_up(at).await?;
    let capture = staged.capture(at).await?;
    Ok((capture, staged.archive().await?))
}

fn data(archive: impl ReadArchive) -> Source {
    Source::archive(place("volumes/data"), archive)
}

/// Compares what was restored, sockets aside: no archive has them.
fn assert_restored(scene: &Scene, restored: &str) {
    let restored = scene.path(restored).join("volumes/data");
    let mut differences = compare_trees(&scene.path("data"), &restored);
    differences.retain(|difference| difference.path != *"socket");
    assert!(differences.is_empty(), "{differences:#?}");
    assert!(!restored.join("socket").exists());
}

#[tokio::test]
async fn everything_that_an_archive_carries_comes_back() {
    let scene = Scene::new().await;
    furnish(&scene.path("data"));
    let store = store_with_spool(&scene, 1 << 30).await;
    let packed = Packed::new(scene.path("data"));
    let (capture, saved) = save(&store, data(packed.clone())).await.unwrap();
    assert_eq!(saved.unreadable, []);
    assert_eq!(packed.opened.load(Relaxed), 1, "read once");
    assert_eq!(capture.in_place_files, 0);
    scene.restore(saved.snapshot, "restored").await;
    assert_restored(&scene, "restored");
    let sparse = scene.path("restored/volumes/data/sparse");
    assert!(
        fs::metadata(sparse).unwrap().blocks() * 512 < 1 << 20,
        "it has its holes"
    );
}

#[tokio::test]
async fn what_the_spool_has_no_room_for_is_read_once_more_before_the_start() {
    let scene = Scene::new().await;
    furnish(&scene.path("data"));
    let store = store_with_spool(&scene, 64 << 10).await;
    let packed = Packed::new(scene.path("data"));
    let mut staged = store.stage(request(data(packed))).await.unwrap();
    let capture = staged.capture(NIGHT_1.parse().unwrap()).await.unwrap();
    // The large one, and the sparse one, whose few bytes lie far apart.
    assert_eq!(capture.in_place_files, 2, "{capture:?}");
    // It runs again now, and changes.
    fs::rename(scene.path("data"), scene.path("aside")).unwrap();
    let saved = staged.archive().await.unwrap();
    fs::rename(scene.path("aside"), scene.path("data")).unwrap();
    assert_eq!(saved.unreadable, []);
    scene.restore(saved.snapshot, "restored").await;
    assert_restored(&scene, "restored");
}

#[tokio::test]
async fn no_room_at_all_is_room_for_names_that_are_not_unicode() {
    let scene = Scene::new().await;
    furnish(&scene.path("data"));
    let store = store_with_spool(&scene, 0).await;
    let (capture, saved) = save(&store, data(Packed::new(scene.path("data"))))
        .await
        .unwrap();
    assert_eq!((capture.spooled_bytes, saved.unreadable.len()), (0, 0));
    scene.restore(saved.snapshot, "restored").await;
    assert_restored(&scene, "restored");
}

#[tokio::test]
async fn an_archive_that_is_cut_saves_nothing_wherever_it_is_cut() {
    let scene = Scene::new().await;
    fs::write(scene.path("data/first"), noise(1, 100_000)).unwrap();
    fs::write(scene.path("data/second"), "short").unwrap();
    let store = store_with_spool(&scene, 1 << 30).await;
    let packed = Packed::new(scene.path("data"));
    let mut whole = Vec::new();
    packed
        .open(Path::new(""))
        .unwrap()
        .read_to_end(&mut whole)
        .unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap();
    let first_zeros = end.next_multiple_of(512);
    for cut_after in [0, 100, 512, 50_000, 101_888, first_zeros, first_zeros + 511] {
        let cut = Packed {
            cut_after,
            ..packed.clone()
        };
        let error = save(&store, data(cut)).await.unwrap_err();
        assert!(
            matches!(&error, StoreError::Archive { .. }),
            "{cut_after}: {error:?}"
        );
        assert_eq!(error.kind(), StoreErrorKind::Io);
        assert_eq!(
            error.to_string(),
            "back up volumes/data: it could not be read whole from GNU tar"
        );
    }
    assert_eq!(store.snapshots().await.unwrap(), []);
    save(&store, data(packed)).await.unwrap();
}

#[tokio::test]
async fn what_changed_without_a_sign_of_it_is_saved_as_it_is_now() {
    let scene = Scene::new().await;
    let file = scene.path("data/file");
    fs::write(&file, "as it was").unwrap();
    let store = store_with_spool(&scene, 1 << 30).await;
    let source = || data(Packed::new(scene.path("data")));
    save(&store, source()).await.unwrap();
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    for (name, contents) in [("second", "as it is."), ("third", "yet again")] {
        fs::write(&file, contents).unwrap();
        let times = FileTimes::new().set_modified(time);
        fs::File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_times(times)
            .unwrap();
        let (_, saved) = save(&store, source()).await.unwrap();
        scene.restore(saved.snapshot, name).await;
        assert_restored(&scene, name);
    }
    let same = save(&store, source()).await.unwrap().1;
    assert!(
        same.added_bytes < 10_000,
        "its data is there already: {same:?}"
    );
}

#[tokio::test]
async fn what_is_left_out_takes_no_contents_away_from_its_other_names() {
    let scene = Scene::new().await;
    let folder = scene.path("data");
    for name in ["cache/deep", "mounted/within", "kept"] {
        fs::create_dir_all(folder.join(name)).unwrap();
        fs::write(folder.join(name).join("file"), name).unwrap();
    }
    for name in ["kept/linked", "kept/linked too"] {
        fs::hard_link(folder.join("cache/deep/file"), folder.join(name)).unwrap();
    }
    let store = store_with_spool(&scene, 1 << 30).await;
    let source = data(Packed::new(folder.clone()))
        .excluding(["/cache/*".parse().unwrap()])
        .without(["mounted".into()]);
    let (_, saved) = save(&store, source).await.unwrap();
    assert_eq!(
        (saved.unreadable.len(), saved.left_out),
        (0, 1),
        "{saved:?}"
    );
    scene.restore(saved.snapshot, "restored").await;
    fs::remove_dir_all(folder.join("cache/deep")).unwrap();
    fs::remove_dir_all(folder.join("mounted")).unwrap();
    let restored = scene.path("restored/volumes/data");
    let mut differences = compare_trees(&folder, &restored);
    // Something was removed from them just now.
    differences.retain(|it| it.what != "modification time" && it.what != "mtime");
    assert!(differences.is_empty(), "{differences:#?}");
    let [linked, too] = ["linked", "linked too"].map(|name| {
        let path = restored.join("kept").join(name);
        assert_eq!(fs::read_to_string(&path).unwrap(), "cache/deep");
        fs::metadata(path).unwrap().ino()
    });
    assert_eq!(linked, too);
}

#[tokio::test]
async fn a_single_file_and_a_copy_without_stages_are_fine() {
    let scene = Scene::new().await;
    let file = scene.path("data/app.conf");
    fs::write(&file, "port = 1").unwrap();
    let store = store_with_spool(&scene, 1 << 30).await;
    let source = Source::archive(place("binds/etc/app.conf"), Packed::new(file));
    let saved = store.back_up(request(source)).await.unwrap();
    assert_eq!((saved.files, saved.directories), (2, 0));
    scene.restore(saved.snapshot, "restored").await;
    let restored = scene.path("restored/binds/etc/app.conf");
    assert_eq!(fs::read_to_string(restored).unwrap(), "port = 1");

    let without_spool = scene.reopened().await;
    let source = data(Packed::new(scene.path("data")));
    let error = without_spool.back_up(request(source)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Refused, "{error}");
}

/// An archive of these names; those that end with a slash are folders, and `a=b` is another name of
/// `b`.
fn made(names: &[&str]) -> Made {
    let mut archive = tar::Builder::new(Vec::new());
    for name in names {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        let (name, kind, contents) = match name.split_once('=') {
            Some((name, target)) => {
                header.set_link_name(target).unwrap();
                (name, tar::EntryType::Link, "")
            }
            None if name.ends_with('/') => (*name, tar::EntryType::Directory, ""),
            None => (*name, tar::EntryType::Regular, *name),
        };
        header.set_entry_type(kind);
        header.set_size(contents.len() as u64);
        header.set_path(name).unwrap();
        header.set_cksum();
        archive.append(&header, contents.as_bytes()).unwrap();
    }
    Made(archive.into_inner().unwrap())
}

#[tokio::test]
async fn the_order_of_an_archive_does_not_matter() {
    let scene = Scene::new().await;
    let store = store_with_spool(&scene, 1 << 30).await;
    let archive = made(&["d/", "d/b/", "d/b/x", "d/a=d/b/x", "d/b-c", "d/b/y"]);
    let (_, saved) = save(&store, data(archive)).await.unwrap();
    // The manifest is a file as well.
    assert_eq!((saved.files, saved.directories), (5, 2));
    scene.restore(saved.snapshot, "restored").await;
    for (name, contents) in [
        ("a", "d/b/x"),
        ("b/x", "d/b/x"),
        ("b/y", "d/b/y"),
        ("b-c", "d/b-c"),
    ] {
        let path = scene.path("restored/volumes/data").join(name);
        assert_eq!(fs::read_to_string(path).unwrap(), contents, "{name}");
    }
}

#[tokio::test]
async fn an_archive_that_makes_no_sense_is_refused() {
    let scene = Scene::new().await;
    let store = store_with_spool(&scene, 1 << 30).await;
    for (names, why) in [
        (&[] as &[&str], "the archive is empty"),
        (&["d/", "d/a", "d/a"], "in the archive, a is there twice"),
        (&["d/", "e"], "e lies in the archive of d"),
        (&["d/", "d/a/b"], "in the archive, a/b lies in no folder"),
        (
            &["d/", "d/a", "d/a/b"],
            "in the archive, a/b lies in no folder",
        ),
        (&["f", "f/a"], "in the archive, a lies in no folder"),
        (
            &["d/", "d/a=d/b", "d/b"],
            "in the archive, a is another name of b, which is no file before it",
        ),
        (
            &["d/", "d/b/", "d/c=d/b"],
            "in the archive, the folder b has another name",
        ),
    ] {
        let error = save(&store, data(made(names))).await.unwrap_err();
        let StoreError::Archive { source, .. } = error else {
            panic!("{names:?}: {error}");
        };
        assert_eq!(source.to_string(), why, "{names:?}");
    }
    assert_eq!(store.snapshots().await.unwrap(), []);
}
