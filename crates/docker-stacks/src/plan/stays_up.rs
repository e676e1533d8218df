//! What runs on although its stack is copied.

use serde::{Deserialize, Serialize};

use super::{PlanRules, labels::Labels, own::Own};
use crate::{
    find::{Stack, StackKind},
    model::{Container, ContainerRef},
};

/// A container that runs, and is not stopped although its stack is copied.
///
/// ```
/// use docker_stacks::{Container, Mount, MountKind, PlanRules, find_stacks, plan};
///
/// let mut run = Container::new("1f2e", "run");
/// run.auto_remove = true;
/// run.mounts.push(Mount {
///     kind: MountKind::Bind,
///     source: "/srv/run".into(),
///     destination: "/data".into(),
///     read_only: false,
/// });
/// let plan = plan(&find_stacks(vec![run]), &[], &PlanRules::default());
///
/// let stays_up = &plan.groups[0].stacks[0].stays_up;
/// assert_eq!(stays_up[0].container.name, "run");
/// assert!(stays_up[0].reason.contains("--rm"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaysUp {
    /// Which container.
    pub container: ContainerRef,
    /// Why it is not stopped, for people.
    pub reason: String,
}

/// What of a stack stays up for a reason of its own. What becomes of a Swarm stack is said of its
/// services, for nobody stops their tasks.
pub(super) fn stays_up(stack: &Stack, rules: &PlanRules, own: &Own) -> Vec<StaysUp> {
    if stack.kind == StackKind::Swarm {
        return Vec::new();
    }
    stack
        .containers
        .iter()
        .filter(|container| container.state.is_active())
        .filter_map(|container| {
            Some(StaysUp {
                container: container.to_ref(),
                reason: why(container, rules, own)?,
            })
        })
        .collect()
}

/// Why a container that runs is not stopped, if it is not.
pub(super) fn why(container: &Container, rules: &PlanRules, own: &Own) -> Option<String> {
    let labels = Labels::of(container);
    let mut exclusions = rules.exclude.iter();
    if let Some(exclusion) = exclusions.find(|exclusion| exclusion.matches_container(container)) {
        return Some(format!("excluded by the configuration ('{exclusion}')"));
    }
    let why = if own.of(container).is_some() {
        own.of(container)?
    } else if own.needs(container) {
        "this program needs it, or belongs to the stack of what it needs"
    } else if container.auto_remove {
        "it was started with --rm, so that a stop would delete it"
    } else if !labels.enable {
        "its label backup-window.enable is false"
    } else if !labels.stop {
        "its label backup-window.stop is false"
    } else {
        return None;
    };
    Some(why.to_owned())
}
