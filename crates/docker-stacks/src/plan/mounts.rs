//! What happens to each of a stack's mounts.

use std::path::{Path, PathBuf};

use super::{
    MountDecision, MountPlan, PathGlob, PlanRules,
    data::{self, Verdict, normal},
    labels::{self, Labels},
    left_out::{self, LeftOut, Patterns, Said},
    own::Own,
    swarm::{self, Place, noun},
};
use crate::{
    find::{Stack, StackKind},
    model::{Container, Mount, MountKind, Volume},
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
    let mut found: Vec<Found> = Vec::new();
    let known = swarm::with_unknown_volumes(stack, volumes);
    let mut live = Vec::new();
    for container in &stack.containers {
        if copied_live(container) {
            live.push(container.id.clone());
        }
        let without = left_alone
            .map(str::to_owned)
            .or_else(|| why_without(container, rules, own));
        let patterns = Patterns::of(container, rules);
        for mount in &container.mounts {
            let verdict = data::judge(mount, container, working_dir(stack), &known, rules);
            let place = swarm::place(stack, container, mount, volumes);
            let verdict = placed(verdict, &place);
            let judged = match &without {
                Some(why) => Judged::without(verdict, why),
                None => Judged::new(verdict, patterns.on(mount)),
            };
            let verdict = &judged.verdict;
            let in_part = verdict.decision == MountDecision::Copy && place != Place::Here;
            if without.is_none() && (verdict.uncovered || in_part) {
                let not = if in_part {
                    "copied in part"
                } else {
                    "not copied"
                };
                let warning = format!(
                    "{} of stack {} is {not}: {}",
                    mount_name(&mount.kind, &mount.source),
                    stack.name,
                    verdict.reason
                );
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
            found.push(Found::new(container, mount, judged, rules));
        }
    }
    let is_live = |plan: &MountPlan| live.contains(&plan.container.id);
    let mut once = once_each(found, is_live);
    for found in &mut once {
        if found.plan.decision == MountDecision::Copy {
            found
                .left_out
                .extend(left_out::within(&found.plan.mount.source, rules));
        }
    }
    let needs_stop = once
        .iter()
        .any(|found| found.plan.decision == MountDecision::Copy && !is_live(&found.plan));
    nothing_twice(&mut once);
    for container in &stack.containers {
        if left_alone.is_none() {
            warnings.extend(without_effect(container, noun(stack), &once));
        }
    }
    Mounts {
        plans: once.into_iter().map(Found::into_plan).collect(),
        needs_stop,
    }
}

/// A verdict, with what patterns leave out.
#[derive(Debug)]
struct Judged {
    verdict: Verdict,
    said: Said,
}

impl Judged {
    fn new(verdict: Verdict, said: Said) -> Self {
        Self { verdict, said }
    }

    /// Nothing is copied for the sake of its container, whose labels do not count either.
    fn without(verdict: Verdict, why: &str) -> Self {
        let verdict = Verdict {
            decision: MountDecision::Skip,
            reason: why.to_owned(),
            left_out: false,
            configured: false,
            ..verdict
        };
        Self::new(verdict, Said::default())
    }
}

/// A mount that was found, with what is still to be said of it.
#[derive(Debug)]
struct Found {
    plan: MountPlan,
    /// Its source without symbolic links, where they are known.
    real: PathBuf,
    /// It is copied with what holds it.
    held: bool,
    /// The configuration includes it.
    configured: bool,
    /// A pattern leaves out all of it: which, and who says so.
    everything_out: Option<(PathGlob, String)>,
    /// Not even what holds it is copied with it: who says so.
    kept_out: Option<String>,
    left_out: Vec<LeftOut>,
}

impl Found {
    fn new(container: &Container, mount: &Mount, judged: Judged, rules: &PlanRules) -> Self {
        let Judged { verdict, said } = judged;
        let live = verdict.decision == MountDecision::Copy && stays_mounted(container);
        let mut reason = verdict.reason;
        if live {
            reason.push_str(", copied live because its container's label says so");
        }
        Self {
            real: rules.host.real(&verdict.source).to_owned(),
            held: false,
            plan: MountPlan {
                container: container.to_ref(),
                mount: Mount {
                    source: verdict.source,
                    ..mount.clone()
                },
                decision: verdict.decision,
                reason,
                exclude: Vec::new(),
            },
            configured: verdict.configured,
            everything_out: said.everything,
            kept_out: verdict.left_out.then(|| "the configuration".to_owned()),
            left_out: said.parts,
        }
    }

    fn source(&self) -> &Path {
        &self.plan.mount.source
    }

    /// Is it mounted from the same place? What has no place is like nothing else.
    fn shares_source(&self, other: &Self) -> bool {
        !self.source().as_os_str().is_empty() && self.real == other.real
    }

    fn skip(&mut self, why: String) {
        self.plan.decision = MountDecision::Skip;
        self.plan.reason = why;
    }

    fn into_plan(mut self) -> MountPlan {
        if self.plan.decision == MountDecision::Copy {
            self.left_out.sort();
            self.left_out.dedup();
            self.plan
                .reason
                .push_str(&left_out::in_words(&self.left_out));
            self.plan.exclude = self.left_out.into_iter().map(|part| part.glob).collect();
            self.plan.exclude.sort();
            self.plan.exclude.dedup();
        }
        self.plan
    }
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
                verdict.configured = false;
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
/// and that is still while it is copied. What is left out of any of them is left out.
fn once_each(mut found: Vec<Found>, is_live: impl Fn(&MountPlan) -> bool) -> Vec<Found> {
    // A stable sort: within the same preference, the order of the containers' names stays.
    found.sort_by_key(|found| {
        let plan = &found.plan;
        let skipped = plan.decision == MountDecision::Skip;
        (skipped, plan.mount.read_only, is_live(plan))
    });
    let mut once: Vec<Found> = Vec::new();
    for next in found {
        let Some(known) = once.iter_mut().find(|known| known.shares_source(&next)) else {
            once.push(next);
            continue;
        };
        known.configured |= next.configured;
        known.left_out.extend(next.left_out);
        known.everything_out = known.everything_out.take().or(next.everything_out);
        known.kept_out = known.kept_out.take().or(next.kept_out);
    }
    for found in &mut once {
        if found.plan.decision == MountDecision::Copy
            && !found.configured
            && let Some((glob, who)) = found.everything_out.take()
        {
            found.skip(format!("left out by '{glob}' ({who})"));
            found.kept_out = Some(who);
        }
    }
    once.sort_by(|a, b| {
        let (a, b) = (&a.plan, &b.plan);
        (&a.container.name, &a.mount.destination).cmp(&(&b.container.name, &b.mount.destination))
    });
    once
}

/// Copies nothing for itself that lies within another copied source, and leaves out of that source
/// what is left out of what lies within it.
fn nothing_twice(all: &mut [Found]) {
    let copied: Vec<(PathBuf, PathBuf)> = all
        .iter()
        .filter(|found| found.plan.decision == MountDecision::Copy)
        .map(|found| (found.real.clone(), found.source().to_owned()))
        .collect();
    let mut inherited: Vec<(PathBuf, LeftOut)> = Vec::new();
    for found in all.iter_mut() {
        // The outermost holds all that lies within it.
        let outermost = copied
            .iter()
            .filter(|(outer, _)| found.real.starts_with(outer) && *outer != found.real)
            .min_by_key(|(outer, _)| outer.components().count());
        let Some((outer, outer_name)) = outermost else {
            let by_name = |(_, other): &&(PathBuf, PathBuf)| {
                found.source().starts_with(other) && other != found.source()
            };
            if found.plan.decision == MountDecision::Copy && copied.iter().any(|c| by_name(&c)) {
                // Only a symbolic link lies there, and only that is copied with it.
                found.plan.mount.source.clone_from(&found.real);
            }
            continue;
        };
        let Ok(inner) = found.real.strip_prefix(outer).map(Path::to_owned) else {
            continue;
        };
        let mut inherit = |glob: Option<PathGlob>, why: &str| {
            let why = why.to_owned();
            inherited.extend(glob.map(|glob| (outer.clone(), LeftOut { why, glob })));
        };
        if let Some(why) = &found.kept_out {
            inherit(PathGlob::exactly(&inner), why);
        } else if found.plan.decision == MountDecision::Copy {
            for part in &found.left_out {
                inherit(part.glob.moved_into(&inner), &part.why);
            }
            let why = format!("copied with {}, which holds it", outer_name.display());
            found.skip(why);
            found.held = true;
        }
    }
    for (outer, part) in inherited {
        if let Some(found) = all.iter_mut().find(|found| found.real == outer) {
            found.left_out.push(part);
        }
    }
}

/// Warns of what a container's label wants to be copied, and is not.
fn without_effect(container: &Container, noun: &str, all: &[Found]) -> Vec<String> {
    let mut warnings = Vec::new();
    for named in labels::include(container) {
        let mut named_mounts = container.mounts.iter().filter(|mount| named.names(mount));
        let Some(mount) = named_mounts.next() else {
            continue;
        };
        let source = normal(&mount.source);
        let found = all.iter().find(|found| {
            found.source() == source
                || (found.plan.container.id == container.id
                    && found.plan.mount.destination == mount.destination)
        });
        let is_copied = |found: &&Found| found.held || found.plan.decision == MountDecision::Copy;
        if let Some(found) = found.filter(|found| !is_copied(found)) {
            warnings.push(format!(
                "{noun} {}: the label {} has no effect on '{}': {}",
                container.name,
                labels::INCLUDE,
                named.as_str(),
                found.plan.reason
            ));
        }
    }
    warnings
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
