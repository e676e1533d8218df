//! `docker-stacks` on a real engine by every way that leads to one.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use docker_stacks::testing::conformance::{self, Fixture};
use docker_stacks::{BollardEngine, Engine, EngineAddress, EngineErrorKind, EngineOptions};
use lab::docker::{Action, PrivateDocker, SocketProxy, contract_project};
use lab::isolation::{isolated, scratch};

/// An engine with the containers that the contract is checked on.
struct Lab {
    docker: PrivateDocker,
    dir: PathBuf,
    fixture: Fixture,
}

impl Lab {
    async fn start() -> Self {
        let dir = scratch().unwrap();
        let docker = PrivateDocker::start(&dir.join("docker")).await.unwrap();
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

/// What the trait's calls need of a proxy.
const NEEDED: [(&str, &str); 9] = [
    ("GET", "/version"),
    ("GET", "/info"),
    ("GET", "/containers/json"),
    ("GET", "/containers/{id}/json"),
    ("GET", "/volumes"),
    ("POST", "/containers/{id}/stop"),
    ("POST", "/containers/{id}/start"),
    ("POST", "/containers/{id}/pause"),
    ("POST", "/containers/{id}/unpause"),
];

#[test]
fn an_engine_behind_a_socket_proxy_keeps_the_contract() {
    isolated(|| {
        in_lab(async {
            let lab = Lab::start().await;
            let socket = lab.dir.join("proxy.sock");
            let proxy = SocketProxy::start(&socket, &lab.docker.socket(), |request| {
                let listed = |&(method, path): &(_, _)| request.matches(method, path);
                if NEEDED.iter().any(listed) {
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
            for (method, path) in NEEDED {
                let used = proxy.used();
                let one = used.iter().find(|request| request.matches(method, path));
                assert!(one.is_some(), "{method} {path} was not used");
            }
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
