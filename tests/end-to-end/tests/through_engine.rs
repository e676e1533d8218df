//! Data that this machine has no path to: it is read through the engine, and comes back whole.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs::{self, File, FileTimes};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use backup_store::testing::compare_trees;
use docker_stacks::endpoints;
use end_to_end::{DockerHost, DockerHostOptions, Ended, NO_SPOOL, obedient};
use lab::docker::{Action, SocketProxy};
use lab::hostile_tree;
use lab::isolation::isolated;

/// A Docker host whose engine is reached through a proxy that does not say on which machine it is.
struct Far {
    host: DockerHost,
    proxy: SocketProxy,
}

impl Far {
    fn build(docker: &str) -> Self {
        let host = DockerHost::build(&DockerHostOptions {
            docker: format!("settle = \"500ms\"\n{docker}"),
            ..DockerHostOptions::default()
        });
        host.run("docker-backup", &["init"]).expect_code(0);
        let far = host.wait(async {
            let upstream = host.docker.socket();
            let listen = host.dir.join("proxy.sock");
            let mut proxy = SocketProxy::start(&listen, &upstream, |request| {
                let lists = [endpoints::RUN, endpoints::ARCHIVE];
                let mut allowed = lists.into_iter().flatten();
                if request.matches("GET", "/info")
                    || !allowed.any(|it| request.matches(it.method, it.path))
                {
                    Action::Forbid
                } else {
                    Action::Forward
                }
            })
            .unwrap();
            let address = proxy.listen_on_loopback().await.unwrap();
            (proxy, address)
        });
        let (proxy, address) = far;
        reach_by(&host, &format!("tcp://{address}"));
        Self { host, proxy }
    }

    /// Where a volume of the engine really lies.
    fn volume(&self, name: &str) -> PathBuf {
        let format = "--format={{.Mountpoint}}";
        let path = self.host.docker(&["volume", "inspect", format, name]);
        PathBuf::from(path.trim())
    }

    fn archives_read(&self) -> usize {
        let archive = endpoints::ARCHIVE[0];
        let used = self.proxy.used();
        let is_archive = |it: &&_| lab::docker::Request::matches(it, archive.method, archive.path);
        used.iter().filter(is_archive).count()
    }
}

/// Points the configuration at an engine's address.
fn reach_by(host: &DockerHost, address: &str) {
    let text = fs::read_to_string(&host.config).unwrap();
    let changed: Vec<String> = text
        .lines()
        .map(|line| match line.strip_prefix("host = ") {
            Some(_) => format!("host = \"{address}\""),
            None => line.to_owned(),
        })
        .collect();
    fs::write(&host.config, changed.join("\n")).unwrap();
}

/// A wiki with two volumes, one mounted within the other, and something bound into both.
fn wiki(host: &DockerHost) {
    fs::create_dir_all(host.dir.join("stacks/wiki/site/logs")).unwrap();
    fs::write(host.dir.join("stacks/wiki/site/index.html"), "hello").unwrap();
    fs::write(host.dir.join("stacks/wiki/site/logs/old.log"), "noise").unwrap();
    let body = format!(
        "{}\nlabels:\n  backup-window.exclude: \"*.log\"\n\
         volumes: [\"data:/data\", \"within:/data/within\", \"./site:/site\"]",
        obedient()
    );
    host.project("wiki", &[("app", &body)], &["data", "within"]);
}

/// What the engine's archives do not carry: times are in whole seconds, and of extended attributes
/// there is only `security.capability`; sockets are left out.
fn lose_what_archives_lose(root: &Path) {
    for entry in walk(root) {
        let metadata = fs::symlink_metadata(&entry).unwrap();
        if std::os::unix::fs::FileTypeExt::is_socket(&metadata.file_type()) {
            fs::remove_file(&entry).unwrap();
            continue;
        }
        let names: Vec<_> = xattr::list(&entry).unwrap().collect();
        for name in names
            .into_iter()
            .filter(|name| name != "security.capability")
        {
            xattr::remove(&entry, name).unwrap();
        }
    }
}

/// Everything beneath a folder and the folder itself, what is inside first.
fn walk(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    if fs::symlink_metadata(root).unwrap().is_dir() {
        for entry in fs::read_dir(root).unwrap() {
            found.extend(walk(&entry.unwrap().path()));
        }
    }
    found.push(root.to_owned());
    found
}

/// Compares what was restored with what an archive carries of what was there.
fn assert_carried(data: &Path, restored: &Path) {
    let mut differences = compare_trees(data, restored);
    differences.retain(|it| {
        let whole_seconds = || {
            let [one, other] = [data, restored]
                .map(|root| fs::symlink_metadata(root.join(&it.path)).unwrap().mtime());
            one == other
        };
        it.what != "mtime" || !whole_seconds()
    });
    assert!(differences.is_empty(), "{differences:#?}");
}

/// All is well, but for the one question that the proxy does not let through.
fn expect_silence_only(ended: &Ended) {
    ended.expect_code(6);
    let warnings = ended.err.lines().filter(|line| line.contains(" WARN "));
    let others: Vec<&str> = warnings
        .filter(|line| !line.contains("Swarm stacks are left alone"))
        .collect();
    assert_eq!(others, Vec::<&str>::new());
}

fn restore(host: &DockerHost, name: &str) -> PathBuf {
    let to = host.dir.join(name);
    let arguments = ["restore", "wiki", "--to", to.to_str().unwrap()];
    host.run("docker-backup", &arguments).expect_code(0);
    to
}

#[test]
fn a_hostile_tree_comes_back_through_the_engine() {
    isolated(|| {
        let far = Far::build("");
        let host = &far.host;
        wiki(host);
        let data = far.volume("wiki_data");
        hostile_tree::fill(&data).unwrap();
        let sparse = File::options().write(true).open(data.join("sparse"));
        // Its holes are sent as zeros.
        sparse.unwrap().set_len(100 << 20).unwrap();
        fs::write(far.volume("wiki_within").join("file"), "its own volume").unwrap();

        let plan = host.run("docker-backup", &["plan"]);
        expect_silence_only(&plan);
        for said in [
            "read through the engine, slowly, all of it while the stack is down: the engine at",
            "does not say on which machine it runs",
            "not backed up: on another machine",
        ] {
            assert!(plan.out.contains(said), "{}", plan.out);
        }
        assert_eq!(far.archives_read(), 0);

        let run = host.run("docker-backup", &["run", "--now"]);
        expect_silence_only(&run);
        assert!(run.out.contains("read through the engine"), "{}", run.out);
        assert_eq!(far.archives_read(), 3);
        let refused = far.proxy.refused();
        assert!(refused.iter().all(|it| it.path == "/info"), "{refused:?}");
        let restored = restore(host, "restored");
        assert!(
            !restored.join("compose").exists(),
            "those files are of another machine"
        );
        // The place of the mount within was made by the engine, and is no data.
        let modified = fs::metadata(&data).unwrap().modified().unwrap();
        lose_what_archives_lose(&data);
        fs::remove_dir(data.join("within")).unwrap();
        let times = FileTimes::new().set_modified(modified);
        File::open(&data).unwrap().set_times(times).unwrap();
        assert_carried(&data, &restored.join("volumes/wiki_data"));
        let sparse = restored.join("volumes/wiki_data/sparse");
        assert!(fs::metadata(sparse).unwrap().blocks() * 512 < 8 << 20);
        let within = restored.join("volumes/wiki_within/file");
        assert_eq!(fs::read_to_string(within).unwrap(), "its own volume");
        let site = host.dir.join("stacks/wiki/site");
        let bound = restored.join("binds").join(site.strip_prefix("/").unwrap());
        assert_eq!(
            fs::read_to_string(bound.join("index.html")).unwrap(),
            "hello"
        );
        assert!(!bound.join("logs/old.log").exists(), "it is left out");

        // Nothing is written to volumes that may be anywhere.
        let in_place = host.run("docker-backup", &["restore", "wiki"]);
        in_place.expect_code(4);
        assert!(in_place.err.contains("use --to DIR"), "{}", in_place.err);
        host.run("docker-backup", &["verify", "--read-data", "100"])
            .expect_code(0);
    });
}

#[test]
fn what_the_spool_has_no_room_for_is_read_into_the_repository_while_the_stack_is_down() {
    isolated(|| {
        let far = Far::build(NO_SPOOL);
        let host = &far.host;
        wiki(host);
        let data = far.volume("wiki_data");
        for (name, byte) in [("one", 1_u8), ("two\nlines", 2)] {
            fs::write(data.join(name), vec![byte; 300_000]).unwrap();
        }
        let run = host.run("docker-backup", &["run", "--now", "--json"]);
        expect_silence_only(&run);
        assert!(run.out.contains("\"through_engine\": true"), "{}", run.out);
        let restored = restore(host, "restored");
        for name in ["one", "two\nlines"] {
            let restored = restored.join("volumes/wiki_data").join(name);
            assert!(
                fs::read(data.join(name)).unwrap() == fs::read(restored).unwrap(),
                "{name:?}"
            );
        }
    });
}

/// Carries connections to the engine, and cuts each answer that is an archive after so many bytes.
fn cutting(engine: PathBuf, after: usize) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tcp://{}", listener.local_addr().unwrap());
    let cut = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&cut);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (engine, count) = (engine.clone(), Arc::clone(&count));
            thread::spawn(move || carry(client, &engine, after, &count));
        }
    });
    (address, cut)
}

fn carry(client: TcpStream, engine: &Path, after: usize, count: &AtomicUsize) -> io::Result<()> {
    let mut engine = UnixStream::connect(engine)?;
    let mut to_engine = (client.try_clone()?, engine.try_clone()?);
    let is_archive = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&is_archive);
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(read @ 1..) = to_engine.0.read(&mut buffer) {
            if String::from_utf8_lossy(&buffer[..read]).contains("/archive?") {
                seen.store(1, Relaxed);
            }
            if to_engine.1.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
    });
    let mut client = client;
    let (mut buffer, mut sent) = ([0; 8192], 0);
    while let read @ 1.. = engine.read(&mut buffer)? {
        client.write_all(&buffer[..read])?;
        sent += read;
        if is_archive.load(Relaxed) == 1 && sent > after {
            count.fetch_add(1, Relaxed);
            break;
        }
    }
    client.shutdown(std::net::Shutdown::Both)
}

#[test]
fn an_archive_that_breaks_off_is_an_error_and_no_shorter_copy() {
    isolated(|| {
        let far = Far::build("");
        let host = &far.host;
        wiki(host);
        let data = far.volume("wiki_data");
        for file in ["one", "two", "three"] {
            fs::write(data.join(file), vec![7; 400_000]).unwrap();
        }
        let (address, cut) = cutting(host.dir.join("proxy.sock"), 600_000);
        reach_by(host, &address);
        let before = host.states().unwrap();
        let run = host.run("docker-backup", &["run", "--now"]);
        run.expect_code(1);
        assert!(cut.load(Relaxed) > 0, "{}", run.err);
        assert!(run.err.contains("could not be read whole"), "{}", run.err);
        assert_eq!(host.states().unwrap(), before, "it runs again");
        let list = host.run("docker-backup", &["snapshots", "--json"]);
        assert!(!list.out.contains("wiki"), "{}", list.out);
    });
}
