//! A repository on a REST server: what `restic` makes there we read, what we make there it checks,
//! and each respects the other's locks. And servers that fail.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::time::Duration;

use backup_store::testing::compare_trees;
use backup_store::{
    BackupRequest, BackupSummary, CheckDepth, InitOptions, OpenOptions, PruneOptions,
    RestServer as Server, RestoreRequest, RusticStore, SnapshotPath, Source, Store, StoreError,
};
use lab::isolation::isolated;
use lab::rest_server::{Asked, Reply, RestServer};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const LOGIN: (&str, &str) = ("docker01", "let me in");

struct Lab {
    dir: TempDir,
    runtime: Runtime,
    server: RestServer,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["repository", "data", "home"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let data = dir.path().join("data");
        fs::write(data.join("page"), vec![7; 300_000]).unwrap();
        fs::write(data.join("empty"), "").unwrap();
        let runtime = Runtime::new().unwrap();
        let folder = dir.path().join("repository");
        let server = runtime
            .block_on(RestServer::start(&folder, Some(LOGIN)))
            .unwrap();
        Self {
            dir,
            runtime,
            server,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn place(&self) -> Server {
        let server = Server::new(&self.server.url()).unwrap();
        let server = server.login(LOGIN.0, LOGIN.1.into());
        server.patience(Duration::from_secs(2))
    }

    fn init(&self) -> RusticStore {
        let password = password();
        let init = RusticStore::init(self.place(), &password, InitOptions::default());
        self.runtime.block_on(init).unwrap()
    }

    fn open(&self) -> Result<RusticStore, StoreError> {
        let password = password();
        let open = RusticStore::open(self.place(), &password, OpenOptions::default());
        self.runtime.block_on(open)
    }

    fn back_up(&self, store: &RusticStore) -> Result<BackupSummary, StoreError> {
        self.back_up_at(store, "2026-03-01T03:00:00Z")
    }

    fn back_up_at(&self, store: &RusticStore, time: &str) -> Result<BackupSummary, StoreError> {
        let request = BackupRequest {
            stack: "wiki".to_owned(),
            host: "docker01".to_owned(),
            started_at: time.parse().unwrap(),
            sources: vec![Source::path(
                SnapshotPath::new("volumes/data").unwrap(),
                self.path("data"),
            )],
            tags: Vec::new(),
        };
        self.runtime.block_on(store.back_up(request))
    }

    fn restic(&self, arguments: &[&str]) -> Output {
        let url = format!(
            "rest:http://{}:{}@127.0.0.1:{}/",
            LOGIN.0,
            "let%20me%20in",
            self.server.port()
        );
        Command::new("restic")
            .args(["--no-cache", "--repo", &url])
            .args(arguments)
            .env("RESTIC_PASSWORD", "correct horse")
            .env("HOME", self.path("home"))
            .output()
            .unwrap()
    }

    fn restic_succeeds(&self, arguments: &[&str]) -> String {
        let output = self.restic(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Whoever takes a lock next waits for the index for a while. Says when that begins.
    fn hold_up_the_next_lock(&self) -> mpsc::Receiver<()> {
        let (waits, receiver) = mpsc::channel();
        let (locked, waited) = (Cell::new(false), Cell::new(false));
        self.server.on_request(move |request: &Asked| {
            if request.method == "POST" && request.path.starts_with("locks/") {
                locked.set(true);
            }
            let held_up = request.method == "GET" && request.path == "index/" && locked.get();
            if held_up && !waited.replace(true) {
                let _ = waits.send(());
                Reply::After(Duration::from_secs(3))
            } else {
                Reply::Serve
            }
        });
        receiver
    }

    fn locks(&self) -> usize {
        fs::read_dir(self.path("repository/locks")).unwrap().count()
    }

    fn snapshots(&self) -> usize {
        fs::read_dir(self.path("repository/snapshots"))
            .unwrap()
            .count()
    }
}

fn password() -> SecretString {
    "correct horse".into()
}

#[test]
fn restic_checks_and_restores_what_we_write_on_a_server() {
    isolated(|| {
        let lab = Lab::new();
        let store = lab.init();
        lab.back_up(&store).unwrap();
        fs::write(lab.path("data/page"), vec![8; 300_000]).unwrap();
        lab.back_up_at(&store, "2026-03-02T03:00:00Z").unwrap();
        assert_eq!(lab.locks(), 0, "no lock stays behind");
        let checked = lab.restic_succeeds(&["check", "--read-data"]);
        assert!(checked.contains("no errors were found"), "{checked}");
        let to = lab.path("restored");
        lab.restic_succeeds(&["restore", "latest", "--target", to.to_str().unwrap()]);
        let differences = compare_trees(&lab.path("data"), &to.join("volumes/data"));
        assert!(differences.is_empty(), "{differences:#?}");

        let report = lab
            .runtime
            .block_on(store.check(CheckDepth::ReadData { percent: 100 }));
        let report = report.unwrap();
        assert_eq!(
            (report.snapshots, report.findings.len()),
            (2, 0),
            "{report:?}"
        );
    });
}

#[test]
fn what_restic_writes_on_a_server_we_list_and_restore() {
    isolated(|| {
        let lab = Lab::new();
        lab.restic_succeeds(&["init"]);
        let data = lab.path("data");
        lab.restic_succeeds(&["backup", "--tag", "stack=wiki", data.to_str().unwrap()]);
        let store = lab.open().unwrap();
        let snapshots = lab.runtime.block_on(store.snapshots()).unwrap();
        assert_eq!(snapshots.len(), 1);
        let to = lab.path("restored");
        let restore = store.restore(RestoreRequest {
            snapshot: snapshots[0].id,
            only: None,
            to: to.clone(),
        });
        lab.runtime.block_on(restore).unwrap();
        let beneath = to.join(data.strip_prefix("/").unwrap());
        let differences = compare_trees(&data, &beneath);
        assert!(differences.is_empty(), "{differences:#?}");
    });
}

#[test]
fn each_respects_the_locks_of_the_other() {
    isolated(|| {
        let lab = Lab::new();
        let store = lab.init();
        lab.back_up(&store).unwrap();

        // restic holds an exclusive lock as long as its prune takes: it waits for the index.
        let locked = lab.hold_up_the_next_lock();
        std::thread::scope(|scope| {
            let prune = scope.spawn(|| lab.restic(&["prune"]));
            locked.recv_timeout(Duration::from_mins(1)).unwrap();
            let refused = lab.back_up(&store).unwrap_err();
            assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
            let pruned = prune.join().unwrap();
            assert!(pruned.status.success(), "{pruned:?}");
        });

        // And a prune of ours keeps restic out.
        let locked = lab.hold_up_the_next_lock();
        std::thread::scope(|scope| {
            let prune = scope.spawn(|| lab.runtime.block_on(store.prune(PruneOptions::default())));
            locked.recv_timeout(Duration::from_mins(1)).unwrap();
            let data = lab.path("data");
            let refused = lab.restic(&["backup", data.to_str().unwrap()]);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success() && said.contains("lock"), "{said}");
            prune.join().unwrap().unwrap();
        });
        assert_eq!(lab.locks(), 0);
        lab.server.on_request(|_| Reply::Serve);
        lab.back_up(&store).unwrap();
    });
}

#[test]
fn a_server_that_fails_for_a_moment_costs_nothing() {
    isolated(|| {
        let lab = Lab::new();
        let store = lab.init();
        for fault in [
            Reply::Status(500),
            Reply::Status(503),
            Reply::HangUp,
            Reply::LoseAnswer,
        ] {
            lab.server.on_request(move |asked| match asked.number % 3 {
                0 => fault,
                _ => Reply::Serve,
            });
            lab.back_up(&store).unwrap();
        }
        lab.server.on_request(|_| Reply::Serve);
        assert_eq!(lab.snapshots(), 4);
        let checked = lab.restic_succeeds(&["check", "--read-data"]);
        assert!(checked.contains("no errors were found"), "{checked}");
    });
}

#[test]
fn a_server_that_fails_for_long_leaves_no_snapshot_and_the_next_night_succeeds() {
    isolated(|| {
        let lab = Lab::new();
        let store = lab.init();
        for (path, fault) in [
            ("data/", Reply::Status(507)),
            ("data/", Reply::HangUp),
            ("index/", Reply::Status(500)),
            ("snapshots/", Reply::Status(500)),
        ] {
            lab.server.on_request(move |asked| {
                if asked.method == "POST" && asked.path.starts_with(path) {
                    fault
                } else {
                    Reply::Serve
                }
            });
            let error = lab.back_up(&store).unwrap_err();
            let said = format!("{error}: {:?}", std::error::Error::source(&error));
            assert!(!said.contains(LOGIN.1), "{said}");
            assert_eq!(lab.snapshots(), 0, "{path} {fault:?}: {said}");
        }
        // A list that cannot be had is not an empty one.
        lab.server.on_request(|asked| match asked.path.as_str() {
            "snapshots/" => Reply::Status(500),
            _ => Reply::Serve,
        });
        lab.runtime.block_on(store.snapshots()).unwrap_err();

        lab.server.on_request(|_| Reply::Serve);
        lab.back_up(&store).unwrap();
        assert_eq!(lab.snapshots(), 1);
        let checked = lab.restic_succeeds(&["check", "--read-data"]);
        assert!(checked.contains("no errors were found"), "{checked}");
    });
}

#[test]
fn who_is_not_let_in_is_told_so() {
    isolated(|| {
        let lab = Lab::new();
        lab.init();
        let stranger = Server::new(&lab.server.url()).unwrap();
        let stranger = stranger.login("docker01", "wrong".into());
        let password = password();
        let open = RusticStore::open(stranger, &password, OpenOptions::default());
        let error = lab.runtime.block_on(open).unwrap_err();
        let why = std::error::Error::source(&error).map(ToString::to_string);
        let said = format!("{error}: {}", why.unwrap_or_default());
        assert!(said.contains("password"), "{said}");
        assert!(!said.contains("wrong"), "{said}");

        let with_another = "another".into();
        let open = RusticStore::open(lab.place(), &with_another, OpenOptions::default());
        let error = lab.runtime.block_on(open).unwrap_err();
        assert!(matches!(error, StoreError::WrongPassword { .. }), "{error}");
    });
}

#[test]
fn only_a_server_whose_certificate_is_vouched_for_is_spoken_to() {
    isolated(|| {
        let lab = Lab::new();
        let folder = lab.path("repository");
        let server = lab
            .runtime
            .block_on(RestServer::start_with_tls(&folder, Some(LOGIN)))
            .unwrap();
        let place = || {
            let place = Server::new(&server.url()).unwrap();
            let place = place.login(LOGIN.0, LOGIN.1.into());
            place.patience(Duration::from_millis(100))
        };
        let password = password();
        let init = |place| {
            let init = RusticStore::init(place, &password, InitOptions::default());
            lab.runtime.block_on(init)
        };
        let error = init(place()).unwrap_err();
        let why = std::error::Error::source(&error).map(ToString::to_string);
        let said = why.unwrap_or_default();
        assert!(said.contains("certificate"), "{error}: {said}");
        assert_eq!(server.seen(), [], "it has seen no password");

        init(place().trusting(server.certificate().unwrap())).unwrap();
    });
}
