//! How a container that was started fares.

use super::{Container, ContainerState, OutageOptions, Slot, StartEnd, Was};
use crate::model::Health;

/// What one look at a container says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    Done(StartEnd),
    Wait,
    /// It does not run, or stands still: raise it again.
    Fallen(String),
}

/// Judges what a container does after its start.
pub(super) fn judge(now: &Container, slot: &Slot, options: &OutageOptions) -> Look {
    let up_for = slot.up_for();
    // Neither by this process nor by one before it that died.
    let untouched = !slot.start_asked && now.started_at == slot.record.started_at;
    match (now.state, slot.record.was) {
        (ContainerState::Paused, Was::Paused)
        | (ContainerState::Running | ContainerState::Restarting, Was::Restarting) => {
            Look::Done(StartEnd::Running)
        }
        (ContainerState::Exited { code: 0 }, _) if slot.is_job && !untouched => {
            Look::Done(StartEnd::Completed)
        }
        // Others wait for its end; but not for that of one that turns out to have none.
        (ContainerState::Running, _)
            if slot.is_job && !untouched && up_for < options.healthy_within =>
        {
            Look::Wait
        }
        // Nobody waits for the health of what is about to be paused.
        (ContainerState::Running, Was::Running) if now.has_health_check => match now.health {
            Some(Health::Healthy) if untouched || up_for >= options.settle => {
                Look::Done(StartEnd::Healthy)
            }
            // It may yet turn out to crash soon after its start.
            Some(Health::Healthy) => Look::Wait,
            health if untouched || up_for >= options.healthy_within => {
                let health = health.map_or_else(|| "unknown".to_owned(), |h| h.to_string());
                Look::Done(StartEnd::Unhealthy {
                    why: format!(
                        "its health is '{health}' {} s after its start",
                        up_for.as_secs()
                    ),
                })
            }
            _ => Look::Wait,
        },
        (ContainerState::Running, _) if untouched || up_for >= options.settle => {
            Look::Done(StartEnd::Running)
        }
        (ContainerState::Running, _) => Look::Wait,
        (ContainerState::Restarting, _) if up_for < options.healthy_within => Look::Wait,
        (ContainerState::Restarting, _) => Look::Done(StartEnd::Failed {
            why: "it ends again and again after its start (see docker logs)".to_owned(),
        }),
        (state, _) => Look::Fallen(format!("it is {state} after its start (see docker logs)")),
    }
}
