//! `fs-snapshots` on real file systems: btrfs, XFS and ext4 on loop devices, in the lab's own
//! namespaces.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    process::Command,
};

use fs_snapshots::{probe_reflink, reflink};
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
