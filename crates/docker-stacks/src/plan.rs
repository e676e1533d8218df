//! What to stop, in which order, and what to copy: pure, from what the engine listed.

pub(crate) mod data;
mod decide;
mod exclusion;
mod gateway;
mod glob;
mod group;
mod hook;
mod inclusion;
pub(crate) mod labels;
mod left_out;
mod mounts;
mod order;
mod own;
mod stays_up;
mod swarm;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    engine::EngineAddress,
    find::{Stack, StackKind},
    host::HostFacts,
    model::{ContainerRef, Mount, StackName, Volume},
    own::OwnContainer,
};

pub(crate) use data::normal;
pub use exclusion::{Exclusion, ExclusionError};
pub use glob::{PathGlob, PathGlobError};
pub use hook::HookPlan;
pub use inclusion::{Inclusion, InclusionError};
pub(crate) use order::condition;
pub use order::{Dependency, StartCondition};
pub use stays_up::StaysUp;
pub use swarm::{ServiceDecision, ServicePlan};

/// What the configuration says about stopping and copying.
///
/// ```
/// use docker_stacks::PlanRules;
///
/// let rules = PlanRules {
///     exclude: vec!["volume:portainer_data".parse()?, "bind:/srv/media".parse()?],
///     exclude_paths: vec!["*.log".parse()?],
///     ..PlanRules::default()
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanRules {
    /// What is left alone.
    pub exclude: Vec<Exclusion>,
    /// What is copied although the rules would not.
    pub include: Vec<Inclusion>,
    /// Patterns of paths, as the containers see them, that are not copied from any of them.
    pub exclude_paths: Vec<PathGlob>,
    /// What this machine says of the paths that are mounted.
    /// [`look_at_host`](crate::look_at_host) finds it out; without it, their names decide.
    pub host: HostFacts,
    /// The folder that the copies go to. It is never copied into itself, even if it lies within
    /// something that is copied, or is included.
    pub copies_go_to: Option<PathBuf>,
    /// The container that this program runs in, if it does: stopping it would end the outage
    /// without a start. [`detect_own_container`](crate::detect_own_container) finds it out.
    pub own_container: Option<OwnContainer>,
    /// How this program reaches the engine. Where that leads through a container (a socket proxy),
    /// that one is never stopped either, nor its stack.
    pub engine: Option<EngineAddress>,
}

/// What a night does with every stack.
///
/// ```no_run
/// # fn example(plan: &docker_stacks::Plan) {
/// for warning in &plan.warnings {
///     eprintln!("{warning}");
/// }
/// for (number, group) in plan.groups.iter().enumerate() {
///     println!("outage {number} stops {} containers", group.stop_order.len());
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The stacks, in groups that are down together; ordered by the name of their first stack.
    pub groups: Vec<GroupPlan>,
    /// What somebody should look at: exclusions that match nothing, data that is not copied,
    /// containers that cannot be stopped.
    pub warnings: Vec<String>,
}

/// Stacks that must be down together, because they share data or live in each other's namespaces.
///
/// ```
/// # use docker_stacks::{Container, Mount, MountKind, PlanRules, find_stacks, plan};
/// #
/// # let mut web = Container::new("1f2e", "web");
/// # web.mounts.push(Mount {
/// #     kind: MountKind::Bind,
/// #     source: "/srv/web".into(),
/// #     destination: "/data".into(),
/// #     read_only: false,
/// # });
/// # let plan = plan(&find_stacks(vec![web]), &[], &PlanRules::default());
/// let group = &plan.groups[0];
/// assert_eq!(group.stacks.len(), 1);
/// assert_eq!(group.stop_order[0].name, "web");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPlan {
    /// The stacks, ordered by name.
    pub stacks: Vec<StackPlan>,
    /// The containers to stop, dependents before what they depend on; the start is the reverse.
    ///
    /// Only what was active is here: running, paused, or between two runs (a container that its
    /// restart policy is about to run again would begin to write in the middle of the copy).
    pub stop_order: Vec<ContainerRef>,
    /// What the containers of `stop_order` wait for at their start. Each one's `needs` comes later
    /// in that order, so that nothing waits in a circle: where the containers' own wishes make
    /// one, those that the order cannot keep are left out, and a warning says so.
    pub dependencies: Vec<Dependency>,
    /// What is run in containers around their copy.
    pub hooks: Vec<HookPlan>,
}

impl GroupPlan {
    /// The services that are halted while the group is down.
    pub fn halted(&self) -> impl Iterator<Item = &ServicePlan> {
        self.stacks
            .iter()
            .flat_map(|stack| &stack.services)
            .filter(|service| service.decision.halts())
    }

    /// Something is stopped or halted: an outage is needed.
    #[must_use]
    pub fn goes_down(&self) -> bool {
        !self.stop_order.is_empty() || self.halted().next().is_some()
    }
}

/// What a night does with one stack.
///
/// ```
/// # use docker_stacks::{Container, Mount, MountKind, PlanRules, find_stacks, plan};
/// #
/// # let mut web = Container::new("1f2e", "web");
/// # web.mounts.push(Mount {
/// #     kind: MountKind::Bind,
/// #     source: "/srv/web".into(),
/// #     destination: "/data".into(),
/// #     read_only: false,
/// # });
/// # let plan = plan(&find_stacks(vec![web]), &[], &PlanRules::default());
/// let stack = &plan.groups[0].stacks[0];
/// assert_eq!(stack.reason, "1 container running, 1 mount to copy");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StackPlan {
    /// The stack's name.
    pub name: StackName,
    /// What deployed it.
    pub kind: StackKind,
    /// What happens to it.
    pub decision: StackDecision,
    /// Why, for people.
    pub reason: String,
    /// What is mounted into its containers, each source once, with what happens to it.
    pub mounts: Vec<MountPlan>,
    /// What of it runs on, if anything does although the stack is copied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stays_up: Vec<StaysUp>,
    /// The files that it was deployed from, to be copied with the data. Only their names are
    /// known: a `.env` need not exist, and what Portainer deployed lies inside Portainer's volume.
    /// Empty for a stack that is left alone.
    pub files: Vec<PathBuf>,
    /// A Swarm stack's services, with what happens to each. The containers of their tasks are in
    /// no [`stop_order`](GroupPlan::stop_order): the swarm would replace them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServicePlan>,
}

/// What happens to a stack.
///
/// ```
/// use docker_stacks::StackDecision;
///
/// assert!(StackDecision::StopOnly.stops() && !StackDecision::StopOnly.copies());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StackDecision {
    /// Its containers are stopped while its data is copied.
    StopAndCopy,
    /// It is copied as it is: nothing of it runs, or nothing that runs has data.
    CopyWithoutStop,
    /// Nothing of it is copied, but it is down while its group is: it lives in the namespaces of
    /// a container that is stopped, and would be cut off by that container's restart.
    StopOnly,
    /// It is neither stopped nor copied.
    LeaveAlone,
}

impl StackDecision {
    /// Its containers are stopped.
    #[must_use]
    pub fn stops(self) -> bool {
        matches!(self, Self::StopAndCopy | Self::StopOnly)
    }

    /// Its data is copied.
    #[must_use]
    pub fn copies(self) -> bool {
        matches!(self, Self::StopAndCopy | Self::CopyWithoutStop)
    }
}

/// What happens to one mount.
///
/// ```
/// # use docker_stacks::{Container, Mount, MountKind, PlanRules, find_stacks, plan};
/// #
/// # let mut web = Container::new("1f2e", "web");
/// # web.mounts.push(Mount {
/// #     kind: MountKind::Bind,
/// #     source: "/srv/web".into(),
/// #     destination: "/data".into(),
/// #     read_only: false,
/// # });
/// # let plan = plan(&find_stacks(vec![web]), &[], &PlanRules::default());
/// let mount = &plan.groups[0].stacks[0].mounts[0];
/// assert_eq!(mount.reason, "a directory or file that it can write to");
/// assert!(mount.exclude.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountPlan {
    /// The container that it is mounted into: the first by name, preferring those that write. In a
    /// Swarm stack, the service, by its name and identifier.
    pub container: ContainerRef,
    /// The mount. Its source is where the data is: for a volume that is a bind mount in disguise
    /// (`o=bind`) that is the volume's device, since its mount point is empty while nothing runs;
    /// for a symbolic link that lies within something else that is copied, what it leads to.
    pub mount: Mount,
    /// What happens to it.
    pub decision: MountDecision,
    /// Why, for people.
    pub reason: String,
    /// What of it is not copied although it is: patterns whose top is the mount's source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<PathGlob>,
}

/// What happens to a mount.
///
/// ```
/// use docker_stacks::{MountDecision, StackPlan};
///
/// fn copied(stack: &StackPlan) -> usize {
///     let mounts = stack.mounts.iter();
///     mounts.filter(|mount| mount.decision == MountDecision::Copy).count()
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MountDecision {
    /// It is copied.
    Copy,
    /// It is not.
    Skip,
}

/// Decides what happens to every stack.
///
/// - A named volume is copied if it lies on this machine, a bind mount if the container can write
///   to it or it belongs to the project's own directory; what belongs to the system is not, nor are
///   sockets, devices, memory, and what lies on a network file system (its data is on the NAS
///   already) or where the copies go. What of that kind lies within something that is copied is
///   left out of it.
/// - A stack with nothing to copy is not stopped, one of which nothing runs neither.
/// - Containers that the engine deletes when they stop (`--rm`) are never stopped, nor is the one
///   that this program runs in, with its stack and the containers whose namespaces they need.
/// - A container's labels have their say (the [crate's documentation](crate#labels) lists them): a
///   wrong value, or another label of that family, is a warning.
/// - Where several containers of a stack mount the same source, what any of them leaves out is left
///   out, and the reason names who said so.
/// - The configuration beats the labels: what it excludes, no label includes, and a mount that it
///   includes is copied even if a label excludes the whole of it.
/// - [`PlanRules::include`] overrules what is said here of mounts, but no exclusion.
/// - A Swarm stack's services are halted, and not the containers of their tasks, which the swarm
///   would replace. Its data is copied where it is on this node; what is not is a warning. Jobs are
///   left alone, and so are services with volumes that would be deleted with their tasks. Without
///   its services (this engine is not a manager of its swarm) a Swarm stack is left alone.
/// - Stacks whose copied data overlaps, or that live in each other's namespaces, form a group.
///
/// # Example
///
/// ```
/// use docker_stacks::{Container, Mount, MountKind, PlanRules, find_stacks, plan};
///
/// let mut web = Container::new("1f2e", "web");
/// web.mounts.push(Mount {
///     kind: MountKind::Bind,
///     source: "/srv/web".into(),
///     destination: "/data".into(),
///     read_only: false,
/// });
/// let plan = plan(&find_stacks(vec![web]), &[], &PlanRules::default());
/// assert!(plan.groups[0].stacks[0].decision.stops());
/// ```
#[must_use]
pub fn plan(stacks: &[Stack], volumes: &[Volume], rules: &PlanRules) -> Plan {
    let shown = &swarm::with_services(stacks, volumes);
    let mut warnings = exclusion::unmatched(&rules.exclude, shown, volumes);
    warnings.extend(swarm::complaints(stacks));
    let own = own::Own::find(stacks, rules, &mut warnings);
    let mut decided = decide::decide(shown, volumes, rules, &own, &mut warnings);
    for stack in &mut decided {
        stack.plan.services = swarm::service_plans(stack);
    }
    let mut groups: Vec<GroupPlan> = group::group(&decided, &rules.host)
        .into_iter()
        .map(|members| {
            let stoppable = members
                .iter()
                .filter(|&&index| decided[index].plan.decision.stops())
                .filter(|&&index| decided[index].plan.kind != StackKind::Swarm)
                .flat_map(|&index| decided[index].to_stop.iter().copied())
                .collect();
            let (stop_order, dependencies) = order::order(stoppable, &mut warnings);
            let copied = members.iter().map(|&index| &decided[index]);
            let hooks = hook::hooks(copied, &stop_order, &mut warnings);
            GroupPlan {
                stop_order,
                dependencies,
                hooks,
                stacks: members
                    .iter()
                    .map(|&index| decided[index].plan.clone())
                    .collect(),
            }
        })
        .collect();
    for group in &mut groups {
        group.stacks.sort_by(|a, b| a.name.cmp(&b.name));
    }
    groups.sort_by(|a, b| {
        a.stacks
            .first()
            .map(|s| &s.name)
            .cmp(&b.stacks.first().map(|s| &s.name))
    });
    warnings.extend(inclusion::without_effect(rules, &groups));
    Plan { groups, warnings }
}

#[cfg(test)]
mod tests;
