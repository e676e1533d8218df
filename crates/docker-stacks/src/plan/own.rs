//! What must stay up because this program needs it to go on.

use std::collections::BTreeSet;

use super::{PlanRules, gateway, swarm::stand_in_id};
use crate::{
    find::Stack,
    model::{Container, ContainerId},
    own::OwnContainer,
};

/// The containers that are, or may be, this program's own, and those that it needs.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// This program runs in one of these; in which, cannot be told if there are several.
    candidates: BTreeSet<ContainerId>,
    /// Those, the ones that the way to the engine leads through, the others of their stacks, and all
    /// in whose namespaces any of them lives.
    needed: BTreeSet<ContainerId>,
}

impl Own {
    pub(super) fn find(stacks: &[Stack], rules: &PlanRules, warnings: &mut Vec<String>) -> Self {
        let all: Vec<&Container> = stacks.iter().flat_map(|stack| &stack.containers).collect();
        let candidates = match &rules.own_container {
            Some(own) => candidates(&all, own),
            None => BTreeSet::new(),
        };
        let mut roots = candidates.clone();
        if let Some(engine) = &rules.engine {
            roots.extend(gateway::gateways(&all, engine));
        }
        let mut names: Vec<&str> = all
            .iter()
            .filter(|container| candidates.contains(&container.id))
            .map(|container| container.name.as_str())
            .collect();
        if names.len() > 1 {
            names.sort_unstable();
            warnings.push(format!(
                "this program runs in one of the containers {}, which share a network; which of them it is cannot be told from the inside, so none of them is stopped or copied: give this program a network of its own",
                names.join(", ")
            ));
        }
        let mut waiting: Vec<&Container> = stacks_of(stacks, &roots)
            .flat_map(|stack| &stack.containers)
            .collect();
        let mut needed: BTreeSet<ContainerId> = stacks_of(stacks, &roots)
            .flat_map(|stack| &stack.services)
            .map(|service| ContainerId::new(service.id.as_str()))
            .collect();
        while let Some(container) = waiting.pop() {
            if !needed.insert(container.id.clone()) {
                continue;
            }
            needed.extend(stand_in_id(container));
            for (_, key) in container.namespaces() {
                waiting.extend(all.iter().copied().filter(|other| key.names(other)));
            }
        }
        // What is decided about a task is decided about its service.
        let candidates = all
            .iter()
            .filter(|container| candidates.contains(&container.id))
            .map(|container| stand_in_id(container).unwrap_or_else(|| container.id.clone()))
            .collect();
        Self { candidates, needed }
    }

    /// May this container not be stopped?
    pub(super) fn needs(&self, container: &Container) -> bool {
        self.needed.contains(&container.id)
    }

    /// Why nothing is copied for this container, if it is or may be the own one: what it mounts
    /// includes what is copied to.
    pub(super) fn of(&self, container: &Container) -> Option<&'static str> {
        self.candidates
            .contains(&container.id)
            .then_some(if self.candidates.len() == 1 {
                "this program runs in its container"
            } else {
                "this program may run in its container"
            })
    }
}

fn stacks_of<'a>(
    stacks: &'a [Stack],
    containers: &'a BTreeSet<ContainerId>,
) -> impl Iterator<Item = &'a Stack> {
    stacks.iter().filter(|stack| {
        let mut of_stack = stack.containers.iter();
        of_stack.any(|container| containers.contains(&container.id))
    })
}

fn candidates(all: &[&Container], own: &OwnContainer) -> BTreeSet<ContainerId> {
    let (OwnContainer::This(id) | OwnContainer::InNetworkOf(id)) = own;
    let owners = all.iter().filter(|container| container.id.begins_with(id));
    owners
        .flat_map(|owner| {
            let shares = |other: &&&Container| {
                matches!(own, OwnContainer::InNetworkOf(_))
                    && other
                        .network_mode
                        .as_ref()
                        .is_some_and(|key| key.names(owner))
            };
            std::iter::once(*owner).chain(all.iter().filter(shares).copied())
        })
        .map(|container| container.id.clone())
        .collect()
}
