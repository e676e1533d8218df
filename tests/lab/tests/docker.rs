//! `docker-stacks` on a real engine: the lab's own `dockerd`, in the lab's own namespaces.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fmt::Write as _;
use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};
use std::time::Duration;

use docker_stacks::testing::conformance;
use docker_stacks::{
    BollardEngine, ContainerState, Engine, FileJournal, GroupPlan, Journal, MountDecision,
    OutageOptions, OutageReport, PathGlob, PlanRules, RestartPolicy, StartEnd, StopEnd, Stopped,
    Was, WorkEnd, find_stacks, look_at_host, outage, plan, recover,
};
use jiff::Timestamp;
use lab::docker::{BUSYBOX_IMAGE, PrivateDocker, PrivateDockerError, contract_project};
use lab::isolation::{isolated, scratch};
use tokio::sync::oneshot;

const SECOND: Duration = Duration::from_secs(1);

/// Ends with code 0 on SIGTERM, and says so in its data.
const OBEDIENT: &str = r#"["sh", "-c", "trap 'echo stopped >> /data/log; exit 0' TERM; while :; do sleep 1000 & wait $$!; done"]"#;

/// An engine with the lab's image, and the folder for projects.
struct Lab {
    docker: PrivateDocker,
    dir: PathBuf,
}

impl Lab {
    async fn start() -> Self {
        let dir = scratch().unwrap();
        let docker = PrivateDocker::start(&dir.join("docker")).await.unwrap();
        assert_eq!(docker.import_busybox().await.unwrap(), BUSYBOX_IMAGE);
        Self { docker, dir }
    }

    async fn engine(&self) -> BollardEngine {
        self.docker.engine().await.unwrap()
    }

    /// Brings up a project of these services, in the YAML of their bodies.
    async fn project(&self, name: &str, services: &[(&str, &str)], volumes: &[&str]) {
        let project = self.dir.join(name);
        fs::create_dir_all(&project).unwrap();
        let mut file = "version: \"2.4\"\nservices:\n".to_owned();
        for (service, body) in services {
            writeln!(file, "  {service}:\n    image: {BUSYBOX_IMAGE}").unwrap();
            for line in body.trim().lines() {
                writeln!(file, "    {}", line.trim()).unwrap();
            }
        }
        if !volumes.is_empty() {
            file.push_str("volumes:\n");
        }
        for volume in volumes {
            writeln!(file, "  {volume}: {{}}").unwrap();
        }
        fs::write(project.join("docker-compose.yml"), file).unwrap();
        self.docker.compose_up(&project).await.unwrap();
    }

    async fn groups(&self) -> Vec<GroupPlan> {
        let engine = self.engine().await;
        let stacks = find_stacks(engine.containers().await.unwrap());
        let volumes = engine.volumes().await.unwrap();
        let plan = plan(&stacks, &volumes, &PlanRules::default());
        assert_eq!(plan.warnings, Vec::<String>::new());
        plan.groups
    }

    async fn state(&self, name: &str) -> ContainerState {
        let all = self.engine().await.containers().await.unwrap();
        all.iter().find(|c| c.name == name).unwrap().state
    }

    /// A connection of the kind that docker itself uses, for what the model leaves out.
    async fn network_of(&self, name: &str) -> PathBuf {
        let socket = self.docker.socket();
        let docker = bollard::Docker::connect_with_unix(
            socket.to_str().unwrap(),
            60,
            bollard::API_DEFAULT_VERSION,
        )
        .unwrap();
        let inspected = docker.inspect_container(name, None).await.unwrap();
        let pid = inspected.state.unwrap().pid.unwrap();
        fs::read_link(format!("/proc/{pid}/ns/net")).unwrap()
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
        grace: 5 * SECOND,
        engine_away: 60 * SECOND,
        healthy_within: 60 * SECOND,
        settle: SECOND,
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
    outage(
        engine,
        journal,
        group,
        begun_at,
        &options(),
        pending(),
        work,
    )
    .await
}

fn names(group: &GroupPlan) -> Vec<&str> {
    group.stop_order.iter().map(|c| c.name.as_str()).collect()
}

fn lines(file: &Path) -> usize {
    fs::read_to_string(file).unwrap_or_default().lines().count()
}

#[tokio::test]
async fn outside_of_the_lab_no_engine_is_started() {
    let nowhere = Path::new("/nonexistent/backup-window-lab");
    let refused = PrivateDocker::start(nowhere).await.unwrap_err();
    assert!(
        matches!(refused, PrivateDockerError::NotIsolated { .. }),
        "{refused}"
    );
    assert!(!nowhere.exists());
}

#[test]
fn a_real_engine_keeps_the_contract() {
    isolated(|| {
        in_lab(async {
            let lab = Lab::start().await;
            let (project, fixture) = contract_project(&lab.dir).unwrap();
            lab.docker.compose_up(&project).await.unwrap();
            let engine = lab.engine().await;
            let definition = conformance::definition_of_obedient(&engine, &fixture).await;
            conformance::makes_and_clears(&engine, &definition).await;
            conformance::all(&engine, &fixture).await;
        });
    });
}

#[test]
fn what_a_real_engine_says_is_enough_to_make_a_container_again() {
    isolated(|| {
        in_lab(async {
            let lab = Lab::start().await;
            let agent = lab.dir.join("wiki/agent");
            fs::create_dir_all(agent.parent().unwrap()).unwrap();
            let _listener = std::os::unix::net::UnixListener::bind(&agent).unwrap();
            lab.project(
                "wiki",
                &[(
                    "app",
                    &format!(
                        "command: {OBEDIENT}\nrestart: unless-stopped\n\
                         environment: [\"PASSWORD=correct horse\"]\n\
                         volumes: [\"data:/data\", \"./agent:/agent\", \"./conf:/conf\"]\n\
                         labels: {{backup-window.exclude: \"/data/cache/**, *.tmp, /conf\"}}"
                    ),
                )],
                &["data"],
            )
            .await;
            let engine = lab.engine().await;
            let containers = engine.containers().await.unwrap();
            let app = containers[0].clone();
            assert_eq!(app.restart_policy, RestartPolicy::UnlessStopped);
            let place = &app.networks["wiki_default"];
            assert!(place.aliases.contains(&"app".to_owned()), "{place:?}");
            assert_eq!(place.addresses.len(), 1, "{place:?}");

            let networks = engine.networks().await.unwrap();
            let network = networks.iter().find(|n| n.name == "wiki_default").unwrap();
            assert_eq!(network.driver, "bridge");
            assert!(network.pools[0].subnet.is_some(), "{network:?}");
            let images = engine.images().await.unwrap();
            let image = images.iter().find(|i| i.id == app.image_id).unwrap();
            assert_eq!(image.tags, [format!("{BUSYBOX_IMAGE}:latest")]);
            assert_eq!(image.digests, [""; 0], "no registry has it");

            let definition = engine.definition(&app.id).await.unwrap();
            assert_eq!(definition["Name"], "/wiki_app_1");
            assert_eq!(
                definition["HostConfig"]["RestartPolicy"]["Name"],
                "unless-stopped"
            );
            let environment = definition["Config"]["Env"].as_array().unwrap();
            assert!(environment.contains(&"PASSWORD=correct horse".into()));
            // What bollard's own type does not know is there as well.
            let docker = bollard::Docker::connect_with_unix(
                lab.docker.socket().to_str().unwrap(),
                60,
                bollard::API_DEFAULT_VERSION,
            )
            .unwrap();
            let typed = docker
                .inspect_container(app.id.as_str(), None)
                .await
                .unwrap();
            let typed = serde_json::to_value(typed).unwrap();
            let fields = |value: &serde_json::Value| value.as_object().unwrap().len();
            assert!(fields(&definition) >= fields(&typed));

            let stacks = find_stacks(containers);
            let volumes = engine.volumes().await.unwrap();
            let rules = PlanRules {
                host: look_at_host(&stacks, &volumes).await,
                ..PlanRules::default()
            };
            let plan = plan(&stacks, &volumes, &rules);
            let mounts = &plan.groups[0].stacks[0].mounts;
            let of = |place: &str| {
                mounts
                    .iter()
                    .find(|m| m.mount.destination == *place)
                    .unwrap()
            };
            assert_eq!(
                of("/agent").reason,
                "a socket",
                "by its type: its name says nothing"
            );
            assert_eq!(of("/conf").decision, MountDecision::Skip);
            let left_out: Vec<&str> = of("/data").exclude.iter().map(PathGlob::as_str).collect();
            assert_eq!(left_out, ["*.tmp", "/cache/**"]);
            assert_eq!(plan.warnings, Vec::<String>::new());
        });
    });
}

#[test]
fn two_stacks_in_one_network_go_down_and_come_up_together() {
    isolated(|| {
        in_lab(async {
            let lab = Lab::start().await;
            let with = |more: &str| format!("command: {OBEDIENT}\n{more}");
            lab.project(
                "vpn",
                &[("gluetun", &with("volumes: [\"state:/data\"]"))],
                &["state"],
            )
            .await;
            lab.project(
                "download",
                &[
                    (
                        "qbit",
                        &with(
                            "network_mode: container:vpn_gluetun_1\nvolumes: [\"./config:/data\"]",
                        ),
                    ),
                    (
                        "search",
                        &with("network_mode: service:qbit\nvolumes: [\"index:/data\"]"),
                    ),
                ],
                &["index"],
            )
            .await;
            lab.project(
                "wiki",
                &[("app", &with("volumes: [\"pages:/data\"]"))],
                &["pages"],
            )
            .await;

            let groups = lab.groups().await;
            let orders: Vec<Vec<&str>> = groups.iter().map(names).collect();
            assert_eq!(
                orders,
                [
                    vec!["download_search_1", "download_qbit_1", "vpn_gluetun_1"],
                    vec!["wiki_app_1"]
                ]
            );
            let config = lab.dir.join("download/config");
            let copied: Vec<PathBuf> = groups[0]
                .stacks
                .iter()
                .flat_map(|stack| &stack.mounts)
                .map(|mount| mount.mount.source.clone())
                .collect();
            assert_eq!(copied.len(), 3);
            assert!(copied.contains(&config), "{copied:?}");
            assert!(copied.iter().all(|source| source.is_dir()), "{copied:?}");
            let compose = &groups[0].stacks[0].files[0];
            assert!(compose.is_file(), "{}", compose.display());

            // Compose 1 leaves no label about the order, so it follows from the network alone.
            let journal = FileJournal::new(lab.dir.join("state/outage.json"));
            let engine = lab.engine().await;
            let report = outage_with(&engine, &journal, &groups[0], async {
                for source in &copied {
                    assert_eq!(lines(&source.join("log")), 1, "{}", source.display());
                }
                let record = journal.read().await.unwrap().unwrap();
                assert_eq!(record.containers.len(), 3);
                lab.state("wiki_app_1").await
            })
            .await;
            assert_eq!(report.work, WorkEnd::Finished(ContainerState::Running));
            assert!(report.everything_runs(), "{report:#?}");
            for container in &report.containers {
                assert_eq!(
                    container.stop,
                    StopEnd::Stopped(Stopped::Clean { exit_code: 0 })
                );
                assert_eq!(container.start, StartEnd::Running);
                assert!(container.downtime.unwrap() <= report.outage);
                assert!(!container.disturbed);
            }
            assert_eq!(journal.read().await.unwrap(), None);
            let network = lab.network_of("vpn_gluetun_1").await;
            assert_eq!(lab.network_of("download_qbit_1").await, network);
            assert_eq!(lab.network_of("download_search_1").await, network);
        });
    });
}

#[test]
fn an_engine_killed_in_the_middle_of_an_outage_ends_it_when_it_is_back() {
    isolated(|| {
        in_lab(async {
            let mut lab = Lab::start().await;
            let with = |more: &str| format!("command: {OBEDIENT}\n{more}");
            lab.project(
                "shop",
                &[
                    ("db", &with("volumes: [\"data:/data\"]")),
                    (
                        "web",
                        &with("network_mode: service:db\nrestart: unless-stopped"),
                    ),
                ],
                &["data"],
            )
            .await;
            let group = lab.groups().await.remove(0);
            let journal = FileJournal::new(lab.dir.join("outage.json"));
            let engine = lab.engine().await;
            let (killed, is_killed) = oneshot::channel();
            let (kill, kill_now) = oneshot::channel();
            let work = async {
                kill.send(()).unwrap();
                is_killed.await.unwrap();
            };
            let (report, ()) = tokio::join!(outage_with(&engine, &journal, &group, work), async {
                kill_now.await.unwrap();
                lab.docker.kill().unwrap();
                killed.send(()).unwrap();
                lab.docker.restart_after(2 * SECOND).await.unwrap();
            });
            assert_eq!(report.work, WorkEnd::Finished(()));
            assert!(report.everything_runs(), "{report:#?}");
            assert!(report.outage >= 2 * SECOND);
            assert_eq!(lab.state("shop_db_1").await, ContainerState::Running);
            assert_eq!(lab.state("shop_web_1").await, ContainerState::Running);
            assert_eq!(journal.read().await.unwrap(), None);
        });
    });
}

#[test]
fn an_outage_that_died_with_the_engine_is_recovered() {
    isolated(|| {
        in_lab(async {
            let mut lab = Lab::start().await;
            let with = |more: &str| format!("command: {OBEDIENT}\n{more}");
            lab.project(
                "shop",
                &[
                    ("db", &with("volumes: [\"data:/data\"]")),
                    ("job", &with("volumes: [\"data:/data\"]")),
                ],
                &["data"],
            )
            .await;
            let engine = lab.engine().await;
            let job = engine.containers().await.unwrap();
            let job = job.iter().find(|c| c.name == "shop_job_1").unwrap();
            engine.pause(&job.id).await.unwrap();

            let group = lab.groups().await.remove(0);
            let journal = FileJournal::new(lab.dir.join("outage.json"));
            let work = async { lab.docker.kill().unwrap() };
            let report = tokio::time::timeout(8 * SECOND, async {
                outage_with(&engine, &journal, &group, work).await
            })
            .await;
            assert!(
                report.is_err(),
                "it waits for the engine, and dies: {report:?}"
            );

            // At boot, the recovery comes before the engine.
            let again = FileJournal::new(journal.path());
            let options = options();
            let (report, ()) = tokio::join!(recover(&engine, &again, &options), async {
                lab.docker.restart_after(SECOND).await.unwrap();
            });
            let report = report.unwrap().unwrap();
            assert_eq!(report.not_running, []);
            let was: Vec<_> = report
                .containers
                .iter()
                .map(|c| (c.container.name.as_str(), c.was, &c.start))
                .collect();
            assert_eq!(
                was,
                [
                    ("shop_db_1", Was::Running, &StartEnd::Running),
                    ("shop_job_1", Was::Paused, &StartEnd::PausedAgain),
                ]
            );
            assert_eq!(lab.state("shop_db_1").await, ContainerState::Running);
            assert_eq!(lab.state("shop_job_1").await, ContainerState::Paused);
            assert_eq!(recover(&engine, &again, &options).await.unwrap(), None);
        });
    });
}
