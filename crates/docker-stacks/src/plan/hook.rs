//! Commands that containers ask to have run in them, around their copy.

use serde::{Deserialize, Serialize};

use super::{decide::Decided, labels};
use crate::{
    engine::ExecCommand,
    model::{Container, ContainerRef, ContainerState},
};

/// Commands that a container asks to have run in it, by its labels `backup-window.exec-pre` and
/// `backup-window.exec-post`.
///
/// ```
/// use docker_stacks::{Container, Mount, MountKind, PlanRules, find_stacks, plan};
///
/// let mut db = Container::new("1f2e", "db");
/// db.labels.insert("backup-window.exec-pre".into(), "pg_dump > /data/dump.sql".into());
/// db.mounts.push(Mount {
///     kind: MountKind::Bind,
///     source: "/srv/db".into(),
///     destination: "/data".into(),
///     read_only: false,
/// });
/// let plan = plan(&find_stacks(vec![db]), &[], &PlanRules::default());
/// let hook = &plan.groups[0].hooks[0];
/// assert_eq!(hook.before.as_ref().unwrap().to_string(), "pg_dump > /data/dump.sql");
/// assert_eq!(hook.after, None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookPlan {
    /// The container. It need not be one that is stopped: one that is copied live has its hooks too.
    pub container: ContainerRef,
    /// Runs before the first container of the group is stopped.
    pub before: Option<ExecCommand>,
    /// Runs when the group is up again and healthy.
    pub after: Option<ExecCommand>,
}

/// The hooks of a group, in the order in which its containers are stopped; those that are not
/// stopped come first, by name.
pub(super) fn hooks<'a>(
    members: impl Iterator<Item = &'a Decided<'a>>,
    stop_order: &[ContainerRef],
    warnings: &mut Vec<String>,
) -> Vec<HookPlan> {
    let mut hooks = Vec::new();
    for decided in members.filter(|decided| decided.plan.decision.copies()) {
        for container in &decided.with_hooks {
            let before = labels::exec_before(container);
            let after = labels::exec_after(container);
            if before.is_none() && after.is_none() {
                continue;
            }
            // What does not run at all has nothing to prepare, and says so in the plan already.
            if let ContainerState::Paused | ContainerState::Restarting = container.state {
                warnings.push(format!(
                    "container {} is {}: the commands of its labels cannot be run in it",
                    container.name, container.state
                ));
            }
            if container.state == ContainerState::Running {
                hooks.push(HookPlan {
                    container: container.to_ref(),
                    before,
                    after,
                });
            }
        }
    }
    let place = |hook: &HookPlan| stop_order.iter().position(|other| *other == hook.container);
    hooks.sort_by(|a, b| {
        (place(a), &a.container.name, &a.container.id).cmp(&(
            place(b),
            &b.container.name,
            &b.container.id,
        ))
    });
    hooks
}

/// Does the container ask for anything?
pub(super) fn has_any(container: &Container) -> bool {
    labels::exec_before(container).is_some() || labels::exec_after(container).is_some()
}
