//! The containers that the contract of an engine is checked on.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use docker_stacks::testing::conformance::Fixture;

use crate::isolation;

use super::{BUSYBOX_IMAGE, PrivateDockerError};

/// The name of the Compose project.
const PROJECT: &str = "fixture";

/// Writes the Compose project of the [`Fixture`] beneath `dir`, and says what is in it: to be
/// brought up with the image [`BUSYBOX_IMAGE`].
///
/// # Errors
///
/// If the file cannot be written.
pub fn contract_project(dir: &Path) -> Result<(PathBuf, Fixture), PrivateDockerError> {
    let project = dir.join(PROJECT);
    let file = project.join("docker-compose.yml");
    fs::create_dir_all(&project)
        .and_then(|()| fs::write(&file, compose_file()))
        .map_err(|source| PrivateDockerError::Io {
            operation: "write",
            path: file,
            source,
        })?;
    let name = |service: &str| format!("{PROJECT}_{service}_1");
    let fixture = Fixture {
        obedient: name("obedient"),
        stubborn: name("stubborn"),
        checked: name("checked"),
        ended: name("ended"),
        volume: format!("{PROJECT}_data"),
        healthy_within: Duration::from_secs(30),
    };
    Ok((project, fixture))
}

fn compose_file() -> String {
    // An engine that is told nothing else puts them in a group that nobody clears away. And no
    // network: Podman would need more programs for one.
    let group = isolation::cgroup_parent();
    format!(
        r#"version: "2.4"
services:
  obedient:
    image: {BUSYBOX_IMAGE}
    cgroup_parent: {group}
    network_mode: none
    command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait $$!; done"]
    volumes: ["data:/data"]
  stubborn:
    image: {BUSYBOX_IMAGE}
    cgroup_parent: {group}
    network_mode: none
    # Process 1 of a container is not ended by a signal that it does not handle.
    command: ["sleep", "1000"]
  checked:
    image: {BUSYBOX_IMAGE}
    cgroup_parent: {group}
    network_mode: none
    command: ["sh", "-c", "rm -f /tmp/ready; sleep 2; touch /tmp/ready; trap 'exit 0' TERM; sleep 1000 & wait"]
    healthcheck:
      test: ["CMD", "test", "-e", "/tmp/ready"]
      interval: 1s
      retries: 99
  ended:
    image: {BUSYBOX_IMAGE}
    cgroup_parent: {group}
    network_mode: none
    command: ["sh", "-c", "exit 3"]
volumes:
  data: {{}}
"#
    )
}
