//! Who waits for whom at the start, and who must start again because of another: pure.

use super::Slot;
use crate::{journal::Need, plan::StartCondition};

/// Marks those whose end others wait for.
pub(super) fn mark_jobs(slots: &mut [Slot]) {
    let jobs: Vec<_> = slots
        .iter()
        .flat_map(|slot| &slot.record.needs)
        .filter(|need| need.condition == StartCondition::CompletedSuccessfully)
        .map(|need| need.container.clone())
        .collect();
    for slot in slots {
        slot.is_job = jobs.contains(&slot.record.container.id);
    }
}

/// May this one be started, for all that it needs? Only what is later in the order counts, which is
/// started earlier: so nobody waits in a circle, whatever a record says.
pub(super) fn may_start(slots: &[Slot], index: usize) -> bool {
    slots[index]
        .record
        .needs
        .iter()
        .all(|need| later(slots, index, need).is_none_or(|other| is_met(need, other)))
}

fn later<'a>(slots: &'a [Slot], index: usize, need: &Need) -> Option<&'a Slot> {
    slots
        .get(index + 1..)?
        .iter()
        .find(|other| other.record.container.id == need.container)
}

fn is_met(need: &Need, other: &Slot) -> bool {
    // Whatever came of it: nobody stays down for another's fault.
    if other.end.is_some() || other.gives_way() {
        return true;
    }
    match need.condition {
        StartCondition::Started => other.is_up(),
        StartCondition::Healthy => other.is_up() && other.is_healthy,
        StartCondition::CompletedSuccessfully => false,
    }
}

/// The first container that lives in the namespaces of one that was started after it: it is cut off
/// from them until it starts again itself
/// (<https://github.com/moby/moby/issues/50326>). What was so before the outage is left as it was.
pub(super) fn cut_off(slots: &[Slot]) -> Option<usize> {
    (0..slots.len()).rev().find(|&index| {
        let slot = &slots[index];
        let runs = slot.is_up() && !slot.is_missing();
        runs && slot.record.needs.iter().any(|need| {
            need.shares_namespace
                && later(slots, index, need).is_some_and(|other| {
                    other.started_at != other.record.started_at
                        && other.started_at > slot.started_at
                })
        })
    })
}
