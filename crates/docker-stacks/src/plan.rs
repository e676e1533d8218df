//! What to stop, in which order, and what to copy: pure, from what the engine listed.

pub(crate) mod data;
mod decide;
mod exclusion;
mod group;
mod hook;
mod inclusion;
pub(crate) mod labels;
mod mounts;
mod order;
mod own;
mod swarm;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    find::{Stack, StackKind},
    model::{ContainerRef, Mount, StackName, Volume},
    own::OwnContainer,
};

pub use exclusion::{Exclusion, ExclusionError};
pub use hook::HookPlan;
pub use inclusion::{Inclusion, InclusionError};
pub use order::{Dependency, StartCondition};
pub use swarm::{ServiceDecision, ServicePlan};

/// What the configuration says about stopping and copying.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlanRules {
    /// What is left alone.
    pub exclude: Vec<Exclusion>,
    /// What is copied although the rules would not.
    pub include: Vec<Inclusion>,
    /// The container that this program runs in, if it does: stopping it would end the outage
    /// without a start. [`detect_own_container`](crate::detect_own_container) finds it out.
    pub own_container: Option<OwnContainer>,
}

/// What a night does with every stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The stacks, in groups that are down together; ordered by the name of their first stack.
    pub groups: Vec<GroupPlan>,
    /// What somebody should look at: exclusions that match nothing, data that is not copied,
    /// containers that cannot be stopped.
    pub warnings: Vec<String>,
}

/// Stacks that must be down together, because they share data or live in each other's namespaces.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MountPlan {
    /// The container that it is mounted into: the first by name, preferring those that write. In a
    /// Swarm stack, the service, by its name and identifier.
    pub container: ContainerRef,
    /// The mount. Its source is where the data is: for a volume that is a bind mount in disguise
    /// (`o=bind`) that is the volume's device, since its mount point is empty while nothing runs.
    pub mount: Mount,
    /// What happens to it.
    pub decision: MountDecision,
    /// Why, for people.
    pub reason: String,
}

/// What happens to a mount.
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
///   to it or it belongs to the project's own directory; what belongs to the system is not.
/// - A stack with nothing to copy is not stopped, one of which nothing runs neither.
/// - Containers that the engine deletes when they stop (`--rm`) are never stopped, nor is the one
///   that this program runs in, with its stack and the containers whose namespaces they need.
/// - A container's labels have their say: `backup-window.enable` (`false`: neither stopped nor
///   copied), `backup-window.stop` (`false`: copied live), `backup-window.stop-timeout` (such as
///   `2m`), and commands to run in it around its copy (`backup-window.exec-pre`,
///   `backup-window.exec-post`). A wrong value, or another label of that family, is a warning.
/// - [`PlanRules::include`] overrules what is said here of mounts, but no exclusion.
/// - A Swarm stack's services are halted, and not the containers of their tasks, which the swarm
///   would replace. Its data is copied where it is on this node; what is not is a warning. Jobs are
///   left alone, and so are services with volumes that would be deleted with their tasks. Without
///   its services (this engine is not a manager of its swarm) a Swarm stack is left alone.
/// - Stacks whose copied data overlaps, or that live in each other's namespaces, form a group.
#[must_use]
pub fn plan(stacks: &[Stack], volumes: &[Volume], rules: &PlanRules) -> Plan {
    let shown = &swarm::with_services(stacks, volumes);
    let mut warnings = exclusion::unmatched(&rules.exclude, shown, volumes);
    warnings.extend(swarm::complaints(stacks));
    let own = own::Own::find(stacks, rules.own_container.as_ref(), &mut warnings);
    let mut decided = decide::decide(shown, volumes, rules, &own, &mut warnings);
    for stack in &mut decided {
        stack.plan.services = swarm::service_plans(stack);
    }
    let mut groups: Vec<GroupPlan> = group::group(&decided)
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
    warnings.extend(inclusion::without_effect(&rules.include, &groups));
    Plan { groups, warnings }
}

#[cfg(test)]
mod tests;
