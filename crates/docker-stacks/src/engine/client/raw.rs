//! An engine's answer as it is.

use bollard::{Docker, errors::Error as BollardError};
use futures_util::TryStreamExt;

use crate::model::ContainerId;

/// What bollard asks for where it hands on the answer's bytes.
const EXPORT: &str = "/export";

/// What we ask for in its place.
const INSPECT: &str = "/json";

/// Everything that the engine says of a container, byte by byte.
///
/// bollard's own inspection keeps what its release knows, and engines say more with every release:
/// a definition that something is missing from makes another container. Of bollard's requests, only
/// that for a container's file system hands on what comes; so that one is sent to the other path,
/// over the same connection with the same errors.
pub(super) async fn inspect(docker: Docker, id: &ContainerId) -> Result<Vec<u8>, BollardError> {
    let docker = docker.with_request_modifier(|mut request| {
        let uri = request.uri().to_string();
        if let Some(path) = uri.strip_suffix(EXPORT)
            && let Ok(uri) = format!("{path}{INSPECT}").parse()
        {
            *request.uri_mut() = uri;
        }
        request
    });
    let parts: Vec<_> = docker.export_container(id.as_str()).try_collect().await?;
    Ok(parts.concat())
}
