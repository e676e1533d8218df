//! What the commands use of an engine's API is what the documentation says, no more and no less: a
//! socket proxy in between lets through what is listed, and writes down what was used.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use docker_stacks::endpoints::{self, Endpoint};
use docker_stacks::{
    Container, ContainerId, Engine as _, ExecCommand, FileJournal, Journal as _, OutageRecord,
    RecordedContainer, RecordedHook,
};
use end_to_end::House;
use lab::docker::{Action, BUSYBOX_IMAGE, PrivateDocker, SocketProxy};
use lab::homelab::{HomelabOptions, LabEngine};
use lab::isolation::isolated;

/// A house whose commands reach the engine through a proxy.
struct Guarded {
    house: House,
    socket: PathBuf,
    config: PathBuf,
}

impl Guarded {
    fn new() -> Self {
        let house = House::build(HomelabOptions::default());
        let LabEngine::Docker(docker) = house.lab.engine() else {
            panic!("the suite wants a real engine");
        };
        let socket = docker.socket();
        let config = house.config_with(
            &format!("host = \"unix://{}\"", socket.display()),
            &format!(
                "settle = \"500ms\"\nhost = \"unix://{}\"",
                proxy_socket(&house).display()
            ),
        );
        Self {
            house,
            socket,
            config,
        }
    }

    /// Runs a command with a proxy that lets through these endpoints, and checks that the command
    /// used each of them, and asked for nothing else.
    fn uses_exactly(&self, endpoints: &'static [Endpoint], arguments: &[&str]) {
        self.uses(endpoints, &[], arguments);
    }

    /// The same, with other endpoints that are let through and need not be used.
    fn uses(
        &self,
        endpoints: &'static [Endpoint],
        others: &'static [Endpoint],
        arguments: &[&str],
    ) {
        let proxy = self.house.wait(async {
            SocketProxy::start(&proxy_socket(&self.house), &self.socket, move |request| {
                let listed = |endpoint: &Endpoint| request.matches(endpoint.method, endpoint.path);
                if endpoints.iter().chain(others).any(listed) {
                    Action::Forward
                } else {
                    Action::Forbid
                }
            })
            .unwrap()
        });
        let house = &self.house;
        let ended = house.run_with(&self.config, "docker-backup", arguments);
        let refused: BTreeSet<String> = proxy.refused().iter().map(ToString::to_string).collect();
        assert_eq!(refused, BTreeSet::new(), "{arguments:?} asks for more");
        ended.expect_code(0);
        let used = proxy.used();
        for endpoint in endpoints {
            let is_used = used
                .iter()
                .any(|request| request.matches(endpoint.method, endpoint.path));
            assert!(is_used, "{arguments:?} does not use {endpoint}");
        }
    }

    fn docker(&self) -> &PrivateDocker {
        let LabEngine::Docker(docker) = self.house.lab.engine() else {
            panic!("the suite wants a real engine");
        };
        docker
    }

    fn containers(&self) -> Vec<Container> {
        let docker = self.docker();
        self.house
            .wait(async { docker.engine().await.unwrap().containers().await.unwrap() })
    }

    /// Pauses the first container that runs and that nobody checks the health of.
    fn pause_one(&self) -> Container {
        let docker = self.docker();
        let one = self
            .containers()
            .into_iter()
            .find(|container| container.state.is_active() && !container.mounts.is_empty())
            .unwrap();
        self.house.wait(async {
            let engine = docker.engine().await.unwrap();
            engine.pause(&one.id).await.unwrap();
            engine.container(&one.id).await.unwrap()
        })
    }

    /// Leaves behind what a power cut does in an outage of two containers, of which one was paused
    /// before, and the other recreated since.
    fn cut_the_power(&self, paused: &Container) {
        let docker = self.docker();
        let running = self
            .containers()
            .into_iter()
            .find(|container| container.id != paused.id && container.state.is_active());
        let running = running.unwrap();
        let grace = Duration::from_secs(10);
        let containers = vec![
            RecordedContainer::of(paused, grace).unwrap(),
            as_recreated(RecordedContainer::of(&running, grace).unwrap()),
        ];
        self.owe(containers, Vec::new());
        self.house.wait(async {
            let engine = docker.engine().await.unwrap();
            engine.unpause(&paused.id).await.unwrap();
            engine.stop(&paused.id, grace).await.unwrap();
            engine.stop(&running.id, grace).await.unwrap();
        });
    }

    /// Writes the journal of an outage that nobody ended.
    fn owe(&self, containers: Vec<RecordedContainer>, hooks: Vec<RecordedHook>) {
        let record = OutageRecord {
            begun_at: self.house.lab.primary().now(),
            engine: format!("unix://{}", proxy_socket(&self.house).display()),
            stacks: Vec::new(),
            containers,
            services: Vec::new(),
            hooks,
        };
        let journal = FileJournal::new(self.house.dir.join("state/outage.json"));
        self.house
            .wait(async { journal.write(&record).await.unwrap() });
    }

    /// Starts a container that asks for commands to be run in it.
    fn start_one_with_hooks(&self) -> Container {
        let script = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done";
        let run = [
            "run",
            "--detach",
            "--name=hooked",
            "--network=none",
            "--volume=hooked_data:/data",
            "--label=backup-window.exec-pre=true",
            "--label=backup-window.exec-post=true",
            BUSYBOX_IMAGE,
            "sh",
            "-c",
            script,
        ];
        self.house
            .wait(async { self.docker().docker(&run).await.unwrap() });
        let mut containers = self.containers().into_iter();
        containers.find(|c| c.name == "hooked").unwrap()
    }
}

/// Starts a container in two networks, on a volume, with a check of what is in it.
fn start_one_to_try(guarded: &Guarded) {
    let script = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done";
    let docker = |arguments: &[&str]| {
        let docker = guarded.docker().docker(arguments);
        guarded.house.wait(async { docker.await.unwrap() })
    };
    docker(&["network", "create", "first"]);
    docker(&["network", "create", "second"]);
    docker(&[
        "run",
        "--detach",
        "--name=tried",
        "--network=first",
        "--volume=tried_data:/data",
        "--label=backup-window.drill=test -s /data/page",
        BUSYBOX_IMAGE,
        "sh",
        "-c",
        script,
    ]);
    docker(&["network", "connect", "second", "tried"]);
    docker(&["exec", "tried", "sh", "-c", "echo page > /data/page"]);
}

#[test]
fn a_drill_and_a_restore_take_what_is_documented() {
    isolated(|| {
        let guarded = Guarded::new();
        let house = &guarded.house;
        house.run("docker-backup", &["init"]).expect_code(0);
        start_one_to_try(&guarded);
        house
            .run("docker-backup", &["run", "--now", "tried"])
            .expect_code(0);
        guarded.uses(endpoints::DRILL, endpoints::HOOKS, &["drill", "tried"]);
        guarded.uses(endpoints::HOOKS, endpoints::DRILL, &["drill", "tried"]);
        guarded.uses(&[], endpoints::RUN, &["restore", "tried"]);
        house.wait(async {
            let docker = guarded.docker();
            docker.docker(&["rm", "--force", "tried"]).await.unwrap();
            docker
                .docker(&["volume", "rm", "tried_data"])
                .await
                .unwrap();
        });
        let again = ["restore", "tried", "--recreate"];
        guarded.uses(endpoints::RESTORE, endpoints::RUN, &again);
    });
}

/// A record of a container that is there under another identifier now.
fn as_recreated(mut recorded: RecordedContainer) -> RecordedContainer {
    recorded.container.id = ContainerId::new("f".repeat(64));
    recorded
}

fn proxy_socket(house: &House) -> PathBuf {
    house.dir.join("proxy.sock")
}

#[test]
fn a_proxy_that_allows_what_is_documented_is_enough_and_all_of_it_is_used() {
    isolated(|| {
        let guarded = Guarded::new();
        guarded.house.run("docker-backup", &["init"]).expect_code(0);
        let before = guarded.house.running();
        guarded.uses_exactly(endpoints::PLAN, &["plan"]);
        let paused = guarded.pause_one();
        guarded.uses_exactly(endpoints::RUN, &["run", "--now"]);
        guarded.cut_the_power(&paused);
        guarded.uses_exactly(endpoints::RECOVER, &["recover"]);
        assert_eq!(guarded.house.running(), before);
        let now = guarded.containers();
        let again = now.iter().find(|container| container.id == paused.id);
        assert_eq!(again.unwrap().state, paused.state);
    });
}

#[test]
fn commands_in_containers_take_what_is_documented_besides() {
    isolated(|| {
        let guarded = Guarded::new();
        guarded.house.run("docker-backup", &["init"]).expect_code(0);
        let hooked = guarded.start_one_with_hooks();
        guarded.uses_exactly(endpoints::PLAN, &["plan"]);
        let run = ["run", "--now", "hooked"];
        guarded.uses(endpoints::HOOKS, endpoints::RUN, &run);
        let command = ExecCommand {
            command: vec!["true".to_owned()],
            user: None,
            limit: Duration::from_secs(10),
        };
        guarded.owe(Vec::new(), vec![RecordedHook::of(&hooked, command)]);
        guarded.uses(endpoints::HOOKS, endpoints::RECOVER, &["recover"]);
    });
}
