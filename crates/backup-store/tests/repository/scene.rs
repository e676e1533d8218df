//! A repository in a folder of its own, and a tree with everything a volume can hold.

use std::{
    ffi::OsStr,
    fs::{self, File, FileTimes, Permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, PermissionsExt, chown, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use backup_store::{
    BackupRequest, BackupSummary, InitOptions, OpenOptions, RestoreRequest, RestoreSummary,
    RusticStore, SnapshotId, SnapshotPath, Source, Store,
};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use secrecy::SecretString;
use tempfile::TempDir;

/// The size of the hole in the sparse file.
pub(crate) const HOLE_BYTES: u64 = 64 << 20;

pub(crate) struct Scene {
    pub(crate) dir: TempDir,
    pub(crate) store: RusticStore,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("repository");
        let store = RusticStore::init(&path, &password(), InitOptions::default())
            .await
            .unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        Self { dir, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) async fn reopened(&self) -> RusticStore {
        let path = self.path("repository");
        RusticStore::open(&path, &password(), OpenOptions::default())
            .await
            .unwrap()
    }

    /// Backs up the folder `data` as `volumes/data`.
    pub(crate) async fn back_up(&self, started_at: &str) -> BackupSummary {
        self.store.back_up(self.request(started_at)).await.unwrap()
    }

    pub(crate) fn request(&self, started_at: &str) -> BackupRequest {
        BackupRequest {
            stack: "wiki".to_owned(),
            host: "docker01".to_owned(),
            started_at: started_at.parse().unwrap(),
            sources: vec![Source::path(place("volumes/data"), self.path("data"))],
            tags: vec!["nightly".to_owned()],
        }
    }

    /// Restores all of a snapshot to the folder `name`.
    pub(crate) async fn restore(&self, snapshot: SnapshotId, name: &str) -> RestoreSummary {
        let to = self.path(name);
        self.store
            .restore(RestoreRequest {
                snapshot,
                only: None,
                to,
            })
            .await
            .unwrap()
    }

    /// The files of one kind in the repository.
    pub(crate) fn objects(&self, kind: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.path("repository").join(kind)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    files.push(entry.path());
                }
            }
        }
        files.sort();
        files
    }
}

pub(crate) fn password() -> SecretString {
    "correct horse".into()
}

pub(crate) fn place(path: &str) -> SnapshotPath {
    SnapshotPath::new(path).unwrap()
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Bytes that neither compress nor repeat.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        // xorshift64*, by Sebastiano Vigna.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Fills a folder with everything a volume can hold, and gives it an owner and a mode of its own.
pub(crate) fn furnish(root: &Path) {
    let write = |name: &[u8], contents: &[u8], mode: u32| {
        let path = root.join(OsStr::from_bytes(name));
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    };
    write(b"empty", b"", 0o600);
    write(b"small", b"hello", 0o644);
    write(b"large", &noise(1, 3 << 20), 0o440);
    write(b"setuid", b"#!/bin/sh\n", 0o6755);
    write(b"caf\xe9", b"not Unicode", 0o644);
    write(b"two\nlines", b"a newline in the name", 0o644);
    write(b"back\\slash \"quoted\" \x01\x7f", b"", 0o644);
    let attributed = write(b"attributed", b"x", 0o644);
    xattr::set(&attributed, "user.binary", b"\x00\xff").unwrap();
    xattr::set(&attributed, "user.empty", b"").unwrap();

    fs::create_dir_all(root.join("deep/er/still")).unwrap();
    fs::create_dir(root.join("nothing inside")).unwrap();
    fs::hard_link(root.join("small"), root.join("deep/er/hard link")).unwrap();
    fs::hard_link(root.join("small"), root.join("a hard link before it")).unwrap();
    symlink("small", root.join("link")).unwrap();
    symlink("/nonexistent/\u{e9}", root.join("deep/link to nowhere")).unwrap();
    symlink(
        OsStr::from_bytes(b"\xff/.."),
        root.join("link that is not Unicode"),
    )
    .unwrap();
    symlink("deep", root.join("link to a directory")).unwrap();
    mknodat(
        CWD,
        root.join("fifo"),
        FileType::Fifo,
        Mode::RUSR | Mode::WGRP,
        0,
    )
    .unwrap();
    drop(UnixListener::bind(root.join("socket")).unwrap());

    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.write_all_at(b"start", 0).unwrap();
    sparse.write_all_at(b"middle", HOLE_BYTES / 2 + 7).unwrap();
    sparse.set_len(HOLE_BYTES + 1).unwrap();

    if is_root() {
        for (kind, name, device) in [
            (FileType::BlockDevice, "block device", makedev(7, 200)),
            (FileType::CharacterDevice, "character device", makedev(1, 3)),
        ] {
            mknodat(CWD, root.join(name), kind, Mode::RUSR, device).unwrap();
        }
        chown(root.join("large"), Some(70), Some(71)).unwrap();
        std::os::unix::fs::lchown(root.join("link"), Some(1234), Some(100_000)).unwrap();
        chown(root.join("deep/er"), Some(33), Some(33)).unwrap();
        chown(root.join("setuid"), Some(99), Some(99)).unwrap();
        // Changing the owner has just cleared them.
        fs::set_permissions(root.join("setuid"), Permissions::from_mode(0o6755)).unwrap();
    } else {
        println!("not root: no devices and no other owners in this run");
    }

    let old = SystemTime::UNIX_EPOCH - Duration::new(86_400, 250_000_001);
    let fine = SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_789);
    for (name, time) in [("empty", old), ("large", fine), ("setuid", fine)] {
        set_time(&root.join(name), time);
    }
    fs::set_permissions(root.join("deep/er/still"), Permissions::from_mode(0o1777)).unwrap();
    fs::set_permissions(root.join("deep"), Permissions::from_mode(0o2750)).unwrap();
    for name in ["deep/er/still", "deep/er", "deep", ""] {
        set_time(&root.join(name), fine);
    }
    xattr::set(root, "user.top", b"kept").unwrap();
    if is_root() {
        chown(root, Some(70), Some(70)).unwrap();
    }
    fs::set_permissions(root, Permissions::from_mode(0o700)).unwrap();
    set_time(root, fine);
}

fn set_time(path: &Path, time: SystemTime) {
    let times = FileTimes::new().set_accessed(time).set_modified(time);
    File::open(path).unwrap().set_times(times).unwrap();
}
