//! How a container that was started fares.

use std::time::Duration;

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
    let up_for = slot.up_at.map_or(Duration::ZERO, |at| at.elapsed());
    let untouched = !slot.start_asked;
    match (now.state, slot.record.was) {
        (ContainerState::Running | ContainerState::Paused, Was::Paused)
        | (ContainerState::Running | ContainerState::Restarting, Was::Restarting) => {
            Look::Done(StartEnd::Running)
        }
        (ContainerState::Running, _) if now.has_health_check => match now.health {
            Some(Health::Healthy) => Look::Done(StartEnd::Healthy),
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
