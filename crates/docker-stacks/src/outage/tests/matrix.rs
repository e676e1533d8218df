//! Whatever happens at whichever call, over whatever stacks: what ran runs again (I1), and crashes in
//! recoveries are recovered (I11).

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use proptest::prelude::*;
use tokio::sync::Notify;

use super::*;
use crate::{
    engine::{EngineError, EngineInfo, EngineVersion, ExecCommand, ExecEnd},
    model::{ContainerId, Image, Network, Service, ServiceId, ServiceMode, Volume},
};

/// What happens at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// The engine refuses it.
    Refused,
    /// The engine is away from this call on, for so many of them.
    Away(usize),
    /// Somebody asks the run to end.
    Cancelled,
    /// The process ends before the engine hears of it.
    KilledBefore,
    /// The process ends before it hears of what the engine did.
    KilledAfter,
}

/// An engine at one of whose calls something happens.
#[derive(Debug)]
struct Faulty {
    engine: Arc<MemoryEngine>,
    calls: AtomicUsize,
    at: usize,
    fault: Fault,
    cancelled: Arc<Notify>,
    killed: Arc<Notify>,
}

impl Faulty {
    fn new(engine: &Arc<MemoryEngine>, at: usize, fault: Fault) -> Self {
        Self {
            engine: Arc::clone(engine),
            calls: AtomicUsize::new(0),
            at,
            fault,
            cancelled: Arc::default(),
            killed: Arc::default(),
        }
    }

    /// Makes the call, and has happen what is to happen.
    async fn call<T: Send>(
        &self,
        call: impl Future<Output = Result<T, EngineError>> + Send,
    ) -> Result<T, EngineError> {
        let due = self.calls.fetch_add(1, Ordering::Relaxed) == self.at;
        if !due {
            return call.await;
        }
        match self.fault {
            Fault::Refused => Err(EngineError::Refused {
                endpoint: "memory".into(),
                operation: "do anything".into(),
                status: 500,
                message: "as the test asked for".into(),
            }),
            Fault::Away(calls) => {
                self.engine.go_away_for(calls);
                call.await
            }
            Fault::Cancelled => {
                self.cancelled.notify_one();
                call.await
            }
            Fault::KilledBefore => {
                self.killed.notify_one();
                std::future::pending().await
            }
            Fault::KilledAfter => {
                // The call itself is not to be cut short: it is made, and nobody hears of it.
                let _ = call.await;
                self.killed.notify_one();
                std::future::pending().await
            }
        }
    }
}

#[async_trait]
impl Engine for Faulty {
    fn endpoint(&self) -> String {
        self.engine.endpoint()
    }

    async fn version(&self) -> Result<EngineVersion, EngineError> {
        self.call(self.engine.version()).await
    }

    async fn info(&self) -> Result<EngineInfo, EngineError> {
        self.call(self.engine.info()).await
    }

    async fn containers(&self) -> Result<Vec<Container>, EngineError> {
        self.call(self.engine.containers()).await
    }

    async fn container(&self, id: &ContainerId) -> Result<Container, EngineError> {
        self.call(self.engine.container(id)).await
    }

    async fn volumes(&self) -> Result<Vec<Volume>, EngineError> {
        self.call(self.engine.volumes()).await
    }

    async fn create_volume(&self, volume: &Volume) -> Result<Volume, EngineError> {
        self.call(self.engine.create_volume(volume)).await
    }

    async fn networks(&self) -> Result<Vec<Network>, EngineError> {
        self.call(self.engine.networks()).await
    }

    async fn images(&self) -> Result<Vec<Image>, EngineError> {
        self.call(self.engine.images()).await
    }

    async fn definition(&self, id: &ContainerId) -> Result<serde_json::Value, EngineError> {
        self.call(self.engine.definition(id)).await
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> Result<Stopped, EngineError> {
        self.call(self.engine.stop(id, grace)).await
    }

    async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.call(self.engine.start(id)).await
    }

    async fn pause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.call(self.engine.pause(id)).await
    }

    async fn unpause(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.call(self.engine.unpause(id)).await
    }

    async fn exec(&self, id: &ContainerId, command: &ExecCommand) -> Result<ExecEnd, EngineError> {
        self.call(self.engine.exec(id, command)).await
    }

    async fn services(&self) -> Result<Vec<Service>, EngineError> {
        self.call(self.engine.services()).await
    }

    async fn service(&self, id: &ServiceId) -> Result<Service, EngineError> {
        self.call(self.engine.service(id)).await
    }

    async fn halt_service(&self, id: &ServiceId, was: ServiceMode) -> Result<(), EngineError> {
        self.call(self.engine.halt_service(id, was)).await
    }

    async fn resume_service(&self, id: &ServiceId, was: ServiceMode) -> Result<(), EngineError> {
        self.call(self.engine.resume_service(id, was)).await
    }

    async fn archive(
        &self,
        id: &ContainerId,
        path: &Path,
    ) -> Result<BoxStream<'static, Result<Bytes, EngineError>>, EngineError> {
        self.call(self.engine.archive(id, path)).await
    }

    async fn starts(&self) -> Result<BoxStream<'static, ContainerId>, EngineError> {
        // Not counted: it is asked at the same time as the work, in no certain order.
        self.engine.starts().await
    }
}

/// A container among others, by their numbers.
#[derive(Debug, Clone)]
struct Drawn {
    project: usize,
    state: ContainerState,
    volumes: Vec<usize>,
    /// Counted backwards from itself, so that nobody lives in its own network.
    network_of: Option<usize>,
    depends_on: Vec<(usize, &'static str)>,
    auto_remove: bool,
    hook: bool,
    behaviour: Behaviour,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let state = prop_oneof![
        6 => Just(ContainerState::Running),
        1 => Just(ContainerState::Paused),
        1 => Just(ContainerState::Exited { code: 0 }),
        1 => Just(ContainerState::Exited { code: 1 }),
        1 => Just(ContainerState::Created),
    ];
    let condition = prop::sample::select(vec!["service_started", "service_healthy"]);
    let health = prop_oneof![
        3 => Just(HealthBehaviour::NoCheck),
        1 => (0..30_u32).prop_map(|after| HealthBehaviour::HealthyAfter(after * SECOND)),
    ];
    let behaviour = (0..12_000_u64, 0..3_u32, 0..3_u32, health, any::<bool>()).prop_map(
        |(stops_after, refused_starts, crashing_starts, health, ignores_stop)| Behaviour {
            ignores_stop,
            stops_after: Duration::from_millis(stops_after),
            refused_starts,
            // Together fewer than the attempts that are made.
            crashing_starts: crashing_starts.min(3 - refused_starts),
            crashes_after: SECOND,
            health,
            ..Behaviour::default()
        },
    );
    (
        0..3_usize,
        state,
        prop::collection::vec(0..4_usize, 0..3),
        prop::option::weighted(0.25, 1..4_usize),
        prop::collection::vec((0..9_usize, condition), 0..3),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.2),
        behaviour,
    )
        .prop_map(
            |(project, state, volumes, network_of, depends_on, auto_remove, hook, behaviour)| {
                Drawn {
                    project,
                    state,
                    volumes,
                    network_of,
                    depends_on,
                    auto_remove,
                    hook,
                    behaviour,
                }
            },
        )
}

/// Builds the engine that was drawn.
fn build(drawn: &[Drawn]) -> Arc<MemoryEngine> {
    let engine = MemoryEngine::new();
    let mut containers: Vec<Container> = Vec::new();
    for (number, what) in drawn.iter().enumerate() {
        let name = format!("c{number}");
        let mut new = in_project(container(&name), &format!("p{}", what.project), &name);
        new.state = what.state;
        new.auto_remove = what.auto_remove;
        new.mounts = what
            .volumes
            .iter()
            .map(|volume| bind(format!("/data/{volume}"), format!("/{volume}")))
            .collect();
        if let Some(other) = what.network_of.and_then(|back| number.checked_sub(back))
            // Nothing runs in the network of what does not.
            && containers[other].state.is_active()
        {
            new = in_network_of(new, &containers[other]);
        }
        let list: Vec<String> = what
            .depends_on
            .iter()
            .map(|(other, condition)| format!("c{other}:{condition}:false"))
            .collect();
        new = depending_on(new, &list.join(","));
        if what.hook {
            let key = "backup-window.exec-post".to_owned();
            new.labels.insert(key, "wipe".to_owned());
        }
        containers.push(new);
    }
    for (new, what) in containers.into_iter().zip(drawn) {
        engine.add(new, what.behaviour.clone());
    }
    Arc::new(engine)
}

/// All the outages of one night, group by group, on an engine at one of whose calls something
/// happens. Says whether the process lived to the end.
async fn night(engine: &Faulty, journal: &MemoryJournal, options: &OutageOptions) -> bool {
    let run = async {
        let Ok(containers) = engine.containers().await else {
            return;
        };
        let stacks = find_stacks(containers);
        let plan = plan(&stacks, &[], &PlanRules::default());
        for group in &plan.groups {
            let cancelled = engine.cancelled.notified();
            let work = sleep(SECOND);
            let report = outage(engine, journal, group, BEGUN_AT, options, cancelled, work).await;
            if report.work == WorkEnd::Cancelled {
                break;
            }
        }
    };
    tokio::select! {
        biased;
        () = engine.killed.notified() => false,
        () = run => true,
    }
}

/// What each container does, where restarting is running.
async fn running_set(engine: &MemoryEngine) -> Vec<(String, ContainerState)> {
    let all = engine.containers().await.unwrap();
    all.into_iter().map(|c| (c.name, c.state)).collect()
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::Refused),
        (1..20_usize).prop_map(Fault::Away),
        Just(Fault::Cancelled),
        Just(Fault::KilledBefore),
        Just(Fault::KilledAfter),
    ]
}

/// More cases, if `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig {
        cases: asked.cases.max(4096),
        ..asked
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_what_ran_runs_again(
        drawn in prop::collection::vec(drawn(), 1..9),
        at in 0..60_usize,
        fault in fault(),
        at_in_recovery in 0..40_usize,
        fault_in_recovery in fault(),
    ) {
        check(&drawn, at, fault, (at_in_recovery, fault_in_recovery));
    }
}

/// A paused container that lives in the network of one which crashes at its start, and so must be
/// restarted: met by hand because the dice meet it once in 400,000 times.
#[test]
fn who_is_cut_off_is_as_before_whichever_call_fails() {
    let drawn = |state, network_of, crashing_starts| Drawn {
        project: 0,
        state,
        volumes: vec![0],
        network_of,
        depends_on: Vec::new(),
        auto_remove: false,
        hook: false,
        behaviour: Behaviour {
            crashing_starts,
            crashes_after: SECOND,
            ..Behaviour::default()
        },
    };
    for state in [ContainerState::Paused, ContainerState::Running] {
        let two = [
            drawn(ContainerState::Running, None, 2),
            drawn(state, Some(1), 0),
        ];
        for at in 0..120 {
            for fault in [Fault::Refused, Fault::Away(3)] {
                check(&two, at, fault, (0, Fault::Refused));
            }
        }
    }
}

/// Has a fault happen at a call of a night, and if that ends the process, another one in the
/// recovery; then checks that everything is as before.
fn check(
    drawn: &[Drawn],
    at: usize,
    fault: Fault,
    (at_in_recovery, fault_in_recovery): (usize, Fault),
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let engine = build(drawn);
        let before = running_set(&engine).await;
        let journal = MemoryJournal::default();
        let options = OutageOptions::default();
        let faulty = Faulty::new(&engine, at, fault);
        let lived = night(&faulty, &journal, &options).await;
        if lived {
            assert_eq!(journal.record(), None, "something is still owed");
        } else {
            let faulty = Faulty::new(&engine, at_in_recovery, fault_in_recovery);
            tokio::select! {
                biased;
                () = faulty.killed.notified() => {}
                recovered = recover(&faulty, &journal, &options) => {
                    recovered.unwrap();
                }
            }
            recover(&*engine, &journal, &options).await.unwrap();
            assert_eq!(journal.record(), None, "something is still owed");
        }
        engine.go_away_for(0);
        // A stop that was under way when the process died has its time to end.
        sleep(60 * SECOND).await;
        assert_eq!(running_set(&engine).await, before);
        for (what, number) in drawn.iter().zip(0..) {
            let stopped =
                |call: &Call| matches!(call, Call::Stop(name, _) if *name == format!("c{number}"));
            let never = what.auto_remove || !what.state.is_active();
            assert!(!never || !engine.calls().iter().any(stopped), "c{number}");
        }
    });
}
