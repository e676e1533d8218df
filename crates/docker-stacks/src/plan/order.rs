//! In which order the containers of a group are stopped.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{
    find::{COMPOSE_DEPENDS_ON, COMPOSE_PROJECT, COMPOSE_SERVICE},
    model::{Container, ContainerRef},
};

/// One container that needs another.
///
/// ```
/// use docker_stacks::{Dependency, GroupPlan};
///
/// fn waits_of<'a>(group: &'a GroupPlan, name: &str) -> impl Iterator<Item = &'a Dependency> {
///     group.dependencies.iter().filter(move |edge| edge.container.name == name)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// The one that waits.
    pub container: ContainerRef,
    /// The one that it waits for.
    pub needs: ContainerRef,
    /// What it waits for.
    pub condition: StartCondition,
    /// It lives in the other's namespaces, and is cut off from them when the other restarts.
    pub shares_namespace: bool,
}

/// What must have come of a container before those that depend on it are started: the conditions
/// of Compose's `depends_on`
/// (<https://github.com/compose-spec/compose-spec/blob/main/05-services.md#depends_on>).
///
/// ```
/// use docker_stacks::StartCondition;
///
/// assert!(StartCondition::Started < StartCondition::Healthy, "which asks for more");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StartCondition {
    /// It was started (`service_started`); also what namespaces, links and `volumes_from` need.
    Started,
    /// Its health check passes (`service_healthy`).
    Healthy,
    /// It ended with code 0 (`service_completed_successfully`).
    CompletedSuccessfully,
}

/// Puts dependents before what they depend on; otherwise by name, so that two nights agree. A circle
/// is broken at the first name in whose namespaces none of the others lives: a container whose
/// namespaces are not there cannot be started, one that waits for another in vain can. With the
/// order comes what the start waits for.
pub(super) fn order(
    mut containers: Vec<&Container>,
    warnings: &mut Vec<String>,
) -> (Vec<ContainerRef>, Vec<Dependency>) {
    containers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    // By place, so that the smallest place is the first name: who depends on whom, and how.
    let mut needs: BTreeMap<(usize, usize), StartCondition> = BTreeMap::new();
    for (dependent, container) in containers.iter().enumerate() {
        for (dependency, other) in containers.iter().enumerate() {
            if dependent != dependency
                && let Some(condition) = condition(container, other)
            {
                needs.insert((dependent, dependency), condition);
            }
        }
    }
    let lives_in = |dependent: usize, dependency: usize| {
        containers[dependent]
            .namespaces()
            .any(|(_, key)| key.names(containers[dependency]))
    };
    let mut dependents = vec![BTreeSet::new(); containers.len()];
    let mut inmates = dependents.clone();
    for &(dependent, dependency) in needs.keys() {
        dependents[dependency].insert(dependent);
        if lives_in(dependent, dependency) {
            inmates[dependency].insert(dependent);
        }
    }
    let order = stop_order(&containers, &dependents, &inmates, warnings);
    let mut place = vec![0; containers.len()];
    for (position, &container) in order.iter().enumerate() {
        place[container] = position;
    }
    let dependencies = needs
        .into_iter()
        .filter(|((dependent, dependency), _)| place[*dependent] < place[*dependency])
        .map(|((dependent, dependency), condition)| Dependency {
            container: containers[dependent].to_ref(),
            needs: containers[dependency].to_ref(),
            condition,
            shares_namespace: lives_in(dependent, dependency),
        })
        .collect();
    let order = order.iter().map(|&p| containers[p].to_ref()).collect();
    (order, dependencies)
}

fn stop_order(
    containers: &[&Container],
    dependents: &[BTreeSet<usize>],
    inmates: &[BTreeSet<usize>],
    warnings: &mut Vec<String>,
) -> Vec<usize> {
    let mut remaining: BTreeSet<usize> = (0..containers.len()).collect();
    let mut order = Vec::with_capacity(containers.len());
    while !remaining.is_empty() {
        let free = remaining
            .iter()
            .copied()
            .find(|&place| dependents[place].is_disjoint(&remaining));
        let next = free.or_else(|| {
            let cycle = first_cycle(dependents, &remaining);
            let alone = |place: &&usize| inmates[**place].is_disjoint(&remaining);
            let first = cycle.iter().find(alone).or(cycle.first()).copied()?;
            let names: Vec<&str> = cycle.iter().map(|&p| containers[p].name.as_str()).collect();
            warnings.push(format!(
                "containers {} depend on each other in a circle: {} is stopped first and started last",
                names.join(", "),
                containers[first].name
            ));
            Some(first)
        });
        // Where nothing is free there is a circle; the fallback only says what is true anyway.
        let Some(next) = next.or_else(|| remaining.first().copied()) else {
            break;
        };
        remaining.remove(&next);
        order.push(next);
    }
    order
}

/// The containers of a circle on which nothing outside of it depends any more; every graph in which
/// nothing is free has one. Breaking any other circle would put a container before its dependents
/// without need.
fn first_cycle(dependents: &[BTreeSet<usize>], remaining: &BTreeSet<usize>) -> BTreeSet<usize> {
    let above = |place: usize| {
        let mut seen = BTreeSet::new();
        let mut waiting = vec![place];
        while let Some(current) = waiting.pop() {
            for &dependent in dependents[current].intersection(remaining) {
                if seen.insert(dependent) {
                    waiting.push(dependent);
                }
            }
        }
        seen
    };
    remaining
        .iter()
        .map(|&place| (place, above(place)))
        .find(|(place, above_it)| above_it.iter().all(|&other| above(other).contains(place)))
        .map(|(_, cycle)| cycle)
        .unwrap_or_default()
}

/// What the first needs of the second, if it needs it.
pub(crate) fn condition(dependent: &Container, dependency: &Container) -> Option<StartCondition> {
    let by_reference = dependent
        .references()
        .any(|key| key.names(dependency))
        .then_some(StartCondition::Started);
    by_reference.max(condition_by_label(dependent, dependency))
}

/// Reads Compose's label, a list of `SERVICE:CONDITION:RESTART`; version 1 wrote names alone.
fn condition_by_label(dependent: &Container, dependency: &Container) -> Option<StartCondition> {
    let service = dependency.label(COMPOSE_SERVICE)?;
    let project = dependent.label(COMPOSE_PROJECT)?;
    if dependency.label(COMPOSE_PROJECT) != Some(project) {
        return None;
    }
    dependent
        .label(COMPOSE_DEPENDS_ON)?
        .split(',')
        .filter_map(|entry| {
            let mut parts = entry.split(':').map(str::trim);
            (parts.next() == Some(service)).then(|| match parts.next() {
                Some("service_healthy") => StartCondition::Healthy,
                Some("service_completed_successfully") => StartCondition::CompletedSuccessfully,
                _ => StartCondition::Started,
            })
        })
        .max()
}
