//! The promise to start again what is stopped: written before the first stop, and struck out, or
//! left for a recovery, after the last start.

use jiff::Timestamp;

use super::{
    OutageOptions, Slot, explain,
    services::{self, ServiceSlot},
};
use crate::{
    engine::Engine,
    journal::{Journal, OutageRecord, RecordedContainer, RecordedHook},
    model::{Container, ContainerRef, StackName},
    plan::GroupPlan,
};

/// The stacks of a group that the outage concerns.
pub(super) fn down_together(group: &GroupPlan) -> Vec<StackName> {
    group
        .stacks
        .iter()
        .filter(|stack| stack.decision.stops())
        .map(|stack| stack.name.clone())
        .collect()
}

/// An outage that may begin.
pub(super) struct Prepared {
    pub(super) slots: Vec<Slot>,
    pub(super) services: Vec<ServiceSlot>,
    /// What containers are owed after their start.
    pub(super) hooks: Vec<RecordedHook>,
    /// What earlier outages left in the journal, to be written again without what is over; nothing
    /// if the journal was not touched.
    pub(super) carried: Option<OutageRecord>,
}

/// Looks at what is to be stopped, and writes the promise to start it again. Says why not, if the
/// outage may not begin.
pub(super) async fn prepare(
    engine: &dyn Engine,
    journal: &dyn Journal,
    group: &GroupPlan,
    begun_at: Timestamp,
    options: &OutageOptions,
    stacks: &[StackName],
) -> Result<Prepared, String> {
    let mut slots = Vec::new();
    for wanted in &group.stop_order {
        let container = look(engine, wanted).await?;
        if container.auto_remove {
            return Err(format!(
                "container {wanted} was started with --rm: a stop would delete it"
            ));
        }
        // One that ended since the plan was made is not stopped, and so not started.
        if let Some(record) = RecordedContainer::of(&container, options.grace) {
            slots.push(Slot::new(record.with_needs(&group.dependencies)));
        }
    }
    let mut hooks = Vec::new();
    for hook in &group.hooks {
        if let Some(command) = &hook.after {
            let container = look(engine, &hook.container).await?;
            hooks.push(RecordedHook::of(&container, command.clone()));
        }
    }
    let services = services::look_all(engine, group).await?;
    let earlier = journal.read().await.map_err(|error| explain(&error))?;
    if let Some(earlier) = &earlier
        && earlier.engine != engine.endpoint()
    {
        return Err(format!(
            "an earlier outage of the engine at {} has not been recovered; this one is of {}",
            earlier.engine,
            engine.endpoint()
        ));
    }
    if slots.is_empty() && services.is_empty() && hooks.is_empty() {
        return Ok(Prepared {
            slots,
            services,
            hooks,
            carried: None,
        });
    }
    let mut carried = earlier.unwrap_or_else(|| OutageRecord {
        begun_at,
        engine: engine.endpoint(),
        stacks: Vec::new(),
        containers: Vec::new(),
        services: Vec::new(),
        hooks: Vec::new(),
    });
    carried.containers.retain(|old| {
        !slots
            .iter()
            .any(|slot| slot.record().container.id == old.container.id)
    });
    carried.services.retain(|old| {
        !services
            .iter()
            .any(|slot| slot.record().service.id == old.service.id)
    });
    carried.hooks.retain(|old| !hooks.contains(old));
    for stack in stacks {
        if !carried.stacks.contains(stack) {
            carried.stacks.push(stack.clone());
        }
    }
    let mut record = carried.clone();
    record
        .containers
        .extend(slots.iter().map(|slot| slot.record().clone()));
    record
        .services
        .extend(services.iter().map(|slot| slot.record().clone()));
    record.hooks.extend(hooks.iter().cloned());
    journal
        .write(&record)
        .await
        .map_err(|error| explain(&error))?;
    Ok(Prepared {
        slots,
        services,
        hooks,
        carried: Some(carried),
    })
}

async fn look(engine: &dyn Engine, wanted: &ContainerRef) -> Result<Container, String> {
    engine.container(&wanted.id).await.map_err(|error| {
        format!(
            "container {wanted} changed since the plan: {}",
            explain(&error)
        )
    })
}

/// Leaves in the journal what does not run and what is still owed, or nothing.
pub(super) async fn close(
    journal: &dyn Journal,
    mut record: OutageRecord,
    (slots, services): (&[Slot], &[ServiceSlot]),
    hooks: Vec<RecordedHook>,
) -> Vec<String> {
    record
        .containers
        .extend(slots.iter().filter_map(Slot::still_owed));
    record
        .services
        .extend(services.iter().filter_map(ServiceSlot::still_owed));
    record.hooks.extend(hooks);
    let nothing_left = record.containers.is_empty() && record.services.is_empty();
    if nothing_left && record.hooks.is_empty() {
        return match journal.clear().await {
            Ok(()) => Vec::new(),
            Err(error) => vec![format!(
                "everything runs, but the outage journal still says otherwise: failed to {}",
                explain(&error)
            )],
        };
    }
    match journal.write(&record).await {
        Ok(()) => Vec::new(),
        Err(error) => vec![format!(
            "the outage journal names more than is down: failed to {}",
            explain(&error)
        )],
    }
}
