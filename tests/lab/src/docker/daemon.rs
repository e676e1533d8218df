//! The `dockerd` process.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use docker_stacks::{BollardEngine, EngineAddress, EngineOptions};
use tokio::time::{Instant, sleep};

use super::PrivateDockerError;
use crate::isolation;

/// From the start of the process to its first answer; 1 to 2 s on an idle machine.
const READY_DEADLINE: Duration = Duration::from_secs(30);

/// How often it is asked whether it is ready, and how long it may take to say so.
const ASK_EVERY: Duration = Duration::from_millis(100);
const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// How many lines of the log an error shows.
const LOG_TAIL_LINES: usize = 20;

#[derive(Debug)]
pub(super) struct Daemon {
    child: Child,
    path: PathBuf,
}

pub(super) fn socket(dir: &Path) -> PathBuf {
    dir.join("docker.sock")
}

fn log(dir: &Path) -> PathBuf {
    dir.join("dockerd.log")
}

impl Daemon {
    pub(super) async fn start(
        dockerd: &Path,
        dir: &Path,
        address: &EngineAddress,
        more: &[String],
    ) -> Result<Self, PrivateDockerError> {
        let failed = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| PrivateDockerError::Io {
                operation,
                path,
                source,
            }
        };
        fs::create_dir_all(dir).map_err(failed("make the folder", dir))?;
        // A predecessor that was killed left its socket: nobody must take it for this one's.
        match fs::remove_file(socket(dir)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed("remove the old socket", &socket(dir))(error));
            }
            _ => {}
        }
        let config = dir.join("daemon.json");
        fs::write(&config, "{}").map_err(failed("write", &config))?;
        let log_file = File::options()
            .create(true)
            .append(true)
            .open(log(dir))
            .map_err(failed("open", &log(dir)))?;
        let log_too = log_file
            .try_clone()
            .map_err(failed("open twice", &log(dir)))?;
        let child = Command::new(dockerd)
            .args(arguments(dir))
            .args(more)
            .stdin(Stdio::null())
            .stdout(log_file)
            .stderr(log_too)
            .spawn()
            .map_err(failed("run", dockerd))?;
        let mut daemon = Self {
            child,
            path: dockerd.to_owned(),
        };
        daemon.wait_until_ready(dir, address).await?;
        Ok(daemon)
    }

    async fn wait_until_ready(
        &mut self,
        dir: &Path,
        address: &EngineAddress,
    ) -> Result<(), PrivateDockerError> {
        let not_ready = |why: String| PrivateDockerError::NotReady {
            why,
            log_tail: log_tail(dir),
        };
        let deadline = Instant::now() + READY_DEADLINE;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(not_ready(format!("dockerd ended at once ({status})")));
            }
            let options = EngineOptions {
                call_deadline: ANSWER_DEADLINE,
                ..EngineOptions::default()
            };
            match BollardEngine::connect(address, options).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= deadline => {
                    return Err(not_ready(format!(
                        "it does not answer after {} s ({error})",
                        READY_DEADLINE.as_secs()
                    )));
                }
                Err(_) => sleep(ASK_EVERY).await,
            }
        }
    }

    /// Kills it and waits for its end, which SIGKILL does not keep waiting.
    pub(super) fn kill(&mut self) -> Result<(), PrivateDockerError> {
        // `kill` succeeds on a child that was waited for already.
        self.child
            .kill()
            .and_then(|()| self.child.wait())
            .map(drop)
            .map_err(|source| PrivateDockerError::Io {
                operation: "kill",
                path: self.path.clone(),
                source,
            })
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(%error, "a private Docker engine is left behind");
        }
    }
}

fn arguments(dir: &Path) -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<std::ffi::OsString> = Vec::new();
    for (flag, path) in [
        ("--data-root", dir.join("data")),
        ("--exec-root", dir.join("exec")),
        ("--pidfile", dir.join("dockerd.pid")),
        // Not the machine's own, which may say anything.
        ("--config-file", dir.join("daemon.json")),
    ] {
        arguments.push(flag.into());
        arguments.push(path.into());
    }
    let mut host = std::ffi::OsString::from("--host=unix://");
    host.push(socket(dir));
    arguments.push(host);
    // No systemd to ask for control groups, and no proxy processes that would outlive it.
    for flag in [
        "--exec-opt=native.cgroupdriver=cgroupfs",
        "--userland-proxy=false",
    ] {
        arguments.push(flag.into());
    }
    arguments.push(format!("--cgroup-parent={}", isolation::cgroup_parent()).into());
    arguments
}

pub(super) fn log_tail(dir: &Path) -> String {
    let text = fs::read(log(dir)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(LOG_TAIL_LINES);
    lines[skipped..].join("\n")
}
