//! What the tests of a real machine share: the machine as a backup NAS, a primary NAS beside it, the
//! configuration of both, and the real binaries.
//!
//! TrueNAS is simulated, on both sides, and the backup NAS's API does not go off with the machine:
//! it answers on the lab's own side. What switches the machine off does not ask it any more then.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use end_to_end::{Ended, binary_path};
use lab::guest::{Guest, GuestFile, GuestOptions};
use lab::isolation;
use lab::ssh_key::SshKey;
use lab::truenas::{SimReplication, SimulatedVersion, Simulator, SimulatorOptions};
use lab::window::open_window;
use serde_json::Value;

/// The dataset that is replicated, and what it becomes.
const DATASETS: [&str; 2] = ["tank/docker_backup", "dozer/docker_backup"];
const TASK: &str = "docker_backup to sth-bckp-01";

/// A house whose backup NAS is a real machine.
#[derive(Debug)]
pub struct House {
    /// The machine.
    pub guest: Guest,
    config: PathBuf,
    runtime: tokio::runtime::Runtime,
    _nases: [Simulator; 2],
}

impl House {
    /// Builds it, to be called inside the lab's namespaces, with the machine switched off. Its
    /// account and keys are added to the options. The machine counts as off when it has been silent
    /// for so long.
    ///
    /// # Panics
    /// When it cannot be built: a test that cannot run has not passed.
    #[must_use]
    pub fn build(mut options: GuestOptions, silent_for: Duration) -> Self {
        let dir = isolation::scratch().expect("the suite runs inside the lab's namespaces");
        let key = |name| {
            SshKey::generate(&dir, name)
                .unwrap_or_else(|error| panic!("the key {name} cannot be made: {error:?}"))
        };
        let (host_key, client_key) = (key("host_ed25519"), key("client_ed25519"));
        install_host_key(&mut options, &host_key);
        let settings = install_account(&mut options, &client_key);
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        let nases = runtime.block_on(start_nases());
        let guest =
            Guest::start(options).unwrap_or_else(|error| panic!("there is no guest: {error:?}"));
        let settings = settings.join("\n");
        let config = write_config(
            &dir,
            &guest,
            &nases,
            silent_for,
            [&host_key, &client_key],
            &settings,
        );
        Self {
            guest,
            config,
            runtime,
            _nases: nases,
        }
    }

    /// Runs a command of the project, such as `nas-wake`, with this house's configuration.
    ///
    /// # Panics
    /// When the binary is not there.
    #[must_use]
    pub fn run(&self, binary: &str, arguments: &[&str]) -> Ended {
        let output = Command::new(binary_path(binary))
            .args(arguments)
            .arg("--config")
            .arg(&self.config)
            .env_remove("BACKUP_WINDOW_STATE_DIR")
            .output();
        let output = output.unwrap_or_else(|error| panic!("{binary} cannot be run: {error}"));
        Ended::new(&output)
    }

    /// Waits for something that the machine does.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

fn install_host_key(options: &mut GuestOptions, key: &SshKey) {
    let file = GuestFile::new("/etc/ssh/ssh_host_ed25519_key", 0o600, key.private());
    options.files.push(file);
}

/// The account that may switch the machine off, and nothing else: what `nas-shutdown kit` says,
/// done to the letter. Gives what it says for the configuration.
fn install_account(options: &mut GuestOptions, key: &SshKey) -> Vec<String> {
    let output = Command::new(binary_path("nas-shutdown"))
        .args(["kit", "--json", "--system", "linux-systemd", "--public-key"])
        .arg(key.file().with_extension("pub"))
        .output()
        .expect("nas-shutdown can be run");
    let kit = Ended::new(&output);
    kit.expect_code(0);
    let kit = kit.json();
    let mut here = Vec::new();
    for step in kit["steps"].as_array().expect("the kit has steps") {
        let title = text(&step["title"]);
        let commands = step["commands"].as_array().into_iter().flatten().map(text);
        if title.starts_with("On the host") {
            options.commands.extend(commands);
        } else {
            here.extend(commands);
        }
        let file = &step["file"];
        if file.is_object() {
            let mode = u32::from_str_radix(&text(&file["mode"]), 8).expect("a mode is octal");
            let file = GuestFile::new(text(&file["path"]), mode, text(&file["content"]))
                .of(&text(&file["owner"]));
            options.files.push(file);
        }
    }
    here
}

fn text(value: &Value) -> String {
    value.as_str().expect("the kit is text").to_owned()
}

async fn start_nases() -> [Simulator; 2] {
    let start = |options| async {
        Simulator::start(options)
            .await
            .unwrap_or_else(|error| panic!("there is no NAS: {error:?}"))
    };
    let [source, target] = DATASETS;
    let primary = start(SimulatorOptions {
        datasets: vec!["tank".to_owned(), source.to_owned()],
        replication_tasks: vec![SimReplication::new(1, TASK, source, target)],
        ..SimulatorOptions::new("sth-prd-01")
    })
    .await;
    let backup = start(SimulatorOptions {
        version: SimulatedVersion::Core13_0,
        datasets: vec!["dozer".to_owned(), target.to_owned()],
        ..SimulatorOptions::new("sth-bckp-01")
    })
    .await;
    primary.control().replicate_to(backup.control());
    [primary, backup]
}

/// With deadlines that hold however busy this machine is.
fn write_config(
    dir: &Path,
    guest: &Guest,
    [primary, backup]: &[Simulator; 2],
    silent_for: Duration,
    [host_key, client_key]: [&SshKey; 2],
    settings: &str,
) -> PathBuf {
    let api = |section: &str, nas: &Simulator| {
        let key = write(
            dir,
            &format!("{section}.key"),
            0o600,
            &nas.control().api_key(),
        );
        format!(
            "url = \"{}\"\napi_key_file = \"{}\"\ncertificate_sha256 = \"{}\"\n",
            nas.url().as_str().trim_end_matches('/'),
            key.display(),
            nas.control().certificate_sha256()
        )
    };
    let [start, end] = open_window(primary.control().now());
    let text = format!(
        "\
state_dir = \"{state}\"
[window]
start = \"{start}\"
end = \"{end}\"
time_zone = \"UTC\"
[primary_nas]
{primary_api}replication_tasks = [\"{TASK}\"]
[backup_nas]
address = \"{address}\"
mac = \"{mac}\"
broadcast = [\"{broadcast}\"]
wake_deadline = \"5m\"
wake_interval = \"1s\"
silent_for = \"{silent_for}s\"
off_deadline = \"5m\"
{backup_api}[backup_nas.shutdown]
{settings}
key_file = \"{key}\"
host_key_sha256 = \"{fingerprint}\"
",
        state = dir.join("state").display(),
        primary_api = api("primary_nas", primary),
        address = guest.address(),
        mac = guest.mac(),
        broadcast = guest.broadcast(),
        silent_for = silent_for.as_secs(),
        backup_api = api("backup_nas", backup),
        key = client_key.file().display(),
        fingerprint = host_key.sha256(),
    );
    write(dir, "config.toml", 0o644, &text)
}

fn write(dir: &Path, name: &str, mode: u32, contents: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;

    let path = dir.join(name);
    fs::write(&path, contents)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
        .unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
    path
}
