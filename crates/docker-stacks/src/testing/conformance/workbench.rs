//! Copies of containers, made, tried and taken away.

use std::{collections::BTreeMap, time::Duration};

use super::{Fixture, find, state};
use crate::{
    engine::{Blueprint, Mark, Placement, ThrowAwayMount, Workbench},
    model::ContainerState,
    plan::{PlanRules, StackDecision, plan},
};

/// A copy of a container is made, runs, and goes again without a trace; nothing else goes with it,
/// and nobody takes it for a stack. The engine's definitions must be what Docker's are.
///
/// # Panics
///
/// If not so.
pub async fn makes_and_clears(engine: &dyn Workbench, definition: &serde_json::Value) {
    let before = everything(engine).await;
    let blueprint = Blueprint::read(definition).expect("it is a definition");
    let (mark, other) = (Mark::new("conformance.1"), Mark::new("conformance.2"));

    let volume = engine.make_volume(&mark, &mark.name("data")).await;
    let volume = volume.expect("a volume can be made");
    assert!(volume.mount_point.is_absolute(), "{volume:?}");
    let network = mark.name("net");
    let made = engine.make_network(&mark, &network).await;
    made.expect("a network can be made");
    let networks = engine.networks().await.expect("the engine lists");
    let inside = networks.iter().find(|known| known.name == network);
    assert!(inside.expect("it is there").internal);
    let kept = engine.make_volume(&other, &other.name("data")).await;
    let kept = kept.expect("another drill's can be made beside it");

    let mut placement = Placement::new(mark.name("copy"), 64 << 20);
    placement.networks = BTreeMap::from([("any".to_owned(), network)]);
    let mounts = blueprint.container().mounts.iter();
    placement.mounts = mounts
        .map(|mount| {
            let by = ThrowAwayMount::Volume {
                name: volume.name.clone(),
                is_filled: false,
            };
            (mount.destination.clone(), by)
        })
        .collect();
    let id = engine
        .make_container(&mark, &blueprint.replica(&placement))
        .await
        .expect("a copy can be made");
    assert_eq!(state(engine, &id).await, ContainerState::Created);
    engine.start(&id).await.expect("it can be started");
    let running = engine.container(&id).await.expect("it is there");
    assert_eq!(running.state, ContainerState::Running);
    let stacks = crate::find::find_stacks(vec![running]);
    let planned = plan(&stacks, &[], &PlanRules::default());
    let decisions = planned.groups.iter().flat_map(|group| &group.stacks);
    assert!(
        decisions
            .map(|stack| stack.decision)
            .all(|decision| decision == StackDecision::LeaveAlone)
    );

    let nothing = engine.clear(Some(&Mark::new("conformance"))).await;
    assert!(nothing.expect("that is no error").is_nothing());
    let cleared = engine.clear(Some(&mark)).await.expect("it can go");
    assert_eq!(cleared.containers, [mark.name("copy")]);
    assert_eq!(cleared.networks, [mark.name("net")]);
    assert_eq!(cleared.volumes, [mark.name("data")]);
    let volumes = engine.volumes().await.expect("the engine lists");
    assert!(volumes.iter().any(|volume| volume.name == kept.name));
    let cleared = engine.clear(None).await.expect("all can go");
    assert_eq!(cleared.volumes, [other.name("data")]);
    assert_eq!(everything(engine).await, before);
}

/// The definition of the obedient container, as the engine says it.
///
/// # Panics
///
/// If there is none.
pub async fn definition_of_obedient(
    engine: &dyn Workbench,
    fixture: &Fixture,
) -> serde_json::Value {
    let id = find(engine, &fixture.obedient).await.id;
    let definition = tokio::time::timeout(Duration::from_mins(1), engine.definition(&id)).await;
    definition
        .expect("it answers in time")
        .expect("it is there")
}

async fn everything(engine: &dyn Workbench) -> Vec<String> {
    let containers = engine.containers().await.expect("the engine lists");
    let volumes = engine.volumes().await.expect("the engine lists");
    let networks = engine.networks().await.expect("the engine lists");
    let names = containers.into_iter().map(|container| container.name);
    names
        .chain(volumes.into_iter().map(|volume| volume.name))
        .chain(networks.into_iter().map(|network| network.name))
        .collect()
}
