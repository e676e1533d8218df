//! What `backup-store` writes is a restic repository: stock `restic` lists, checks and restores it,
//! and what `restic` writes can be listed, checked and restored in turn.
//!
//! Needs `restic` 0.14 or later, the first that knows format version 2.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, PermissionsExt, chown, symlink},
    },
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use backup_store::{
    BackupRequest, CheckDepth, InitOptions, Keep, OpenOptions, PruneOptions, RestoreRequest,
    RetentionRules, RusticStore, SnapshotPath, Source, Store, retain, testing::compare_trees,
};
use secrecy::SecretString;
use tempfile::TempDir;

struct Repository {
    dir: TempDir,
}

impl Repository {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        furnish(&dir.path().join("data"));
        backup_store::write_password_file(&dir.path().join("password"), &password()).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs `restic` and returns what it prints; it must succeed.
    fn restic(&self, arguments: &[&str]) -> String {
        let output = Command::new("restic")
            .args(["--no-cache", "--repo"])
            .arg(self.path("repository"))
            .arg("--password-file")
            .arg(self.path("password"))
            .args(arguments)
            .env("HOME", self.path("home"))
            .output()
            .unwrap_or_else(|error| {
                panic!("cannot run restic (Debian: apt install restic): {error}")
            });
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(
            output.status.success(),
            "restic {arguments:?}: {stdout}{stderr}"
        );
        assert_eq!(stderr, "", "restic {arguments:?} complains");
        stdout
    }
}

fn password() -> SecretString {
    "correct horse".into()
}

fn furnish(root: &Path) {
    let write = |name: &[u8], contents: &[u8]| {
        fs::write(root.join(OsStr::from_bytes(name)), contents).unwrap();
    };
    let large: Vec<u8> = (0..4 << 20_u32)
        .flat_map(|number: u32| number.to_le_bytes())
        .collect();
    write(b"large", &large);
    write(b"empty", b"");
    write(b"caf\xe9\n\"\\x41\" \x01", b"a name full of traps");
    fs::create_dir_all(root.join("deep/empty")).unwrap();
    fs::hard_link(root.join("large"), root.join("deep/hard link")).unwrap();
    symlink("/nonexistent", root.join("link")).unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.write_all_at(b"middle", 5 << 20).unwrap();
    sparse.set_len(20 << 20).unwrap();
    xattr::set(root.join("empty"), "user.binary", b"\x00\xff").unwrap();
    fs::set_permissions(root.join("empty"), Permissions::from_mode(0o4711)).unwrap();
    chown(root.join("large"), Some(70), Some(71)).unwrap();
    chown(root, Some(70), Some(70)).unwrap();
    fs::set_permissions(root, Permissions::from_mode(0o700)).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_789);
    for name in ["large", "deep/empty", "deep", ""] {
        File::open(root.join(name))
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
}

fn place(path: &str) -> SnapshotPath {
    SnapshotPath::new(path).unwrap()
}

#[test]
fn restic_reads_what_we_write() {
    lab::isolation::isolated(|| {
        let repository = Repository::new();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let saved = runtime.block_on(async {
            let path = repository.path("repository");
            let store = RusticStore::init(&path, &password(), InitOptions::default())
                .await
                .unwrap();
            let started_at = "2026-03-01T03:00:00.25Z".parse().unwrap();
            let request = BackupRequest {
                stack: "wiki".to_owned(),
                host: "docker01".to_owned(),
                started_at,
                sources: vec![
                    Source::path(place("volumes/data"), repository.path("data")),
                    Source::bytes(place("containers.json"), "[]", started_at),
                ],
                tags: vec!["nightly".to_owned()],
            };
            store.back_up(request.clone()).await.unwrap();
            store.back_up(request).await.unwrap()
        });

        let listed: serde_json::Value =
            serde_json::from_str(&repository.restic(&["snapshots", "--json"])).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), 2);
        let ours = &listed[1];
        assert_eq!(ours["hostname"], "docker01");
        assert_eq!(ours["tags"], serde_json::json!(["nightly", "stack=wiki"]));
        assert_eq!(
            ours["paths"],
            serde_json::json!(["/containers.json", "/volumes/data"])
        );
        let time: jiff::Timestamp = ours["time"].as_str().unwrap().parse().unwrap();
        assert_eq!(time.to_string(), "2026-03-01T03:00:00.25Z");

        assert!(
            repository
                .restic(&["check", "--read-data"])
                .contains("no errors were found")
        );

        let to = repository.path("restored");
        let id = format!("{:#}", saved.snapshot);
        repository.restic(&["restore", &id, "--target", to.to_str().unwrap()]);
        let differences = compare_trees(&repository.path("data"), &to.join("volumes/data"));
        assert!(differences.is_empty(), "{differences:#?}");
        assert_eq!(
            fs::read_to_string(to.join("containers.json")).unwrap(),
            "[]"
        );
    });
}

#[test]
fn restic_finds_nothing_of_what_was_left_out() {
    lab::isolation::isolated(|| {
        let repository = Repository::new();
        let data = repository.path("data");
        for file in ["cache/a/b", "deep/x.log", "keep.log.txt"] {
            fs::create_dir_all(data.join(file).parent().unwrap()).unwrap();
            fs::write(data.join(file), "x").unwrap();
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let saved = runtime.block_on(async {
            let path = repository.path("repository");
            let store = RusticStore::init(&path, &password(), InitOptions::default())
                .await
                .unwrap();
            let patterns = ["/cache/**", "*.log"].map(|text| text.parse().unwrap());
            let request = BackupRequest {
                stack: "wiki".to_owned(),
                host: "docker01".to_owned(),
                started_at: "2026-03-01T03:00:00Z".parse().unwrap(),
                sources: vec![Source::path(place("volumes/data"), &data).excluding(patterns)],
                tags: Vec::new(),
            };
            store.back_up(request).await.unwrap()
        });
        assert_eq!(saved.left_out, 2, "/cache/a and deep/x.log");
        assert_eq!(saved.unreadable, []);
        let listed = repository.restic(&["ls", &format!("{:#}", saved.snapshot)]);
        let listed: Vec<&str> = listed.lines().collect();
        for (path, expected) in [
            ("/volumes/data/cache", true),
            ("/volumes/data/cache/a", false),
            ("/volumes/data/cache/a/b", false),
            ("/volumes/data/deep/x.log", false),
            ("/volumes/data/deep/empty", true),
            ("/volumes/data/keep.log.txt", true),
        ] {
            assert_eq!(listed.contains(&path), expected, "{path} in {listed:#?}");
        }
        let check = repository.restic(&["check", "--read-data"]);
        assert!(check.contains("no errors were found"), "{check}");
    });
}

#[test]
fn restic_finds_nothing_wrong_after_forgetting_and_pruning() {
    lab::isolation::isolated(|| {
        let repository = Repository::new();
        let data = repository.path("data");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = runtime.block_on(async {
            let path = repository.path("repository");
            let store = RusticStore::init(&path, &password(), InitOptions::default())
                .await
                .unwrap();
            for night in 1..=5_u32 {
                let changed: Vec<u8> = (0..1 << 18)
                    .flat_map(|number: u32| (number ^ (night << 24)).to_le_bytes())
                    .collect();
                fs::write(data.join("changes"), changed).unwrap();
                let request = BackupRequest {
                    stack: "wiki".to_owned(),
                    host: "docker01".to_owned(),
                    started_at: format!("2026-03-0{night}T03:00:00Z").parse().unwrap(),
                    sources: vec![Source::path(place("volumes/data"), &data)],
                    tags: Vec::new(),
                };
                store.back_up(request).await.unwrap();
            }
            store
        });
        // This one is not ours, and so it stays whatever the rules are.
        repository.restic(&["backup", "--host", "docker01", data.to_str().unwrap()]);
        let thorough = PruneOptions {
            max_unused_percent: 0,
            max_repack_percent: 100,
            keep_marked: Duration::ZERO,
        };
        runtime.block_on(async {
            let snapshots = store.snapshots().await.unwrap();
            let keep = Keep {
                last: 2,
                ..Keep::default()
            };
            let rules = RetentionRules::new("docker01", keep, jiff::tz::TimeZone::UTC);
            let retention = retain(&snapshots, &rules, snapshots[4].time);
            assert_eq!(retention.forgotten().len(), 3);
            store.forget(retention.forgotten()).await.unwrap();
        });
        for _ in 0..2 {
            let pruned = runtime.block_on(store.prune(thorough.clone())).unwrap();
            println!("{pruned:?}");
            let check = repository.restic(&["check", "--read-data"]);
            assert!(check.contains("no errors were found"), "{check}");
        }
        let listed: serde_json::Value =
            serde_json::from_str(&repository.restic(&["snapshots", "--json"])).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), 3);
        let to = repository.path("restored");
        let ours = ["restore", "latest", "--tag", "stack=wiki"];
        repository.restic(&[&ours[..], &["--target", to.to_str().unwrap()]].concat());
        let differences = compare_trees(&data, &to.join("volumes/data"));
        assert!(differences.is_empty(), "{differences:#?}");
    });
}

#[test]
fn we_read_what_restic_writes() {
    lab::isolation::isolated(|| {
        let repository = Repository::new();
        repository.restic(&["init", "--repository-version", "2"]);
        let data = repository.path("data");
        let data = data.to_str().unwrap();
        repository.restic(&["backup", "--host", "docker02", "--tag", "by-hand", data]);

        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let path = repository.path("repository");
            let store = RusticStore::open(&path, &password(), OpenOptions::default())
                .await
                .unwrap();
            let snapshots = store.snapshots().await.unwrap();
            assert_eq!(snapshots.len(), 1);
            assert_eq!(
                (snapshots[0].stack.as_str(), snapshots[0].host.as_str()),
                ("", "docker02")
            );
            assert_eq!(
                (&snapshots[0].tags[..], &snapshots[0].paths[..]),
                (&["by-hand".to_owned()][..], &[data.to_owned()][..])
            );

            let report = store
                .check(CheckDepth::ReadData { percent: 100 })
                .await
                .unwrap();
            assert_eq!(report.findings, []);

            let (snapshot, to) = (snapshots[0].id, repository.path("restored"));
            let only = Some(place(data.trim_start_matches('/')));
            let summary = store
                .restore(RestoreRequest {
                    snapshot,
                    only,
                    to: to.clone(),
                })
                .await
                .unwrap();
            assert_eq!(summary.incomplete, []);
            let differences = compare_trees(
                &repository.path("data"),
                &to.join(data.trim_start_matches('/')),
            );
            assert!(differences.is_empty(), "{differences:#?}");
        });
    });
}
