//! The contract of [`Engine`], as checks: each is an async function that panics if the engine
//! breaks it. They take the containers of a [`Fixture`] as they find them, and leave them running.

mod archives;
mod commands;
mod swarm;
mod workbench;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    engine::{Engine, EngineErrorKind, Stopped},
    model::{Container, ContainerId, ContainerState, Health, MountKind, Volume},
};

pub use archives::reads_archives;
use commands::says_a_word;
pub use commands::{exec_behaviour, runs_commands, tells_of_starts};
pub use swarm::{SwarmFixture, halts_and_resumes};
pub use workbench::{definition_of_obedient, makes_and_clears};

/// The names of the containers that an engine under test must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixture {
    /// One that runs, ends with code 0 on its stop signal, has no health check, and mounts
    /// [`volume`](Fixture::volume) writable.
    pub obedient: String,
    /// One that runs and takes no notice of its stop signal.
    pub stubborn: String,
    /// One that runs with a health check, and becomes healthy.
    pub checked: String,
    /// One that ended by itself, with code 3.
    pub ended: String,
    /// A volume of the `local` driver.
    pub volume: String,
    /// How long the checked container may take to become healthy.
    pub healthy_within: Duration,
}

/// Runs every check, one after the other.
///
/// # Panics
///
/// If one fails.
pub async fn all(engine: &dyn Engine, fixture: &Fixture) {
    says_who_it_is(engine).await;
    lists_everything(engine, fixture).await;
    lists_volumes(engine, fixture).await;
    creates_volumes(engine).await;
    lists_networks_and_images(engine).await;
    defines_its_containers(engine, fixture).await;
    knows_what_it_does_not_know(engine).await;
    stops_and_starts(engine, fixture).await;
    kills_after_the_grace_time(engine, fixture).await;
    pauses_and_goes_on(engine, fixture).await;
    tells_health(engine, fixture).await;
    runs_commands(engine, fixture).await;
    reads_archives(engine, fixture).await;
    tells_of_starts(engine, fixture).await;
}

/// The version names a release and an API.
///
/// # Panics
///
/// If it does not.
pub async fn says_who_it_is(engine: &dyn Engine) {
    let version = engine.version().await.expect("the engine answers");
    assert!(!version.version.is_empty(), "{version:?}");
    let (major, minor) = version
        .api_version
        .split_once('.')
        .expect("an API version has two parts");
    assert!(major.parse::<u32>().is_ok() && minor.parse::<u32>().is_ok());
    assert!(!engine.endpoint().is_empty());
    let info = engine.info().await.expect("the engine says what it is");
    assert!(info.root.is_none_or(|root| root.is_absolute()));
}

/// The list has containers that run and containers that do not, by name, as they are alone.
///
/// # Panics
///
/// If it has not.
pub async fn lists_everything(engine: &dyn Engine, fixture: &Fixture) {
    let all = engine.containers().await.expect("the engine lists");
    let names: Vec<&str> = all.iter().map(|c| c.name.as_str()).collect();
    assert!(names.is_sorted(), "not ordered by name: {names:?}");
    for name in [
        &fixture.obedient,
        &fixture.stubborn,
        &fixture.checked,
        &fixture.ended,
    ] {
        assert!(names.contains(&name.as_str()), "{name} not in {names:?}");
    }
    let ended = find(engine, &fixture.ended).await;
    assert_eq!(ended.state, ContainerState::Exited { code: 3 });

    let obedient = find(engine, &fixture.obedient).await;
    let alone = engine
        .container(&obedient.id)
        .await
        .expect("what was listed is found");
    assert_eq!(alone, obedient);
    assert!(obedient.started_at.is_some());
    assert!(!obedient.has_health_check);
    assert_eq!(obedient.health, None);
    let mounted = obedient.mounts.iter().any(|mount| {
        matches!(&mount.kind, MountKind::Volume { name, .. } if *name == fixture.volume)
            && !mount.read_only
    });
    assert!(mounted, "{:?}", obedient.mounts);
}

/// A volume is created with its labels, is listed then, and is not made anew by a second call.
///
/// # Panics
///
/// If it is not.
pub async fn creates_volumes(engine: &dyn Engine) {
    let mut wanted = Volume::local("backup_window_conformance", "/nowhere");
    wanted.labels.insert("made-by".into(), "a test".into());
    let made = engine.create_volume(&wanted).await.expect("it is made");
    assert_eq!((&made.name, &made.labels), (&wanted.name, &wanted.labels));
    let listed = engine.volumes().await.expect("the engine lists");
    assert!(listed.contains(&made), "{made:?} not in {listed:?}");
    wanted.labels.clear();
    let again = engine.create_volume(&wanted).await.expect("it is there");
    assert_eq!(again, made);
}

/// The volume is listed with where it is.
///
/// # Panics
///
/// If it is not.
pub async fn lists_volumes(engine: &dyn Engine, fixture: &Fixture) {
    let volumes = engine.volumes().await.expect("the engine lists");
    assert!(volumes.is_sorted_by_key(|volume| volume.name.as_str()));
    let volume = volumes
        .iter()
        .find(|volume| volume.name == fixture.volume)
        .expect("the volume is listed");
    assert_eq!(volume.driver, "local");
    assert!(volume.mount_point.is_absolute(), "{volume:?}");
}

/// Networks are listed by name, images by identifier, each with something to know it by.
///
/// # Panics
///
/// If not so.
pub async fn lists_networks_and_images(engine: &dyn Engine) {
    let networks = engine.networks().await.expect("the engine lists");
    assert!(networks.is_sorted_by_key(|network| network.name.as_str()));
    assert!(networks.iter().all(|network| !network.name.is_empty()));
    let images = engine.images().await.expect("the engine lists");
    assert!(images.is_sorted_by_key(|image| image.id.as_str()));
    assert!(images.iter().all(|image| !image.id.is_empty()));
}

/// A container's definition is an object that has at least its identifier in it.
///
/// # Panics
///
/// If not so.
pub async fn defines_its_containers(engine: &dyn Engine, fixture: &Fixture) {
    let id = find(engine, &fixture.obedient).await.id;
    let definition = engine.definition(&id).await.expect("it is there");
    assert!(definition.is_object(), "{definition}");
    assert!(definition.to_string().contains(id.as_str()), "{definition}");
}

/// What does not exist is not found, by any call.
///
/// # Panics
///
/// If something else is said.
pub async fn knows_what_it_does_not_know(engine: &dyn Engine) {
    let nobody = ContainerId::new("f".repeat(64));
    let kinds = [
        engine.container(&nobody).await.map(drop),
        engine.definition(&nobody).await.map(drop),
        engine.stop(&nobody, Duration::ZERO).await.map(drop),
        engine.start(&nobody).await,
        engine.pause(&nobody).await,
        engine.unpause(&nobody).await,
        engine.exec(&nobody, &says_a_word()).await.map(drop),
    ]
    .map(|answer| answer.expect_err("nobody is there").kind());
    assert_eq!(kinds, [EngineErrorKind::NotFound; 7]);
}

/// A stop ends a container, a start starts it, and either does nothing when it is done already.
///
/// # Panics
///
/// If not so.
pub async fn stops_and_starts(engine: &dyn Engine, fixture: &Fixture) {
    let before = find(engine, &fixture.obedient).await;
    let id = &before.id;
    let grace = Duration::from_secs(10);
    assert_eq!(
        engine.stop(id, grace).await.expect("it can be stopped"),
        Stopped::Clean { exit_code: 0 }
    );
    assert_eq!(state(engine, id).await, ContainerState::Exited { code: 0 });
    assert_eq!(
        engine.stop(id, grace).await.expect("that is no error"),
        Stopped::AlreadyStopped
    );

    engine.start(id).await.expect("it can be started");
    let after = engine.container(id).await.expect("it is there");
    assert_eq!(after.state, ContainerState::Running);
    assert!(after.started_at >= before.started_at);
    engine.start(id).await.expect("that is no error");
    let again = engine.container(id).await.expect("it is there");
    assert_eq!(again.started_at, after.started_at, "it was started twice");
}

/// What takes no notice of its stop signal is killed after its grace time, not before.
///
/// # Panics
///
/// If it is not.
pub async fn kills_after_the_grace_time(engine: &dyn Engine, fixture: &Fixture) {
    let id = find(engine, &fixture.stubborn).await.id;
    let grace = Duration::from_secs(1);
    let begun = Instant::now();
    assert_eq!(
        engine.stop(&id, grace).await.expect("it can be stopped"),
        Stopped::Killed
    );
    assert!(begun.elapsed() >= grace);
    assert_eq!(
        state(engine, &id).await,
        ContainerState::Exited { code: 137 }
    );
    engine.start(&id).await.expect("it can be started");
}

/// A pause freezes, an unpause ends it, and neither can be done twice.
///
/// # Panics
///
/// If not so.
pub async fn pauses_and_goes_on(engine: &dyn Engine, fixture: &Fixture) {
    let id = find(engine, &fixture.obedient).await.id;
    engine.pause(&id).await.expect("it can be paused");
    assert_eq!(state(engine, &id).await, ContainerState::Paused);
    let twice = engine.pause(&id).await.expect_err("it is paused");
    assert_eq!(twice.kind(), EngineErrorKind::Refused);
    engine.unpause(&id).await.expect("it can go on");
    assert_eq!(state(engine, &id).await, ContainerState::Running);
    let twice = engine.unpause(&id).await.expect_err("it runs");
    assert_eq!(twice.kind(), EngineErrorKind::Refused);
}

/// A container with a health check becomes healthy, and is not yet so right after a start.
///
/// # Panics
///
/// If not so.
pub async fn tells_health(engine: &dyn Engine, fixture: &Fixture) {
    let id = find(engine, &fixture.checked).await.id;
    becomes_healthy(engine, &id, fixture).await;
    engine
        .stop(&id, Duration::from_secs(10))
        .await
        .expect("it can be stopped");
    engine.start(&id).await.expect("it can be started");
    let right_after = engine.container(&id).await.expect("it is there");
    assert!(right_after.has_health_check);
    assert_eq!(right_after.health, Some(Health::Starting));
    becomes_healthy(engine, &id, fixture).await;
}

async fn becomes_healthy(engine: &dyn Engine, id: &ContainerId, fixture: &Fixture) {
    let begun = Instant::now();
    loop {
        let health = engine.container(id).await.expect("it is there").health;
        if health == Some(Health::Healthy) {
            return;
        }
        assert!(
            begun.elapsed() < fixture.healthy_within,
            "still {health:?} after {:?}",
            begun.elapsed()
        );
        sleep(Duration::from_millis(100)).await;
    }
}

async fn find(engine: &dyn Engine, name: &str) -> Container {
    engine
        .containers()
        .await
        .expect("the engine lists")
        .into_iter()
        .find(|container| container.name == name)
        .expect("the fixture has it")
}

async fn state(engine: &dyn Engine, id: &ContainerId) -> ContainerState {
    engine.container(id).await.expect("it is there").state
}
