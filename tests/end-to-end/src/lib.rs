//! What the end-to-end suites share: a homelab, its configuration, and the real binaries.
//!
//! The binaries are the ones that this build made: `cargo test --workspace` makes them, because
//! their own packages have tests; after `cargo test --package end-to-end` alone they may be those
//! of an earlier build.

mod docker_host;
mod restless;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lab::homelab::{Homelab, HomelabOptions};
use serde_json::Value;

pub use docker_host::{
    AUTO_REMOVED, DockerHost, DockerHostOptions, obedient, seven_containers, start_auto_removed,
};
pub use restless::{NO_SPOOL, Restless};

/// The configuration that the README shows.
pub const EXAMPLE: &str = include_str!("../../../examples/homelab.toml");

/// A homelab and the commands that cron would run in it.
#[derive(Debug)]
pub struct House {
    /// The homelab.
    pub lab: Homelab,
    /// Where it lies.
    pub dir: PathBuf,
    /// The configuration, pointed at it.
    pub config: PathBuf,
    runtime: tokio::runtime::Runtime,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` when a signal killed it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl House {
    /// Builds a homelab, to be called inside the lab's namespaces.
    ///
    /// # Panics
    /// When it cannot be built: a test that cannot run has not passed. Also when a part is a
    /// stand-in that should be the real thing.
    #[must_use]
    pub fn build(options: HomelabOptions) -> Self {
        let dir = lab::isolation::scratch().expect("the suite runs inside the lab's namespaces");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
        let lab = runtime
            .block_on(Homelab::build(&dir, options))
            .unwrap_or_else(|error| panic!("the homelab cannot be built: {error:?}"));
        assert_eq!(
            lab.stand_ins(),
            Vec::<String>::new(),
            "the suite wants the real parts"
        );
        let config = lab
            .write_config(EXAMPLE)
            .unwrap_or_else(|error| panic!("the configuration cannot be written: {error:?}"));
        Self {
            lab,
            dir,
            config,
            runtime,
        }
    }

    /// Runs a command of the project, such as `nas-wake`, with the lab's configuration.
    #[must_use]
    pub fn run(&self, binary: &str, arguments: &[&str]) -> Ended {
        self.run_with(&self.config, binary, arguments)
    }

    /// The same with another configuration.
    ///
    /// # Panics
    /// When the binary is not there.
    #[must_use]
    pub fn run_with(&self, config: &Path, binary: &str, arguments: &[&str]) -> Ended {
        let output = self.command(config, binary, arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{binary} cannot be run: {error}"));
        Ended::new(&output)
    }

    /// The command, to be started otherwise.
    #[must_use]
    pub fn command(&self, config: &Path, binary: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary_path(binary));
        command
            .args(arguments)
            .arg("--config")
            .arg(config)
            .env_remove("BACKUP_WINDOW_STATE_DIR");
        command
    }

    /// Waits for something that the lab does.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Writes a copy of the configuration in which `from` is replaced by `to`.
    ///
    /// # Panics
    /// When `from` is not in the configuration.
    #[must_use]
    pub fn config_with(&self, from: &str, to: &str) -> PathBuf {
        let text = std::fs::read_to_string(&self.config).expect("the lab wrote it");
        assert!(
            text.contains(from),
            "{from} is not in the configuration:\n{text}"
        );
        let path = self.dir.join("changed.toml");
        std::fs::write(&path, text.replace(from, to)).expect("the lab's folder can be written to");
        path
    }

    /// The names of the containers that run, sorted.
    ///
    /// # Panics
    /// When the lab's engine does not answer.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        let lab::homelab::LabEngine::Docker(docker) = self.lab.engine() else {
            panic!("the suite wants a real engine");
        };
        let containers = self.wait(async {
            use docker_stacks::Engine as _;
            docker.engine().await.expect("it runs").containers().await
        });
        let mut names: Vec<String> = containers
            .expect("it answers")
            .into_iter()
            .filter(|container| container.state.is_active())
            .map(|container| container.name)
            .collect();
        names.sort();
        names
    }
}

impl Ended {
    /// What is left of a command that has ended.
    #[must_use]
    pub fn new(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Its standard output as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// Checks the exit code.
    ///
    /// # Panics
    /// When it is another one, with all that the command said.
    #[track_caller]
    #[expect(
        clippy::must_use_candidate,
        reason = "most callers want the check alone"
    )]
    pub fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(
            self.code,
            Some(code),
            "expected code {code}\n--- standard output\n{}\n--- standard error\n{}",
            self.out,
            self.err
        );
        self
    }
}

/// Where a binary of the workspace is: beside the folder of the test programs.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn binary_path(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it is");
    let folder = own
        .parent()
        .and_then(Path::parent)
        .expect("a test program lies in target/PROFILE/deps");
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not there: build it with `cargo build --workspace`",
        path.display()
    );
    path
}
