//! Starting the copies of a stack's containers, and watching what becomes of them.

use std::collections::BTreeMap;
use std::time::Duration;

use docker_stacks::{
    Blueprint, ContainerId, ContainerState, EngineError, ExecCommand, ExecEnd, Health, Mark,
    Placement, StartCondition, Workbench,
};
use tokio::time::{Instant, sleep};

use super::places::Places;
use super::verdict::{CheckEnd, ContainerEnd, Life};
use crate::sentence;

/// How often the containers are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A stack's copies, made and not started.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    engine: &'a dyn Workbench,
    copies: Vec<Copy<'a>>,
}

#[derive(Debug)]
struct Copy<'a> {
    blueprint: &'a Blueprint,
    id: ContainerId,
    started: Option<Instant>,
    life: Option<Life>,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// All of the containers together.
    pub(super) timeout: Duration,
    /// How long one without a health check must run.
    pub(super) settle: Duration,
}

/// What a container of the stack goes without that may matter to it.
pub(super) fn handicaps(blueprints: &[&Blueprint]) -> Vec<String> {
    let of = |blueprint: &&Blueprint| {
        let container = blueprint.container();
        let name = container.name.clone();
        let withheld = blueprint
            .withheld()
            .iter()
            .filter(|withheld| withheld.matters);
        let mut all: Vec<String> = withheld
            .map(|withheld| format!("{name} went without {withheld}"))
            .collect();
        if let Some(other) = &container.network_mode
            && !blueprints
                .iter()
                .any(|other_one| other.names(other_one.container()))
        {
            all.push(format!(
                "{name} went without the network of {other}, which is not tried with it"
            ));
        }
        all
    };
    blueprints.iter().flat_map(of).collect()
}

impl<'a> Trial<'a> {
    /// Makes the networks and the containers.
    pub(super) async fn make(
        engine: &'a dyn Workbench,
        mark: &Mark,
        blueprints: &[&'a Blueprint],
        places: &Places,
        memory_bytes: u64,
    ) -> Result<Self, EngineError> {
        let mut networks: BTreeMap<String, String> = BTreeMap::new();
        for network in blueprints
            .iter()
            .flat_map(|one| one.container().networks.keys())
        {
            // `none` is a network to the engine, and stays none.
            if network != "none" && !networks.contains_key(network) {
                let copy = mark.name(&format!("net{}", networks.len()));
                engine.make_network(mark, &copy).await?;
                networks.insert(network.clone(), copy);
            }
        }
        let mut trial = Self {
            engine,
            copies: Vec::new(),
        };
        // Whoever lives in another's network can only be made after it.
        let mut waiting: Vec<&Blueprint> = blueprints.to_vec();
        while !waiting.is_empty() {
            let owner_of = |one: &Blueprint| {
                let key = one.container().network_mode.as_ref()?;
                let mut all = blueprints.iter();
                all.find(|other| key.names(other.container())).copied()
            };
            let is_made = |other: &Blueprint| {
                let mut copies = trial.copies.iter();
                copies.any(|copy| copy.blueprint.container().id == other.container().id)
            };
            let ready = waiting
                .iter()
                .position(|one| owner_of(one).is_none_or(is_made));
            // A circle of networks cannot have run.
            let blueprint = waiting.remove(ready.unwrap_or(0));
            let container = blueprint.container();
            let mut placement = Placement::new(mark.name(&container.name), memory_bytes);
            placement.mounts = places.mounts(blueprint);
            placement.networks.clone_from(&networks);
            placement.network_of =
                owner_of(blueprint).map(|owner| mark.name(&owner.container().name));
            let id = engine
                .make_container(mark, &blueprint.replica(&placement))
                .await?;
            trial.copies.push(Copy {
                blueprint,
                id,
                started: None,
                life: None,
            });
        }
        Ok(trial)
    }

    /// Starts each container as soon as what it waits for has come, and watches them until all are
    /// well, one is ill, or the time is over.
    pub(super) async fn run(&mut self, patience: Patience) -> Result<(), EngineError> {
        let until = Instant::now() + patience.timeout;
        loop {
            self.start_what_can_be().await;
            for copy in &mut self.copies {
                copy.look(self.engine, patience).await?;
            }
            let mut ends = self.copies.iter().map(|copy| copy.life.as_ref());
            if ends.all(|life| life.is_some()) || Instant::now() >= until {
                return Ok(());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn start_what_can_be(&mut self) {
        for place in 0..self.copies.len() {
            let copy = &self.copies[place];
            if copy.started.is_some() || copy.life.is_some() {
                continue;
            }
            let needs = || {
                self.copies.iter().filter_map(|other| {
                    let condition = copy.blueprint.waits_for(other.blueprint)?;
                    Some((other, condition))
                })
            };
            let failed = needs().find(|(other, condition)| other.never(*condition));
            let why = if let Some((other, _)) = failed {
                Some(format!("it waits for {}", other.blueprint.container().name))
            } else if needs().all(|(other, condition)| other.satisfies(condition)) {
                let started = self.engine.start(&copy.id).await;
                started.err().map(|error| sentence::failed_to(&error))
            } else {
                continue;
            };
            let copy = &mut self.copies[place];
            copy.started = Some(Instant::now());
            copy.life = why.map(|why| Life::NotStarted { why });
        }
    }

    /// What became of the containers.
    pub(super) fn ends(&self) -> Vec<ContainerEnd> {
        let copies = self.copies.iter();
        copies
            .map(|copy| ContainerEnd {
                container: copy.blueprint.container().name.clone(),
                life: copy.life.clone().unwrap_or(Life::NotInTime),
            })
            .collect()
    }

    /// Runs the checks that the owners of the containers asked for.
    pub(super) async fn check(&self) -> Vec<CheckEnd> {
        let mut ends = Vec::new();
        for copy in &self.copies {
            if let Some(command) = copy.blueprint.check() {
                let (code, said) = self.exec(&copy.id, &command).await;
                ends.push(CheckEnd {
                    container: copy.blueprint.container().name.clone(),
                    command: command.to_string(),
                    code,
                    said: said.trim().to_owned(),
                    passes_on_empty: None,
                });
            }
        }
        ends
    }

    async fn exec(&self, id: &ContainerId, command: &ExecCommand) -> (Option<i64>, String) {
        match self.engine.exec(id, command).await {
            Ok(ExecEnd::Exited { code, output }) => (Some(code), output),
            Ok(ExecEnd::StillRuns { output }) => {
                let limit = command.limit.as_secs();
                (None, format!("it still ran after {limit} s. {output}"))
            }
            Err(error) => (None, sentence::failed_to(&error)),
        }
    }
}

impl Copy<'_> {
    async fn look(
        &mut self,
        engine: &dyn Workbench,
        patience: Patience,
    ) -> Result<(), EngineError> {
        let Some(started) = self.started else {
            return Ok(());
        };
        // What is well may fall ill while others are waited for; the other ends are for good.
        if !matches!(self.life, None | Some(Life::Healthy | Life::Runs)) {
            return Ok(());
        }
        let now = engine.container(&self.id).await?;
        let was_to_end = self.life.is_none();
        self.life = match (now.state, now.health) {
            // Somebody may wait for just that.
            (ContainerState::Exited { code: 0 }, _) if was_to_end && !now.has_health_check => {
                Some(self.completed())
            }
            (ContainerState::Exited { code }, _) => Some(Life::Ended { code }),
            (ContainerState::Running, Some(Health::Healthy)) => Some(Life::Healthy),
            (ContainerState::Running, Some(Health::Unhealthy)) => Some(Life::Unhealthy),
            (ContainerState::Running, None) if started.elapsed() >= patience.settle => {
                Some(Life::Runs)
            }
            _ => None,
        };
        Ok(())
    }

    fn completed(&self) -> Life {
        let policy = self.blueprint.container().restart_policy;
        match policy {
            docker_stacks::RestartPolicy::No | docker_stacks::RestartPolicy::OnFailure { .. } => {
                Life::Completed
            }
            _ => Life::Ended { code: 0 },
        }
    }

    fn satisfies(&self, condition: StartCondition) -> bool {
        let is_up = self.started.is_some()
            && !matches!(
                self.life,
                Some(Life::Ended { .. } | Life::NotStarted { .. })
            );
        match condition {
            StartCondition::Started => is_up,
            StartCondition::Healthy => self.life == Some(Life::Healthy),
            _ => self.life == Some(Life::Completed),
        }
    }

    /// It cannot come to that any more.
    fn never(&self, condition: StartCondition) -> bool {
        let is_over = matches!(
            self.life,
            Some(Life::Ended { .. } | Life::NotStarted { .. } | Life::Unhealthy | Life::Completed)
        );
        is_over && !self.satisfies(condition)
    }
}
