//! Two simulated NAS, and the commands that are run against them.

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
    Control, SimReplication, SimSnapshotTask, SimulatedVersion, Simulator, SimulatorOptions,
};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const TASK: &str = "docker to backup";
pub(crate) const SNAPSHOT_TASK: i64 = 1;

/// Two NAS on the loopback, and the configuration that names them.
pub(crate) struct House {
    pub(crate) primary: Option<Simulator>,
    pub(crate) backup: Option<Simulator>,
    pub(crate) folder: TempDir,
    pub(crate) runtime: tokio::runtime::Runtime,
}

/// How a command ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl House {
    pub(crate) fn of(version: SimulatedVersion) -> Self {
        Self::with(version, |_| {})
    }

    pub(crate) fn with(
        version: SimulatedVersion,
        change: impl FnOnce(&mut SimulatorOptions),
    ) -> Self {
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

    pub(crate) fn primary(&self) -> &Simulator {
        self.primary.as_ref().unwrap()
    }

    pub(crate) fn control(&self) -> Control {
        self.primary().control()
    }

    /// A configuration with more lines for the primary NAS.
    pub(crate) fn write_config(&self, more: &str) {
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

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    /// Replaces a text in the configuration.
    pub(crate) fn edit_config(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.config()).unwrap();
        assert!(
            text.contains(from),
            "{from} is not in the configuration:\n{text}"
        );
        fs::write(self.config(), text.replacen(from, to, 1)).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
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

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&self.command(arguments).output().unwrap())
    }

    /// Begins to wait for a snapshot of the last minute, and comes back when the NAS was asked.
    pub(crate) fn begin_to_wait(&self, more: &[&str]) -> Waiting {
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
    pub(crate) fn questions(&self) -> usize {
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
pub(crate) struct Waiting {
    child: Child,
    said: Arc<Mutex<String>>,
    listener: JoinHandle<()>,
}

impl Waiting {
    #[track_caller]
    pub(crate) fn until_it_says(&self, text: &str) {
        until(text, || self.said.lock().unwrap().contains(text));
    }

    pub(crate) fn ended(self) -> Ended {
        let mut ended = Ended::of(&self.child.wait_with_output().unwrap());
        self.listener.join().unwrap();
        ended.err.clone_from(&self.said.lock().unwrap());
        ended
    }
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32, says: &[&str]) -> Self {
        let Self { out, err, .. } = &self;
        let said = format!("--- standard output\n{out}\n--- standard error\n{err}");
        assert_eq!(self.code, Some(code), "{said}");
        for text in says {
            assert!(said.contains(text), "it does not say {text:?}\n{said}");
        }
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap()
    }
}

/// Waits for what the simulator does. It lives in real time.
#[track_caller]
pub(crate) fn until(what: &str, is: impl Fn() -> bool) {
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

pub(crate) fn each_version(test: impl Fn(House, SimulatedVersion)) {
    for version in SimulatedVersion::ALL {
        test(House::of(version), version);
    }
}
