mod decisions;
mod exclusions;
mod homelab;
mod host;
mod inclusions;
mod labels;
mod left_out;
mod order;
mod properties;
mod swarm;

use super::*;
use crate::{
    find::find_stacks,
    model::{Container, ContainerKey},
    testing::{container, in_project},
};

/// The plan of these containers, with what the test says about rules.
fn plan_of(containers: Vec<Container>, volumes: &[Volume], exclude: &[&str]) -> Plan {
    let rules = PlanRules {
        exclude: exclude.iter().map(|text| text.parse().unwrap()).collect(),
        ..PlanRules::default()
    };
    plan(&find_stacks(containers), volumes, &rules)
}

/// The stack's plan, wherever it is.
fn stack<'a>(plan: &'a Plan, name: &str) -> &'a StackPlan {
    plan.groups
        .iter()
        .flat_map(|group| &group.stacks)
        .find(|stack| stack.name.as_str() == name)
        .unwrap()
}

/// The sources that are copied for a stack.
fn copied(plan: &Plan, name: &str) -> Vec<String> {
    stack(plan, name)
        .mounts
        .iter()
        .filter(|mount| mount.decision == MountDecision::Copy)
        .map(|mount| mount.mount.source.display().to_string())
        .collect()
}

/// The names of the containers to stop, group by group.
fn stops(plan: &Plan) -> Vec<Vec<&str>> {
    plan.groups
        .iter()
        .map(|group| group.stop_order.iter().map(|c| c.name.as_str()).collect())
        .collect()
}

fn in_network_of(mut container: Container, other: &str) -> Container {
    container.network_mode = Some(ContainerKey::new(other));
    container
}

fn with_mounts(mut container: Container, mounts: Vec<Mount>) -> Container {
    container.mounts = mounts;
    container
}

fn service(project: &str, service: &str) -> Container {
    in_project(
        container(&format!("{project}-{service}-1")),
        project,
        service,
    )
}
