//! Reading files through the engine.

use std::{path::Path, time::Duration};

use bollard::query_parameters::DownloadFromContainerOptionsBuilder;
use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::timeout;

use super::BollardEngine;
use crate::{
    engine::{Engine, EngineError},
    model::ContainerId,
};

type Parts = BoxStream<'static, Result<Bytes, EngineError>>;

impl BollardEngine {
    pub(super) async fn read_archive(
        &self,
        id: &ContainerId,
        path: &Path,
    ) -> Result<Parts, EngineError> {
        let operation = format!("read {} in container {}", path.display(), id.short());
        // Engines speak JSON: no container has a path that is not UTF-8.
        let Some(path) = path.to_str() else {
            return Err(self.no_such(&operation));
        };
        let options = DownloadFromContainerOptionsBuilder::new()
            .path(path)
            .build();
        let parts = self
            .call(&operation, Duration::ZERO, |docker| async move {
                let parts = docker.download_from_container(id.as_str(), Some(options));
                Ok(parts.boxed())
            })
            .await?;
        // An archive may take hours, and every part of it comes soon.
        let engine = self.clone();
        let mut parts = stream::unfold(Some(parts), move |parts| {
            let (engine, operation) = (engine.clone(), operation.clone());
            async move {
                let mut parts = parts?;
                let deadline = engine.options.call_deadline;
                match timeout(deadline, parts.next()).await {
                    Ok(None) => None,
                    Ok(Some(Ok(part))) => Some((Ok(part), Some(parts))),
                    Ok(Some(Err(error))) => Some((Err(engine.explain(&operation, error)), None)),
                    Err(_) => {
                        let endpoint = engine.endpoint();
                        let error = EngineError::DeadlinePassed {
                            endpoint,
                            operation,
                            deadline,
                        };
                        Some((Err(error), None))
                    }
                }
            }
        })
        .boxed();
        // Whether there is anything to read is known with the first part.
        match parts.next().await {
            Some(Err(error)) => Err(error),
            Some(first) => Ok(stream::iter([first]).chain(parts).boxed()),
            None => Ok(parts),
        }
    }
}
