//! A Docker host alone: a real engine, a mounted NAS path with a repository, and the configuration
//! that knows no other machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use docker_stacks::{BollardEngine, Engine as _};
use jiff::Timestamp;
use lab::docker::PrivateDocker;
use lab::isolation::scratch;
use lab::nas_path::NasPath;
use lab::window::open_window;

use crate::{Ended, binary_path};

/// How the Docker host is built.
#[derive(Debug, Clone, Default)]
pub struct DockerHostOptions {
    /// Further arguments of `dockerd`.
    pub dockerd: Vec<String>,
    /// Where the project's binaries are to find the engine, if not at its own socket: a proxy's.
    pub socket: Option<PathBuf>,
    /// Further lines of the configuration's section `[docker]`.
    pub docker: String,
    /// The size of the NAS, if it is to be another than the lab's usual one.
    pub nas_bytes: Option<u64>,
}

/// A Docker host and a NAS path.
#[derive(Debug)]
pub struct DockerHost {
    /// Its engine.
    pub docker: PrivateDocker,
    /// The NAS path.
    pub nas: NasPath,
    /// Where it lies.
    pub dir: PathBuf,
    /// The configuration.
    pub config: PathBuf,
    engine: BollardEngine,
    runtime: tokio::runtime::Runtime,
}

/// A command that ends with code 0 on its stop signal, as Compose's files write it.
#[must_use]
pub fn obedient() -> &'static str {
    r#"command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $$!; done"]"#
}

/// The container of [`seven_containers`] that the engine deletes when it stops.
pub const AUTO_REMOVED: &str = "reader";

/// Three groups of seven containers: two share a network, two a volume, one of these is paused, one
/// has exited, and one the engine deletes when it stops.
pub fn seven_containers(host: &DockerHost) {
    let with = |more: &str| format!("{}\n{more}", obedient());
    host.project(
        "vpn",
        &[
            ("gluetun", &with("volumes: [\"state:/data\"]")),
            (
                "qbit",
                &with("network_mode: service:gluetun\nvolumes: [\"config:/data\"]"),
            ),
        ],
        &["state", "config"],
    );
    host.project(
        "shop",
        &[
            ("db", &with("volumes: [\"data:/data\"]")),
            ("job", &with("volumes: [\"data:/data\"]")),
        ],
        &["data"],
    );
    host.docker(&["pause", "shop_job_1"]);
    host.project(
        "wiki",
        &[
            ("app", &with("volumes: [\"pages:/data\"]")),
            ("old", &with("volumes: [\"pages:/data\"]")),
        ],
        &["pages"],
    );
    host.docker(&["stop", "--time=5", "wiki_old_1"]);
    start_auto_removed(host);
}

/// Starts the container that the engine deletes when it stops.
pub fn start_auto_removed(host: &DockerHost) {
    let name = format!("--name={AUTO_REMOVED}");
    let volume = "--volume=wiki_pages:/data:ro";
    let image = lab::docker::BUSYBOX_IMAGE;
    let command = [
        "run", "--detach", "--rm", &name, volume, image, "sleep", "100000",
    ];
    host.docker(&command);
}

impl DockerHost {
    /// Builds it, to be called inside the lab's namespaces, and makes a repository.
    ///
    /// # Panics
    /// When it cannot be built: a test that cannot run has not passed.
    #[must_use]
    pub fn build(options: &DockerHostOptions) -> Self {
        let dir = scratch().expect("the suite runs inside the lab's namespaces");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        let (docker, engine) = runtime.block_on(async {
            let dockerd = options.dockerd.clone();
            let docker = PrivateDocker::start_with(&dir.join("docker"), dockerd).await;
            let docker = docker.unwrap_or_else(|error| panic!("no engine: {error}"));
            docker.import_busybox().await.expect("it takes an image");
            let engine = docker.engine().await.expect("it answers");
            (docker, engine)
        });
        let nas = match options.nas_bytes {
            Some(bytes) => NasPath::mount_sized(&dir, bytes),
            None => NasPath::mount(&dir),
        };
        let nas = nas.expect("the NAS path can be mounted");
        let password = dir.join("password");
        fs::write(&password, "a password of the lab\n").expect("the folder can be written to");
        make_private(&password);
        let socket = options.socket.clone().unwrap_or_else(|| docker.socket());
        let config = dir.join("config.toml");
        #[expect(
            clippy::disallowed_methods,
            reason = "the binaries under test ask the machine's clock too"
        )]
        let [start, end] = open_window(Timestamp::now());
        let text = format!(
            "state_dir = \"{}\"\n\
             [window]\nstart = \"{start}\"\nend = \"{end}\"\ntime_zone = \"UTC\"\n\
             [docker]\nhost = \"unix://{}\"\n{}\n\
             [repository]\npath = \"{}\"\nmount = \"{}\"\npassword_file = \"{}\"\n",
            dir.join("state").display(),
            socket.display(),
            options.docker,
            nas.repository().display(),
            nas.mount_point().display(),
            password.display(),
        );
        fs::write(&config, text).expect("the folder can be written to");
        Self {
            docker,
            nas,
            dir,
            config,
            engine,
            runtime,
        }
    }

    /// Brings up a project of these services, in the YAML of their bodies.
    ///
    /// # Panics
    /// When it cannot be brought up.
    pub fn project(&self, name: &str, services: &[(&str, &str)], volumes: &[&str]) {
        let project = self.dir.join("stacks").join(name);
        let image = lab::docker::BUSYBOX_IMAGE;
        let mut lines = vec!["version: \"2.4\"".to_owned(), "services:".to_owned()];
        for (service, body) in services {
            lines.push(format!("  {service}:\n    image: {image}"));
            lines.push("    restart: unless-stopped".to_owned());
            lines.extend(body.lines().map(|line| format!("    {line}")));
        }
        if !volumes.is_empty() {
            lines.push("volumes:".to_owned());
        }
        lines.extend(volumes.iter().map(|volume| format!("  {volume}: {{}}")));
        let file = lines.join("\n") + "\n";
        fs::create_dir_all(&project).expect("the folder can be made");
        fs::write(project.join("docker-compose.yml"), file).expect("it can be written to");
        let up = self.docker.compose_up(&project);
        self.wait(up)
            .unwrap_or_else(|error| panic!("{name} cannot be brought up: {error}"));
    }

    /// Runs docker's command line.
    ///
    /// # Panics
    /// When it fails.
    pub fn docker(&self, arguments: &[&str]) -> String {
        let done = self.wait(self.docker.docker(arguments));
        done.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What every container does, by its name; nothing while the engine does not answer.
    #[must_use]
    pub fn states(&self) -> Option<BTreeMap<String, String>> {
        let containers = self.wait(self.engine.containers()).ok()?;
        let states = containers.into_iter();
        Some(states.map(|c| (c.name, c.state.to_string())).collect())
    }

    /// Starts the engine again, after it was killed.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn restart_engine(&mut self) {
        let restarted = self.runtime.block_on(self.docker.restart());
        restarted.unwrap_or_else(|error| panic!("the engine does not come back: {error}"));
    }

    /// Runs a command of the project.
    ///
    /// # Panics
    /// When the binary is not there.
    #[must_use]
    pub fn run(&self, binary: &str, arguments: &[&str]) -> Ended {
        let output = self.command(binary, arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{binary} cannot be run: {error}"));
        Ended::new(&output)
    }

    /// The command, to be started otherwise.
    #[must_use]
    pub fn command(&self, binary: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary_path(binary));
        command
            .args(arguments)
            .arg("--config")
            .arg(&self.config)
            .env_remove("BACKUP_WINDOW_STATE_DIR");
        command
    }

    /// Where an outage is written down.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.dir.join("state/outage.json")
    }

    /// Waits for something that the lab does.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Lets time pass, for the lab too.
    pub fn sleep(&self, time: Duration) {
        self.wait(async { tokio::time::sleep(time).await });
    }

    /// Enters the runtime, for what is to be started in it.
    pub fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.runtime.enter()
    }
}

fn make_private(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("the file is there");
}
