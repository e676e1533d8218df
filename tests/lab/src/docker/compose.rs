//! `docker-compose`, run for the private engine only.

use std::path::Path;
use std::process::Stdio;

use super::PrivateDockerError;

pub(super) async fn up(
    docker_compose: &Path,
    socket: &Path,
    project: &Path,
) -> Result<(), PrivateDockerError> {
    let mut host = std::ffi::OsString::from("unix://");
    host.push(socket);
    let name = project.file_name().unwrap_or_default();
    let output = tokio::process::Command::new(docker_compose)
        .arg("--project-name")
        .arg(name)
        .args(["up", "--detach", "--no-color"])
        .current_dir(project)
        .env("DOCKER_HOST", host)
        // What the machine's user has set for other engines must not reach this one.
        .env_remove("DOCKER_CONTEXT")
        .env_remove("DOCKER_TLS_VERIFY")
        .env_remove("DOCKER_CERT_PATH")
        .env_remove("COMPOSE_FILE")
        .env_remove("COMPOSE_PROJECT_NAME")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| PrivateDockerError::Io {
            operation: "run",
            path: docker_compose.to_owned(),
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(PrivateDockerError::Compose {
        project: project.to_owned(),
        output: text,
    })
}
