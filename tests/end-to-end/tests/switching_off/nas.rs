//! A backup NAS for these tests: its account, its `sshd`, its API, and what it takes to run
//! `nas-shutdown` against it.

mod parts;
mod settings;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use end_to_end::binary_path;
use lab::account::{AccountHost, AccountSshd};
use lab::truenas::{
    SimReplication, SimSnapshotTask, SimulatedVersion, Simulator, SimulatorOptions,
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

pub(crate) use self::parts::{Agent, Light, free_port, keygen};
use self::parts::{LIGHT, MAGIC_PORT};
pub(crate) use self::settings::Settings;

/// The account that the kit makes.
pub(crate) const USER: &str = "shutdown";

const TASK: &str = "docker_backup to the backup NAS";

/// How long a command may take that nothing keeps from its end.
const AT_MOST: Duration = Duration::from_mins(1);

/// How long the silence of a NAS that stays on is waited for, in seconds.
pub(crate) const STAYS_ON: u64 = 2;

/// Everything that a test needs.
pub(crate) struct Nas {
    pub(crate) dir: PathBuf,
    pub(crate) host: AccountHost,
    pub(crate) sshd: AccountSshd,
    runtime: tokio::runtime::Runtime,
    primary: Simulator,
    backup: Simulator,
    /// The port whose silence means that the NAS is off.
    ready: u16,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) took: Duration,
    /// What the account ran, a line each time: as whom, with which arguments.
    pub(crate) pressed: Vec<String>,
}

impl Ran {
    /// All that it said.
    pub(crate) fn said(&self) -> String {
        format!("{}\n{}", self.out, self.err)
    }

    #[track_caller]
    pub(crate) fn expect(&self, code: i32, phrase: &str) {
        assert_eq!(
            self.code,
            Some(code),
            "expected {code} and {phrase:?}: {self:#?}"
        );
        assert!(
            self.said().contains(phrase),
            "expected {phrase:?}: {self:#?}"
        );
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

impl Nas {
    /// Builds it, with these types of host key, and an account made by the kit with these options.
    pub(crate) fn build(types: &[&str], kit: &[&str]) -> Self {
        let dir = lab::isolation::scratch().expect("inside the lab's namespaces");
        let host = AccountHost::begin(&dir).unwrap();
        // Should anything here ever reach what really switches off, it does nothing.
        for program in ["systemctl", "shutdown", "poweroff", "halt", "reboot"] {
            let line = format!(
                "for d in /usr/bin /usr/sbin; do f=$(readlink -f $d/{program}) && test -f \"$f\" && mount --bind /usr/bin/true \"$f\"; done; true"
            );
            host.shell(&line).unwrap();
        }
        let program = dir.join("power-off");
        let text = format!(
            "#!/bin/sh\necho \"$(id -un) $*\" >>{0}/pressed\n. {0}/then\n",
            dir.display()
        );
        host.install(&program, "root", 0o755, &text).unwrap();
        keygen(&dir.join("key"), "ed25519", "");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (primary, backup) = runtime.block_on(async {
            let primary = SimulatorOptions {
                datasets: vec!["tank/docker_backup".to_owned()],
                snapshot_tasks: vec![SimSnapshotTask::new(1, "tank/docker_backup")],
                replication_tasks: vec![SimReplication::new(
                    1,
                    TASK,
                    "tank/docker_backup",
                    "dozer/docker_backup",
                )],
                ..SimulatorOptions::new("sth-prd-01")
            };
            let backup = SimulatorOptions {
                version: SimulatedVersion::Core13_0,
                datasets: vec!["dozer".to_owned()],
                ..SimulatorOptions::new("sth-bckp-01")
            };
            (
                Simulator::start(primary).await.unwrap(),
                Simulator::start(backup).await.unwrap(),
            )
        });
        for (name, nas) in [("primary", &primary), ("backup", &backup)] {
            let file = dir.join(format!("{name}.key"));
            host.install(&file, "root", 0o600, &nas.api_key()).unwrap();
        }
        let ready = free_port();
        // As long as nothing has the address, the network says at once that nobody is there.
        host.shell(&format!("ip route add unreachable {LIGHT}/32"))
            .unwrap();
        let sshd = host.sshd("sshd", types).unwrap();
        let nas = Self {
            dir,
            host,
            sshd,
            runtime,
            primary,
            backup,
            ready,
        };
        nas.then("exit 0");
        nas.install_kit(kit);
        nas
    }

    /// The command that the account may run.
    pub(crate) fn command(&self) -> String {
        format!("sudo -n {}/power-off now", self.dir.display())
    }

    /// What the program does after it has written down that it ran: a line of a shell.
    pub(crate) fn then(&self, script: &str) {
        fs::write(self.dir.join("then"), format!("{script}\n")).unwrap();
    }

    /// Does on the host what the kit says, to the letter.
    pub(crate) fn install_kit(&self, options: &[&str]) -> Value {
        let (public_key, command) = (self.dir.join("key.pub"), self.command());
        let directory = self.dir.join("kit");
        let mut arguments = vec!["kit", "--json", "--command", &command];
        arguments.extend(["--public-key", public_key.to_str().unwrap()]);
        arguments.extend(["--directory", directory.to_str().unwrap()]);
        arguments.extend(options);
        let ran = self.run(&arguments, None);
        assert_eq!(ran.code, Some(0), "{ran:#?}");
        let kit = ran.json();
        for step in kit["steps"].as_array().unwrap() {
            if !step["title"].as_str().unwrap().starts_with("On the host: ") {
                continue;
            }
            let commands = step["commands"].as_array();
            for line in commands.into_iter().flatten() {
                let line = line.as_str().unwrap();
                // The account stays when another kit is installed.
                if !(line.starts_with("useradd") && self.host.shell(&format!("id {USER}")).is_ok())
                {
                    self.host.shell(line).unwrap();
                }
            }
            let file = &step["file"];
            if let Some(path) = file["path"].as_str() {
                let text = |key: &str| file[key].as_str().unwrap();
                let mode = u32::from_str_radix(text("mode"), 8).unwrap();
                self.host
                    .install(Path::new(path), text("owner"), mode, text("content"))
                    .unwrap();
            }
        }
        kit
    }

    /// Writes the account's `authorized_keys` by hand.
    pub(crate) fn authorize(&self, restrictions: &str) {
        let key = fs::read_to_string(self.dir.join("key.pub")).unwrap();
        let path = Path::new("/home/shutdown/.ssh/authorized_keys");
        let line = format!("{restrictions} {key}");
        self.host
            .install(path, USER, 0o600, line.trim_start())
            .unwrap();
    }

    /// Writes the sudo rule by hand.
    pub(crate) fn sudoers(&self, rule: &str) {
        let path = Path::new("/etc/sudoers.d/backup-window");
        self.host
            .install(path, "root", 0o440, &format!("{rule}\n"))
            .unwrap();
        self.host.shell("visudo -c").unwrap();
    }

    /// A file of this name, with what it says.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir.join(name);
        self.host.install(&path, "root", 0o600, content).unwrap();
        path.display().to_string()
    }

    /// Has `nas-wake` wake the NAS, as an earlier cron job: that is what allows to switch it off.
    pub(crate) fn wake(&self) {
        let _ = fs::remove_dir_all(self.dir.join("state"));
        let config = self.config(&self.settings());
        let listener = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, MAGIC_PORT)).unwrap();
        listener.set_read_timeout(Some(AT_MOST)).unwrap();
        let mut wake = Command::new(binary_path("nas-wake"))
            .arg("--config")
            .arg(config)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Asleep until the magic packet comes.
        let mut packet = [0; 1500];
        let length = listener.recv(&mut packet).unwrap();
        assert!(length >= 102, "a magic packet of {length} bytes");
        let _up = Light::on(self.ready);
        let status = wake.wait().unwrap();
        assert!(status.success(), "{status}");
        let _ = fs::remove_dir_all(self.dir.join("woken"));
        self.host
            .shell(&format!("cp -a {0}/state {0}/woken", self.dir.display()))
            .unwrap();
    }

    /// `nas-shutdown check` with these settings.
    pub(crate) fn check(&self, settings: &Settings) -> Ran {
        let config = self.config(settings);
        self.run(&["check", "--config", config.to_str().unwrap()], None)
    }

    /// `nas-shutdown run` with these settings, in a night that woke the NAS. It goes off when its
    /// program has run, if it obeys.
    pub(crate) fn shut_down(&self, settings: &Settings, obeys: bool) -> Ran {
        // What stays on is not waited for.
        let off_deadline = if obeys {
            settings.off_deadline
        } else {
            STAYS_ON
        };
        let config = self.config(&Settings {
            off_deadline,
            ..settings.clone()
        });
        let state = self.dir.join("state");
        let _ = fs::remove_dir_all(&state);
        self.host
            .shell(&format!("cp -a {0}/woken {0}/state", self.dir.display()))
            .unwrap();
        let up = Light::on(self.ready);
        self.run(
            &["run", "--config", config.to_str().unwrap()],
            Some((up, obeys)),
        )
    }

    /// `nas-shutdown run --dry-run`, in a night that woke the NAS.
    pub(crate) fn run_dry(&self, settings: &Settings) -> Ran {
        let config = self.config(settings);
        let up = Light::on(self.ready);
        self.run(
            &["run", "--dry-run", "--config", config.to_str().unwrap()],
            Some((up, false)),
        )
    }

    /// Runs `nas-shutdown`.
    pub(crate) fn run(&self, arguments: &[&str], up: Option<(Light, bool)>) -> Ran {
        let pressed = self.dir.join("pressed");
        let _ = fs::remove_file(&pressed);
        let (mut up, obeys) = match up {
            Some((listener, obeys)) => (Some(listener), obeys),
            None => (None, false),
        };
        let output = |name: &str| fs::File::create(self.dir.join(name)).unwrap();
        let begun = Instant::now();
        let mut child = Command::new(binary_path("nas-shutdown"))
            .args(arguments)
            .env_remove("BACKUP_WINDOW_CONFIG")
            .env_remove("BACKUP_WINDOW_STATE_DIR")
            .stdin(Stdio::null())
            .stdout(output("out"))
            .stderr(output("err"))
            .spawn()
            .unwrap();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if obeys && pressed.exists() {
                up = None;
            }
            assert!(begun.elapsed() < AT_MOST, "{arguments:?} does not end");
            self.wait(Duration::from_millis(5));
        };
        drop(up);
        let read = |name: &str| fs::read_to_string(self.dir.join(name)).unwrap_or_default();
        Ran {
            code: status.code(),
            out: read("out"),
            err: read("err"),
            took: begun.elapsed(),
            pressed: read("pressed").lines().map(str::to_owned).collect(),
        }
    }

    /// Lets time pass between two looks at something.
    pub(crate) fn wait(&self, time: Duration) {
        self.runtime.block_on(async { sleep(time).await });
    }

    /// Waits until something is so.
    pub(crate) fn until(&self, what: &str, so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !so() {
            assert!(begun.elapsed() < AT_MOST, "never: {what}");
            self.wait(Duration::from_millis(20));
        }
    }

    /// A client of OpenSSH's, with the account's key and nothing of anybody's configuration.
    pub(crate) fn client(&self, program: &str, arguments: &[&str]) -> std::process::Output {
        let SocketAddr::V4(address) = self.sshd.address() else {
            panic!("it listens on IPv4");
        };
        let (known_hosts, key) = (self.dir.join("known_hosts"), self.dir.join("key"));
        // A client that was let through might go on for ever.
        let mut command = Command::new("timeout");
        command.args(["30", program]);
        command.env("SSH_AUTH_SOCK", self.dir.join("agent"));
        command.args([
            "-F",
            "none",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
        ]);
        command
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", known_hosts.display()));
        command.args(["-o", "GlobalKnownHostsFile=none", "-o", "ConnectTimeout=20"]);
        command.arg("-i").arg(key);
        command.args(["-o".to_owned(), format!("Port={}", address.port())]);
        command.args(arguments);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// An SSH agent, which clients find.
    pub(crate) fn agent(&self) -> Agent {
        let socket = self.dir.join("agent");
        let agent = Agent::start(&socket);
        self.until("the agent listens", || socket.exists());
        agent
    }

    /// What the account ran since the last look.
    pub(crate) fn take_pressed(&self) -> Vec<String> {
        let file = self.dir.join("pressed");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let _ = fs::remove_file(file);
        text.lines().map(str::to_owned).collect()
    }
}
