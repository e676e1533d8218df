//! One container in memory.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::super::fixture;
use crate::{
    engine::Stopped,
    model::{Container, ContainerId, ContainerState, Health},
    plan::labels,
};

/// What SIGKILL makes of an exit code.
const KILLED: i64 = 137;

/// How a container in memory behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// It takes no notice of its stop signal, so that the engine must kill it.
    pub ignores_stop: bool,
    /// How long it takes to end after its stop signal.
    pub stops_after: Duration,
    /// What it exits with after its stop signal.
    pub exit_code: i64,
    /// The engine refuses to stop it, saying this.
    pub refuses_stop: Option<String>,
    /// How many starts the engine refuses.
    pub refused_starts: u32,
    /// How many starts end by themselves.
    pub crashing_starts: u32,
    /// How long after the start such a crash comes.
    pub crashes_after: Duration,
    /// What it exits with then: 0 for one that has done its work.
    pub crash_code: i64,
    /// Its health check.
    pub health: HealthBehaviour,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            ignores_stop: false,
            stops_after: Duration::ZERO,
            exit_code: 0,
            refuses_stop: None,
            refused_starts: 0,
            crashing_starts: 0,
            crashes_after: Duration::ZERO,
            crash_code: 1,
            health: HealthBehaviour::NoCheck,
        }
    }
}

/// What a container's health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HealthBehaviour {
    /// There is none.
    #[default]
    NoCheck,
    /// It is healthy so long after its start.
    HealthyAfter(Duration),
    /// It becomes unhealthy so long after its start.
    UnhealthyAfter(Duration),
}

#[derive(Debug)]
pub(super) struct Item {
    container: Container,
    behaviour: Behaviour,
    generation: u32,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// What the container said when it was added: nothing changes it but calls.
    Still(ContainerState),
    Up {
        since: Instant,
        paused: bool,
        falls: Option<(Instant, i64)>,
    },
}

impl Item {
    pub(super) fn new(
        mut container: Container,
        behaviour: Behaviour,
        (now, at): (Instant, Timestamp),
    ) -> Self {
        container.has_health_check = behaviour.health != HealthBehaviour::NoCheck;
        // As every engine is to read it.
        container.stop_timeout = labels::stop_timeout(&container).or(container.stop_timeout);
        let phase = match container.state {
            state @ (ContainerState::Running | ContainerState::Paused) => {
                container.started_at.get_or_insert(at);
                Phase::Up {
                    since: now,
                    paused: state == ContainerState::Paused,
                    falls: None,
                }
            }
            state => Phase::Still(state),
        };
        Self {
            container,
            behaviour,
            generation: 0,
            phase,
        }
    }

    pub(super) fn id(&self) -> &ContainerId {
        &self.container.id
    }

    pub(super) fn name(&self) -> &str {
        &self.container.name
    }

    pub(super) fn behave(&mut self, behaviour: Behaviour) {
        self.container.has_health_check = behaviour.health != HealthBehaviour::NoCheck;
        self.behaviour = behaviour;
    }

    /// Lets come to pass what was to happen until now.
    pub(super) fn settle(&mut self, now: Instant) {
        if let Phase::Up {
            paused: false,
            falls: Some((at, code)),
            ..
        } = self.phase
            && at <= now
        {
            self.phase = Phase::Still(ContainerState::Exited { code });
        }
    }

    pub(super) fn view(&self, now: Instant) -> Container {
        let mut container = self.container.clone();
        match self.phase {
            Phase::Up {
                paused: false,
                falls: Some((at, code)),
                ..
            } if at <= now => container.state = ContainerState::Exited { code },
            Phase::Up { since, paused, .. } => {
                container.state = if paused {
                    ContainerState::Paused
                } else {
                    ContainerState::Running
                };
                container.health = health(self.behaviour.health, now.duration_since(since));
            }
            Phase::Still(state) => container.state = state,
        }
        container
    }

    pub(super) fn end(&mut self, code: i64) {
        self.phase = Phase::Still(ContainerState::Exited { code });
    }

    pub(super) fn recreate(&mut self) {
        self.generation += 1;
        self.container.id = ContainerId::new(fixture::id(&self.container.name, self.generation));
        self.container.started_at = None;
        self.phase = Phase::Still(ContainerState::Created);
    }

    /// When and how it will have stopped; nothing if it does not run.
    pub(super) fn stop(
        &mut self,
        now: Instant,
        grace: Duration,
    ) -> Result<Option<(Instant, Stopped)>, String> {
        if let Some(why) = &self.behaviour.refuses_stop {
            return Err(why.clone());
        }
        match &mut self.phase {
            Phase::Still(state @ ContainerState::Restarting) => {
                *state = ContainerState::Exited { code: 0 };
                Ok(Some((now, Stopped::Clean { exit_code: 0 })))
            }
            Phase::Still(_) => Ok(None),
            Phase::Up { paused, falls, .. } => {
                let behaviour = &self.behaviour;
                let by_force = *paused || behaviour.ignores_stop || behaviour.stops_after > grace;
                let (at, code, how) = if by_force {
                    (now + grace, KILLED, Stopped::Killed)
                } else {
                    let exit_code = behaviour.exit_code;
                    (
                        now + behaviour.stops_after,
                        exit_code,
                        Stopped::Clean { exit_code },
                    )
                };
                *paused = false;
                *falls = Some((at, code));
                Ok(Some((at, how)))
            }
        }
    }

    /// Starts it unless it runs, and says whether it did.
    pub(super) fn try_start(&mut self, now: (Instant, Timestamp)) -> Result<bool, String> {
        match self.phase {
            Phase::Up { paused: true, .. } => {
                Err("cannot start a paused container, try unpause instead".to_owned())
            }
            // As Docker does: it runs, so there is nothing to do, even if its stop is under way.
            Phase::Up { .. } => Ok(false),
            Phase::Still(_) if self.behaviour.refused_starts > 0 => {
                self.behaviour.refused_starts -= 1;
                Err(
                    "driver failed programming external connectivity: port is already allocated"
                        .to_owned(),
                )
            }
            Phase::Still(_) => {
                self.start(now);
                Ok(true)
            }
        }
    }

    /// Says why no command can be run in it.
    pub(super) fn runs_commands(&self) -> Result<(), String> {
        match self.phase {
            Phase::Up { paused: false, .. } => Ok(()),
            Phase::Up { .. } => Err("it is paused, unpause it before the exec".to_owned()),
            Phase::Still(_) => Err("it is not running".to_owned()),
        }
    }

    pub(super) fn start(&mut self, (now, at): (Instant, Timestamp)) {
        let crashes = self.behaviour.crashing_starts > 0;
        self.behaviour.crashing_starts = self.behaviour.crashing_starts.saturating_sub(1);
        self.container.started_at = Some(at);
        self.phase = Phase::Up {
            since: now,
            paused: false,
            falls: crashes.then(|| {
                (
                    now + self.behaviour.crashes_after,
                    self.behaviour.crash_code,
                )
            }),
        };
    }

    pub(super) fn pause(&mut self) -> Result<(), String> {
        match &mut self.phase {
            Phase::Up { paused, .. } if !*paused => {
                *paused = true;
                Ok(())
            }
            Phase::Up { .. } => Err("it is already paused".to_owned()),
            Phase::Still(_) => Err("it is not running".to_owned()),
        }
    }

    pub(super) fn unpause(&mut self) -> Result<(), String> {
        match &mut self.phase {
            Phase::Up { paused, .. } if *paused => {
                *paused = false;
                Ok(())
            }
            _ => Err("it is not paused".to_owned()),
        }
    }
}

fn health(behaviour: HealthBehaviour, up: Duration) -> Option<Health> {
    match behaviour {
        HealthBehaviour::NoCheck => None,
        HealthBehaviour::HealthyAfter(after) if up >= after => Some(Health::Healthy),
        HealthBehaviour::UnhealthyAfter(after) if up >= after => Some(Health::Unhealthy),
        _ => Some(Health::Starting),
    }
}
