//! What is different about Swarm: services are halted, not containers, and their data may be on
//! other nodes.
//!
//! Swarm replaces a task's container that somebody stops, so the containers of tasks are of no
//! interest to a plan. In their place stands, for each service, one container that has the
//! service's name, labels and mounts: all that is decided about containers is then decided about
//! services in the same way.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{decide::Decided, labels::Labels};
use crate::{
    find::{SWARM_SERVICE, SWARM_SERVICE_ID, Stack, StackKind},
    model::{
        Container, ContainerId, ContainerState, Mount, MountKind, Service, ServiceMode,
        ServiceMount, ServiceRef, Volume,
    },
};

/// Labels that say something about single containers, which nobody can do to a service's.
const NOT_FOR_SERVICES: [&str; 3] = [
    "backup-window.stop-timeout",
    "backup-window.exec-pre",
    "backup-window.exec-post",
];

/// What a night does with one service.
///
/// ```
/// use docker_stacks::{Plan, ServicePlan};
///
/// fn halted(plan: &Plan) -> impl Iterator<Item = &ServicePlan> {
///     let stacks = plan.groups.iter().flat_map(|group| &group.stacks);
///     stacks.flat_map(|stack| &stack.services).filter(|service| service.decision.halts())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServicePlan {
    /// Which service.
    pub service: ServiceRef,
    /// How many tasks it is to have, and where.
    pub mode: ServiceMode,
    /// How many of them run.
    pub running_tasks: usize,
    /// The nodes that they were given to, by their host names.
    pub nodes: Vec<String>,
    /// What happens to it.
    pub decision: ServiceDecision,
    /// Why, for people.
    pub reason: String,
}

/// What happens to a service.
///
/// ```
/// use docker_stacks::ServiceDecision;
///
/// assert!(ServiceDecision::Constrain.halts());
/// assert!(!ServiceDecision::LeaveAlone.halts());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServiceDecision {
    /// It is scaled to 0 while its stack is down, and then to what it was.
    ScaleToZero,
    /// It gets a constraint that no node satisfies, and loses it again.
    Constrain,
    /// It stays as it is.
    LeaveAlone,
}

impl ServiceDecision {
    /// Its tasks are ended.
    #[must_use]
    pub fn halts(self) -> bool {
        matches!(self, Self::ScaleToZero | Self::Constrain)
    }
}

/// Where the data of a service's mount is, seen from this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// Here, and nowhere else.
    Here,
    /// Here, and the tasks on other nodes have data of their own there; so says the text.
    Partly(String),
    /// Not here; so says the text.
    Elsewhere(String),
}

/// The same stacks, with a container for each service in the place of those of its tasks.
pub(super) fn with_services(stacks: &[Stack], volumes: &[Volume]) -> Vec<Stack> {
    stacks
        .iter()
        .map(|stack| {
            let mut stack = stack.clone();
            if !stack.services.is_empty() {
                let tasks = std::mem::take(&mut stack.containers);
                stack.containers = stack
                    .services
                    .iter()
                    .map(|service| stand_in(service, &tasks, volumes))
                    .collect();
            }
            stack
        })
        .collect()
}

/// The volumes that this node has, and those that it would create for a service: their options say
/// where the data is.
pub(super) fn with_unknown_volumes<'a>(stack: &Stack, volumes: &'a [Volume]) -> Cow<'a, [Volume]> {
    let mut all = Cow::Borrowed(volumes);
    let mounts = stack.services.iter().flat_map(|service| &service.mounts);
    for mount in mounts.filter(|mount| mount.kind == "volume") {
        if !all.iter().any(|volume| volume.name == mount.source) {
            all.to_mut().push(Volume {
                driver: driver(mount),
                options: mount.driver_options.clone(),
                ..Volume::local(&mount.source, "")
            });
        }
    }
    all
}

fn stand_in(service: &Service, tasks: &[Container], volumes: &[Volume]) -> Container {
    let mut container = Container::new(service.id.as_str(), &service.name);
    container.image.clone_from(&service.image);
    container.stop_timeout = service.stop_grace;
    // What is said of the service is meant for all of its containers.
    container.labels.clone_from(&service.container_labels);
    container.labels.extend(service.labels.clone());
    container
        .labels
        .retain(|key, _| !NOT_FOR_SERVICES.iter().any(|label| key.starts_with(label)));
    container
        .labels
        .insert(SWARM_SERVICE.to_owned(), service.name.clone());
    container.state = if service.is_halted() || service.tasks.is_empty() {
        ContainerState::Created
    } else if service.running().next().is_some() {
        ContainerState::Running
    } else {
        ContainerState::Restarting
    };
    let here: Vec<&Container> = service
        .tasks
        .iter()
        .filter(|task| task.here)
        .filter_map(|task| {
            tasks
                .iter()
                .find(|c| Some(&c.id) == task.container.as_ref())
        })
        .collect();
    container.mounts = mounts(service, &here, volumes);
    container
}

fn mounts(service: &Service, here: &[&Container], volumes: &[Volume]) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    let mut add = |mount: Mount| {
        if !mounts.contains(&mount) {
            mounts.push(mount);
        }
    };
    for wanted in &service.mounts {
        // The containers know what a template came to.
        let made: Vec<&Mount> = here
            .iter()
            .flat_map(|container| &container.mounts)
            .filter(|mount| mount.destination == wanted.target)
            .collect();
        if made.is_empty() {
            add(as_wanted(wanted, volumes));
        }
        for mount in made {
            add(mount.clone());
        }
    }
    // And they have the volumes that only their image asks for.
    let of_image = here
        .iter()
        .flat_map(|container| &container.mounts)
        .filter(|mount| matches!(mount.kind, MountKind::Volume { .. }))
        .filter(|mount| wanted(service, mount).is_none());
    for mount in of_image {
        add(mount.clone());
    }
    mounts
}

fn as_wanted(wanted: &ServiceMount, volumes: &[Volume]) -> Mount {
    let (kind, source) = match wanted.kind.as_str() {
        "volume" => {
            let known = volumes.iter().find(|volume| volume.name == wanted.source);
            let kind = MountKind::Volume {
                name: wanted.source.clone(),
                driver: known.map_or_else(|| driver(wanted), |volume| volume.driver.clone()),
            };
            (kind, known.map(|volume| volume.mount_point.clone()))
        }
        "bind" => (MountKind::Bind, Some(wanted.source.clone().into())),
        "tmpfs" => (MountKind::Tmpfs, None),
        other => (MountKind::Other(other.to_owned()), None),
    };
    Mount {
        kind,
        source: source.unwrap_or_default(),
        destination: wanted.target.clone(),
        read_only: wanted.read_only,
    }
}

fn driver(wanted: &ServiceMount) -> String {
    wanted.driver.clone().unwrap_or_else(|| "local".to_owned())
}

fn wanted<'a>(service: &'a Service, mount: &Mount) -> Option<&'a ServiceMount> {
    let mut mounts = service.mounts.iter();
    mounts.find(|wanted| wanted.target == mount.destination)
}

/// The service that a container stands for.
pub(super) fn service_of<'a>(stack: &'a Stack, container: &Container) -> Option<&'a Service> {
    let mut services = stack.services.iter();
    services.find(|service| service.id.as_str() == container.id.as_str())
}

/// A volume without a name, which every task gets anew: the swarm deletes it with the task.
fn lost_with_its_task(service: &Service, mount: &Mount) -> bool {
    matches!(mount.kind, MountKind::Volume { .. })
        && wanted(service, mount).is_none_or(|wanted| wanted.source.is_empty())
}

/// Why a service must not be halted, whatever its stack's plan says.
pub(super) fn why_not_halted(stack: &Stack, container: &Container) -> Option<String> {
    let service = service_of(stack, container)?;
    if service.mode == ServiceMode::Job {
        return Some("a job, which would begin again after a halt".to_owned());
    }
    let lost = container
        .mounts
        .iter()
        .find(|mount| lost_with_its_task(service, mount));
    lost.map(|mount| {
        format!(
            "a halt would delete its volume at {}, which has no name: give it one",
            mount.destination.display()
        )
    })
}

/// Where the data of a container's mount is; for a container that stands for no service, here.
pub(super) fn place(
    stack: &Stack,
    container: &Container,
    mount: &Mount,
    volumes: &[Volume],
) -> Place {
    let Some(service) = service_of(stack, container) else {
        return Place::Here;
    };
    let here = service.tasks.iter().any(|task| task.here);
    let others = other_nodes(service);
    let on_others = || others.join(", ");
    match &mount.kind {
        MountKind::Volume { .. } if lost_with_its_task(service, mount) => Place::Elsewhere(
            "it has no name, so that every task gets it anew, and a copy of it would be of no use"
                .to_owned(),
        ),
        MountKind::Volume { name, .. } => {
            let known = volumes.iter().any(|volume| volume.name == *name);
            match (known, here, others.is_empty()) {
                (true, _, true) => Place::Here,
                (true, true, false) => Place::Partly(format!(
                    "the tasks on {} have a volume of this name there, which is not copied",
                    on_others()
                )),
                (true, false, false) => Place::Elsewhere(format!(
                    "its tasks run on {}: what is here under its name is not what they use",
                    on_others()
                )),
                (false, _, false) => Place::Elsewhere(format!("it is on {}", on_others())),
                (false, _, true) => {
                    Place::Elsewhere("this node has no volume of this name".to_owned())
                }
            }
        }
        MountKind::Bind => match (here, others.is_empty()) {
            (true, true) => Place::Here,
            (true, false) => Place::Partly(format!(
                "the tasks on {} see what is there under this path, which is not copied",
                on_others()
            )),
            (false, false) => Place::Elsewhere(format!("it is on {}", on_others())),
            (false, true) if service.other_nodes.is_empty() => Place::Here,
            (false, true) => Place::Elsewhere(
                "no task runs, so that it is not known on which node it is".to_owned(),
            ),
        },
        _ => Place::Here,
    }
}

/// The other nodes that have tasks of a service.
fn other_nodes(service: &Service) -> Vec<String> {
    let elsewhere = service.tasks.iter().filter(|task| !task.here);
    let mut nodes: Vec<String> = elsewhere.filter_map(|task| task.node.clone()).collect();
    nodes.sort();
    nodes.dedup();
    nodes
}

/// What services ask for in labels that cannot be done for them.
pub(super) fn complaints(stacks: &[Stack]) -> Vec<String> {
    let services = stacks.iter().flat_map(|stack| &stack.services);
    services
        .flat_map(|service| {
            let labels = service.container_labels.keys().chain(service.labels.keys());
            labels
                .filter(|key| NOT_FOR_SERVICES.iter().any(|label| key.starts_with(label)))
                .map(|key| {
                    let instead = if key.ends_with("stop-timeout") {
                        ": set stop_grace_period in its stack's file"
                    } else {
                        ", whose containers come and go with the swarm"
                    };
                    format!(
                        "service {}: the label {key} has no effect on a service{instead}",
                        service.name
                    )
                })
        })
        .collect()
}

/// What happens to each service of a stack, once everything else is decided.
pub(super) fn service_plans(decided: &Decided<'_>) -> Vec<ServicePlan> {
    let stack = decided.stack;
    stack
        .services
        .iter()
        .filter_map(|service| {
            let is_it = |container: &&Container| container.id.as_str() == service.id.as_str();
            let container = stack.containers.iter().find(is_it)?;
            let may_be_stopped = decided.to_stop.iter().copied().any(|c| is_it(&c));
            let (decision, reason) = if decided.plan.decision.stops() && may_be_stopped {
                match service.mode {
                    ServiceMode::Global => (
                        ServiceDecision::Constrain,
                        "a constraint keeps it from every node".to_owned(),
                    ),
                    mode => (
                        ServiceDecision::ScaleToZero,
                        format!("scaled to 0, and to {mode} again"),
                    ),
                }
            } else {
                let why = if !decided.plan.decision.stops() {
                    "its stack is not stopped".to_owned()
                } else if !container.state.is_active() {
                    "nothing of it runs".to_owned()
                } else {
                    why_not_halted(stack, container).unwrap_or_else(|| why_up(container).to_owned())
                };
                (ServiceDecision::LeaveAlone, why)
            };
            let mut nodes: Vec<String> = service
                .tasks
                .iter()
                .filter_map(|t| t.node.clone())
                .collect();
            nodes.sort();
            nodes.dedup();
            Some(ServicePlan {
                service: service.to_ref(),
                mode: service.mode,
                running_tasks: service.running().count(),
                nodes,
                decision,
                reason,
            })
        })
        .collect()
}

/// Why a service stays up that could be halted.
fn why_up(container: &Container) -> &'static str {
    let labels = Labels::of(container);
    if !labels.enable {
        "its label backup-window.enable is false"
    } else if !labels.stop {
        "its label backup-window.stop is false"
    } else {
        "this program runs in its stack, or may do so"
    }
}

/// What people call what is stopped of a stack.
pub(super) fn noun(stack: &Stack) -> &'static str {
    if stack.kind == StackKind::Swarm {
        "service"
    } else {
        "container"
    }
}

/// The identifier of the container that stands for the service that this one is a task of.
pub(super) fn stand_in_id(task: &Container) -> Option<ContainerId> {
    task.label(SWARM_SERVICE_ID).map(ContainerId::new)
}
