//! `docker-stacks` on a real swarm of one node: the lab's own `dockerd`, as a manager.
//!
//! The services have the network of the host: what is tested is not the swarm's networks, and an
//! overlay network asks more of a kernel than containers do.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs;
use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use bollard::models::SwarmInitRequest;
use docker_stacks::testing::conformance::{self, SwarmFixture};
use docker_stacks::{
    BollardEngine, Engine, FileJournal, GroupPlan, HaltEnd, Journal, Missing, OutageOptions,
    OutageReport, Plan, PlanRules, Service, ServiceDecision, ServiceMode, StackDecision, StartEnd,
    SwarmRole, WorkEnd, find_stacks_in_swarm, outage, plan, recover,
};
use jiff::Timestamp;
use lab::docker::{BUSYBOX_IMAGE, PrivateDocker};
use lab::isolation::{isolated, scratch};
use serde_json::json;
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// How long the swarm may take to do what it is told.
const WITHIN: Duration = Duration::from_mins(1);

/// Writes on and on, and ends with code 0 on SIGTERM.
const WRITER: &str = "trap 'echo stopped >> /data/log; exit 0' TERM; \
                      while :; do echo x >> /data/$HOSTNAME; sleep 0.1; done";

/// Ends at once on SIGTERM.
const OBEDIENT: &str = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done";

/// A swarm with a stack of four services: `mon_prom` with 2 replicas and a volume, `mon_agent` on
/// every node, `mon_off` with no replicas, and `mon_check` with a health check.
struct Lab {
    docker: PrivateDocker,
    dir: PathBuf,
}

impl Lab {
    async fn start() -> Self {
        let dir = scratch().unwrap();
        let docker = PrivateDocker::start(&dir.join("docker")).await.unwrap();
        docker.import_busybox().await.unwrap();
        let lab = Self { docker, dir };
        let swarm = SwarmInitRequest {
            listen_addr: Some("127.0.0.1:2377".to_owned()),
            advertise_addr: Some("127.0.0.1".to_owned()),
            ..SwarmInitRequest::default()
        };
        lab.client().init_swarm(swarm).await.unwrap();
        let replicas = |replicas: u64| json!({"Replicated": {"Replicas": replicas}});
        let check = json!({"Test": ["CMD", "test", "-d", "/data"], "Interval": 1_000_000_000});
        lab.deploy("prom", &replicas(2), WRITER, &json!({})).await;
        lab.deploy("agent", &json!({"Global": {}}), OBEDIENT, &json!({}))
            .await;
        lab.deploy("off", &replicas(0), OBEDIENT, &json!({})).await;
        lab.deploy("check", &replicas(1), OBEDIENT, &check).await;
        for (name, tasks) in [("prom", 2), ("agent", 1), ("check", 1)] {
            lab.runs(name, tasks).await;
        }
        lab
    }

    /// Creates a service as `docker stack deploy` does.
    async fn deploy(
        &self,
        name: &str,
        mode: &serde_json::Value,
        script: &str,
        check: &serde_json::Value,
    ) {
        let labels = json!({"com.docker.stack.namespace": "mon"});
        let data = json!([{"Type": "volume", "Source": "mon_data", "Target": "/data",
                           "VolumeOptions": {"Labels": labels.clone()}}]);
        let mut container = json!({
            "Image": BUSYBOX_IMAGE,
            "Args": ["sh", "-c", script],
            "Labels": labels.clone(),
            "Mounts": if name == "prom" { data } else { json!([]) },
            "StopGracePeriod": 10_000_000_000_u64,
        });
        if check.get("Test").is_some() {
            // So engines write it; bollard's model does not know it.
            container["Healthcheck"] = check.clone();
        }
        let spec = json!({
            "Name": format!("mon_{name}"),
            "Labels": labels,
            "TaskTemplate": {
                "ContainerSpec": container,
                "Placement": {},
                "RestartPolicy": {"Condition": "any", "Delay": 500_000_000},
                "Networks": [{"Target": "host"}],
            },
            "Mode": mode,
            "UpdateConfig": {"Parallelism": 1, "FailureAction": "rollback", "Order": "stop-first"},
        });
        let body = spec.to_string();
        let client = self.client().with_request_modifier(move |mut request| {
            *request.body_mut() = bollard::body_full(body.clone().into());
            request
        });
        client
            .create_service(bollard::models::ServiceSpec::default(), None)
            .await
            .unwrap();
    }

    fn client(&self) -> bollard::Docker {
        let socket = self.docker.socket();
        let socket = socket.to_str().unwrap();
        bollard::Docker::connect_with_unix(socket, 60, bollard::API_DEFAULT_VERSION).unwrap()
    }

    async fn engine(&self) -> BollardEngine {
        self.docker.engine().await.unwrap()
    }

    async fn service(&self, name: &str) -> Service {
        let all = self.engine().await.services().await.unwrap();
        let name = format!("mon_{name}");
        all.into_iter().find(|s| s.name == name).unwrap()
    }

    async fn runs(&self, name: &str, tasks: usize) {
        let begun = Instant::now();
        while self.service(name).await.running().count() != tasks {
            assert!(
                begun.elapsed() < WITHIN,
                "{:?}",
                self.service(name).await.tasks
            );
            sleep(SECOND / 10).await;
        }
    }

    async fn specs(&self) -> Vec<Service> {
        let mut services = self.engine().await.services().await.unwrap();
        for service in &mut services {
            service.tasks.clear();
        }
        services
    }

    async fn plan(&self) -> Plan {
        let engine = self.engine().await;
        let containers = engine.containers().await.unwrap();
        let stacks = find_stacks_in_swarm(containers, engine.services().await.unwrap());
        let volumes = engine.volumes().await.unwrap();
        plan(&stacks, &volumes, &PlanRules::default())
    }

    async fn group(&self) -> GroupPlan {
        self.plan().await.groups.remove(0)
    }

    /// The names of the containers that run.
    async fn running_containers(&self) -> Vec<String> {
        let all = self.engine().await.containers().await.unwrap();
        let running = all.into_iter().filter(|c| c.state.is_active());
        running.map(|container| container.name).collect()
    }

    fn journal(&self) -> FileJournal {
        FileJournal::new(self.dir.join("state/outage.json"))
    }
}

fn in_lab(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

fn options() -> OutageOptions {
    OutageOptions {
        engine_away: WITHIN,
        healthy_within: WITHIN,
        settle: SECOND,
        poll: SECOND / 10,
        ..OutageOptions::default()
    }
}

async fn outage_with<T>(
    engine: &BollardEngine,
    journal: &FileJournal,
    group: &GroupPlan,
    work: impl Future<Output = T>,
) -> OutageReport<T> {
    // The time is only written down.
    let begun_at = Timestamp::UNIX_EPOCH;
    let options = options();
    outage(engine, journal, group, begun_at, &options, pending(), work).await
}

fn sizes(folder: &std::path::Path) -> Vec<(String, u64)> {
    let mut sizes: Vec<(String, u64)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|e| {
            (
                e.file_name().into_string().unwrap(),
                e.metadata().unwrap().len(),
            )
        })
        .collect();
    sizes.sort();
    sizes
}

#[test]
fn a_real_swarm_keeps_the_contract() {
    isolated(|| {
        in_lab(async {
            let lab = Lab::start().await;
            let engine = lab.engine().await;
            assert_eq!(engine.info().await.unwrap().swarm, SwarmRole::Manager);
            let fixture = SwarmFixture {
                replicated: "mon_prom".into(),
                global: "mon_agent".into(),
                none: "mon_off".into(),
                within: WITHIN,
            };
            conformance::halts_and_resumes(&engine, &fixture).await;
        });
    });
}

#[test]
fn a_swarm_stack_is_planned_halted_and_resumed() {
    isolated(|| {
        in_lab(async {
            let lab = Lab::start().await;
            let plan = lab.plan().await;
            assert_eq!(plan.warnings, Vec::<String>::new());
            let group = &plan.groups[0];
            let stack = &group.stacks[0];
            assert_eq!(
                (stack.name.as_str(), stack.decision),
                ("mon", StackDecision::StopAndCopy)
            );
            assert_eq!(group.stop_order, [], "the swarm would replace them");
            let services: Vec<_> = stack
                .services
                .iter()
                .map(|s| (s.service.name.as_str(), s.decision, s.running_tasks))
                .collect();
            assert_eq!(
                services,
                [
                    ("mon_agent", ServiceDecision::Constrain, 1),
                    ("mon_check", ServiceDecision::ScaleToZero, 1),
                    ("mon_off", ServiceDecision::LeaveAlone, 0),
                    ("mon_prom", ServiceDecision::ScaleToZero, 2),
                ]
            );
            let data = &stack.mounts[0].mount.source;
            assert!(data.is_dir(), "{}", data.display());

            let before = lab.specs().await;
            let journal = lab.journal();
            let engine = lab.engine().await;
            let report = outage_with(&engine, &journal, group, async {
                assert_eq!(lab.running_containers().await, Vec::<String>::new());
                let still = sizes(data);
                // The log, and a file that is named after the host, whose network they have.
                assert_eq!(still.len(), 2, "{still:?}");
                sleep(2 * SECOND).await;
                assert_eq!(sizes(data), still);
                let log = fs::read_to_string(data.join("log")).unwrap();
                assert_eq!(log, "stopped\nstopped\n");
                let record = journal.read().await.unwrap().unwrap();
                record.services.len()
            })
            .await;
            assert_eq!(report.work, WorkEnd::Finished(3));
            assert!(report.everything_runs(), "{report:#?}");
            for service in &report.services {
                assert_eq!(service.halt, HaltEnd::Ended);
                assert_eq!(service.start, StartEnd::Running);
                assert!(!service.disturbed);
                assert!(service.downtime.unwrap() <= report.outage);
            }
            assert_eq!(lab.specs().await, before);
            for (name, tasks) in [("prom", 2), ("agent", 1), ("check", 1), ("off", 0)] {
                assert_eq!(lab.service(name).await.running().count(), tasks);
            }
            assert_eq!(journal.read().await.unwrap(), None);
            println!("the outage of 3 services took {:?}", report.outage);
        });
    });
}

#[test]
fn work_that_panics_and_what_somebody_else_changes_leave_the_swarm_whole() {
    isolated(|| {
        in_lab(async {
            let lab = Lab::start().await;
            let before = lab.specs().await;
            let engine = lab.engine().await;
            let journal = lab.journal();
            let group = lab.group().await;
            let report = outage_with(&engine, &journal, &group, async {
                panic!("the disk is full");
            })
            .await;
            assert_eq!(
                report.work,
                WorkEnd::<()>::Panicked("the disk is full".to_owned())
            );
            assert!(report.everything_runs(), "{report:#?}");
            assert_eq!(lab.specs().await, before);

            // Somebody deletes one service and scales another up.
            let prom = lab.service("prom").await;
            let report = outage_with(&engine, &journal, &group, async {
                let was = ServiceMode::Replicated { replicas: 1 };
                engine.resume_service(&prom.id, was).await.unwrap();
                lab.runs("prom", 1).await;
                lab.client().delete_service("mon_agent").await.unwrap();
            })
            .await;
            assert_eq!(report.work, WorkEnd::Finished(()));
            let gone: Vec<_> = report.not_running.iter().map(|m| &m.what).collect();
            assert!(
                matches!(gone[..], [Missing::Service(agent)] if agent.name == "mon_agent"),
                "{gone:?}"
            );
            let disturbed = report.services.iter().filter(|service| service.disturbed);
            let disturbed: Vec<_> = disturbed.map(|s| s.service.name.as_str()).collect();
            assert_eq!(disturbed, ["mon_prom"]);
            let now = lab.service("prom").await.mode;
            assert_eq!(now, ServiceMode::Replicated { replicas: 1 }, "that is kept");
            assert_eq!(journal.read().await.unwrap(), None);
        });
    });
}

#[test]
fn a_halt_whose_process_died_is_recovered_and_so_is_one_whose_engine_died_too() {
    isolated(|| {
        in_lab(async {
            let mut lab = Lab::start().await;
            let before = lab.specs().await;
            let journal = lab.journal();
            for with_the_engine in [false, true] {
                let group = lab.group().await;
                let engine = lab.engine().await;
                let (at_work, is_at_work) = tokio::sync::oneshot::channel();
                let work = async {
                    at_work.send(()).unwrap();
                    pending::<()>().await;
                };
                // Dropped half-way, as the end of a process does.
                tokio::select! {
                    report = outage_with(&engine, &journal, &group, work) => panic!("{report:?}"),
                    reached = is_at_work => reached.unwrap(),
                }
                assert_eq!(lab.running_containers().await, Vec::<String>::new());
                if with_the_engine {
                    lab.docker.kill().unwrap();
                }
                // At boot, the recovery comes before the engine.
                let again = FileJournal::new(journal.path());
                let fresh = BollardEngine::new(
                    lab.docker.address(),
                    docker_stacks::EngineOptions::default(),
                );
                let options = options();
                let begun = Instant::now();
                let recovery = recover(&fresh, &again, &options);
                let report = if with_the_engine {
                    let restart = lab.docker.restart_after(SECOND);
                    let (report, restarted) = tokio::join!(recovery, restart);
                    restarted.unwrap();
                    report
                } else {
                    recovery.await
                };
                let report = report.unwrap().unwrap();
                assert_eq!(report.not_running, []);
                assert_eq!(report.services.len(), 3);
                assert_eq!(lab.specs().await, before);
                assert_eq!(recover(&fresh, &again, &options).await.unwrap(), None);
                println!(
                    "recovered in {:?} (engine killed too: {with_the_engine})",
                    begun.elapsed()
                );
            }
        });
    });
}
