//! A Docker engine of the lab's own.
//!
//! A real `dockerd` with everything that it keeps (data, state, socket, log) beneath one folder, and
//! its containers in the lab's control group. It is started only inside the lab's namespaces: there
//! its bridge, its firewall rules and its mounts are nobody else's, and the kernel clears them away
//! with all containers when the lab ends. No image is pulled: [`PrivateDocker::import_busybox`]
//! makes one out of this machine's busybox.

mod certificates;
mod compose;
mod contract;
mod daemon;
mod image;
mod podman;
mod postgres;
mod proxy;
mod ssh_host;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use docker_stacks::{AddressError, BollardEngine, EngineAddress, EngineError, EngineOptions};

use crate::isolation::{self, Isolation, MissingProgram, find_program};
use daemon::Daemon;

pub use certificates::Certificates;
pub use contract::contract_project;
pub use podman::PrivatePodman;
pub use proxy::{Action, Request, SocketProxy, Wait};
pub use ssh_host::SshHost;

/// The image that [`PrivateDocker::import_busybox`] makes.
pub const BUSYBOX_IMAGE: &str = "backup-window-lab/busybox";

/// The image that [`PrivateDocker::import_postgres`] makes.
pub const POSTGRES_IMAGE: &str = "backup-window-lab/postgres";

/// The longest path of a Unix socket, without the byte that ends it (`sun_path` in unix(7)).
const LONGEST_SOCKET_PATH: usize = 107;

/// The deepest of the sockets that `dockerd` and its containerd make in their folder.
const DEEPEST_SOCKET: usize = "/exec/containerd/containerd.sock.ttrpc".len();

/// A running engine. Dropping it kills the engine; containers end with the lab's namespaces.
#[derive(Debug)]
pub struct PrivateDocker {
    dir: PathBuf,
    address: EngineAddress,
    arguments: Vec<String>,
    programs: Programs,
    daemon: Daemon,
}

/// What this machine must have.
#[derive(Debug, Clone)]
struct Programs {
    dockerd: PathBuf,
    docker_compose: PathBuf,
    busybox: PathBuf,
}

impl Programs {
    fn find() -> Result<Self, MissingProgram> {
        Ok(Self {
            dockerd: find_program("dockerd", "docker.io")?,
            docker_compose: find_program("docker-compose", "docker-compose")?,
            busybox: find_program("busybox", "busybox-static")?,
        })
    }
}

/// Why there is no private engine, or it did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateDockerError {
    /// A program is not on this machine.
    #[error(transparent)]
    Missing(#[from] MissingProgram),
    /// An engine outside of the lab would change the machine's network.
    #[error("start a private Docker engine outside of the lab's namespaces: {why}")]
    NotIsolated {
        /// Why this is not inside.
        why: String,
    },
    /// The folder's path is not absolute, or not UTF-8.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A socket's path would be too long for the kernel.
    #[error(
        "start a private Docker engine in {}: expected a path of at most {longest} bytes, for its sockets",
        .dir.display()
    )]
    PathTooLong {
        /// The folder.
        dir: PathBuf,
        /// How long it may be.
        longest: usize,
    },
    /// A file or a program did not do as it was told.
    #[error("{operation} {}", .path.display())]
    Io {
        /// What was to be done.
        operation: &'static str,
        /// The file or program.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The engine does not answer.
    #[error("start a private Docker engine: {why}; the end of its log:\n{log_tail}")]
    NotReady {
        /// What was waited for.
        why: String,
        /// The end of its log.
        log_tail: String,
    },
    /// The engine refused the image.
    #[error("import busybox into the private Docker engine")]
    Import {
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// `docker` failed.
    #[error("run `docker {arguments}`: {said}")]
    CommandLine {
        /// What it was given.
        arguments: String,
        /// What it said.
        said: String,
    },
    /// `docker-compose` failed.
    #[error("bring up the Compose project in {}:\n{output}", .project.display())]
    Compose {
        /// The project's folder.
        project: PathBuf,
        /// What `docker-compose` printed.
        output: String,
    },
}

impl PrivateDocker {
    /// Starts an engine with all that is its own beneath `dir`, and waits until it answers.
    ///
    /// # Errors
    ///
    /// If a program is missing, this is not inside the lab's namespaces, the path is of no use, or
    /// the engine does not answer within half a minute.
    pub async fn start(dir: &Path) -> Result<Self, PrivateDockerError> {
        Self::start_with(dir, Vec::new()).await
    }

    /// The same, with more arguments for `dockerd`.
    ///
    /// # Errors
    ///
    /// As for [`PrivateDocker::start`].
    pub async fn start_with(
        dir: &Path,
        arguments: Vec<String>,
    ) -> Result<Self, PrivateDockerError> {
        if let Isolation::None { why } = isolation::current() {
            return Err(PrivateDockerError::NotIsolated { why });
        }
        let programs = Programs::find()?;
        let longest = LONGEST_SOCKET_PATH - DEEPEST_SOCKET;
        if dir.as_os_str().len() > longest {
            return Err(PrivateDockerError::PathTooLong {
                dir: dir.to_owned(),
                longest,
            });
        }
        let address = EngineAddress::unix(daemon::socket(dir))?;
        let daemon = Daemon::start(&programs.dockerd, dir, &address, &arguments).await?;
        Ok(Self {
            dir: dir.to_owned(),
            address,
            arguments,
            programs,
            daemon,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        daemon::socket(&self.dir)
    }

    /// The same, as an address.
    #[must_use]
    pub fn address(&self) -> &EngineAddress {
        &self.address
    }

    /// The end of what it has written into its log.
    #[must_use]
    pub fn log_tail(&self) -> String {
        daemon::log_tail(&self.dir)
    }

    /// A connection to it.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub async fn engine(&self) -> Result<BollardEngine, EngineError> {
        BollardEngine::connect(&self.address, EngineOptions::default()).await
    }

    /// Makes the image [`BUSYBOX_IMAGE`] out of this machine's busybox, and returns its name.
    ///
    /// # Errors
    ///
    /// If busybox cannot be read, or the engine refuses it.
    pub async fn import_busybox(&self) -> Result<String, PrivateDockerError> {
        image::import_busybox(&self.socket(), &self.programs.busybox).await?;
        Ok(BUSYBOX_IMAGE.to_owned())
    }

    /// Makes the image [`POSTGRES_IMAGE`] out of this machine's `PostgreSQL` 15: its programs in
    /// `/usr/lib/postgresql/15/bin`, a shell, the user 70, and a folder `/data` of that user's.
    ///
    /// # Errors
    ///
    /// If `PostgreSQL` is not on this machine, or the engine refuses it.
    pub async fn import_postgres(&self) -> Result<(), PrivateDockerError> {
        postgres::import(self, &self.programs.busybox).await
    }

    /// Brings up the Compose project in a folder (`docker-compose up -d`), under the folder's name.
    ///
    /// # Errors
    ///
    /// If `docker-compose` fails.
    pub async fn compose_up(&self, project: &Path) -> Result<(), PrivateDockerError> {
        compose::up(&self.programs.docker_compose, &self.socket(), project).await
    }

    /// Runs docker's own command line on it, and returns what it printed.
    ///
    /// # Errors
    ///
    /// If the program is missing, or fails.
    pub async fn docker(&self, arguments: &[&str]) -> Result<String, PrivateDockerError> {
        let docker = find_program("docker", "docker.io")?;
        let output = tokio::process::Command::new(&docker)
            .args(arguments)
            .env("DOCKER_HOST", self.address.to_string())
            // What the machine's user has set for other engines must not reach this one.
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_TLS_VERIFY")
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|source| PrivateDockerError::Io {
                operation: "run",
                path: docker,
                source,
            })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        Err(PrivateDockerError::CommandLine {
            arguments: arguments.join(" "),
            said: text(&output.stderr),
        })
    }

    /// Kills the engine as a crash does, with no farewell to its containers.
    ///
    /// # Errors
    ///
    /// If it cannot be killed.
    pub fn kill(&mut self) -> Result<(), PrivateDockerError> {
        self.daemon.kill()
    }

    /// Starts the engine again, after killing it if it runs.
    ///
    /// # Errors
    ///
    /// As for [`PrivateDocker::start`].
    pub async fn restart(&mut self) -> Result<(), PrivateDockerError> {
        self.daemon.kill()?;
        self.daemon = Daemon::start(
            &self.programs.dockerd,
            &self.dir,
            &self.address,
            &self.arguments,
        )
        .await?;
        Ok(())
    }

    /// Kills the engine, and starts it again after a while: what an upgrade does.
    ///
    /// # Errors
    ///
    /// As for [`PrivateDocker::start`].
    pub async fn restart_after(&mut self, away: Duration) -> Result<(), PrivateDockerError> {
        self.daemon.kill()?;
        tokio::time::sleep(away).await;
        self.restart().await
    }
}
