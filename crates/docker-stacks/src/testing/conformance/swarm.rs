//! What engines that manage a swarm must keep besides.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    engine::{Engine, EngineErrorKind},
    model::{Service, ServiceId, ServiceMode},
};

/// The services that an engine under test must have to be one that manages a swarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwarmFixture {
    /// One with two replicas, of which both run.
    pub replicated: String,
    /// A global one, of which a task runs.
    pub global: String,
    /// One that is scaled to 0.
    pub none: String,
    /// How long a service may take to do what it is to do.
    pub within: Duration,
}

/// Services are listed by name, halted, and resumed to just what they were.
///
/// # Panics
///
/// If not so.
pub async fn halts_and_resumes(engine: &dyn Engine, fixture: &SwarmFixture) {
    let nobody = ServiceId::new("f".repeat(25));
    let was = ServiceMode::Replicated { replicas: 1 };
    let kinds = [
        engine.service(&nobody).await.map(drop),
        engine.halt_service(&nobody, was).await,
        engine.resume_service(&nobody, was).await,
    ]
    .map(|answer| answer.expect_err("nobody is there").kind());
    assert_eq!(kinds, [EngineErrorKind::NotFound; 3]);

    let all = engine.services().await.expect("the engine lists");
    assert!(all.is_sorted_by_key(|service| service.name.as_str()));
    for (name, mode, tasks) in [
        (
            &fixture.replicated,
            ServiceMode::Replicated { replicas: 2 },
            2,
        ),
        (&fixture.global, ServiceMode::Global, 1),
    ] {
        let before = named(&all, name);
        assert_eq!(before.mode, mode);
        runs(engine, &before.id, tasks, fixture).await;

        engine
            .halt_service(&before.id, mode)
            .await
            .expect("it can be halted");
        let again = engine.halt_service(&before.id, mode).await;
        again.expect("that is no error");
        let halted = runs(engine, &before.id, 0, fixture).await;
        assert!(halted.is_halted(), "{halted:?}");

        engine
            .resume_service(&before.id, mode)
            .await
            .expect("it can be resumed");
        let again = engine.resume_service(&before.id, mode).await;
        again.expect("that is no error");
        let after = runs(engine, &before.id, tasks, fixture).await;
        assert!(!after.is_halted());
        assert_eq!(after.spec, before.spec, "something else was changed");
    }
    let replicated = named(&all, &fixture.replicated);
    let other = ServiceMode::Replicated { replicas: 3 };
    let wrong = engine.halt_service(&replicated.id, other).await;
    let wrong = wrong.expect_err("it has two replicas").kind();
    assert_eq!(wrong, EngineErrorKind::Refused);
    runs(engine, &replicated.id, 2, fixture).await;
    let none = named(&all, &fixture.none);
    assert!(none.is_halted() && none.tasks.is_empty(), "{none:?}");
}

/// Waits until so many tasks of a service run, and no other has not ended.
async fn runs(
    engine: &dyn Engine,
    id: &ServiceId,
    tasks: usize,
    fixture: &SwarmFixture,
) -> Service {
    let begun = Instant::now();
    loop {
        let service = engine.service(id).await.expect("it is there");
        if service.running().count() == tasks && service.tasks.len() == tasks {
            return service;
        }
        assert!(begun.elapsed() < fixture.within, "still {service:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

fn named<'a>(services: &'a [Service], name: &str) -> &'a Service {
    let mut services = services.iter();
    let found = services.find(|service| service.name == name);
    found.expect("the fixture has it")
}
