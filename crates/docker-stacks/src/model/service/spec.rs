//! A service's specification: read in part, kept whole.
//!
//! The shape is `ServiceSpec` of the Engine API
//! (<https://docs.docker.com/reference/api/engine/version/v1.43/#tag/Service>). An update replaces
//! all of it, so whatever a model of ours did not know would be taken from the service: bollard's,
//! for one, writes `HealthCheck` where engines write `Healthcheck`, and would take every service's
//! health check away. So the engine's own JSON is kept, and only the two places change that a halt
//! is about.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ServiceMode, ServiceMount};

/// A constraint that no node satisfies: their identifiers are made of 25 letters and digits. Who
/// looks at a halted service learns from it why there are no tasks.
pub(crate) const NOWHERE: &str = "node.id==halted-by-backup-window";

/// A service's specification, as the swarm has it.
///
/// Its environment may hold passwords, so `Debug` shows nothing of it.
///
/// ```
/// use docker_stacks::ServiceSpec;
///
/// let spec = ServiceSpec::new(serde_json::json!({"Name": "shop_db"}));
/// assert_eq!(spec.as_json()["Name"], "shop_db");
/// assert_eq!(format!("{spec:?}"), "ServiceSpec(…)");
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceSpec(Value);

/// A specification lacks what every swarm sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the service's specification has no {field}")]
pub(crate) struct BadSpec {
    field: &'static str,
}

/// A service is not what it was thought to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it was to have {expected}, and has {found}: somebody changed it")]
pub(crate) struct NotAsExpected {
    expected: ServiceMode,
    found: ServiceMode,
}

impl fmt::Debug for ServiceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceSpec(…)")
    }
}

impl ServiceSpec {
    /// Takes a specification as the engine wrote it.
    #[must_use]
    pub fn new(spec: Value) -> Self {
        Self(spec)
    }

    /// The engine's JSON.
    #[must_use]
    pub fn as_json(&self) -> &Value {
        &self.0
    }

    /// The same specification, changed.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn edited(&self, edit: impl FnOnce(&mut Value)) -> Self {
        let mut json = self.0.clone();
        edit(&mut json);
        Self(json)
    }

    pub(super) fn name(&self) -> Result<String, BadSpec> {
        self.text("/Name").ok_or(BadSpec { field: "name" })
    }

    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        texts(self.0.pointer("/Labels"))
    }

    pub(super) fn container_labels(&self) -> BTreeMap<String, String> {
        texts(self.0.pointer("/TaskTemplate/ContainerSpec/Labels"))
    }

    pub(super) fn image(&self) -> String {
        self.text("/TaskTemplate/ContainerSpec/Image")
            .unwrap_or_default()
    }

    pub(super) fn mode(&self) -> Result<ServiceMode, BadSpec> {
        let no_mode = BadSpec { field: "mode" };
        let mode = self.0.get("Mode").and_then(Value::as_object);
        let mode = mode.ok_or_else(|| no_mode.clone())?;
        if let Some(replicated) = mode.get("Replicated").filter(|value| value.is_object()) {
            // What is not said is 1, as for the engine.
            let replicas = replicated.get("Replicas").and_then(Value::as_u64);
            let replicas = replicas.unwrap_or(1);
            Ok(ServiceMode::Replicated { replicas })
        } else if mode.get("Global").is_some_and(Value::is_object) {
            Ok(ServiceMode::Global)
        } else if mode.contains_key("ReplicatedJob") || mode.contains_key("GlobalJob") {
            Ok(ServiceMode::Job)
        } else {
            Err(no_mode)
        }
    }

    pub(super) fn mounts(&self) -> Vec<ServiceMount> {
        let mounts = self.0.pointer("/TaskTemplate/ContainerSpec/Mounts");
        let mounts = mounts.and_then(Value::as_array).into_iter().flatten();
        let text = |mount: &Value, at: &str| {
            let text = mount.pointer(at).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        mounts
            .map(|mount| ServiceMount {
                // What names no type is a bind mount, as for the engine's own programs.
                kind: Some(text(mount, "/Type"))
                    .filter(|kind| !kind.is_empty())
                    .unwrap_or_else(|| "bind".to_owned()),
                source: text(mount, "/Source"),
                target: text(mount, "/Target").into(),
                read_only: mount.get("ReadOnly").and_then(Value::as_bool) == Some(true),
                driver: Some(text(mount, "/VolumeOptions/DriverConfig/Name"))
                    .filter(|driver| !driver.is_empty()),
                driver_options: texts(mount.pointer("/VolumeOptions/DriverConfig/Options")),
            })
            .collect()
    }

    pub(super) fn constraints(&self) -> Vec<String> {
        let constraints = self.0.pointer("/TaskTemplate/Placement/Constraints");
        let constraints = constraints.and_then(Value::as_array).into_iter().flatten();
        constraints
            .filter_map(|constraint| constraint.as_str().map(str::to_owned))
            .collect()
    }

    pub(super) fn stop_grace(&self) -> Option<Duration> {
        self.0
            .pointer("/TaskTemplate/ContainerSpec/StopGracePeriod")
            .and_then(Value::as_u64)
            .map(Duration::from_nanos)
    }

    /// Leaves the service without tasks, if it is what it was thought to be. Says whether that
    /// changes anything.
    pub(crate) fn halt(&mut self, expected: ServiceMode) -> Result<bool, NotAsExpected> {
        let found = self.mode().unwrap_or(ServiceMode::Job);
        let refused = NotAsExpected { expected, found };
        match (expected, found) {
            (ServiceMode::Replicated { .. }, ServiceMode::Replicated { replicas: 0 }) => Ok(false),
            (ServiceMode::Replicated { .. }, ServiceMode::Replicated { .. })
                if expected == found =>
            {
                self.scale(0);
                Ok(true)
            }
            (ServiceMode::Global, ServiceMode::Global) => {
                let mut constraints = self.constraints();
                if constraints.iter().any(|constraint| constraint == NOWHERE) {
                    return Ok(false);
                }
                constraints.push(NOWHERE.to_owned());
                self.constrain(constraints);
                Ok(true)
            }
            _ => Err(refused),
        }
    }

    /// Gives the service back what [`halt`](Self::halt) took from it, and leaves alone what
    /// somebody else changed since. Says whether that changes anything.
    pub(crate) fn resume(&mut self, was: ServiceMode) -> bool {
        match (was, self.mode()) {
            (ServiceMode::Replicated { replicas }, Ok(ServiceMode::Replicated { replicas: 0 }))
                if replicas > 0 =>
            {
                self.scale(replicas);
                true
            }
            (ServiceMode::Global, Ok(ServiceMode::Global)) => {
                let before = self.constraints();
                let mut constraints = before.clone();
                constraints.retain(|constraint| constraint != NOWHERE);
                let changed = constraints != before;
                if changed {
                    self.constrain(constraints);
                }
                changed
            }
            _ => false,
        }
    }

    fn scale(&mut self, replicas: u64) {
        object(&mut self.0, &["Mode", "Replicated"]).insert("Replicas".to_owned(), replicas.into());
    }

    fn constrain(&mut self, constraints: Vec<String>) {
        let placement = object(&mut self.0, &["TaskTemplate", "Placement"]);
        if constraints.is_empty() {
            // The engine writes no empty list either.
            placement.remove("Constraints");
        } else {
            placement.insert("Constraints".to_owned(), constraints.into());
        }
    }

    fn text(&self, at: &str) -> Option<String> {
        let text = self.0.pointer(at).and_then(Value::as_str);
        text.map(str::to_owned)
    }
}

/// The object at the end of this way, made where there is none.
fn object<'a>(value: &'a mut Value, way: &[&str]) -> &'a mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(map) = value else {
        unreachable!("it was made an object above")
    };
    match way {
        [] => map,
        [next, rest @ ..] => object(map.entry(*next).or_insert(Value::Null), rest),
    }
}

fn texts(map: Option<&Value>) -> BTreeMap<String, String> {
    let map = map.and_then(Value::as_object).into_iter().flatten();
    map.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

#[cfg(test)]
mod tests;
