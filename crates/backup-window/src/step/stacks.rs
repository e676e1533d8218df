//! Back up the stacks, group by group: stop, save, start, and see everything run again.

mod definitions;
pub(crate) mod problems;
mod running;
mod saving;
mod second_look;
mod sources;
mod staging;
mod through_engine;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use backup_store::{Store, StoreError};
use docker_stacks::{
    Container, Engine, EngineError, Journal, OutageOptions, Plan, PlanRules, Service, Stack,
    find_stacks_in_swarm, look_at_host, plan, recover,
};
use fs_snapshots::Holder;
use tokio_util::sync::CancellationToken;

use self::definitions::Surroundings;
use self::running::Running;
use self::saving::Saving;
use self::second_look::SecondLook;
use super::{Outcome, Recorder, SavedStack, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::evidence::Fact;
use crate::fs_snapshots::problems_of;
use crate::mount::{Mounted, NotMounted};
use crate::sentence;
use crate::whereabouts::{Here, Way};
use crate::window::Night;

/// The machine whose stacks are backed up, and the NAS path that they go to.
///
/// # Contract
/// Nothing is written before [`DockerHost::check_mount`] has said that the NAS is there.
#[async_trait]
pub trait DockerHost: Debug + Send + Sync + 'static {
    /// The engine, connected.
    ///
    /// # Errors
    /// When there is none, or it does not answer.
    async fn engine(&self) -> Result<Arc<dyn Engine>, EngineError>;

    /// Whether the NAS path is the mounted NAS (I9). `None` where there is no path: a server answers
    /// or not.
    ///
    /// # Errors
    /// When it is not, or that is not known.
    fn check_mount(&self) -> Result<Option<Mounted>, NotMounted>;

    /// The repository, opened for the whole step.
    ///
    /// # Errors
    /// When there is none, or it cannot be opened.
    async fn store(&self) -> Result<Arc<dyn Store>, StoreError>;

    /// Where an outage is written down while it lasts.
    fn journal(&self) -> &dyn Journal;

    /// What makes snapshots of the file systems that the data is on, if any are to be made.
    fn snapshots(&self) -> Option<&Holder> {
        None
    }

    /// The name under which this machine's snapshots are kept.
    fn host_name(&self) -> &str;
}

/// Whether stacks may be stopped outside the window (I8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Only while the window is open.
    WithinWindow,
    /// Now: somebody asked for it.
    Now,
}

/// Whether the engine's paths are this machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostView {
    /// They are: what they lead to is looked at before the plan is made.
    ThisMachine,
    /// They are another machine's, or nobody's: their names decide.
    Unknown,
}

/// What to back up, and how.
#[derive(Debug, Clone)]
pub struct StacksOptions {
    /// What is left alone.
    pub rules: PlanRules,
    /// Whether the engine's paths are this machine's.
    pub host_view: HostView,
    /// Only the stacks of these names; all of them when empty.
    pub only: Vec<String>,
    /// Whether the window counts.
    pub permission: Permission,
    /// How containers are stopped and started.
    pub outage: OutageOptions,
    /// This machine, whose volumes are read from where they are.
    pub here: Here,
}

/// Finds the stacks and decides what is done with each, without touching any.
///
/// # Errors
/// When the engine does not answer.
pub async fn plan_stacks(
    engine: &dyn Engine,
    options: &StacksOptions,
) -> Result<Plan, EngineError> {
    let way = options.here.way(engine).await?;
    let found = find(engine, engine.containers().await?).await;
    let mut plan = plan_found(engine, &found, options, &way).await?;
    let stacks = plan.groups.iter().flat_map(|group| &group.stacks);
    let not_saved: Vec<String> = stacks
        .filter(|stack| stack.decision.copies())
        .filter_map(|stack| {
            let why = through_engine::why_not(stack, &way)?;
            Some(format!("stack {} will not be backed up: {why}", stack.name))
        })
        .collect();
    plan.warnings.extend(not_saved);
    Ok(plan)
}

/// The stacks, with what could not be asked for.
struct Found {
    stacks: Vec<Stack>,
    warnings: Vec<String>,
}

/// Finds the stacks of these containers and of the swarm, if the engine manages one. A swarm that
/// does not answer (most of its managers are away) keeps nobody from backing up the rest.
async fn find(engine: &dyn Engine, containers: Vec<Container>) -> Found {
    let (services, warnings) = match engine.services().await {
        Ok(services) => (services, Vec::new()),
        Err(error) => {
            let why = sentence::failed_to(&error);
            let warning = format!("Swarm stacks are left alone: {why}");
            (Vec::new(), vec![warning])
        }
    };
    Found {
        stacks: find_stacks_in_swarm(containers, services),
        warnings,
    }
}

async fn plan_found(
    engine: &dyn Engine,
    found: &Found,
    options: &StacksOptions,
    way: &Way,
) -> Result<Plan, EngineError> {
    let volumes = engine.volumes().await?;
    let mut rules = options.rules.clone();
    if options.host_view == HostView::ThisMachine && way.files_are_here() {
        rules.host = look_at_host(&found.stacks, &volumes).await;
    }
    let mut plan = plan(&found.stacks, &volumes, &rules);
    plan.warnings.extend(found.warnings.iter().cloned());
    if !options.only.is_empty() {
        // Whole groups: a stack that shares its data cannot be backed up without the others.
        plan.groups.retain(|group| {
            group
                .stacks
                .iter()
                .any(|stack| options.only.iter().any(|name| name == stack.name.as_str()))
        });
    }
    Ok(plan)
}

/// Backs the stacks up.
pub async fn run(
    clock: &dyn Clock,
    host: &dyn DockerHost,
    night: &Night,
    options: &StacksOptions,
    cancel: &CancellationToken,
) -> StepRecord {
    let mut recorder = Recorder::begin(Step::Stacks, clock);
    recorder.hand_on(Outcome::Stacks {
        backup_ended: None,
        saved: Vec::new(),
    });
    if let Some(why) = why_not(clock, host, night, options) {
        return recorder.end(StepEnd::Refused, why);
    }
    let engine = match host.engine().await {
        Ok(engine) => engine,
        Err(error) => return recorder.end(StepEnd::Failed, sentence::failed_to(&error)),
    };
    if let Err(error) = finish_earlier_outage(&mut recorder, engine.as_ref(), host, options).await {
        return recorder.end(StepEnd::Failed, error);
    }
    let way = match options.here.way(engine.as_ref()).await {
        Ok(way) => way,
        Err(error) => return recorder.end(StepEnd::Failed, sentence::failed_to(&error)),
    };
    let store = match host.store().await {
        Ok(store) => store,
        Err(error) => return recorder.end(StepEnd::Failed, sentence::failed_to(&error)),
    };
    let containers = match engine.containers().await {
        Ok(containers) => containers,
        Err(error) => return recorder.end(StepEnd::Failed, sentence::failed_to(&error)),
    };
    let containers_before = containers.clone();
    let found = find(engine.as_ref(), containers).await;
    let services = found.stacks.iter().flat_map(|stack| &stack.services);
    let before = Running::of(&containers_before, services);
    let plan = match plan_found(engine.as_ref(), &found, options, &way).await {
        Ok(plan) => plan,
        Err(error) => return recorder.end(StepEnd::Failed, sentence::failed_to(&error)),
    };
    let (surroundings, remarks) = Surroundings::ask(engine.as_ref()).await;
    for remark in plan.warnings.iter().cloned().chain(remarks) {
        recorder.needs_attention(remark);
    }
    let mut saving = Saving {
        clock,
        host,
        engine: &engine,
        way: &way,
        store: store.as_ref(),
        night,
        options,
        cancel,
        stacks: &found.stacks,
        surroundings: &surroundings,
        saved: Vec::new(),
        worst: StepEnd::Done,
        failures: Vec::new(),
        stopped_any: false,
    };
    for group in &plan.groups {
        saving.group(&mut recorder, group).await;
    }
    let stopped_any = saving.stopped_any;
    let Saving {
        saved,
        worst,
        failures,
        ..
    } = saving;
    if stopped_any {
        let look = SecondLook {
            clock,
            engine: engine.as_ref(),
            journal: host.journal(),
            groups: &plan.groups,
            before: &containers_before,
            options: &options.outage,
        };
        look.take(&mut recorder, cancel).await;
    }
    see_everything_run_again(&mut recorder, engine.as_ref(), &before).await;
    // Of a group whose saving was cancelled, or failed half-way.
    remove_snapshots(&mut recorder, host).await;
    let ended = clock.now();
    let summary = summarise(&saved, &failures, cancel.is_cancelled());
    recorder.hand_on(Outcome::Stacks {
        backup_ended: (!saved.is_empty()).then_some(ended),
        saved,
    });
    let end = if cancel.is_cancelled() {
        StepEnd::Cancelled
    } else {
        worst
    };
    recorder.end(end, summary)
}

/// Why nothing may be stopped now, if nothing may (I8, I9).
fn why_not(
    clock: &dyn Clock,
    host: &dyn DockerHost,
    night: &Night,
    options: &StacksOptions,
) -> Option<String> {
    if options.permission == Permission::WithinWindow && !night.is_open_at(clock.now()) {
        return Some(format!(
            "nothing was stopped, because the window is closed: it is open from {} to {}; run with \
             --now to back up all the same",
            night.start, night.end
        ));
    }
    let not_mounted = host.check_mount().err()?;
    Some(format!(
        "nothing was stopped, because the NAS is not there: {}",
        sentence::of(&not_mounted)
    ))
}

/// Starts again what an earlier run that was killed left stopped, and removes what it left on file
/// systems (I11).
async fn finish_earlier_outage(
    recorder: &mut Recorder<'_>,
    engine: &dyn Engine,
    host: &dyn DockerHost,
    options: &StacksOptions,
) -> Result<(), String> {
    remove_snapshots(recorder, host).await;
    match recover(engine, host.journal(), &options.outage).await {
        Ok(None) => Ok(()),
        Ok(Some(report)) => {
            for remark in problems::of_recovery(&report) {
                recorder.needs_attention(remark);
            }
            Ok(())
        }
        Err(error) => Err(format!(
            "an earlier run left stacks stopped, and nothing else is stopped before they run: {}",
            sentence::failed_to(&error)
        )),
    }
}

/// Removes the snapshots of file systems that a run has left, this one or one that was killed.
async fn remove_snapshots(recorder: &mut Recorder<'_>, host: &dyn DockerHost) {
    let Some(holder) = host.snapshots() else {
        return;
    };
    let remarks = match holder.recover().await {
        Ok(removal) => problems_of(&removal),
        Err(error) => vec![sentence::failed_to(&error)],
    };
    for remark in remarks {
        recorder.needs_attention(remark);
    }
}

async fn see_everything_run_again(
    recorder: &mut Recorder<'_>,
    engine: &dyn Engine,
    before: &Running,
) {
    match look_again(engine, before).await {
        Ok((containers, services)) => {
            let missing = before.missing_from(&containers, &services);
            if missing.is_empty() {
                recorder.saw(
                    engine.endpoint(),
                    Fact::RunningAsBefore {
                        containers: before.len(),
                    },
                );
            }
            for what in missing {
                recorder.needs_attention(what);
            }
        }
        Err(error) => recorder.needs_attention(format!(
            "whether everything runs again is not known: {}",
            sentence::failed_to(&error)
        )),
    }
}

async fn look_again(
    engine: &dyn Engine,
    before: &Running,
) -> Result<(Vec<Container>, Vec<Service>), EngineError> {
    let containers = engine.containers().await?;
    // Where no services were known there is nothing to compare, and perhaps nobody to ask.
    let services = if before.has_services() {
        engine.services().await?
    } else {
        Vec::new()
    };
    Ok((containers, services))
}

fn summarise(saved: &[SavedStack], failures: &[String], cancelled: bool) -> String {
    let stacks = match saved.len() {
        0 => "no stack was saved".to_owned(),
        1 => "1 stack saved".to_owned(),
        count => format!("{count} stacks saved"),
    };
    let longest = saved
        .iter()
        .filter_map(|stack| stack.outage_milliseconds)
        .max();
    let mut summary = match longest {
        Some(milliseconds) => format!(
            "{stacks}; the longest outage took {}.{} s",
            milliseconds / 1000,
            milliseconds % 1000 / 100
        ),
        None => stacks,
    };
    let through_engine = saved.iter().filter(|stack| stack.through_engine).count();
    if through_engine > 0 {
        let which = if through_engine == saved.len() {
            String::new()
        } else {
            format!("{through_engine} ")
        };
        summary = format!(
            "{summary}; {which}read through the engine, which is slower, all of the data while the \
             stack is down"
        );
    }
    if !failures.is_empty() {
        summary = format!("{summary}; {}", failures.join("; "));
    }
    if cancelled {
        summary = format!("{summary}; ended by a signal, after everything was started again");
    }
    summary
}
