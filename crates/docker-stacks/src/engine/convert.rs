//! From the Engine API's answers to the model: no I/O here.

mod swarm;

use std::{collections::BTreeMap, time::Duration};

use bollard::models::{
    ContainerConfig, ContainerInspectResponse, ContainerState as State, ContainerStateStatusEnum,
    EndpointSettings, HealthStatusEnum, HostConfig, ImageSummary, LocalNodeState, MountPoint,
    Network as ApiNetwork, RestartPolicy as ApiRestartPolicy, RestartPolicyNameEnum, SystemInfo,
    SystemVersion, Volume as ApiVolume,
};
use jiff::Timestamp;

use super::{EngineInfo, EngineVersion, SwarmRole};
use crate::{
    model::{
        AddressPool, Attachment, Container, ContainerKey, ContainerState, Health, Image, Mount,
        MountKind, Network, RestartPolicy, Volume,
    },
    plan::labels,
};

pub(super) use swarm::Nodes;

/// An answer lacks what every engine sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer has no {field}")]
pub(super) struct Missing {
    field: &'static str,
}

pub(super) fn version(version: SystemVersion) -> Result<EngineVersion, Missing> {
    Ok(EngineVersion {
        version: version.version.ok_or(Missing { field: "Version" })?,
        api_version: version.api_version.ok_or(Missing {
            field: "ApiVersion",
        })?,
        min_api_version: version.min_api_version.filter(|oldest| !oldest.is_empty()),
        platform: format!(
            "{}/{}",
            version.os.as_deref().unwrap_or("unknown"),
            version.arch.as_deref().unwrap_or("unknown")
        ),
    })
}

pub(super) fn info(info: SystemInfo) -> EngineInfo {
    let swarm = info.swarm.unwrap_or_default();
    let role = match swarm.local_node_state {
        Some(LocalNodeState::ACTIVE) if swarm.control_available == Some(true) => SwarmRole::Manager,
        // One that waits for its place, or lost its managers, can be asked for nothing either.
        Some(LocalNodeState::ACTIVE | LocalNodeState::PENDING | LocalNodeState::ERROR) => {
            SwarmRole::Worker
        }
        _ => SwarmRole::None,
    };
    EngineInfo {
        machine: info.name.filter(|name| !name.is_empty()),
        kernel: info.kernel_version.filter(|release| !release.is_empty()),
        memory_bytes: info.mem_total.and_then(|bytes| u64::try_from(bytes).ok()),
        root: info.docker_root_dir.map(Into::into),
        // `name=rootless`, one of a list of words such as `name=seccomp,profile=default`.
        rootless: info
            .security_options
            .unwrap_or_default()
            .iter()
            .any(|option| option.split(',').any(|part| part == "name=rootless")),
        ..EngineInfo::new(role)
    }
}

pub(super) fn volume(volume: ApiVolume) -> Volume {
    Volume {
        name: volume.name,
        driver: volume.driver,
        options: volume.options.into_iter().collect(),
        mount_point: volume.mountpoint.into(),
        labels: volume.labels.into_iter().collect(),
    }
}

pub(super) fn network(network: ApiNetwork) -> Network {
    let driver = network.driver.unwrap_or_default();
    let mut read = Network::bridge(
        network.id.unwrap_or_default(),
        network.name.unwrap_or_default(),
    );
    let ipam = network.ipam.unwrap_or_default();
    read.driver = driver;
    read.internal = network.internal.unwrap_or_default();
    read.attachable = network.attachable.unwrap_or_default();
    read.ipv6 = network.enable_ipv6.unwrap_or_default();
    read.ipam_driver = said(ipam.driver);
    read.pools = ipam
        .config
        .unwrap_or_default()
        .into_iter()
        .map(|config| AddressPool {
            subnet: said(config.subnet),
            range: said(config.ip_range),
            gateway: said(config.gateway),
        })
        .collect();
    read.options = network.options.unwrap_or_default().into_iter().collect();
    read.labels = network.labels.unwrap_or_default().into_iter().collect();
    read
}

pub(super) fn image(summary: ImageSummary) -> Image {
    // An image without a name is listed as `<none>`, with two of them at times.
    let named = |names: Vec<String>| {
        let mut names: Vec<String> = names
            .into_iter()
            .filter(|name| !name.contains("<none>"))
            .collect();
        names.sort();
        names
    };
    let mut image = Image::new(summary.id);
    image.tags = named(summary.repo_tags);
    image.digests = named(summary.repo_digests);
    image
}

fn attachment(settings: EndpointSettings) -> Attachment {
    let wanted = settings.ipam_config.unwrap_or_default();
    let all = |addresses: [Option<String>; 2]| addresses.into_iter().filter_map(said).collect();
    Attachment {
        aliases: settings.aliases.unwrap_or_default(),
        wanted_addresses: all([wanted.ipv4_address, wanted.ipv6_address]),
        addresses: all([settings.ip_address, settings.global_ipv6_address]),
        mac_address: said(settings.mac_address),
    }
}

/// Engines say nothing with an empty text.
fn said(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn restart_policy(policy: Option<&ApiRestartPolicy>) -> RestartPolicy {
    let Some(policy) = policy else {
        return RestartPolicy::No;
    };
    match policy.name {
        Some(RestartPolicyNameEnum::ALWAYS) => RestartPolicy::Always,
        Some(RestartPolicyNameEnum::UNLESS_STOPPED) => RestartPolicy::UnlessStopped,
        Some(RestartPolicyNameEnum::ON_FAILURE) => RestartPolicy::OnFailure {
            at_most: policy
                .maximum_retry_count
                .and_then(|count| u32::try_from(count).ok())
                .filter(|count| *count > 0),
        },
        Some(RestartPolicyNameEnum::EMPTY | RestartPolicyNameEnum::NO) | None => RestartPolicy::No,
    }
}

pub(super) fn container(inspected: ContainerInspectResponse) -> Result<Container, Missing> {
    let id = inspected.id.ok_or(Missing { field: "Id" })?;
    let name = inspected.name.ok_or(Missing { field: "Name" })?;
    let state = inspected.state.ok_or(Missing { field: "State" })?;
    let config = inspected.config.unwrap_or_default();
    let host = inspected.host_config.unwrap_or_default();

    let mut container = Container::new(id, name.trim_start_matches('/'));
    container.image_id = inspected.image.unwrap_or_default();
    container.started_at = started_at(&state);
    container.health = health(&state);
    container.state = status(&state);
    container.mounts = inspected
        .mounts
        .unwrap_or_default()
        .into_iter()
        .map(mount)
        .collect();
    container.networks = inspected
        .network_settings
        .and_then(|settings| settings.networks)
        .unwrap_or_default()
        .into_iter()
        .map(|(name, settings)| (name, attachment(settings)))
        .collect();
    add_host_config(&mut container, &host);
    add_config(&mut container, config);
    Ok(container)
}

fn add_config(container: &mut Container, config: ContainerConfig) {
    container.has_health_check = container.health.is_some()
        || config
            .healthcheck
            .and_then(|check| check.test)
            .is_some_and(|test| test.first().is_some_and(|first| first != "NONE"));
    container.image = config.image.unwrap_or_default();
    container.labels = config
        .labels
        .unwrap_or_default()
        .into_iter()
        .collect::<BTreeMap<_, _>>();
    container.stop_timeout = labels::stop_timeout(container).or_else(|| {
        config
            .stop_timeout
            .and_then(|seconds| u64::try_from(seconds).ok())
            // Podman says 0 of each container that came through its compatible API without a time
            // of its own; whoever means 0 loses nothing but a moment.
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs)
    });
}

fn add_host_config(container: &mut Container, host: &HostConfig) {
    container.network_mode = other_container(host.network_mode.as_deref());
    container.pid_mode = other_container(host.pid_mode.as_deref());
    container.ipc_mode = other_container(host.ipc_mode.as_deref());
    container.volumes_from = first_parts(host.volumes_from.as_deref());
    container.links = first_parts(host.links.as_deref());
    container.restart_policy = restart_policy(host.restart_policy.as_ref());
    container.auto_remove = host.auto_remove.unwrap_or(false);
}

/// The container in a mode of the form `container:ID`; the other modes (`host`, `bridge`,
/// `shareable`, a network's name) name none.
fn other_container(mode: Option<&str>) -> Option<ContainerKey> {
    mode?.strip_prefix("container:").map(ContainerKey::new)
}

/// The containers in `volumes_from` (`ID[:ro]`) and links (`/ID:/OWN/ALIAS`).
fn first_parts(entries: Option<&[String]>) -> Vec<ContainerKey> {
    entries
        .unwrap_or_default()
        .iter()
        .filter_map(|entry| entry.split(':').next())
        .filter(|key| !key.is_empty())
        .map(ContainerKey::new)
        .collect()
}

fn mount(point: MountPoint) -> Mount {
    let kind = match point.typ.as_deref() {
        Some("volume") => MountKind::Volume {
            name: point.name.unwrap_or_default(),
            driver: point.driver.unwrap_or_else(|| "local".to_owned()),
        },
        Some("bind") => MountKind::Bind,
        Some("tmpfs") => MountKind::Tmpfs,
        other => MountKind::Other(other.unwrap_or("unknown").to_owned()),
    };
    Mount {
        kind,
        source: point.source.unwrap_or_default().into(),
        destination: point.destination.unwrap_or_default().into(),
        read_only: !point.rw.unwrap_or(true),
    }
}

fn status(state: &State) -> ContainerState {
    let exited = ContainerState::Exited {
        code: state.exit_code.unwrap_or_default(),
    };
    match state.status {
        // `stopping` is Podman's word for a container that still runs.
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => {
            ContainerState::Running
        }
        Some(ContainerStateStatusEnum::PAUSED) => ContainerState::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => ContainerState::Restarting,
        Some(ContainerStateStatusEnum::EXITED) => exited,
        Some(ContainerStateStatusEnum::CREATED) => ContainerState::Created,
        Some(ContainerStateStatusEnum::REMOVING) => ContainerState::Removing,
        Some(ContainerStateStatusEnum::DEAD) => ContainerState::Dead,
        Some(ContainerStateStatusEnum::EMPTY) | None => {
            if state.running == Some(true) {
                ContainerState::Running
            } else {
                exited
            }
        }
    }
}

fn health(state: &State) -> Option<Health> {
    match state.health.as_ref()?.status? {
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
    }
}

/// When it was last started. The API writes Go's zero time, the first instant of year 1, for never.
fn started_at(state: &State) -> Option<Timestamp> {
    let at: Timestamp = state.started_at.as_deref()?.parse().ok()?;
    (at > Timestamp::UNIX_EPOCH).then_some(at)
}

#[cfg(test)]
mod tests;
