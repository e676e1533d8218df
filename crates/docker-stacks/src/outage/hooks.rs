//! The commands that containers ask to have run around their copy.

use futures_util::future::{Fuse, FusedFuture};
use serde::Serialize;

use super::{Slot, explain};
use crate::{
    engine::{Engine, EngineError, EngineErrorKind, ExecCommand, ExecEnd},
    journal::RecordedHook,
    model::{ContainerId, ContainerRef},
    plan::HookPlan,
};

/// What came of a command in a container.
///
/// ```
/// use docker_stacks::{HookEnd, HookReport};
///
/// fn sentence(report: &HookReport) -> Option<String> {
///     match &report.end {
///         HookEnd::Failed { why } => Some(format!("{} in {}: {why}", report.command, report.container)),
///         HookEnd::Done => None,
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HookReport {
    /// The container.
    pub container: ContainerRef,
    /// When it was run.
    pub time: HookTime,
    /// The command, as it was written.
    pub command: String,
    /// How it ended.
    pub end: HookEnd,
}

/// When a command is run in a container.
///
/// ```
/// use docker_stacks::HookTime;
///
/// assert_eq!(serde_json::to_value(HookTime::Before)?, "before");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HookTime {
    /// Before the first stop of the group.
    Before,
    /// When the group is up again.
    After,
}

/// How a command in a container ended.
///
/// ```
/// use docker_stacks::HookEnd;
///
/// let end = HookEnd::Failed { why: "ended with code 4".into() };
/// assert_ne!(end, HookEnd::Done);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HookEnd {
    /// With code 0.
    Done,
    /// In another way, or not at all.
    Failed {
        /// What happened.
        why: String,
    },
}

/// Runs what is to be run before the stops, one after the other, until `cancelled` is ready.
pub(super) async fn run_before<C: Future<Output = ()>>(
    engine: &dyn Engine,
    hooks: &[HookPlan],
    cancelled: &mut std::pin::Pin<&mut Fuse<C>>,
) -> Vec<HookReport> {
    let mut reports = Vec::new();
    for (container, command) in hooks
        .iter()
        .filter_map(|hook| Some((&hook.container, hook.before.as_ref()?)))
    {
        if cancelled.is_terminated() {
            break;
        }
        let end = tokio::select! {
            biased;
            () = &mut *cancelled => HookEnd::Failed { why: "the run was ended before it was".to_owned() },
            end = run(engine, &container.id, command) => end.unwrap_or_else(|error| failed(&error)),
        };
        reports.push(report(container, HookTime::Before, command, end));
    }
    reports
}

/// Runs what containers are owed after their start, in the reverse order. What is owed to one that
/// does not run stays owed: it is what the second list has.
pub(super) async fn run_after(
    engine: &dyn Engine,
    hooks: &[RecordedHook],
    slots: &[Slot],
) -> (Vec<HookReport>, Vec<RecordedHook>) {
    let (mut reports, mut owed) = (Vec::new(), Vec::new());
    for hook in hooks.iter().rev() {
        let slot = slots
            .iter()
            .find(|slot| slot.record().container.id == hook.container.id);
        if slot.is_some_and(|slot| slot.still_owed().is_some()) {
            owed.push(hook.clone());
            let why = "its container does not run".to_owned();
            let end = HookEnd::Failed { why };
            reports.push(report(&hook.container, HookTime::After, &hook.command, end));
            continue;
        }
        let now = slot.map_or(&hook.container, Slot::container);
        let end = match run(engine, &now.id, &hook.command).await {
            Err(error) if error.kind() == EngineErrorKind::NotFound => {
                run_in_replacement(engine, hook).await
            }
            ended => ended,
        };
        let end = end.unwrap_or_else(|error| failed(&error));
        reports.push(report(now, HookTime::After, &hook.command, end));
    }
    owed.reverse();
    (reports, owed)
}

async fn run_in_replacement(
    engine: &dyn Engine,
    hook: &RecordedHook,
) -> Result<HookEnd, EngineError> {
    let all = engine.containers().await?;
    match all.iter().find(|container| hook.is_replaced_by(container)) {
        Some(replacement) => run(engine, &replacement.id, &hook.command).await,
        None => Ok(HookEnd::Failed {
            why: "its container was deleted, and no container took its place".to_owned(),
        }),
    }
}

async fn run(
    engine: &dyn Engine,
    id: &ContainerId,
    command: &ExecCommand,
) -> Result<HookEnd, EngineError> {
    let end = engine.exec(id, command).await?;
    tracing::info!(container = %id.short(), %command, ?end, "ran a command");
    let with = |what: String, output: String| {
        let last = output.lines().next_back().unwrap_or_default();
        HookEnd::Failed {
            why: if last.is_empty() {
                what
            } else {
                format!("{what}, and said: {last}")
            },
        }
    };
    Ok(match end {
        ExecEnd::Exited { code: 0, .. } => HookEnd::Done,
        ExecEnd::Exited { code, output } => with(format!("it ended with code {code}"), output),
        ExecEnd::StillRuns { output } => with(
            format!("it had not ended after {} s", command.limit.as_secs_f64()),
            output,
        ),
    })
}

fn failed(error: &EngineError) -> HookEnd {
    HookEnd::Failed {
        why: format!("failed to {}", explain(error)),
    }
}

fn report(
    container: &ContainerRef,
    time: HookTime,
    command: &ExecCommand,
    end: HookEnd,
) -> HookReport {
    HookReport {
        container: container.clone(),
        time,
        command: command.to_string(),
        end,
    }
}
