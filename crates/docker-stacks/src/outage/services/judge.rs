//! How a service that is to have its tasks again fares.

use std::collections::BTreeSet;

use tokio::time::Instant;

use crate::model::ServiceMode;

use super::{HaltEnd, OutageOptions, Service, ServiceSlot, StartEnd};

/// What one look at a service says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    Done(StartEnd),
    Wait,
    Resume,
}

/// Judges what a service does after the work, and notes in its slot what must be remembered.
pub(super) fn judge(now: &Service, slot: &mut ServiceSlot, options: &OutageOptions) -> Look {
    let at = Instant::now();
    if slot.watched_since.is_none() {
        let had_ended = matches!(slot.halt, HaltEnd::Ended | HaltEnd::MayBeKilled);
        slot.disturbed = had_ended && (!now.is_halted() || !now.tasks.is_empty());
    }
    let since = *slot.watched_since.get_or_insert(at);
    let watched_for = at.saturating_duration_since(since);
    if now.is_halted() {
        slot.up = None;
        // New tasks beside the old ones would write to the same data.
        return if !now.tasks.is_empty() && watched_for < slot.ends_within() {
            Look::Wait
        } else {
            Look::Resume
        };
    }
    let running: BTreeSet<String> = now.running().map(|task| task.id.clone()).collect();
    let wanted = wanted(now, slot);
    if running.len() < wanted {
        slot.up = None;
        return if watched_for < options.healthy_within {
            Look::Wait
        } else {
            Look::Done(StartEnd::Failed {
                why: why_not(now, wanted, watched_for.as_secs()),
            })
        };
    }
    let up_since = match &slot.up {
        Some((since, same)) if *same == running => *since,
        _ => slot.up.insert((at, running)).0,
    };
    // Nobody touched it. After a process that died, somebody may: an engine that was asked for a
    // halt may not have got to it yet.
    let untouched = slot.resumes == 0 && !slot.was_asked_to_halt() && !slot.recovered;
    if untouched || at.saturating_duration_since(up_since) >= options.settle {
        Look::Done(StartEnd::Running)
    } else if watched_for >= options.healthy_within + options.settle {
        Look::Done(StartEnd::Failed {
            why: "its tasks end again and again".to_owned(),
        })
    } else {
        Look::Wait
    }
}

/// How many tasks are to run: as many as before, unless somebody scaled it down since.
fn wanted(now: &Service, slot: &ServiceSlot) -> usize {
    match now.mode {
        ServiceMode::Replicated { replicas } => usize::try_from(replicas)
            .unwrap_or(usize::MAX)
            .min(slot.record.running_tasks),
        _ => slot.record.running_tasks,
    }
}

fn why_not(now: &Service, wanted: usize, seconds: u64) -> String {
    let mut why = format!(
        "{} of {wanted} tasks run {seconds} s after it was resumed",
        now.running().count(),
    );
    if let Some(error) = now.tasks.iter().find_map(|task| task.error.as_ref()) {
        why.push_str(": ");
        why.push_str(error);
    }
    why
}
