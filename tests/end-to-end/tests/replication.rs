//! `nas-replication`, the real binary, against two simulated TrueNAS of each version.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use end_to_end::binary_path;
use jiff::SignedDuration;
use lab::truenas::{
    Control, KeyRole, SimReplication, SimSnapshotTask, SimulatedVersion, Simulator,
    SimulatorOptions,
};
use serde_json::Value;
use tempfile::TempDir;

const TASK: &str = "docker to backup";
const SNAPSHOT_TASK: i64 = 1;

/// Two NAS on the loopback, and the configuration that names them.
struct House {
    primary: Option<Simulator>,
    backup: Option<Simulator>,
    folder: TempDir,
    runtime: tokio::runtime::Runtime,
}

/// How a command ended.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl House {
    fn of(version: SimulatedVersion) -> Self {
        Self::with(version, |_| {})
    }

    fn with(version: SimulatedVersion, change: impl FnOnce(&mut SimulatorOptions)) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mut options = SimulatorOptions {
            version,
            datasets: vec!["tank/docker".to_owned()],
            snapshot_tasks: vec![SimSnapshotTask::new(SNAPSHOT_TASK, "tank/docker")],
            replication_tasks: vec![
                SimReplication::new(5, TASK, "tank/docker", "dozer/docker").after(SNAPSHOT_TASK),
            ],
            ..SimulatorOptions::new("primary")
        };
        change(&mut options);
        let primary = runtime.block_on(Simulator::start(options)).unwrap();
        let backup = SimulatorOptions {
            version,
            datasets: vec!["dozer/docker".to_owned()],
            ..SimulatorOptions::new("backup")
        };
        let backup = runtime.block_on(Simulator::start(backup)).unwrap();
        primary.control().replicate_to(backup.control());
        let house = Self {
            folder: tempfile::tempdir().unwrap(),
            runtime,
            primary: Some(primary),
            backup: Some(backup),
        };
        house.write_config("");
        house
    }

    fn primary(&self) -> &Simulator {
        self.primary.as_ref().unwrap()
    }

    fn control(&self) -> Control {
        self.primary().control()
    }

    /// A configuration with more lines for the primary NAS.
    fn write_config(&self, more: &str) {
        let api = |nas: &Simulator, name: &str| {
            let key = self.folder.path().join(name);
            fs::write(&key, nas.api_key()).unwrap();
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
            format!(
                "url = \"{}\"\nuser = \"backup\"\napi_key_file = \"{}\"\ncertificate_sha256 = \"{}\"\n",
                nas.url(),
                key.display(),
                nas.certificate_sha256()
            )
        };
        let text = format!(
            "state_dir = \"{}\"\n\
             [window]\nstart = \"00:00\"\nend = \"23:59\"\ntime_zone = \"UTC\"\n\
             [primary_nas]\n{}replication_tasks = [\"{TASK}\"]\npoll_interval = \"100ms\"\n{more}\n\
             [backup_nas]\naddress = \"127.0.0.1\"\nmac = \"00:25:90:aa:bb:cc\"\n\
             broadcast = [\"127.255.255.255\"]\n{}",
            self.folder.path().join("state").display(),
            api(self.primary(), "primary.key"),
            api(self.backup.as_ref().unwrap(), "backup.key"),
        );
        fs::write(self.config(), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// Replaces a text in the configuration.
    fn edit_config(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.config()).unwrap();
        assert!(
            text.contains(from),
            "{from} is not in the configuration:\n{text}"
        );
        fs::write(self.config(), text.replacen(from, to, 1)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary_path("nas-replication"));
        command
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .env_remove("BACKUP_WINDOW_STATE_DIR")
            .env_remove("CREDENTIALS_DIRECTORY")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    /// Begins to wait for a snapshot of the last minute, and comes back when the NAS was asked.
    fn begin_to_wait(&self, more: &[&str]) -> Waiting {
        let since = (self.control().now() - SignedDuration::from_mins(1)).to_string();
        let mut arguments = vec!["wait", "--since", &since];
        arguments.extend(more);
        let mut child = self.command(&arguments).spawn().unwrap();
        let (lines, said) = (
            BufReader::new(child.stderr.take().unwrap()),
            Arc::<Mutex<String>>::default(),
        );
        let hears = Arc::clone(&said);
        let listener = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                let mut said = hears.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        let asked = |control: &Control| {
            let requests = control.requests();
            let rest = requests
                .iter()
                .any(|seen| seen.path.ends_with("/replication"));
            let calls = control.calls();
            rest || calls.iter().any(|seen| seen.method == "replication.query")
        };
        until("the NAS is asked", || asked(&self.control()));
        Waiting {
            child,
            said,
            listener,
        }
    }

    /// How often the replication tasks were asked for.
    fn questions(&self) -> usize {
        let control = self.control();
        let rest = control.requests().into_iter();
        let rest = rest
            .filter(|seen| seen.path.ends_with("/replication"))
            .count();
        let calls = control.calls().into_iter();
        rest + calls
            .filter(|seen| seen.method == "replication.query")
            .count()
    }
}

/// A command that runs, and what it has said on standard error.
struct Waiting {
    child: Child,
    said: Arc<Mutex<String>>,
    listener: JoinHandle<()>,
}

impl Waiting {
    #[track_caller]
    fn until_it_says(&self, text: &str) {
        until(text, || self.said.lock().unwrap().contains(text));
    }

    fn ended(self) -> Ended {
        let mut ended = Ended::of(&self.child.wait_with_output().unwrap());
        self.listener.join().unwrap();
        ended.err.clone_from(&self.said.lock().unwrap());
        ended
    }
}

impl Ended {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    fn expect(self, code: i32, says: &[&str]) -> Self {
        let Self { out, err, .. } = &self;
        let said = format!("--- standard output\n{out}\n--- standard error\n{err}");
        assert_eq!(self.code, Some(code), "{said}");
        for text in says {
            assert!(said.contains(text), "it does not say {text:?}\n{said}");
        }
        self
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Waits for what the simulator does. It lives in real time.
#[track_caller]
fn until(what: &str, is: impl Fn() -> bool) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let happens = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time =
        runtime.block_on(async { tokio::time::timeout(Duration::from_mins(1), happens).await });
    assert!(in_time.is_ok(), "never: {what}");
}

fn each_version(test: impl Fn(House, SimulatedVersion)) {
    for version in SimulatedVersion::ALL {
        test(House::of(version), version);
    }
}

#[test]
fn a_replication_is_waited_for_and_found_on_both_nas() {
    each_version(|house, version| {
        let waiting = house.begin_to_wait(&["--deadline", "60s"]);
        house.control().run_snapshot_task(SNAPSHOT_TASK);
        let ended = waiting.ended();
        ended.expect(
            0,
            &[
                "1 replication task has brought tonight's backup over",
                "tonight's backup is in a snapshot that lies on both NAS",
                "recognised by its GUID",
            ],
        );
        if version.speaks_json_rpc() {
            // Once to wait, and once for the evidence.
            assert_eq!(house.questions(), 2, "{version:?}");
        }
    });
}

#[test]
fn a_replication_that_runs_only_on_demand_is_triggered() {
    for version in SimulatedVersion::ALL {
        let house = House::with(version, |options| options.replication_tasks[0].auto = false);
        house
            .begin_to_wait(&["--trigger", "--deadline", "60s"])
            .ended()
            .expect(0, &["lies on both NAS"]);

        // The configuration may say the same.
        let house = House::with(version, |options| options.replication_tasks[0].auto = false);
        house.write_config("trigger = true");
        let ended = house.begin_to_wait(&["--deadline", "60s"]).ended();
        ended.expect(0, &["lies on both NAS"]);
        assert_eq!(house.control().snapshots("tank/docker").len(), 1);
    }
}

#[test]
fn what_no_waiting_helps_against_ends_with_code_1() {
    each_version(|house, _| {
        house.control().set_replication_enabled(TASK, false);
        let wait = |more: &[&str]| house.begin_to_wait(more).ended();
        wait(&[]).expect(1, &["replication \"docker to backup\" is disabled"]);
        wait(&["--trigger"]).expect(1, &["replication \"docker to backup\" is disabled"]);
        house.control().set_replication_enabled(TASK, true);
        house.control().put_on_hold(TASK, "Pool tank is offline.");
        wait(&[]).expect(1, &["is on hold; TrueNAS says why: Pool tank is offline."]);
        house.control().lift_hold(TASK);
        house.edit_config(&format!("[\"{TASK}\"]"), "[\"other\"]");
        wait(&[]).expect(
            1,
            &["has no replication task \"other\": it has \"docker to backup\""],
        );
    });
}

#[test]
fn a_deadline_that_passes_ends_with_code_3_and_says_what_was_seen_last() {
    each_version(|house, _| {
        let waiting = house.begin_to_wait(&["--deadline", "1s"]);
        waiting
            .ended()
            .expect(3, &["the replication had not ended after 1s"]);

        house.write_config("stalled_after = \"1s\"");
        house.control().stall_replication(TASK);
        house.control().run_snapshot_task(SNAPSHOT_TASK);
        until("it runs", || house.control().running_since(TASK).is_some());
        let waiting = house.begin_to_wait(&["--deadline", "4s"]);
        waiting.ended().expect(
            3,
            &[
                "says that it runs, but nothing has moved since",
                "and nothing has moved since",
            ],
        );
    });
}

#[test]
fn a_run_that_a_restart_cuts_off_is_noticed_and_the_next_one_waited_for() {
    for reboots in [false, true] {
        each_version(|house, _| {
            let control = house.control();
            house.write_config("stalled_after = \"200ms\"");
            control.stall_replication(TASK);
            let waiting = house.begin_to_wait(&["--deadline", "90s"]);
            control.run_snapshot_task(SNAPSHOT_TASK);
            // It must have been seen to run, so that its end is seen to be none.
            waiting.until_it_says("nothing has moved since");
            if reboots {
                control.reboot(Duration::from_secs(1));
            } else {
                control.restart_middleware(Duration::from_secs(1));
            }
            control.release_replication(TASK);
            waiting.until_it_says("the run was cut off");
            control.run_snapshot_task(SNAPSHOT_TASK);
            let says = if reboots {
                "the NAS restarted"
            } else {
                "its middleware was restarted"
            };
            waiting
                .ended()
                .expect(6, &[says, "the run was cut off", "lies on both NAS"]);
        });
    }
}

#[test]
fn what_cannot_be_trusted_ends_with_code_4() {
    each_version(|house, version| {
        let right = house.primary().certificate_sha256();
        let wrong = house.backup.as_ref().unwrap().certificate_sha256();
        house.edit_config(&right, &wrong);
        let since = house.control().now().to_string();
        for arguments in [&["status"][..], &["wait", "--since", &since]] {
            house
                .run(arguments)
                .expect(4, &[&right, &wrong, "nothing was sent"]);
        }
        assert_eq!(house.control().keys_seen(), 0);

        // It answers in clear where TLS is expected.
        house.write_config("");
        house.control().speak_plain_http(true);
        let url = house.primary().url().to_string();
        for arguments in [
            &["status"][..],
            &["wait", "--since", &since],
            &["trust", &url],
        ] {
            house.run(arguments).expect(4, &["agree on TLS"]);
        }
        assert_eq!(house.control().keys_seen(), 0, "{version:?}");
    });
}

#[test]
fn a_redirect_is_not_followed_and_ends_with_code_4() {
    let house = House::of(SimulatedVersion::Scale24_10);
    // The first is how a CORE says that it has no other API.
    for _ in 0..2 {
        house.control().next_redirect("https://192.0.2.1/");
    }
    house.run(&["status"]).expect(4, &["https://192.0.2.1/"]);
}

#[test]
fn a_user_who_may_only_read_can_look_and_wait_and_not_trigger() {
    for version in SimulatedVersion::ALL {
        if !version.speaks_json_rpc() {
            continue;
        }
        let house = House::of(version);
        house.control().set_key_role(KeyRole::ReadOnly);
        let waiting = house.begin_to_wait(&["--deadline", "60s"]);
        house.control().run_snapshot_task(SNAPSHOT_TASK);
        waiting.ended().expect(0, &["lies on both NAS"]);
        house.run(&["status"]).expect(0, &["fresh"]);

        let house = House::of(version);
        house.control().set_key_role(KeyRole::ReadOnly);
        let waiting = house.begin_to_wait(&["--trigger", "--deadline", "60s"]);
        waiting.ended().expect(1, &["may not do this"]);
    }
}

#[test]
fn a_snapshot_task_that_is_disabled_is_not_triggered() {
    for version in SimulatedVersion::ALL {
        let house = House::with(version, |options| options.snapshot_tasks[0].enabled = false);
        let waiting = house.begin_to_wait(&["--trigger", "--deadline", "60s"]);
        waiting.ended().expect(
            1,
            &["every snapshot task that the replication is bound to is disabled (tank/docker)"],
        );
        assert!(house.control().snapshots("tank/docker").is_empty());
    }
}

#[test]
fn a_certificate_is_shown_for_the_configuration() {
    let house = House::of(SimulatedVersion::Core13_0);
    let url = house.primary().url().to_string();
    let fingerprint = house.primary().certificate_sha256();
    let line = format!("certificate_sha256 = \"{fingerprint}\"");
    let shown = [
        "Names:     primary, localhost, 127.0.0.1",
        "Issued by: itself",
        "Valid:     ",
    ];
    house
        .run(&["trust", &url])
        .expect(0, &[&[line.as_str()], &shown[..]].concat());
    let json = house.run(&["trust", &url, "--json"]).expect(0, &[]).json();
    assert_eq!(json["certificate_sha256"], fingerprint.as_str());
    assert_eq!(json["subject"], json["issuer"], "{json}");
    assert_eq!(house.control().keys_seen(), 0);
}

#[test]
fn status_shows_every_nas_and_what_needs_attention() {
    each_version(|house, version| {
        house.control().run_snapshot_task(SNAPSHOT_TASK);
        until("it has arrived", || {
            let backup = house.backup.as_ref().unwrap().control();
            !backup.snapshots("dozer/docker").is_empty()
        });
        until("it has ended", || {
            house.control().running_since(TASK).is_none()
        });
        let good = house
            .run(&["status"])
            .expect(0, &["fresh", version.as_str(), "pool dozer"]);
        assert!(!good.out.contains('!'), "{}", good.out);
        let questions = house.control().requests().len() + house.control().calls().len();

        house
            .control()
            .raise_alert("WARNING", "ZpoolCapacityWarning", "Space is low.");
        let json = house.run(&["status", "--json"]).expect(6, &[]).json();
        assert_eq!(
            (&json["exit"], &json["code"]),
            (&"attention".into(), &6.into())
        );
        let status = &json["nas"][0]["status"];
        assert_eq!(status["alerts"][0]["text"], "Space is low.");
        assert_eq!(status["replications"][0]["verdict"]["kind"], "fresh");
        let more = house.control().requests().len() + house.control().calls().len() - questions;
        assert!(more <= 9, "{version:?}: {more} questions");
    });
}

#[test]
fn however_many_tasks_there_are_status_asks_the_same() {
    for version in SimulatedVersion::ALL {
        let asked = |tasks: i64| {
            let house = House::with(version, |options| {
                options.replication_tasks.extend((0..tasks).map(|number| {
                    let name = format!("more {number}");
                    SimReplication::new(10 + number, &name, "tank/docker", "dozer/more")
                }));
            });
            house.run(&["status"]);
            let control = house.control();
            let snapshots =
                |path: &str| path.contains("snapshot") && !path.contains("snapshottask");
            assert!(!control.requests().iter().any(|seen| snapshots(&seen.path)));
            assert!(
                !control
                    .calls()
                    .iter()
                    .any(|seen| seen.method.contains("snapshot.query"))
            );
            control.requests().len() + control.calls().len()
        };
        assert_eq!(asked(0), asked(30), "{version:?}");
    }
}

#[test]
fn a_backup_nas_that_sleeps_is_no_error_and_a_primary_nas_that_is_off_is_one() {
    let mut house = House::of(SimulatedVersion::Scale24_10);
    house.control().run_snapshot_task(SNAPSHOT_TASK);
    until("it has ended", || {
        let backup = house.backup.as_ref().unwrap().control();
        !backup.snapshots("dozer/docker").is_empty()
            && house.control().running_since(TASK).is_none()
    });
    let runtime = house.runtime.handle().clone();
    let backup = house.backup.take();
    runtime.block_on(async move { drop(backup) });
    house
        .run(&["status"])
        .expect(0, &["backup NAS https://127.0.0.1", "is not answering"]);
    let primary = house.primary.take();
    runtime.block_on(async move { drop(primary) });
    house
        .run(&["status"])
        .expect(1, &["primary NAS: failed to connect to https://127.0.0.1"]);
}

#[test]
fn a_key_may_be_a_credential_of_the_service() {
    let house = House::of(SimulatedVersion::Scale25_10);
    let file = house.folder.path().join("primary.key");
    house.edit_config(file.to_str().unwrap(), "credential:primary.key");
    house
        .run(&["status"])
        .expect(2, &["credential:primary.key is a credential"]);
    let output = house
        .command(&["status", "--json"])
        .env("CREDENTIALS_DIRECTORY", house.folder.path())
        .output()
        .unwrap();
    let json = Ended::of(&output).json();
    assert_eq!(json["nas"][0]["transport"], "json_rpc");
    assert_eq!(json["nas"][0]["status"]["hostname"], "primary");
}

#[test]
fn the_example_prints_the_verdicts_of_a_nas() {
    each_version(|house, version| {
        house.control().run_snapshot_task(SNAPSHOT_TASK);
        until("it has arrived", || {
            let backup = house.backup.as_ref().unwrap().control();
            !backup.snapshots("dozer/docker").is_empty()
        });
        let output = Command::new(binary_path("examples/nas_verdicts"))
            .arg(house.primary().url().to_string())
            .arg(house.primary().certificate_sha256())
            .arg("backup")
            .env("NAS_KEY", house.primary().api_key())
            .output()
            .unwrap();
        let task = format!("{TASK}: ");
        Ended::of(&output).expect(0, &[version.as_str(), &task]);
    });
}
