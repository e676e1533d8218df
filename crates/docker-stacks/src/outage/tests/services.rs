//! Services are halted, and have back what they had.

use super::*;
use crate::{
    find::find_stacks_in_swarm,
    journal::Journal,
    model::{Service, ServiceMode},
    testing::{ServiceBehaviour, in_stack, mounting, service},
};

const TWO: ServiceMode = ServiceMode::Replicated { replicas: 2 };

/// A stack of three services, one of them scaled to 0, that shares its folder with a container.
struct Swarm {
    lab: Lab,
}

impl Swarm {
    fn new() -> Self {
        let lab = Lab {
            engine: Arc::new(MemoryEngine::new()),
            journal: MemoryJournal::default(),
            options: OutageOptions::default(),
        };
        lab.add("a", ContainerState::Running, Behaviour::default());
        let swarm = Self { lab };
        for (name, mode) in [
            ("mon_agent", ServiceMode::Global),
            ("mon_off", ServiceMode::Replicated { replicas: 0 }),
            ("mon_prom", TWO),
        ] {
            let service = mounting(service(name, mode), &bind("/data/a", "/data"));
            let behaviour = ServiceBehaviour {
                ends_after: 2 * SECOND,
                runs_after: SECOND,
                ..ServiceBehaviour::default()
            };
            let service = in_stack(service, "mon");
            swarm.lab.engine.add_service(service, behaviour);
        }
        swarm
    }

    async fn group(&self) -> GroupPlan {
        let containers = self.lab.engine.containers().await.unwrap();
        let services = self.lab.engine.services().await.unwrap();
        let stacks = find_stacks_in_swarm(containers, services);
        let mut plan = plan(&stacks, &[], &PlanRules::default());
        assert_eq!(plan.groups.len(), 1);
        plan.groups.remove(0)
    }

    async fn outage<T>(&self, work: impl Future<Output = T>) -> OutageReport<T> {
        self.outage_until(pending(), work).await
    }

    async fn outage_until<T>(
        &self,
        cancelled: impl Future<Output = ()>,
        work: impl Future<Output = T>,
    ) -> OutageReport<T> {
        let group = self.group().await;
        let lab = &self.lab;
        outage(
            &*lab.engine,
            &lab.journal,
            &group,
            BEGUN_AT,
            &lab.options,
            cancelled,
            work,
        )
        .await
    }

    async fn recover(&self) -> Option<RecoveryReport> {
        let lab = &self.lab;
        recover(&*lab.engine, &lab.journal, &lab.options)
            .await
            .unwrap()
    }

    async fn services(&self) -> Vec<Service> {
        self.lab.engine.services().await.unwrap()
    }

    /// Specifications, and how many tasks run.
    async fn fared(&self) -> Vec<(crate::model::ServiceSpec, usize)> {
        let services = self.services().await;
        services
            .into_iter()
            .map(|service| (service.spec.clone(), service.running().count()))
            .collect()
    }

    async fn tasks(&self) -> Vec<usize> {
        let services = self.services().await;
        services.iter().map(|service| service.tasks.len()).collect()
    }

    fn behave(&self, name: &str, behaviour: &ServiceBehaviour) {
        self.lab.engine.service_behaves(name, behaviour);
    }

    /// The services that the journal still names.
    fn owed(&self) -> Vec<String> {
        let record = self.lab.journal.record();
        let services = record.map(|record| record.services).unwrap_or_default();
        services.into_iter().map(|s| s.service.name).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn services_go_first_and_come_back_with_the_containers() {
    let swarm = Swarm::new();
    let before = swarm.fared().await;
    assert_eq!(
        before.iter().map(|(_, n)| *n).collect::<Vec<_>>(),
        [1, 0, 2]
    );
    let report = swarm
        .outage(async {
            assert_eq!(swarm.tasks().await, [0, 0, 0]);
            swarm.lab.journal.record().unwrap().services.len()
        })
        .await;
    assert_eq!(report.work, WorkEnd::Finished(2));
    assert!(report.everything_runs(), "{report:#?}");
    assert_eq!(
        swarm.lab.calls(),
        "-mon_agent -mon_prom -a +mon_agent +mon_prom +a"
    );
    assert_eq!(swarm.fared().await, before);
    assert_eq!(swarm.lab.journal.record(), None);
    let prom = &report.services[1];
    assert_eq!((prom.was, &prom.halt), (TWO, &HaltEnd::Ended));
    assert_eq!(prom.start, StartEnd::Running);
    assert!(!prom.disturbed && prom.downtime.unwrap() <= report.outage);
}

#[tokio::test(start_paused = true)]
async fn what_a_service_could_not_do_in_time_is_said() {
    let swarm = Swarm::new();
    let slow = ServiceBehaviour {
        ends_after: 12 * SECOND,
        ..ServiceBehaviour::default()
    };
    swarm.behave("mon_prom", &slow);
    let report = swarm.outage(async {}).await;
    assert_eq!(report.work, WorkEnd::Finished(()));
    assert_eq!(report.services[1].halt, HaltEnd::MayBeKilled);

    let stuck = ServiceBehaviour {
        ends_after: 600 * SECOND,
        ..ServiceBehaviour::default()
    };
    swarm.behave("mon_prom", &stuck);
    let report = swarm.outage(async { unreachable!() }).await;
    let WorkEnd::<()>::NotRun { why } = &report.work else {
        panic!("{report:?}")
    };
    insta::assert_snapshot!(why, @"service mon_prom: 2 of its tasks have not ended 45 s after it was halted");
    assert!(report.everything_runs(), "{report:#?}");
    assert_eq!(
        swarm.lab.calls().matches("-a").count(),
        1,
        "a was not stopped again"
    );
}

#[tokio::test(start_paused = true)]
async fn tasks_that_do_not_come_back_are_reported_and_left_to_the_swarm() {
    let swarm = Swarm::new();
    let failing = ServiceBehaviour {
        failing_resumes: 1,
        ..ServiceBehaviour::default()
    };
    swarm.behave("mon_prom", &failing);
    let report = swarm.outage(async {}).await;
    let missing = &report.not_running[0];
    insta::assert_snapshot!(
        format!("{}: {} ({})", missing.what.name(), missing.why, missing.what.look_at()),
        @"mon_prom: 0 of 2 tasks run 120 s after it was resumed: task: non-zero exit (1) (docker service ps --no-trunc mon_prom)"
    );
    assert_eq!(report.not_running.len(), 1);
    assert_eq!(
        swarm.owed(),
        Vec::<String>::new(),
        "it has its replicas back"
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_resumed_stays_owed_until_it_is() {
    let swarm = Swarm::new();
    let before = swarm.fared().await;
    let refusing = ServiceBehaviour {
        refused_changes: 7,
        ..ServiceBehaviour::default()
    };
    let report = swarm
        .outage(async { swarm.behave("mon_prom", &refusing) })
        .await;
    assert_eq!(report.not_running.len(), 1);
    assert_eq!(swarm.owed(), ["mon_prom"]);
    let recovered = swarm.recover().await.unwrap();
    assert_eq!(recovered.not_running, []);
    assert_eq!(swarm.fared().await, before);
    assert_eq!(swarm.lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn a_halt_that_is_refused_or_wrong_ends_the_outage() {
    let swarm = Swarm::new();
    let before = swarm.fared().await;
    let refusing = ServiceBehaviour {
        refused_changes: 1,
        ..ServiceBehaviour::default()
    };
    swarm.behave("mon_prom", &refusing);
    let report = swarm.outage(async { unreachable!() }).await;
    assert!(matches!(report.work, WorkEnd::<()>::NotRun { .. }));
    assert!(report.everything_runs(), "{report:#?}");
    assert_eq!(swarm.fared().await, before);
    assert_eq!(swarm.lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_outage_resumes_when_the_old_tasks_have_ended() {
    let swarm = Swarm::new();
    let before = swarm.fared().await;
    let report = swarm
        .outage_until(sleep(SECOND), async { unreachable!() })
        .await;
    assert_eq!(report.work, WorkEnd::<()>::Cancelled);
    assert!(report.everything_runs(), "{report:#?}");
    assert_eq!(swarm.fared().await, before);
    assert_eq!(
        swarm.lab.calls(),
        "-mon_agent -mon_prom +mon_agent +mon_prom",
        "and a was never stopped"
    );
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_does_meanwhile_is_kept_and_said() {
    let swarm = Swarm::new();
    let report = swarm
        .outage(async {
            swarm.lab.engine.edit_service("mon_prom", |spec| {
                spec["Mode"]["Replicated"]["Replicas"] = 1.into();
            });
            swarm.lab.engine.remove_service("mon_agent");
            sleep(5 * SECOND).await;
        })
        .await;
    assert!(report.services[1].disturbed);
    assert_eq!(report.services[1].start, StartEnd::Running);
    assert_eq!(report.services[0].start, StartEnd::Gone);
    assert_eq!(report.not_running.len(), 1);
    let now: Vec<_> = swarm.services().await.iter().map(|s| s.mode).collect();
    let replicas = |replicas| ServiceMode::Replicated { replicas };
    assert_eq!(now, [replicas(0), replicas(1)]);
    assert_eq!(swarm.lab.journal.record(), None);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_is_waited_for() {
    let swarm = Swarm::new();
    let before = swarm.fared().await;
    let report = swarm
        .outage(async { swarm.lab.engine.go_away_for(40) })
        .await;
    assert!(report.everything_runs(), "{report:#?}");
    assert_eq!(swarm.fared().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_was_deployed_again_is_found_by_its_name() {
    let swarm = Swarm::new();
    let mut record = None;
    let report = swarm
        .outage(async { record = swarm.lab.journal.record() })
        .await;
    assert!(report.everything_runs(), "{report:#?}");
    let mut record = record.unwrap();
    record.services[1].service.id = crate::model::ServiceId::new("gone");
    swarm.lab.journal.write(&record).await.unwrap();
    let recovered = swarm.recover().await.unwrap();
    assert_eq!(recovered.not_running, []);
    let now = &swarm.services().await[2];
    assert_eq!(recovered.services[1].service, now.to_ref());
}

proptest::proptest! {
    /// Kill the process at any time, in any mood of the engine: one recovery, and all is as before.
    #[test]
    fn whenever_it_dies_the_services_are_what_they_were(
        alive_ms in 0..40_000_u64,
        latency_ms in 0..800_u64,
        ends_after_ms in 0..12_000_u64,
        away in 0..12_usize,
        work_ms in 0..20_000_u64,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let millis = Duration::from_millis;
            let swarm = Swarm::new();
            let before = swarm.fared().await;
            let behaviour = ServiceBehaviour {
                ends_after: millis(ends_after_ms),
                runs_after: SECOND,
                ..ServiceBehaviour::default()
            };
            swarm.behave("mon_prom", &behaviour);
            let group = swarm.group().await;
            let lab = &swarm.lab;
            lab.engine.set_latency(millis(latency_ms));
            let outage = outage(
                &*lab.engine,
                &lab.journal,
                &group,
                BEGUN_AT,
                &lab.options,
                pending(),
                sleep(millis(work_ms)),
            );
            let died = tokio::time::timeout(millis(alive_ms), outage).await.is_err();
            lab.engine.go_away_for(away);
            let recovered = swarm.recover().await;
            if !lab.engine.calls().is_empty() && died {
                assert!(recovered.is_some());
            }
            sleep(60 * SECOND).await;
            lab.engine.set_latency(Duration::ZERO);
            lab.engine.go_away_for(0);
            assert_eq!(swarm.fared().await, before);
            assert_eq!(lab.engine.state_of("a"), Some(ContainerState::Running));
            assert_eq!(lab.journal.record(), None);
        });
    }
}
