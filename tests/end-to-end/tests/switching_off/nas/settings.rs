//! The configuration of a case.

use std::fs;
use std::path::PathBuf;

use lab::truenas::Simulator;

use super::{LIGHT, MAGIC_PORT, Nas, TASK, USER};

/// How `[backup_nas.shutdown]` is written for a case.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) key: String,
    pub(crate) host_key: String,
    pub(crate) system: String,
    pub(crate) dispatcher: bool,
    /// Of every stage, in milliseconds.
    pub(crate) deadline: u64,
    /// How long its silence is waited for, in seconds.
    pub(crate) off_deadline: u64,
}

impl Nas {
    /// Settings that work: the host key is known by a pattern, so that a proxy shows it too.
    pub(crate) fn settings(&self) -> Settings {
        let key = self.sshd.host_key("ed25519").unwrap();
        let known_hosts = self.file("known_hosts", &format!("* {key}\n"));
        Settings {
            address: "127.0.0.1".to_owned(),
            port: self.sshd.address().port(),
            user: USER.to_owned(),
            key: format!("key_file = \"{}/key\"", self.dir.display()),
            host_key: format!("known_hosts = \"{known_hosts}\""),
            system: format!("{{ command = \"{}\" }}", self.command()),
            dispatcher: true,
            deadline: 20_000,
            off_deadline: 20,
        }
    }

    /// Writes a configuration.
    pub(crate) fn config(&self, settings: &Settings) -> PathBuf {
        let Settings {
            address,
            port,
            user,
            key,
            host_key,
            system,
            dispatcher,
            deadline,
            off_deadline,
        } = settings;
        let dir = self.dir.display();
        let [start, end] = lab::window::open_window(self.primary.control().now());
        let api = |name: &str, nas: &Simulator| {
            format!(
                "url = \"{}\"\napi_key_file = \"{dir}/{name}.key\"\ncertificate_sha256 = \"{}\"\n",
                nas.url().as_str().trim_end_matches('/'),
                nas.certificate_sha256()
            )
        };
        let text = format!(
            "state_dir = \"{dir}/state\"\n\
             [window]\nstart = \"{start}\"\nend = \"{end}\"\ntime_zone = \"UTC\"\n\
             [primary_nas]\n{}replication_tasks = [\"{TASK}\"]\n\
             [backup_nas]\naddress = \"{address}\"\nmac = \"18:66:da:0a:0b:0c\"\n\
             broadcast = [\"127.255.255.255:{MAGIC_PORT}\"]\nwake_interval = \"100ms\"\n\
             ready = \"tcp:{LIGHT}:{}\"\nsilent_for = \"1s\"\noff_deadline = \"{off_deadline}s\"\n{}\
             [backup_nas.shutdown]\nuser = \"{user}\"\nport = {port}\n{key}\n{host_key}\n\
             system = {system}\ndispatcher = {dispatcher}\n\
             deadlines = {{ connect = \"{deadline}ms\", authenticate = \"{deadline}ms\", \
             examine = \"{deadline}ms\", execute = \"{deadline}ms\", close = \"1s\" }}\n",
            api("primary", &self.primary),
            self.ready,
            api("backup", &self.backup),
        );
        let path = self.dir.join("config.toml");
        fs::write(&path, text).unwrap();
        path
    }
}
