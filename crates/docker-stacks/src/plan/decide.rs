//! What happens to each stack, and to each of its mounts.

use std::{collections::BTreeSet, path::Path};

use super::{
    MountDecision, MountPlan, PlanRules, StackDecision, StackPlan,
    data::{self, Verdict},
};
use crate::{
    find::{Stack, StackKind},
    model::{Container, ContainerId, MountKind, Volume},
};

/// A stack's plan, with what the grouping and the ordering still have to know.
#[derive(Debug)]
pub(super) struct Decided<'a> {
    pub(super) plan: StackPlan,
    /// What runs of it and may be stopped.
    pub(super) to_stop: Vec<&'a Container>,
    /// Nothing may change the decision: somebody excluded it, or it cannot be stopped.
    fixed: bool,
    stack: &'a Stack,
}

pub(super) fn decide<'a>(
    stacks: &'a [Stack],
    volumes: &[Volume],
    rules: &PlanRules,
    warnings: &mut Vec<String>,
) -> Vec<Decided<'a>> {
    let protected = protected(stacks, rules);
    let mut decided: Vec<Decided<'a>> = stacks
        .iter()
        .map(|stack| decide_stack(stack, volumes, rules, &protected, warnings))
        .collect();
    take_along(&mut decided);
    warn_of_what_stays_up(&decided, volumes, warnings);
    decided
}

/// The container that this program runs in, and those whose namespaces it needs to go on.
fn protected(stacks: &[Stack], rules: &PlanRules) -> BTreeSet<ContainerId> {
    let all: Vec<&Container> = stacks.iter().flat_map(|stack| &stack.containers).collect();
    let mut protected = BTreeSet::new();
    let mut waiting: Vec<&Container> = all
        .iter()
        .copied()
        .filter(|container| rules.own_container.as_ref() == Some(&container.id))
        .collect();
    while let Some(container) = waiting.pop() {
        if !protected.insert(container.id.clone()) {
            continue;
        }
        for (_, key) in container.namespaces() {
            waiting.extend(all.iter().copied().filter(|other| key.names(other)));
        }
    }
    protected
}

fn decide_stack<'a>(
    stack: &'a Stack,
    volumes: &[Volume],
    rules: &PlanRules,
    protected: &BTreeSet<ContainerId>,
    warnings: &mut Vec<String>,
) -> Decided<'a> {
    let excluded = rules
        .exclude
        .iter()
        .find(|exclusion| exclusion.matches_stack(&stack.name));
    let left_alone = if let Some(exclusion) = excluded {
        Some(format!("excluded by the configuration ('{exclusion}')"))
    } else if stack.kind == StackKind::Swarm {
        warnings.push(format!(
            "stack {} is a Swarm stack, which cannot be stopped and copied yet: it is left alone",
            stack.name
        ));
        Some("a Swarm stack, which cannot be stopped and copied yet".to_owned())
    } else {
        None
    };

    let mounts = mounts(stack, volumes, rules, left_alone.as_deref(), warnings);
    let to_stop: Vec<&Container> = stack
        .containers
        .iter()
        .filter(|container| {
            left_alone.is_none()
                && container.state.is_active()
                && !container.auto_remove
                && !protected.contains(&container.id)
                && !rules.exclude.iter().any(|e| e.matches_container(container))
        })
        .collect();
    let files = match &stack.kind {
        StackKind::Compose { config_files, .. } if left_alone.is_none() => config_files.clone(),
        _ => Vec::new(),
    };

    let copied = mounts
        .iter()
        .filter(|mount| mount.decision == MountDecision::Copy)
        .count();
    let runs = stack.containers.iter().any(|c| c.state.is_active());
    let fixed = left_alone.is_some();
    let (decision, reason) = if let Some(why) = left_alone {
        (StackDecision::LeaveAlone, why)
    } else if copied == 0 && files.is_empty() {
        (
            StackDecision::LeaveAlone,
            "it has no data to copy".to_owned(),
        )
    } else if copied == 0 {
        (
            StackDecision::CopyWithoutStop,
            "it has no data to copy but its project's files".to_owned(),
        )
    } else if !runs {
        (
            StackDecision::CopyWithoutStop,
            "nothing of it runs".to_owned(),
        )
    } else if to_stop.is_empty() {
        (
            StackDecision::CopyWithoutStop,
            "what runs of it may not be stopped".to_owned(),
        )
    } else {
        let reason = format!(
            "{} running, {} to copy",
            counted(to_stop.len(), "container"),
            counted(copied, "mount")
        );
        (StackDecision::StopAndCopy, reason)
    };
    Decided {
        plan: StackPlan {
            name: stack.name.clone(),
            kind: stack.kind.clone(),
            decision,
            reason,
            mounts,
            files,
        },
        to_stop,
        fixed,
        stack,
    }
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Every source that is mounted into a stack, once.
fn mounts(
    stack: &Stack,
    volumes: &[Volume],
    rules: &PlanRules,
    left_alone: Option<&str>,
    warnings: &mut Vec<String>,
) -> Vec<MountPlan> {
    let mut found: Vec<MountPlan> = Vec::new();
    for container in &stack.containers {
        let without = if let Some(why) = left_alone {
            Some(why.to_owned())
        } else if rules.own_container.as_ref() == Some(&container.id) {
            Some("this program runs in its container".to_owned())
        } else {
            rules
                .exclude
                .iter()
                .find(|e| e.matches_container(container))
                .map(|e| format!("its container is excluded by the configuration ('{e}')"))
        };
        for mount in &container.mounts {
            let verdict = data::judge(mount, working_dir(stack), volumes, &rules.exclude);
            let Verdict {
                mut decision,
                mut reason,
                source,
                uncovered,
            } = verdict;
            if let Some(why) = &without {
                decision = MountDecision::Skip;
                reason.clone_from(why);
            } else if uncovered {
                let warning = format!(
                    "{} of stack {} is not copied: {reason}",
                    mount_name(&mount.kind, &mount.source),
                    stack.name
                );
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
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
    once_each(found)
}

/// Keeps one mount for each source, preferably one that is copied and that its container writes to;
/// and copies nothing twice that lies within another copied source.
fn once_each(mut found: Vec<MountPlan>) -> Vec<MountPlan> {
    // A stable sort: within the same preference, the order of the containers' names stays.
    found.sort_by_key(|plan| (plan.decision == MountDecision::Skip, plan.mount.read_only));
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
    let copied: Vec<_> = once
        .iter()
        .filter(|plan| plan.decision == MountDecision::Copy)
        .map(|plan| plan.mount.source.clone())
        .collect();
    for plan in &mut once {
        if plan.decision == MountDecision::Copy
            && let Some(outer) = copied.iter().find(|source| {
                plan.mount.source.starts_with(source) && **source != plan.mount.source
            })
        {
            plan.decision = MountDecision::Skip;
            plan.reason = format!("copied with {}, which holds it", outer.display());
        }
    }
    once.sort_by(|a, b| {
        (&a.container.name, &a.mount.destination).cmp(&(&b.container.name, &b.mount.destination))
    });
    once
}

fn mount_name(kind: &MountKind, source: &Path) -> String {
    match kind {
        MountKind::Volume { name, .. } => format!("volume {name}"),
        _ => source.display().to_string(),
    }
}

fn working_dir(stack: &Stack) -> Option<&Path> {
    match &stack.kind {
        StackKind::Compose { working_dir, .. } => working_dir.as_deref(),
        _ => None,
    }
}

/// Stops the stacks that would be cut off by another's restart, until there are no more.
fn take_along(decided: &mut [Decided<'_>]) {
    loop {
        let stopped: Vec<&Container> = stopped(decided).collect();
        let cut_off = decided.iter().enumerate().find_map(|(index, candidate)| {
            if candidate.fixed || candidate.plan.decision.stops() {
                return None;
            }
            candidate.to_stop.iter().find_map(|container| {
                let (what, provider) = lives_in(container, &stopped)?;
                let reason = format!(
                    "{} lives in the {what} of {}, which is stopped; {}",
                    container.name, provider.name, candidate.plan.reason
                );
                Some((index, reason))
            })
        });
        let Some((index, reason)) = cut_off else {
            return;
        };
        let plan = &mut decided[index].plan;
        plan.reason = reason;
        plan.decision = if plan.decision.copies() {
            StackDecision::StopAndCopy
        } else {
            StackDecision::StopOnly
        };
    }
}

fn stopped<'b, 'a: 'b>(decided: &'b [Decided<'a>]) -> impl Iterator<Item = &'a Container> + 'b {
    decided
        .iter()
        .filter(|stack| stack.plan.decision.stops())
        .flat_map(|stack| stack.to_stop.iter().copied())
}

/// The first of these containers in whose namespaces this one lives, and in which.
fn lives_in<'a>(
    container: &Container,
    others: &[&'a Container],
) -> Option<(&'static str, &'a Container)> {
    container.namespaces().find_map(|(what, key)| {
        others
            .iter()
            .find(|other| other.id != container.id && key.names(other))
            .map(|other| (what, *other))
    })
}

/// Warns of what runs on although the others are stopped: it may write to what is being copied, or
/// lose the namespaces that it lives in.
fn warn_of_what_stays_up(decided: &[Decided<'_>], volumes: &[Volume], warnings: &mut Vec<String>) {
    let stopped: Vec<&Container> = stopped(decided).collect();
    let copied: Vec<(&StackPlan, &Path)> = decided
        .iter()
        .filter(|stack| stack.plan.decision.copies())
        .flat_map(|stack| stack.plan.mounts.iter().map(|mount| (&stack.plan, mount)))
        .filter(|(_, mount)| mount.decision == MountDecision::Copy)
        .map(|(stack, mount)| (stack, mount.mount.source.as_path()))
        .collect();
    for stack in decided {
        let active = stack
            .stack
            .containers
            .iter()
            .filter(|container| container.state.is_active());
        for container in active.filter(|c| !stopped.iter().any(|other| other.id == c.id)) {
            let why = if container.auto_remove {
                " (started with --rm: a stop would delete it)"
            } else {
                ""
            };
            if let Some((what, provider)) = lives_in(container, &stopped) {
                warnings.push(format!(
                    "container {} is not stopped{why}, but lives in the {what} of {}, which is: it is cut off until somebody restarts it",
                    container.name, provider.name
                ));
            }
            for mount in container.mounts.iter().filter(|mount| !mount.read_only) {
                let verdict = data::judge(mount, working_dir(stack.stack), volumes, &[]);
                if verdict.decision == MountDecision::Copy
                    && let Some((owner, source)) = copied
                        .iter()
                        .find(|(_, source)| data::overlap(source, &verdict.source))
                {
                    warnings.push(format!(
                        "container {} is not stopped{why}, and may write to {} while it is copied for stack {}",
                        container.name,
                        source.display(),
                        owner.name
                    ));
                }
            }
        }
    }
}
