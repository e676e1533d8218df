//! `fs-snapshots` on real file systems: btrfs, XFS and ext4 on loop devices, in the lab's own
//! namespaces.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use fs_snapshots::{
    Held, Holder, Ledger, NotServed, Origin, Owner, SnapshotError, SnapshotId, Snapshotter,
    SystemOptions, SystemSnapshotter, probe_reflink, reflink,
};
use lab::isolation::{isolated, scratch};

/// Less than 300 MiB mkfs.xfs refuses, and less than 109 MiB mkfs.btrfs. It only costs what is
/// written.
const SIZE_BYTES: u64 = 512 << 20;

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}

/// A file system of its own, made with `mkfs` and mounted at a folder of the same name. The end of
/// the namespaces unmounts it, and the loop device goes with it.
fn file_system(name: &str, mkfs: &[&str]) -> PathBuf {
    let at = scratch().unwrap().join(name);
    let image = at.with_extension("image");
    fs::create_dir(&at).unwrap();
    File::create(&image).unwrap().set_len(SIZE_BYTES).unwrap();
    let arguments = [&mkfs[1..], &[image.to_str().unwrap()]].concat();
    run(mkfs[0], &arguments);
    mount(&image, &at, "loop");
    at
}

fn mount(what: &Path, at: &Path, options: &str) {
    let paths = [what.to_str().unwrap(), at.to_str().unwrap()];
    run("mount", &["-o", options, paths[0], paths[1]]);
}

fn btrfs_disk() -> PathBuf {
    file_system("btrfs", &["mkfs.btrfs", "-q"])
}

/// Bytes that no file system makes smaller.
fn write_random(path: &Path, bytes: usize) {
    let mut contents = vec![0; bytes];
    let random = File::open("/dev/urandom").unwrap();
    std::io::Read::read_exact(&mut &random, &mut contents).unwrap();
    fs::write(path, contents).unwrap();
}

fn free_bytes(at: &Path) -> u64 {
    rustix::fs::syncfs(File::open(at).unwrap()).unwrap();
    let free = rustix::fs::statvfs(at).unwrap();
    free.f_bavail * free.f_frsize
}

fn a_copy_shares_its_extents(disk: &Path) {
    const BYTES: usize = 64 << 20;
    assert!(probe_reflink(disk));
    assert_eq!(
        fs::read_dir(disk).unwrap().count(),
        0,
        "the probe left something"
    );
    write_random(&disk.join("data"), BYTES);
    let free = free_bytes(disk);
    let from = File::options()
        .read(true)
        .write(true)
        .open(disk.join("data"))
        .unwrap();
    let copy = File::create_new(disk.join("copy")).unwrap();
    assert!(reflink(&from, &copy).unwrap());
    let taken = free.saturating_sub(free_bytes(disk));
    assert!(taken < BYTES as u64 / 4, "the copy took {taken} bytes");
    let original = fs::read(disk.join("data")).unwrap();
    assert_eq!(fs::read(disk.join("copy")).unwrap(), original);

    // What is written afterwards is in one of the two only.
    from.write_all_at(&[0; 4096], 4096).unwrap();
    assert_ne!(fs::read(disk.join("data")).unwrap(), original);
    assert_eq!(fs::read(disk.join("copy")).unwrap(), original);

    // Holes stay holes, and what was not synced is in the copy.
    let sparse = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(disk.join("sparse"))
        .unwrap();
    sparse.set_len(1 << 30).unwrap();
    sparse.write_all_at(b"end", (1 << 30) - 3).unwrap();
    let copy = File::create_new(disk.join("sparse copy")).unwrap();
    assert!(reflink(&sparse, &copy).unwrap());
    let metadata = copy.metadata().unwrap();
    assert_eq!(metadata.len(), 1 << 30);
    assert!(metadata.blocks() * 512 < 1 << 20, "{metadata:?}");
    let mut end = [0; 3];
    let copy = File::open(disk.join("sparse copy")).unwrap();
    copy.read_exact_at(&mut end, (1 << 30) - 3).unwrap();
    assert_eq!(&end, b"end");

    // Nor is there any sharing with another file system: the caller copies then.
    let elsewhere = File::create_new(scratch().unwrap().join("elsewhere")).unwrap();
    assert!(!reflink(&from, &elsewhere).unwrap());
    assert_eq!(elsewhere.metadata().unwrap().len(), 0);
}

#[test]
fn xfs_shares_extents() {
    isolated(|| {
        a_copy_shares_its_extents(&file_system("xfs", &["mkfs.xfs", "-q", "-m", "reflink=1"]));
    });
}

#[test]
fn btrfs_shares_extents() {
    isolated(|| a_copy_shares_its_extents(&btrfs_disk()));
}

#[test]
fn file_systems_that_share_nothing_say_so() {
    isolated(|| {
        for mkfs in [
            &["mkfs.ext4", "-q", "-F"][..],
            &["mkfs.xfs", "-q", "-m", "reflink=0"][..],
        ] {
            let disk = file_system(mkfs[0].trim_start_matches("mkfs."), mkfs);
            assert!(!probe_reflink(&disk), "{mkfs:?}");
            fs::write(disk.join("data"), "data").unwrap();
            let from = File::open(disk.join("data")).unwrap();
            let to = File::create_new(disk.join("copy")).unwrap();
            assert!(!reflink(&from, &to).unwrap(), "{mkfs:?}");
            assert_eq!(to.metadata().unwrap().len(), 0, "{mkfs:?}");
        }
    });
}

fn snapshotter() -> SystemSnapshotter {
    SystemSnapshotter::new(Owner::new("lab"), SystemOptions::default())
}

fn holder() -> Holder {
    let ledger = Ledger::new(scratch().unwrap().join("state/snapshots.json"));
    Holder::new(Arc::new(snapshotter()), ledger)
}

async fn hold(holder: &Holder, paths: &[&Path]) -> Held {
    let paths: Vec<_> = paths.iter().map(|path| (*path).to_owned()).collect();
    let served = holder.survey(&paths).await;
    let served = served.into_iter().collect::<Result<_, _>>().unwrap();
    let now = "2026-03-01T03:00:00Z".parse().unwrap();
    holder.prepare(served, now).await.unwrap().take().await
}

async fn why_not(path: &Path) -> NotServed {
    let mut answers = snapshotter().survey(&[path.to_owned()]).await;
    answers.remove(0).unwrap_err()
}

fn block_on(test: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(test);
}

fn subvolume(at: &Path) {
    run(
        "btrfs",
        &["-q", "subvolume", "create", at.to_str().unwrap()],
    );
}

/// The names in a folder.
fn names(at: &Path) -> Vec<String> {
    let entries = fs::read_dir(at).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_snapshot_of_btrfs_keeps_the_moment() {
    isolated(|| {
        block_on(async {
            let disk = btrfs_disk();
            // A subvolume of its own, one with a plain folder, and plain folders of the file
            // system's uppermost subvolume.
            subvolume(&disk.join("volume"));
            subvolume(&disk.join("volumes"));
            let data = ["volume", "volumes/wiki", "plain/photos", "plain/files"]
                .map(|path| disk.join(path));
            for folder in &data {
                fs::create_dir_all(folder).unwrap();
                fs::write(folder.join("file"), "old").unwrap();
                fs::write(folder.join("removed"), "old").unwrap();
            }
            let file = disk.join("plain/file");
            fs::write(&file, "old").unwrap();

            let holder = holder();
            let mut wanted: Vec<&Path> = data.iter().map(PathBuf::as_path).collect();
            wanted.push(&file);
            let held = hold(&holder, &wanted).await;
            assert!(held.failures().is_empty(), "{:?}", held.failures());
            assert_eq!(held.snapshots().len(), 3, "one for each subvolume");
            for folder in &data {
                fs::write(folder.join("file"), "new").unwrap();
                fs::write(folder.join("added"), "new").unwrap();
                fs::remove_file(folder.join("removed")).unwrap();
            }
            fs::write(&file, "new").unwrap();
            for folder in &data {
                let kept = held.path_of(folder).unwrap();
                assert_eq!(fs::read(kept.join("file")).unwrap(), b"old", "{kept:?}");
                assert_eq!(names(&kept), ["file", "removed"], "{kept:?}");
                let error = fs::write(kept.join("file"), "no").unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
            }
            assert_eq!(fs::read(held.path_of(&file).unwrap()).unwrap(), b"old");
            // A volume that is a subvolume itself sees nothing of its snapshot.
            assert_eq!(names(&data[0]), ["added", "file"]);

            let removal = held.release().await.unwrap();
            assert!(removal.left.is_empty(), "{:?}", removal.left);
            assert_eq!(names(&disk), ["plain", "volume", "volumes"]);
            assert_eq!(snapshotter().leftovers().await.unwrap(), []);
        });
    });
}

#[test]
fn what_a_snapshot_would_lack_is_not_served() {
    isolated(|| {
        block_on(async {
            let disk = btrfs_disk();
            fs::create_dir_all(disk.join("stack/data/deep")).unwrap();
            fs::create_dir_all(disk.join("stack/mounted/tmp")).unwrap();
            fs::create_dir(disk.join("stack/plain")).unwrap();
            subvolume(&disk.join("stack/data/deep/nested"));
            fs::create_dir(disk.join("stack/data/deep/nested/folder")).unwrap();
            subvolume(&disk.join("stack/data/deep/nested/folder/more"));
            let tmpfs = disk.join("stack/mounted/tmp");
            run("mount", &["-t", "tmpfs", "none", tmpfs.to_str().unwrap()]);
            for path in ["stack/data", "stack/data/deep"] {
                assert_eq!(
                    why_not(&disk.join(path)).await,
                    NotServed::SubvolumeBeneath {
                        subvolume: "/stack/data/deep/nested".into()
                    }
                );
            }
            let within = disk.join("stack/data/deep/nested/folder");
            assert_eq!(
                why_not(&within).await,
                NotServed::SubvolumeBeneath {
                    subvolume: "/stack/data/deep/nested/folder/more".into()
                }
            );
            assert_eq!(
                why_not(&disk.join("stack/mounted")).await,
                NotServed::MountBeneath {
                    mount_point: disk.join("stack/mounted/tmp"),
                    file_system: "tmpfs".to_owned(),
                }
            );
            let why = why_not(&tmpfs).await;
            assert_eq!(why.to_string(), "tmpfs has no snapshots");

            // What has a neighbour, or a neighbour whose name begins alike, is served.
            fs::create_dir(disk.join("stack/data/deep/nest")).unwrap();
            let nested_in_nothing = ["stack/plain", "stack/data/deep/nest"];
            for path in nested_in_nothing.map(|path| disk.join(path)) {
                let served = snapshotter().survey(&[path]).await.remove(0).unwrap();
                assert_eq!(
                    served.origin,
                    Origin::Btrfs {
                        subvolume: disk.clone(),
                        place: disk.clone(),
                    }
                );
            }

            // A part that is bound elsewhere, and a subvolume that is mounted by itself.
            let (part, whole) = (disk.with_extension("part"), disk.with_extension("whole"));
            fs::create_dir(&part).unwrap();
            fs::create_dir(&whole).unwrap();
            mount(&disk.join("stack/plain"), &part, "bind");
            assert_eq!(
                why_not(&part).await,
                NotServed::PartOnly {
                    of: "btrfs subvolume",
                    mount_point: part.clone(),
                }
            );
            mount(&disk.join("stack/data/deep/nested"), &whole, "bind");
            assert!(matches!(
                why_not(&whole.join("folder")).await,
                NotServed::SubvolumeBeneath { .. }
            ));
            run("mount", &["-o", "remount,ro,bind", whole.to_str().unwrap()]);
            assert_eq!(
                why_not(&whole.join("folder")).await,
                NotServed::ReadOnly {
                    mount_point: whole.clone()
                }
            );
        });
    });
}

#[test]
fn what_a_killed_run_left_on_btrfs_is_removed_by_the_next() {
    isolated(|| {
        block_on(async {
            let disk = btrfs_disk();
            subvolume(&disk.join("volume"));
            fs::create_dir(disk.join("plain")).unwrap();
            let holder = holder();
            let held = hold(&holder, &[&disk.join("volume"), &disk.join("plain")]).await;
            assert_eq!(held.snapshots().len(), 2);
            // As after SIGKILL: nothing is released, and one of the two is in no ledger.
            let forgotten = held.snapshots()[0].id.clone();
            drop(held);
            let state = scratch().unwrap().join("state/snapshots.json");
            let ledger = Ledger::new(&state);
            ledger
                .strike(std::slice::from_ref(&forgotten))
                .await
                .unwrap();

            // Somebody else's, and what only looks like ours, stay.
            let other = disk.join(".backup-window-other-20260301T030000Z-0");
            let folder = disk.join(".backup-window-lab-20260301T030000Z-7");
            run(
                "btrfs",
                &[
                    "subvolume",
                    "snapshot",
                    "-r",
                    disk.join("volume").to_str().unwrap(),
                    other.to_str().unwrap(),
                ],
            );
            fs::create_dir(&folder).unwrap();
            let error = snapshotter()
                .remove(&SnapshotId::Btrfs {
                    path: folder.clone(),
                })
                .await
                .unwrap_err();
            assert!(matches!(error, SnapshotError::NotOurs { .. }), "{error:?}");

            let removal = self::holder().recover().await.unwrap();
            assert_eq!(removal.gone.len(), 2, "{removal:?}");
            assert!(removal.left.is_empty() && removal.not_listed.is_none());
            assert!(removal.gone.contains(&forgotten));
            assert!(!state.exists());
            assert_eq!(
                names(&disk),
                [
                    folder.file_name().unwrap().to_str().unwrap(),
                    other.file_name().unwrap().to_str().unwrap(),
                    "plain",
                    "volume"
                ]
            );
        });
    });
}
