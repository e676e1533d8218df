//! Podman's service, which speaks the API of a Docker engine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use docker_stacks::{AddressError, BollardEngine, EngineAddress, EngineError, EngineOptions};
use tokio::time::{Instant, sleep};

use super::{PrivateDockerError, compose, image};
use crate::isolation::{self, Isolation, find_program};

/// From the start of the process to its first answer; 0.2 s on an idle machine.
const READY_DEADLINE: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Podman accepts no path of more than 50 characters here. The lab has a `/run` of its own.
const RUN_ROOT: &str = "/run/lab-podman";

/// A running `podman system service`, with all that is its own beneath one folder (and in the lab's
/// own `/run`), at most one in a lab. Containers end with the lab's namespaces.
#[derive(Debug)]
pub struct PrivatePodman {
    child: Child,
    dir: PathBuf,
    podman: PathBuf,
    docker_compose: PathBuf,
    busybox: PathBuf,
}

impl PrivatePodman {
    /// Starts it, and waits until it answers.
    ///
    /// # Errors
    ///
    /// If a program is missing, this is not inside the lab's namespaces, or it does not answer.
    pub async fn start(dir: &Path) -> Result<Self, PrivateDockerError> {
        if let Isolation::None { why } = isolation::current() {
            return Err(PrivateDockerError::NotIsolated { why });
        }
        let podman = find_program("podman", "podman")?;
        let docker_compose = find_program("docker-compose", "docker-compose")?;
        let busybox = find_program("busybox", "busybox-static")?;
        // Two that Podman runs.
        let runc = find_program("runc", "runc")?;
        find_program("conmon", "conmon")?;
        let failed = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| PrivateDockerError::Io {
                operation,
                path,
                source,
            }
        };
        fs::create_dir_all(dir.join("tmp")).map_err(failed("make the folder", dir))?;
        let settings = dir.join("containers.conf");
        fs::write(&settings, containers_conf(dir, &runc)).map_err(failed("write", &settings))?;
        let log = File::create(dir.join("podman.log")).map_err(failed("write", dir))?;
        let log_too = log.try_clone().map_err(failed("write", dir))?;
        let mut service = command(&podman, dir);
        service
            .args(["system", "service", "--time=0"])
            .arg(format!("unix://{}", socket(dir).display()))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(log_too);
        let child = service.spawn().map_err(failed("run", &podman))?;
        let mut started = Self {
            child,
            dir: dir.to_owned(),
            podman,
            docker_compose,
            busybox,
        };
        started.wait_until_ready().await?;
        image::import_busybox(&socket(dir), &started.busybox).await?;
        Ok(started)
    }

    async fn wait_until_ready(&mut self) -> Result<(), PrivateDockerError> {
        let deadline = Instant::now() + READY_DEADLINE;
        loop {
            let why = match self.engine().await {
                Ok(_) => return Ok(()),
                Err(error) => error.to_string(),
            };
            let ended = self.child.try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() >= deadline {
                let log = fs::read_to_string(self.dir.join("podman.log"));
                return Err(PrivateDockerError::NotReady {
                    why,
                    log_tail: log.unwrap_or_default(),
                });
            }
            sleep(ASK_EVERY).await;
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// If the folder's path cannot be in an address.
    pub fn address(&self) -> Result<EngineAddress, AddressError> {
        EngineAddress::unix(socket(&self.dir))
    }

    /// A connection to it.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub async fn engine(&self) -> Result<BollardEngine, EngineError> {
        let address = self.address().map_err(|source| EngineError::BadAnswer {
            endpoint: self.dir.display().to_string(),
            operation: "find the socket".to_owned(),
            source: source.into(),
        })?;
        BollardEngine::connect(&address, EngineOptions::default()).await
    }

    /// Brings up the Compose project in a folder, of containers of the image [`super::BUSYBOX_IMAGE`].
    ///
    /// # Errors
    ///
    /// If `docker-compose` fails.
    pub async fn compose_up(&self, project: &Path) -> Result<(), PrivateDockerError> {
        compose::up(&self.docker_compose, &socket(&self.dir), project).await
    }

    /// Checks the health of a container once a second for as long as this is awaited: where there is
    /// no systemd whose timers Podman could use, nobody else does.
    pub async fn keep_checking(&self, container: &str) {
        loop {
            let mut check = tokio::process::Command::from(command(&self.podman, &self.dir));
            // What came out is for the engine to say.
            let _ = check
                .args(["healthcheck", "run", container])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .status()
                .await;
            sleep(Duration::from_secs(1)).await;
        }
    }
}

impl Drop for PrivatePodman {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            tracing::warn!(%error, "a private Podman is left behind");
        }
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("podman.sock")
}

fn command(podman: &Path, dir: &Path) -> Command {
    let mut command = Command::new(podman);
    command
        .arg("--root")
        .arg(dir.join("root"))
        .arg("--tmpdir")
        .arg(dir.join("libpod"))
        .args(["--runroot", RUN_ROOT])
        .arg("--storage-driver=overlay")
        .env("CONTAINERS_CONF", dir.join("containers.conf"))
        .env("TMPDIR", dir.join("tmp"))
        // Its timers are systemd's, of which there is none here.
        .env("DISABLE_HC_SYSTEMD", "true");
    command
}

/// By `containers.conf(5)`: nothing of the machine's own.
fn containers_conf(dir: &Path, runc: &Path) -> String {
    format!(
        "[containers]\n\
         default_sysctls = []\n\
         [engine]\n\
         cgroup_manager = \"cgroupfs\"\n\
         events_logger = \"file\"\n\
         runtime = \"runc\"\n\
         [engine.runtimes]\n\
         runc = [\"{}\"]\n\
         [network]\n\
         network_config_dir = \"{}\"\n",
        runc.display(),
        dir.join("networks").display()
    )
}
