//! What happens to each stack, and to each of its mounts.

use std::path::Path;

use super::{
    MountDecision, PlanRules, StackDecision, StackPlan, data, hook,
    labels::{self, Labels},
    mounts::{Mounts, mounts, working_dir},
    own::Own,
    stays_up,
    swarm::{self, Place, noun},
};
use crate::{
    engine::workbench::is_of_a_drill,
    find::{Stack, StackKind},
    model::{Container, Volume},
};

/// A stack's plan, with what the grouping and the ordering still have to know.
#[derive(Debug)]
pub(super) struct Decided<'a> {
    pub(super) plan: StackPlan,
    /// What runs of it and may be stopped.
    pub(super) to_stop: Vec<&'a Container>,
    /// What of it asks for commands to be run in it, and may be heeded.
    pub(super) with_hooks: Vec<&'a Container>,
    /// Nothing may change the decision: somebody excluded it, or it cannot be stopped.
    fixed: bool,
    pub(super) stack: &'a Stack,
}

pub(super) fn decide<'a>(
    stacks: &'a [Stack],
    volumes: &[Volume],
    rules: &PlanRules,
    own: &Own,
    warnings: &mut Vec<String>,
) -> Vec<Decided<'a>> {
    for stack in stacks {
        for complaint in stack.containers.iter().flat_map(labels::complaints) {
            warnings.push(complaint.replacen("container", noun(stack), 1));
        }
    }
    let mut decided: Vec<Decided<'a>> = stacks
        .iter()
        .map(|stack| decide_stack(stack, volumes, rules, own, warnings))
        .collect();
    take_along(&mut decided);
    warn_of_what_stays_up(&decided, volumes, rules, warnings);
    decided
}

fn decide_stack<'a>(
    stack: &'a Stack,
    volumes: &[Volume],
    rules: &PlanRules,
    own: &Own,
    warnings: &mut Vec<String>,
) -> Decided<'a> {
    let left_alone = why_left_alone(stack, rules, warnings);
    let Mounts {
        plans: mounts,
        needs_stop,
    } = mounts(stack, volumes, rules, own, left_alone.as_deref(), warnings);
    let to_stop: Vec<&Container> = stack
        .containers
        .iter()
        .filter(|container| {
            left_alone.is_none()
                && container.state.is_active()
                && swarm::why_not_halted(stack, container).is_none()
                && stays_up::why(container, rules, own).is_none()
        })
        .collect();
    let stays_up = match &left_alone {
        Some(_) => Vec::new(),
        None => stays_up::stays_up(stack, rules, own),
    };
    let with_hooks = stack
        .containers
        .iter()
        .filter(|container| {
            hook::has_any(container)
                && own.of(container).is_none()
                && Labels::of(container).enable
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
    } else if !needs_stop {
        (
            StackDecision::CopyWithoutStop,
            "it is copied live, as its labels ask".to_owned(),
        )
    } else if to_stop.is_empty() {
        (
            StackDecision::CopyWithoutStop,
            "what runs of it may not be stopped".to_owned(),
        )
    } else {
        let reason = format!(
            "{} running, {} to copy",
            counted(to_stop.len(), noun(stack)),
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
            stays_up,
            files,
            services: Vec::new(),
        },
        to_stop,
        with_hooks,
        fixed,
        stack,
    }
}

/// Why nothing of a stack is stopped or copied, if that is so.
fn why_left_alone(stack: &Stack, rules: &PlanRules, warnings: &mut Vec<String>) -> Option<String> {
    let mut exclusions = rules.exclude.iter();
    if let Some(exclusion) = exclusions.find(|exclusion| exclusion.matches_stack(&stack.name)) {
        return Some(format!("excluded by the configuration ('{exclusion}')"));
    }
    if !stack.containers.is_empty() && stack.containers.iter().all(is_of_a_drill) {
        return Some("a drill made it, and takes it away again".to_owned());
    }
    let disabled = |container: &Container| !Labels::of(container).enable;
    if !stack.containers.is_empty() && stack.containers.iter().all(disabled) {
        return Some("its label backup-window.enable is false".to_owned());
    }
    if stack.kind == StackKind::Swarm && stack.services.is_empty() {
        let why = "only a manager of the swarm can halt its services, and this engine is none";
        // What is left of a service that was removed is nobody's concern.
        if stack.containers.iter().any(|c| c.state.is_active()) {
            warnings.push(format!("Swarm stack {} is left alone: {why}", stack.name));
        }
        return Some(why.to_owned());
    }
    None
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
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
/// lose the namespaces that it lives in. Who asked to be copied live is only spoken of if that
/// spoils what others are stopped for.
fn warn_of_what_stays_up(
    decided: &[Decided<'_>],
    volumes: &[Volume],
    rules: &PlanRules,
    warnings: &mut Vec<String>,
) {
    let stopped: Vec<&Container> = stopped(decided).collect();
    // What is excluded for others is judged here as well: a container may write to it all the same.
    let rules = PlanRules {
        exclude: Vec::new(),
        ..rules.clone()
    };
    let judge = |container: &Container, stack: &Stack| {
        let mut sources = Vec::new();
        for mount in container.mounts.iter().filter(|mount| !mount.read_only) {
            let verdict = data::judge(mount, container, working_dir(stack), volumes, &rules);
            let place = swarm::place(stack, container, mount, volumes);
            if verdict.decision == MountDecision::Copy && !matches!(place, Place::Elsewhere(_)) {
                sources.push(verdict.source);
            }
        }
        sources
    };
    let written_by_stopped: Vec<_> = decided
        .iter()
        .filter(|stack| stack.plan.decision.stops())
        .flat_map(|stack| stack.to_stop.iter().map(|c| judge(c, stack.stack)))
        .flatten()
        .collect();
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
            let noun = noun(stack.stack);
            let halt = swarm::why_not_halted(stack.stack, container).map(|why| format!(" ({why})"));
            let why = if let Some(why) = &halt {
                why
            } else if container.auto_remove {
                " (started with --rm: a stop would delete it)"
            } else if Labels::of(container).live() {
                " (its label backup-window.stop is false)"
            } else {
                ""
            };
            if let Some((what, provider)) = lives_in(container, &stopped) {
                warnings.push(format!(
                    "{noun} {} is not stopped{why}, but lives in the {what} of {}, which is: it is cut off until somebody restarts it",
                    container.name, provider.name
                ));
            }
            let live = Labels::of(container).live();
            for written in judge(container, stack.stack) {
                if live
                    && !written_by_stopped
                        .iter()
                        .any(|s| data::overlap(s, &written))
                {
                    continue;
                }
                if let Some((owner, source)) = copied
                    .iter()
                    .find(|(_, source)| data::overlap(source, &written))
                {
                    warnings.push(format!(
                        "{noun} {} is not stopped{why}, and may write to {} while it is copied for stack {}",
                        container.name,
                        source.display(),
                        owner.name
                    ));
                }
            }
        }
    }
}
