use super::*;
use crate::testing::{conformance, container, service, volume};
use crate::{engine::Engine, model::ServiceMode};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_engine_in_memory_keeps_the_contract() {
    let engine = MemoryEngine::new();
    let data = Volume::local("data", "/v/data");
    engine.add_volume(data.clone());
    let mut obedient = container("obedient");
    obedient.mounts = vec![volume(&data, "/data")];
    engine.add(obedient, Behaviour::default());
    engine.add(
        container("stubborn"),
        Behaviour {
            ignores_stop: true,
            ..Behaviour::default()
        },
    );
    engine.add(
        container("checked"),
        Behaviour {
            health: HealthBehaviour::HealthyAfter(SECOND),
            ..Behaviour::default()
        },
    );
    let mut ended = container("ended");
    ended.state = ContainerState::Exited { code: 3 };
    engine.add(ended, Behaviour::default());
    let fixture = conformance::Fixture {
        obedient: "obedient".into(),
        stubborn: "stubborn".into(),
        checked: "checked".into(),
        ended: "ended".into(),
        volume: "data".into(),
        healthy_within: 5 * SECOND,
    };
    engine.on_exec(conformance::exec_behaviour);
    conformance::all(&engine, &fixture).await;
}

#[tokio::test(start_paused = true)]
async fn the_swarm_in_memory_keeps_the_contract() {
    let engine = MemoryEngine::new();
    let replicas = |replicas| ServiceMode::Replicated { replicas };
    for (name, mode) in [
        ("web", replicas(2)),
        ("agent", ServiceMode::Global),
        ("off", replicas(0)),
    ] {
        let behaviour = ServiceBehaviour {
            ends_after: 2 * SECOND,
            runs_after: SECOND,
            ..ServiceBehaviour::default()
        };
        engine.add_service(service(name, mode), behaviour);
    }
    let fixture = conformance::SwarmFixture {
        replicated: "web".into(),
        global: "agent".into(),
        none: "off".into(),
        within: 5 * SECOND,
    };
    conformance::halts_and_resumes(&engine, &fixture).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_goes_on_without_its_caller() {
    let engine = MemoryEngine::new();
    let behaviour = Behaviour {
        stops_after: 3 * SECOND,
        ..Behaviour::default()
    };
    engine.add(container("db"), behaviour);
    let id = engine.containers().await.unwrap()[0].id.clone();
    let given_up = tokio::time::timeout(SECOND, engine.stop(&id, 10 * SECOND)).await;
    assert!(given_up.is_err());
    engine.start(&id).await.unwrap();
    assert_eq!(engine.state_of("db"), Some(ContainerState::Running));
    sleep(3 * SECOND).await;
    assert_eq!(
        engine.state_of("db"),
        Some(ContainerState::Exited { code: 0 })
    );
}

#[tokio::test(start_paused = true)]
async fn latency_and_absence_are_as_asked() {
    let engine = MemoryEngine::new();
    engine.add(container("a"), Behaviour::default());
    engine.set_latency(2 * SECOND);
    engine.go_away_for(1);
    let begun = Instant::now();
    assert!(engine.containers().await.unwrap_err().is_away());
    assert_eq!(engine.containers().await.unwrap().len(), 1);
    assert_eq!(begun.elapsed(), 4 * SECOND);
    engine.set_inspection_latency(SECOND);
    engine.containers().await.unwrap();
    assert_eq!(begun.elapsed(), 7 * SECOND);
    assert_eq!(engine.requests(), 3 + 2);
}

#[tokio::test(start_paused = true)]
async fn the_workbench_in_memory_keeps_the_contract() {
    let engine = MemoryEngine::new();
    engine.add_image(Image::new("sha256:00"));
    engine.add(container("obedient"), Behaviour::default());
    let definition = serde_json::json!({
        "Id": "1f2e", "Name": "/obedient", "Image": "sha256:00", "State": { "Status": "running" },
        "Mounts": [{ "Type": "volume", "Name": "data", "Source": "/v/data", "Destination": "/data" }],
    });
    conformance::makes_and_clears(&engine, &definition).await;
    let mut unknown = definition;
    unknown["Image"] = "sha256:ff".into();
    let blueprint = crate::Blueprint::read(&unknown).unwrap();
    let mark = crate::Mark::new("1");
    let replica = blueprint.replica(&crate::Placement::new(mark.name("x"), 1));
    let refused = crate::Workbench::make_container(&engine, &mark, &replica).await;
    let kind = refused.unwrap_err().kind();
    assert_eq!(kind, crate::EngineErrorKind::NotFound, "nothing is pulled");
}
