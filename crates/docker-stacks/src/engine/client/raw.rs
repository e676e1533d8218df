//! An engine's answer as it is.
//!
//! bollard hands out answers only as what its release knows of them, and engines say more with every
//! release: from a definition that something is missing from, something else is made.

use std::time::Duration;

use bollard::{Docker, errors::Error as BollardError};
use futures_util::TryStreamExt;
use serde::de::DeserializeOwned;

use super::BollardEngine;
use crate::engine::{Engine, EngineError};

/// The path that ours take the place of: of bollard's requests, only that for a container's file
/// system hands on what comes.
const STAND_IN: &str = "any";

impl BollardEngine {
    /// Reads what the engine says at a path, whole, over the same connection and with the same
    /// errors as everything else.
    pub(super) async fn read_raw<T: DeserializeOwned>(
        &self,
        operation: &str,
        path: &str,
    ) -> Result<T, EngineError> {
        let path = path.to_owned();
        let ask = |docker: Docker| async move {
            let docker = docker.with_request_modifier(move |mut request| {
                let turned = request
                    .uri()
                    .to_string()
                    .replace(&format!("/containers/{STAND_IN}/export"), &path);
                // A path of ours is part of a URI; if not, the engine knows no such container.
                if let Ok(uri) = turned.parse() {
                    *request.uri_mut() = uri;
                }
                request
            });
            let parts = docker.export_container(STAND_IN);
            let parts: Vec<_> = parts.try_collect().await?;
            Ok::<_, BollardError>(parts.concat())
        };
        let answer = self.call(operation, Duration::ZERO, ask).await?;
        serde_json::from_slice(&answer).map_err(|source| self.bad(operation, source))
    }

    /// The same at the path of one thing: its identifier comes between the path's other parts.
    pub(super) async fn read_raw_one<T: DeserializeOwned>(
        &self,
        operation: &str,
        before: &str,
        id: &str,
        after: &str,
    ) -> Result<T, EngineError> {
        // It may come out of a file, and must not lead to anything else.
        if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(self.no_such(operation));
        }
        self.read_raw(operation, &format!("{before}{id}{after}"))
            .await
    }

    pub(super) fn no_such(&self, operation: &str) -> EngineError {
        EngineError::NotFound {
            endpoint: self.endpoint(),
            operation: operation.to_owned(),
        }
    }

    pub(super) fn bad(
        &self,
        operation: &str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> EngineError {
        EngineError::BadAnswer {
            endpoint: self.endpoint(),
            operation: operation.to_owned(),
            source: source.into(),
        }
    }
}
