//! From the definition of a container to a copy of it that can do no harm: pure.
//!
//! What is carried over is on a list, and what is not on it is not carried over: a [`Replica`] has
//! no other fields, and nobody but this module can make one.

mod replica;
mod withheld;

use bollard::models::{
    ContainerConfig, ContainerCreateBody, ContainerInspectResponse, HostConfig,
    HostConfigLogConfig, MountType, RestartPolicy, RestartPolicyNameEnum,
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

use super::{ExecCommand, convert};
use crate::{
    model::Container,
    plan::{StartCondition, condition, labels},
};

pub use replica::{Placement, Replica, ThrowAwayMount};
pub use withheld::Withheld;

/// The one security option that takes something away from a container.
const NO_NEW_PRIVILEGES: [&str; 3] = [
    "no-new-privileges",
    "no-new-privileges=true",
    "no-new-privileges:true",
];

/// What a container was made of, as far as a drill makes another of it.
///
/// Carried over are the image, the entry point and command, the environment, user, working
/// directory, terminal, host name, health check, stop signal and grace time, tmpfs mounts, a
/// read-only root, limits, shared memory, what it gave up (capabilities, `no-new-privileges`), and
/// its places in networks and mounts, each of which becomes another. Everything else is
/// [`withheld`](Blueprint::withheld).
///
/// `no-new-privileges` is not forced on those who did not ask for it: entry points that change the
/// user by `su` or `sudo` would fail, and say of the data what is not true.
///
/// ```
/// use docker_stacks::Blueprint;
///
/// let definition = serde_json::json!({
///     "Id": "1f2e", "Name": "/shop-db-1", "Image": "sha256:00",
///     "State": { "Status": "running" },
///     "HostConfig": { "Privileged": true },
/// });
/// let blueprint = Blueprint::read(&definition)?;
/// assert_eq!(blueprint.container().name, "shop-db-1");
/// assert_eq!(blueprint.withheld()[0].what, "privileged mode");
/// # Ok::<(), docker_stacks::BlueprintError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Blueprint {
    container: Container,
    body: ContainerCreateBody,
    withheld: Vec<Withheld>,
}

/// A definition that no container can be made of.
#[derive(Debug, thiserror::Error)]
#[error(
    "read the definition of a container: it is not what an engine says when a container is inspected"
)]
pub struct BlueprintError {
    #[source]
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Blueprint {
    /// Reads what [`Engine::definition`](crate::Engine::definition) has said once.
    ///
    /// # Errors
    ///
    /// If it is something else.
    pub fn read(definition: &Value) -> Result<Self, BlueprintError> {
        let inspected: ContainerInspectResponse = serde_json::from_value(definition.clone())
            .map_err(|source| BlueprintError {
                source: source.into(),
            })?;
        let config = inspected.config.clone().unwrap_or_default();
        let host = inspected.host_config.clone().unwrap_or_default();
        let container = convert::container(inspected).map_err(|source| BlueprintError {
            source: source.into(),
        })?;
        let withheld = withheld::withheld(&container, &host);
        Ok(Self {
            body: settings(&container, config, host),
            container,
            withheld,
        })
    }

    /// The container, as it was then.
    #[must_use]
    pub fn container(&self) -> &Container {
        &self.container
    }

    /// What is not carried over of it, whatever the placement.
    #[must_use]
    pub fn withheld(&self) -> &[Withheld] {
        &self.withheld
    }

    /// What its owner has run in it to see whether its data is good: its label
    /// `backup-window.drill`, with `-timeout` and `-user` beside it.
    #[must_use]
    pub fn check(&self) -> Option<ExecCommand> {
        labels::drill_check(&self.container)
    }

    /// What must have come of the other before this one is started, if anything must.
    #[must_use]
    pub fn waits_for(&self, other: &Self) -> Option<StartCondition> {
        condition(&self.container, &other.container)
    }

    /// The copy of it, in other places.
    #[must_use]
    pub fn replica(&self, placement: &Placement) -> Replica {
        replica::replica(self, placement)
    }
}

/// What is on the list, of what a container is made of. Mounts, networks and limits depend on the
/// placement.
fn settings(
    container: &Container,
    config: ContainerConfig,
    host: HostConfig,
) -> ContainerCreateBody {
    // An engine makes the host name of the identifier where nobody asked for one.
    let given = |name: &String| !name.is_empty() && name != container.id.short();
    let mut tmpfs = host.tmpfs.clone().unwrap_or_default();
    tmpfs.extend(tmpfs_mounts(&host));
    let security = host.security_opt.into_iter().flatten();
    ContainerCreateBody {
        image: Some(container.image_id.clone()),
        hostname: config.hostname.filter(given),
        user: config.user,
        tty: config.tty,
        open_stdin: config.open_stdin,
        env: config.env,
        cmd: config.cmd,
        entrypoint: config.entrypoint,
        working_dir: config.working_dir,
        healthcheck: config.healthcheck,
        stop_signal: config.stop_signal,
        stop_timeout: config.stop_timeout,
        host_config: Some(HostConfig {
            tmpfs: Some(tmpfs),
            readonly_rootfs: host.readonly_rootfs,
            ulimits: host.ulimits,
            shm_size: host.shm_size.filter(|bytes| *bytes > 0),
            init: host.init,
            cap_drop: host.cap_drop,
            group_add: host.group_add,
            security_opt: Some(
                security
                    .filter(|option| NO_NEW_PRIVILEGES.contains(&option.as_str()))
                    .collect(),
            ),
            // Of the same limits, the tighter: see the placement.
            memory: host.memory,
            pids_limit: host.pids_limit,
            restart_policy: Some(RestartPolicy {
                name: Some(RestartPolicyNameEnum::NO),
                maximum_retry_count: None,
            }),
            // The engine's own may be one that sends what is logged to other machines.
            log_config: Some(HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(HashMap::new()),
            }),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// Mounts of memory that were asked for by `--mount` and not by `--tmpfs`.
fn tmpfs_mounts(host: &HostConfig) -> BTreeMap<String, String> {
    let mounts = host.mounts.iter().flatten();
    mounts
        .filter(|mount| mount.typ == Some(MountType::TMPFS))
        .filter_map(|mount| {
            let options = mount.tmpfs_options.clone().unwrap_or_default();
            let size = options.size_bytes.map(|bytes| format!("size={bytes}"));
            let mode = options.mode.map(|mode| format!("mode={mode:o}"));
            let options: Vec<String> = size.into_iter().chain(mode).collect();
            Some((mount.target.clone()?, options.join(",")))
        })
        .collect()
}

#[cfg(test)]
mod tests;
