//! Services of a swarm, by the engine that manages it.

use std::{collections::HashMap, time::Duration};

use bollard::{
    body_full,
    models::ServiceSpec as ApiServiceSpec,
    query_parameters::{ListNodesOptions, ListTasksOptions, UpdateServiceOptionsBuilder},
};
use serde::Deserialize;
use tokio::time::sleep;

use super::BollardEngine;
use crate::{
    engine::{Engine, EngineError, SwarmRole, convert},
    model::{Service, ServiceId, ServiceMode, ServiceSpec, service::NotAsExpected},
};

/// How often a change is tried that another change came before.
const UPDATE_ATTEMPTS: u32 = 10;

/// How long to wait before trying again.
const UPDATE_PAUSE: Duration = Duration::from_millis(50);

/// What a manager says to a change that was made of an older state than its own. It has no status
/// of its own: Docker 20.10 answers 500, later releases 400.
const OUT_OF_SEQUENCE: &str = "out of sequence";

/// HTTP's word for "not as you think".
const CONFLICT: u16 = 409;

/// A service, as `GET /services/{id}` has it.
#[derive(Debug, Deserialize)]
struct Raw {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Version")]
    version: Version,
    #[serde(rename = "Spec")]
    spec: ServiceSpec,
}

#[derive(Debug, Deserialize)]
struct Version {
    #[serde(rename = "Index")]
    index: u64,
}

impl BollardEngine {
    pub(super) async fn list_services(&self) -> Result<Vec<Service>, EngineError> {
        let operation = "list the services";
        if self.info().await?.swarm != SwarmRole::Manager {
            return Ok(Vec::new());
        }
        let raw: Vec<Raw> = self.read_raw(operation, "/services").await?;
        let mut services = self.with_tasks(operation, raw, None).await?;
        services.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(services)
    }

    pub(super) async fn look_at_service(&self, id: &ServiceId) -> Result<Service, EngineError> {
        let operation = format!("inspect service {id}");
        let raw = self.raw_service(&operation, id).await?;
        let found = self.with_tasks(&operation, vec![raw], Some(id)).await?;
        found
            .into_iter()
            .next()
            .ok_or_else(|| self.no_such(&operation))
    }

    /// Takes a service's tasks from it.
    pub(super) async fn halt(&self, id: &ServiceId, was: ServiceMode) -> Result<(), EngineError> {
        let operation = format!("halt service {id}");
        self.change_service(&operation, id, |spec| spec.halt(was))
            .await
    }

    /// Gives a service its tasks back.
    pub(super) async fn resume(&self, id: &ServiceId, was: ServiceMode) -> Result<(), EngineError> {
        let operation = format!("resume service {id}");
        self.change_service(&operation, id, |spec| Ok(spec.resume(was)))
            .await
    }

    /// Changes a specification, so often that nobody else's change comes in between: a manager
    /// takes a change only with the number of the state that it was made of.
    async fn change_service(
        &self,
        operation: &str,
        id: &ServiceId,
        change: impl Fn(&mut ServiceSpec) -> Result<bool, NotAsExpected> + Send,
    ) -> Result<(), EngineError> {
        let mut attempts = 0;
        loop {
            let mut raw = self.raw_service(operation, id).await?;
            match change(&mut raw.spec) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(changed) => {
                    return Err(EngineError::Refused {
                        endpoint: self.endpoint(),
                        operation: operation.to_owned(),
                        status: CONFLICT,
                        message: changed.to_string(),
                    });
                }
            }
            attempts += 1;
            match self.update(operation, &raw).await {
                Err(EngineError::Refused { message, .. })
                    if message.contains(OUT_OF_SEQUENCE) && attempts < UPDATE_ATTEMPTS =>
                {
                    sleep(UPDATE_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    async fn update(&self, operation: &str, raw: &Raw) -> Result<(), EngineError> {
        let version =
            i32::try_from(raw.version.index).map_err(|source| self.bad(operation, source))?;
        let options = UpdateServiceOptionsBuilder::new().version(version).build();
        let body = raw.spec.as_json().to_string();
        self.call(operation, Duration::ZERO, |docker| async move {
            // The model's specification drops what it does not know (see `model::service::spec`),
            // so that the engine's own words take its place in the request.
            let docker = docker.with_request_modifier(move |mut request| {
                *request.body_mut() = body_full(body.clone().into());
                request
            });
            docker
                .update_service(&raw.id, ApiServiceSpec::default(), options, None)
                .await
        })
        .await
        .map(|answer| {
            for warning in answer.warnings.unwrap_or_default() {
                tracing::warn!(operation, warning, "the engine has something to say");
            }
        })
    }

    async fn raw_service(&self, operation: &str, id: &ServiceId) -> Result<Raw, EngineError> {
        self.read_raw_one(operation, "/services/", id.as_str(), "")
            .await
    }

    /// Adds to services what the swarm says of their tasks and its nodes.
    async fn with_tasks(
        &self,
        operation: &str,
        services: Vec<Raw>,
        only: Option<&ServiceId>,
    ) -> Result<Vec<Service>, EngineError> {
        let filters = only.map(|id| HashMap::from([("service".to_owned(), vec![id.to_string()])]));
        let options = ListTasksOptions { filters };
        let (info, nodes, tasks) = self
            .call(operation, Duration::ZERO, |docker| async move {
                Ok((
                    docker.info().await?,
                    docker.list_nodes(None::<ListNodesOptions>).await?,
                    docker.list_tasks(Some(options)).await?,
                ))
            })
            .await?;
        let this_node = info.swarm.and_then(|swarm| swarm.node_id);
        let nodes = convert::Nodes::new(nodes, this_node.as_deref());
        let mut by_service = nodes.tasks_by_service(tasks);
        services
            .into_iter()
            .map(|raw| {
                let tasks = by_service.remove(&raw.id).unwrap_or_default();
                let id = ServiceId::new(raw.id);
                Service::read(id, raw.spec, tasks, nodes.others())
                    .map_err(|source| self.bad(operation, source))
            })
            .collect()
    }
}
