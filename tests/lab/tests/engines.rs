//! `docker-stacks` on a real engine by every way that leads to one.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use docker_stacks::endpoints::{ARCHIVE, Endpoint, HOOKS, RESTORE, RUN};
use docker_stacks::testing::conformance::{self, Fixture};
use docker_stacks::{
    BollardEngine, Engine, EngineAddress, EngineErrorKind, EngineOptions, EngineSsh, EngineTls,
};
use lab::docker::{
    Action, Certificates, PrivateDocker, PrivatePodman, SocketProxy, SshHost, contract_project,
};
use lab::isolation::{isolated, scratch};

/// An engine with the containers that the contract is checked on.
struct Lab {
    docker: PrivateDocker,
    dir: PathBuf,
    fixture: Fixture,
}

impl Lab {
    async fn start() -> Self {
        Self::start_with(Vec::new()).await
    }

    async fn start_with(arguments: Vec<String>) -> Self {
        let dir = scratch().unwrap();
        let docker = PrivateDocker::start_with(&dir.join("docker"), arguments)
            .await
            .unwrap();
        docker.import_busybox().await.unwrap();
        let (project, fixture) = contract_project(&dir).unwrap();
        docker.compose_up(&project).await.unwrap();
        Self {
            docker,
            dir,
            fixture,
        }
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

#[test]
fn an_engine_behind_a_socket_proxy_keeps_the_contract() {
    isolated(|| {
        in_lab(async {
            let lab = Lab::start().await;
            let socket = lab.dir.join("proxy.sock");
            let proxy = SocketProxy::start(&socket, &lab.docker.socket(), |request| {
                let listed = |endpoint: &Endpoint| request.matches(endpoint.method, endpoint.path);
                let all = [RUN, HOOKS, RESTORE, ARCHIVE];
                if all.into_iter().flatten().any(listed) {
                    Action::Forward
                } else {
                    Action::Forbid
                }
            })
            .unwrap();
            let address = EngineAddress::unix(&socket).unwrap();
            let engine = BollardEngine::connect(&address, EngineOptions::default())
                .await
                .unwrap();
            conformance::all(&engine, &lab.fixture).await;
            assert_eq!(proxy.refused(), []);
        });
    });
}

#[test]
fn a_proxy_holds_up_answers_and_hangs_up_as_it_is_told() {
    isolated(|| {
        in_lab(async {
            let lab = Lab::start().await;
            let socket = lab.dir.join("proxy.sock");
            let (held, is_held) = tokio::sync::oneshot::channel();
            let (let_go, go) = tokio::sync::oneshot::channel::<()>();
            let held = std::sync::Mutex::new(Some((held, go)));
            let versions = AtomicUsize::new(0);
            let proxy = SocketProxy::start(&socket, &lab.docker.socket(), move |request| {
                if !request.matches("GET", "/version") {
                    return Action::Forbid;
                }
                match versions.fetch_add(1, Ordering::Relaxed) {
                    0 => Action::Forward,
                    1 => Action::Answer(500, "not tonight".to_owned()),
                    2 => Action::HangUp,
                    _ => {
                        let (held, go) = held.lock().unwrap().take().unwrap();
                        Action::ForwardThen(Box::pin(async {
                            held.send(()).unwrap();
                            go.await.unwrap();
                        }))
                    }
                }
            })
            .unwrap();
            let address = EngineAddress::unix(&socket).unwrap();
            let engine = BollardEngine::new(&address, EngineOptions::default());
            engine.version().await.unwrap();
            let refused = engine.version().await.unwrap_err();
            assert_eq!(refused.kind(), EngineErrorKind::Refused);
            assert!(
                refused.to_string().contains("500: not tonight"),
                "{refused}"
            );
            let hung_up = engine.version().await.unwrap_err();
            assert_eq!(hung_up.kind(), EngineErrorKind::Unreachable);
            let forbidden = engine.volumes().await.unwrap_err();
            assert_eq!(forbidden.kind(), EngineErrorKind::Refused);

            let asking = tokio::spawn(async move { engine.version().await });
            is_held.await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(!asking.is_finished(), "the answer was let through");
            let_go.send(()).unwrap();
            asking.await.unwrap().unwrap();

            let numbers = |requests: Vec<lab::docker::Request>| -> Vec<usize> {
                requests.iter().map(|request| request.number).collect()
            };
            assert_eq!(numbers(proxy.used()), [1, 5]);
            assert_eq!(numbers(proxy.refused()), [2, 3, 4]);
        });
    });
}

/// The port that Docker's documentation names for TLS; the lab has a network of its own.
const TLS_PORT: u16 = 2376;

fn with_tls(address: &str, tls: Option<EngineTls>) -> BollardEngine {
    let options = EngineOptions {
        call_deadline: Duration::from_secs(20),
        tls,
        ..EngineOptions::default()
    };
    BollardEngine::new(&address.parse().unwrap(), options)
}

#[test]
fn an_engine_behind_tls_keeps_the_contract_and_strangers_are_told_why_not() {
    isolated(|| {
        in_lab(async {
            let dir = scratch().unwrap();
            let known = Certificates::make(&dir.join("tls")).unwrap();
            let other = Certificates::make(&dir.join("other-tls")).unwrap();
            let lab = Lab::start_with(known.dockerd_arguments(TLS_PORT)).await;

            // Without a port: with TLS it is this one.
            let engine = with_tls("tcp://127.0.0.1", Some(known.tls()));
            conformance::all(&engine, &lab.fixture).await;
            let by_name = with_tls("tcp://localhost:2376", Some(known.tls()));
            by_name.version().await.unwrap();

            let wrong_name = with_tls("tcp://127.0.0.2:2376", Some(known.tls()));
            let nowhere = wrong_name.version().await.unwrap_err();
            assert_eq!(nowhere.kind(), EngineErrorKind::Unreachable);
            assert!(nowhere.to_string().contains("nobody listens"), "{nowhere}");

            let mut wrong_ca = known.tls();
            wrong_ca.ca_file = other.tls().ca_file;
            let mut nobody = known.tls();
            nobody.client = None;
            let mut somebody_else = known.tls();
            somebody_else.client = other.tls().client;
            let mut no_file = known.tls();
            no_file.ca_file = dir.join("nothing.pem");
            for (tls, says) in [
                (wrong_ca, "not issued by the authority in ca_file"),
                (nobody, "accepts no client without a certificate"),
                (somebody_else, "accepts no client without a certificate"),
                (no_file, "nothing.pem cannot be used"),
            ] {
                let error = with_tls("tcp://127.0.0.1", Some(tls)).version().await;
                let error = error.unwrap_err();
                assert_eq!(error.kind(), EngineErrorKind::NotTrusted, "{error:?}");
                assert!(!error.is_away());
                assert!(error.to_string().contains(says), "{error}");
            }

            // Plain HTTP is answered by the engine itself.
            let plain = with_tls("tcp://127.0.0.1:2376", None).version().await;
            let plain = plain.unwrap_err();
            assert_eq!(plain.kind(), EngineErrorKind::Refused);
            assert!(plain.to_string().contains("HTTPS server"), "{plain}");
        });
    });
}

#[test]
fn plain_tcp_reaches_a_proxy_and_tls_finds_none_there() {
    isolated(|| {
        in_lab(async {
            let lab = Lab::start().await;
            let socket = lab.dir.join("proxy.sock");
            let mut proxy =
                SocketProxy::start(&socket, &lab.docker.socket(), |_| Action::Forward).unwrap();
            let port = proxy.listen_on_loopback().await.unwrap();
            let engine = with_tls(&format!("tcp://{port}"), None);
            conformance::lists_everything(&engine, &lab.fixture).await;
            conformance::stops_and_starts(&engine, &lab.fixture).await;

            let tls = Certificates::make(&lab.dir.join("tls")).unwrap().tls();
            let error = with_tls(&format!("tcp://{port}"), Some(tls))
                .version()
                .await;
            assert_eq!(error.unwrap_err().kind(), EngineErrorKind::BadAnswer);
        });
    });
}

fn by_ssh(address: &EngineAddress, ssh: EngineSsh) -> BollardEngine {
    let options = EngineOptions {
        call_deadline: Duration::from_secs(20),
        ssh,
        ..EngineOptions::default()
    };
    BollardEngine::new(address, options)
}

#[test]
fn an_engine_by_ssh_keeps_the_contract_and_an_unknown_host_is_refused() {
    isolated(|| {
        in_lab(async {
            let lab = Lab::start().await;
            let host = SshHost::start(&lab.dir.join("ssh"), &lab.docker.socket()).unwrap();
            let address = host.address().unwrap();
            conformance::all(&by_ssh(&address, host.client()), &lab.fixture).await;

            // The socket that the address names, and not the account's.
            let none = format!("{address}/nonexistent/docker.sock");
            let none = by_ssh(&none.parse().unwrap(), host.client());
            let error = none.version().await.unwrap_err();
            assert_eq!(error.kind(), EngineErrorKind::Unreachable, "{error:?}");
            assert!(
                error.to_string().contains("/nonexistent/docker.sock"),
                "{error}"
            );

            for (client, says) in [
                (
                    host.client_that_knows_nobody(),
                    "its host key is not the one",
                ),
                (
                    host.client_that_knows_another(),
                    "its host key is not the one",
                ),
                (host.stranger(), "lets this user in with none of the keys"),
            ] {
                let begun = tokio::time::Instant::now();
                let error = by_ssh(&address, client).version().await.unwrap_err();
                assert_eq!(error.kind(), EngineErrorKind::NotTrusted, "{error:?}");
                assert!(error.to_string().contains(says), "{error}");
                assert!(begun.elapsed() < Duration::from_secs(10), "it waited");
            }
            let known = std::fs::read(lab.dir.join("ssh/empty_known_hosts")).unwrap();
            assert_eq!(known, b"", "an unknown host key was written down");
        });
    });
}

#[test]
fn a_machine_that_says_nothing_is_given_up_by_every_way() {
    isolated(|| {
        in_lab(async {
            // It accepts connections, and that is all.
            let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let port = silent.local_addr().unwrap();
            let dir = scratch().unwrap();
            let options = EngineOptions {
                call_deadline: Duration::from_secs(2),
                tls: Some(Certificates::make(&dir.join("tls")).unwrap().tls()),
                ssh: EngineSsh::default(),
            };
            for address in [format!("tcp://{port}"), format!("ssh://root@{port}")] {
                let engine = BollardEngine::new(&address.parse().unwrap(), options.clone());
                let begun = tokio::time::Instant::now();
                let error = engine.version().await.unwrap_err();
                assert!(error.is_away(), "{error:?}");
                assert!(begun.elapsed() < Duration::from_secs(6), "it waited");
            }
            drop(silent);
        });
    });
}

#[test]
fn podman_keeps_the_contract() {
    isolated(|| {
        in_lab(async {
            let dir = scratch().unwrap();
            let podman = PrivatePodman::start(&dir.join("podman")).await.unwrap();
            let (project, fixture) = contract_project(&dir).unwrap();
            podman.compose_up(&project).await.unwrap();
            let engine = podman.engine().await.unwrap();
            tokio::select! {
                () = podman.keep_checking(&fixture.checked) => unreachable!("it goes on for ever"),
                () = conformance::all(&engine, &fixture) => {}
            }
            // Podman calls this 0 where nobody said anything.
            for container in engine.containers().await.unwrap() {
                assert_eq!(container.stop_timeout, None, "{}", container.name);
            }
        });
    });
}
