//! What happens to each of a stack's mounts.

use std::path::Path;

use super::{
    MountDecision, MountPlan, PlanRules,
    data::{self, Verdict},
    labels::Labels,
    own::Own,
    swarm::{self, Place},
};
use crate::{
    find::{Stack, StackKind},
    model::{Container, MountKind, Volume},
};

/// A stack's mounts, with what they ask of its containers.
#[derive(Debug)]
pub(super) struct Mounts {
    /// Every source that is mounted into the stack, once.
    pub(super) plans: Vec<MountPlan>,
    /// Something is copied that must not change meanwhile.
    pub(super) needs_stop: bool,
}

pub(super) fn mounts(
    stack: &Stack,
    volumes: &[Volume],
    rules: &PlanRules,
    own: &Own,
    left_alone: Option<&str>,
    warnings: &mut Vec<String>,
) -> Mounts {
    let mut found: Vec<MountPlan> = Vec::new();
    let known = swarm::with_unknown_volumes(stack, volumes);
    let mut live = Vec::new();
    for container in &stack.containers {
        let is_live = copied_live(container);
        if is_live {
            live.push(container.id.clone());
        }
        let without = left_alone
            .map(str::to_owned)
            .or_else(|| why_without(container, rules, own));
        for mount in &container.mounts {
            let verdict = data::judge(
                mount,
                working_dir(stack),
                &known,
                rules,
                stays_mounted(container),
            );
            let place = swarm::place(stack, container, mount, volumes);
            let Verdict {
                mut decision,
                mut reason,
                source,
                uncovered,
            } = placed(verdict, &place);
            if let Some(why) = &without {
                decision = MountDecision::Skip;
                reason.clone_from(why);
            } else if uncovered || (decision == MountDecision::Copy && place != Place::Here) {
                let not = if uncovered {
                    "not copied"
                } else {
                    "copied in part"
                };
                let warning = format!(
                    "{} of stack {} is {not}: {reason}",
                    mount_name(&mount.kind, &mount.source),
                    stack.name
                );
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            } else if decision == MountDecision::Copy && stays_mounted(container) {
                reason.push_str(", copied live because its container's label says so");
            }
            let mut mount = mount.clone();
            mount.source = source;
            found.push(MountPlan {
                container: container.to_ref(),
                mount,
                decision,
                reason,
            });
        }
    }
    let is_live = |plan: &MountPlan| live.contains(&plan.container.id);
    let mut plans = once_each(found, is_live);
    let needs_stop = plans
        .iter()
        .any(|plan| plan.decision == MountDecision::Copy && !is_live(plan));
    nothing_twice(&mut plans);
    Mounts { plans, needs_stop }
}

/// What is to be copied, but is not here, or not all of it.
fn placed(mut verdict: Verdict, place: &Place) -> Verdict {
    if verdict.decision == MountDecision::Copy {
        match place {
            Place::Here => {}
            Place::Partly(why) => verdict.reason = format!("{}; {why}", verdict.reason),
            Place::Elsewhere(why) => {
                verdict.decision = MountDecision::Skip;
                verdict.reason.clone_from(why);
                verdict.uncovered = true;
            }
        }
    }
    verdict
}

/// Its data is copied while it may change, as it asks for.
fn copied_live(container: &Container) -> bool {
    Labels::of(container).live()
}

/// Nobody takes from the container what the engine mounted for it.
pub(super) fn stays_mounted(container: &Container) -> bool {
    copied_live(container) && container.state.is_active()
}

/// Why nothing is copied for the sake of this container.
fn why_without(container: &Container, rules: &PlanRules, own: &Own) -> Option<String> {
    if let Some(why) = own.of(container) {
        return Some(why.to_owned());
    }
    if let Some(exclusion) = rules
        .exclude
        .iter()
        .find(|exclusion| exclusion.matches_container(container))
    {
        return Some(format!(
            "its container is excluded by the configuration ('{exclusion}')"
        ));
    }
    (!Labels::of(container).enable)
        .then(|| "its container's label backup-window.enable is false".to_owned())
}

/// Keeps one mount for each source, preferably one that is copied, that its container writes to,
/// and that is still while it is copied.
fn once_each(mut found: Vec<MountPlan>, is_live: impl Fn(&MountPlan) -> bool) -> Vec<MountPlan> {
    // A stable sort: within the same preference, the order of the containers' names stays.
    found.sort_by_key(|plan| {
        let skipped = plan.decision == MountDecision::Skip;
        (skipped, plan.mount.read_only, is_live(plan))
    });
    let mut once: Vec<MountPlan> = Vec::new();
    for plan in found {
        let known = !plan.mount.source.as_os_str().is_empty()
            && once
                .iter()
                .any(|other| other.mount.source == plan.mount.source);
        if !known {
            once.push(plan);
        }
    }
    once.sort_by(|a, b| {
        (&a.container.name, &a.mount.destination).cmp(&(&b.container.name, &b.mount.destination))
    });
    once
}

/// Copies nothing for itself that lies within another copied source.
fn nothing_twice(plans: &mut [MountPlan]) {
    let copied: Vec<_> = plans
        .iter()
        .filter(|plan| plan.decision == MountDecision::Copy)
        .map(|plan| plan.mount.source.clone())
        .collect();
    for plan in plans {
        if plan.decision == MountDecision::Copy
            && let Some(outer) = copied.iter().find(|source| {
                plan.mount.source.starts_with(source) && **source != plan.mount.source
            })
        {
            plan.decision = MountDecision::Skip;
            plan.reason = format!("copied with {}, which holds it", outer.display());
        }
    }
}

fn mount_name(kind: &MountKind, source: &Path) -> String {
    match kind {
        MountKind::Volume { name, .. } => format!("volume {name}"),
        _ => source.display().to_string(),
    }
}

pub(super) fn working_dir(stack: &Stack) -> Option<&Path> {
    match &stack.kind {
        StackKind::Compose { working_dir, .. } => working_dir.as_deref(),
        _ => None,
    }
}
