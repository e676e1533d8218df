//! Copies are tried out: a database that was written to until the stop, data that is no good, checks
//! that are worth nothing, and what a drill that was killed left behind.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use docker_stacks::Mark;
use end_to_end::{DockerHost, DockerHostOptions, obedient};
use lab::docker::POSTGRES_IMAGE;
use lab::isolation::isolated;

/// How often something is looked at that comes soon.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How often at most: two minutes, on a slow machine.
const LOOKS: usize = 600;

/// Counts what the rows of the database are: with counters that were committed one after the other,
/// all up to the last are there if there are as many as the last one says.
const COUNT: &str = "select min(id), count(*), max(id) from counters";

fn database_project(host: &DockerHost) {
    let project = host.dir.join("stacks/ledger");
    fs::create_dir_all(&project).unwrap();
    let bin = "/usr/lib/postgresql/15/bin";
    let file = format!(
        r#"version: "2.4"
services:
  db:
    image: {POSTGRES_IMAGE}
    user: "70:70"
    restart: unless-stopped
    stop_signal: SIGINT
    ports: ["127.0.0.1:15432:5432"]
    command:
      - sh
      - -c
      - >-
        test -s /data/PG_VERSION || {bin}/initdb -D /data -U postgres -A trust -E UTF8 --locale=C;
        exec {bin}/postgres -D /data -c unix_socket_directories=/tmp -c listen_addresses=
    volumes: ["data:/data"]
    healthcheck:
      test: ["CMD", "{bin}/pg_isready", "-h", "/tmp"]
      interval: 1s
      retries: 60
    labels:
      backup-window.drill: '["{bin}/psql", "-h", "/tmp", "-U", "postgres", "-At", "-c", "{COUNT}"]'
volumes:
  data: {{}}
"#
    );
    fs::write(project.join("docker-compose.yml"), file).unwrap();
    host.wait(host.docker.compose_up(&project)).unwrap();
    let is_healthy = || {
        let format = "--format={{.State.Health.Status}}";
        host.docker(&["inspect", format, "ledger_db_1"]) == "healthy"
    };
    wait_until(host, "the database", is_healthy);
}

fn wait_until(host: &DockerHost, what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..LOOKS {
        if is_so() {
            return;
        }
        host.sleep(LOOK_EVERY);
    }
    panic!("{what} does not come");
}

/// A client that commits one counter after the other until the database goes away, and then says how
/// many the database has confirmed.
struct Writer {
    committed: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Writer {
    fn start(host: &DockerHost) -> Self {
        let psql = "/usr/lib/postgresql/15/bin/psql";
        let command = [psql, "-h", "/tmp", "-U", "postgres", "-Atq"];
        let mut child = Command::new("docker")
            .args(["exec", "-i", "ledger_db_1"])
            .args(command)
            .env("DOCKER_HOST", host.docker.address().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let committed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&committed);
        let thread = std::thread::spawn(move || {
            let mut to = child.stdin.take().unwrap();
            let mut from = BufReader::new(child.stdout.take().unwrap());
            let create = "create table counters (id bigint primary key, text text);";
            writeln!(to, "{create}").unwrap();
            for id in 1.. {
                let insert =
                    format!("insert into counters values ({id}, repeat('x', 500)) returning id;");
                let mut line = String::new();
                let answered = writeln!(to, "{insert}")
                    .and_then(|()| to.flush())
                    .and_then(|()| from.read_line(&mut line));
                // What the database has answered, it has committed.
                if answered.is_err() || line.trim() != id.to_string() {
                    break;
                }
                count.store(id, Ordering::SeqCst);
            }
            drop(to);
            let _ = child.wait();
        });
        Self { committed, thread }
    }

    fn committed(&self) -> usize {
        self.committed.load(Ordering::SeqCst)
    }

    fn end(self) -> usize {
        self.thread.join().unwrap();
        self.committed.load(Ordering::SeqCst)
    }
}

#[test]
fn a_database_that_was_written_to_until_the_stop_has_every_row_in_its_drill() {
    isolated(|| {
        let host = DockerHost::build(&DockerHostOptions::default());
        host.wait(host.docker.import_postgres()).unwrap();
        database_project(&host);
        host.run("docker-backup", &["init"]).expect_code(0);
        let writer = Writer::start(&host);
        wait_until(&host, "the load", || writer.committed() >= 200);
        host.run("docker-backup", &["run", "--now"]).expect_code(0);
        let committed = writer.end();

        let before = everything(&host);
        let drilled = host.run("docker-backup", &["drill", "ledger", "--json"]);
        drilled.expect_code(0);
        let report = drilled.json();
        assert_eq!(report["verdict"], "pass", "{report:#}");
        assert_eq!(report["findings"]["containers"][0]["life"], "healthy");
        assert_eq!(report["confined"], true, "{report:#}");
        assert!(report["as_at_the_stop"].as_u64() > Some(0), "{report:#}");
        let check = &report["findings"]["checks"][0];
        assert_eq!(check["passes_on_empty"], false, "{check:#}");
        let said: Vec<usize> = check["said"]
            .as_str()
            .unwrap()
            .split('|')
            .map(|number| number.parse().unwrap())
            .collect();
        let [first, rows, last] = said[..] else {
            panic!("{check:#}");
        };
        assert_eq!((first, rows), (1, last), "there are gaps");
        assert!(
            rows >= committed,
            "{committed} were committed, {rows} are there"
        );
        println!("{committed} rows were committed before the stop, {rows} are in the drill");
        let withheld = report["withheld"].to_string();
        assert!(
            withheld.contains("ledger_db_1: published ports"),
            "{withheld}"
        );
        assert_eq!(everything(&host), before, "nothing is left behind");
        let records = fs::read_to_string(host.dir.join("state/drills.json")).unwrap();
        assert!(records.contains("\"verdict\": \"pass\""), "{records}");
    });
}

/// All that the engine has, by name.
fn everything(host: &DockerHost) -> Vec<String> {
    let lists: [&[&str]; 3] = [
        &["ps", "--all", "--format={{.Names}}"],
        &["volume", "ls", "--format={{.Name}}"],
        &["network", "ls", "--format={{.Name}}"],
    ];
    lists.iter().map(|list| host.docker(list)).collect()
}

/// A port of the lab's machine, on every address, and how often somebody came.
fn listen() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let came = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&came);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            drop(connection);
        }
    });
    (port, came)
}

/// A stack with a file, and a check that its owner asked for.
fn stack_with_check(host: &DockerHost, name: &str, check: &str) {
    let quoted = check.replace('$', "$$").replace('\'', "''");
    let body = format!(
        "{}\nvolumes: [\"data:/data\"]\nlabels:\n  backup-window.drill: '{quoted}'",
        obedient()
    );
    host.project(name, &[("app", &body)], &["data"]);
    let app = format!("{name}_app_1");
    host.docker(&["exec", &app, "sh", "-c", "echo good > /data/file"]);
}

#[test]
fn what_is_no_good_is_told_and_what_was_left_behind_is_taken_away() {
    isolated(|| {
        let host = DockerHost::build(&DockerHostOptions::default());
        let (port, came) = listen();
        // The network's own first address, and the one of the engine's bridge.
        let reach = format!(
            "a=$(hostname -i); for to in ${{a%.*}}.1 172.17.0.1; do \
             if echo | nc -w 2 $to {port}; then exit 9; fi; done"
        );
        let shut_in = format!("{reach}; grep good /data/file");
        stack_with_check(&host, "shut", &shut_in);
        stack_with_check(&host, "spoilt", "grep good /data/file");
        stack_with_check(&host, "vain", "true");
        host.docker(&["exec", "spoilt_app_1", "sh", "-c", "echo bad > /data/file"]);
        host.run("docker-backup", &["init"]).expect_code(0);
        host.run("docker-backup", &["run", "--now"]).expect_code(0);
        // The original gets out, so that the copy would be seen to.
        let out = host.docker(&[
            "exec",
            "shut_app_1",
            "sh",
            "-c",
            &format!("({reach}); echo $?"),
        ]);
        assert_eq!(
            (out.lines().last(), came.swap(0, Ordering::SeqCst)),
            (Some("9"), 1)
        );

        let before = everything(&host);
        for (stack, code, verdict, why) in [
            ("shut", 0, "pass", "checks passed"),
            ("spoilt", 1, "unusable", "failed with code 1"),
            ("vain", 6, "inconclusive", "worth nothing"),
        ] {
            let drilled = host.run("docker-backup", &["drill", stack, "--json"]);
            drilled.expect_code(code);
            let report = drilled.json();
            assert_eq!(report["verdict"], verdict, "{report:#}");
            let reason = report["reason"].as_str().unwrap();
            assert!(reason.contains(why), "{reason}");
            assert_eq!(everything(&host), before, "nothing is left behind");
        }
        assert_eq!(came.load(Ordering::SeqCst), 0, "the copy got out");
        // Nobody is first for ever: whose drill is the longest ago comes next.
        let next = host.run("docker-backup", &["drill", "--json"]);
        assert_eq!(next.json()["stack"], "shut");

        drills_in_turn_after_each_copy(&host);
        assert_eq!(everything(&host), before, "nothing is left behind");

        leave_behind(&host);
        let plan = host.run("docker-backup", &["plan"]);
        plan.expect_code(0);
        assert!(plan.out.contains("a drill made it"), "{}", plan.out);
        host.run("docker-backup", &["recover"]).expect_code(0);
        let mut innocent = before.clone();
        innocent[1] = format!("only-the-label\n{}", before[1]);
        assert_eq!(sorted(&everything(&host)), sorted(&innocent));
    });
}

/// Each night tries the stack whose drill is the longest ago.
fn drills_in_turn_after_each_copy(host: &DockerHost) {
    let config = fs::read_to_string(&host.config).unwrap();
    fs::write(&host.config, config + "\n[drill]\nnightly = true\n").unwrap();
    for (stack, code, end) in [("spoilt", 1, "failed"), ("vain", 6, "attention")] {
        let night = host.run("docker-backup", &["run", "--now", "--json"]);
        night.expect_code(code);
        let steps = night.json()["steps"].clone();
        let drill = steps.as_array().unwrap().last().unwrap();
        assert_eq!(
            (&drill["step"], &drill["end"]),
            (&"drill".into(), &end.into()),
            "{steps:#}"
        );
        assert!(drill["summary"].to_string().contains(stack), "{drill:#}");
    }
}

/// What a drill leaves behind that is killed, and a volume of somebody who copied its label.
fn leave_behind(host: &DockerHost) {
    let mark = Mark::new("killed");
    host.wait(async {
        let engine = host.docker.engine().await.unwrap();
        let engine: &dyn docker_stacks::Workbench = &engine;
        engine
            .make_volume(&mark, &mark.name("data0"))
            .await
            .unwrap();
        engine
            .make_network(&mark, &mark.name("net0"))
            .await
            .unwrap();
    });
    let label = "--label=backup-window.drill-id=killed";
    host.docker(&["volume", "create", label, "only-the-label"]);
    let volume = format!("--volume={}:/data", mark.name("data0"));
    let name = format!("--name={}", mark.name("app"));
    let network = format!("--network={}", mark.name("net0"));
    let image = lab::docker::BUSYBOX_IMAGE;
    host.docker(&[
        "run", "--detach", label, &name, &network, &volume, image, "sleep", "1000",
    ]);
    fs::write(host.dir.join("state/drill.json"), "").unwrap();
}

fn sorted(lists: &[String]) -> Vec<Vec<String>> {
    let sort = |list: &String| {
        let mut names: Vec<String> = list.lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    lists.iter().map(sort).collect()
}
