//! In which order the containers of a group are stopped.

use std::collections::BTreeSet;

use crate::{
    find::{COMPOSE_DEPENDS_ON, COMPOSE_PROJECT, COMPOSE_SERVICE},
    model::{Container, ContainerRef},
};

/// Puts dependents before what they depend on; otherwise by name, so that two nights agree.
pub(super) fn stop_order(
    mut containers: Vec<&Container>,
    warnings: &mut Vec<String>,
) -> Vec<ContainerRef> {
    containers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    // For each container, those that depend on it, by place; so the smallest place is the first name.
    let dependents: Vec<BTreeSet<usize>> = containers
        .iter()
        .enumerate()
        .map(|(place, container)| {
            (0..containers.len())
                .filter(|&other| other != place && depends(containers[other], container))
                .collect()
        })
        .collect();
    let mut remaining: BTreeSet<usize> = (0..containers.len()).collect();
    let mut order = Vec::with_capacity(containers.len());
    while !remaining.is_empty() {
        let free = remaining
            .iter()
            .copied()
            .find(|&place| dependents[place].is_disjoint(&remaining));
        let next = free.unwrap_or_else(|| {
            let cycle = first_cycle(&dependents, &remaining);
            let names: Vec<&str> = cycle.iter().map(|&p| containers[p].name.as_str()).collect();
            warnings.push(format!(
                "containers {} depend on each other in a circle: they are stopped in the order of their names",
                names.join(", ")
            ));
            cycle.first().copied().unwrap_or_default()
        });
        remaining.remove(&next);
        order.push(containers[next].to_ref());
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

/// Does the first need the second to run?
fn depends(dependent: &Container, dependency: &Container) -> bool {
    dependent.references().any(|key| key.names(dependency))
        || depends_by_label(dependent, dependency)
}

/// Reads Compose's label, a list of `SERVICE:CONDITION:RESTART`.
fn depends_by_label(dependent: &Container, dependency: &Container) -> bool {
    let Some(service) = dependency.label(COMPOSE_SERVICE) else {
        return false;
    };
    let project = dependent.label(COMPOSE_PROJECT);
    project.is_some()
        && project == dependency.label(COMPOSE_PROJECT)
        && dependent
            .label(COMPOSE_DEPENDS_ON)
            .unwrap_or_default()
            .split(',')
            .filter_map(|entry| entry.split(':').next())
            .any(|name| name.trim() == service)
}
