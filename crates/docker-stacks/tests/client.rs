//! The client against answers that no engine here can be made to give: other API versions,
//! refusals, garbage, silence. A few lines of HTTP on a Unix socket stand in for the engine.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use docker_stacks::{
    BollardEngine, ContainerId, Engine, EngineAddress, EngineError, EngineErrorKind, EngineOptions,
    ServiceId, ServiceMode, Stopped,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

/// What the stand-in answers to a request line; nothing to keep silent.
type Answers = fn(&str) -> Option<String>;

struct StandIn {
    folder: tempfile::TempDir,
    requests: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    fn new(answers: Answers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("docker.sock")).unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, answers, Arc::clone(&seen)));
            }
        });
        Self { folder, requests }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    fn engine(&self) -> BollardEngine {
        engine(&self.socket())
    }
}

fn engine(socket: &Path) -> BollardEngine {
    let options = EngineOptions {
        call_deadline: Duration::from_secs(2),
        ..EngineOptions::default()
    };
    BollardEngine::new(&EngineAddress::unix(socket).unwrap(), options)
}

async fn answer(mut stream: UnixStream, answers: Answers, seen: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 1024];
        let Ok(length @ 1..) = stream.read(&mut part).await else {
            return;
        };
        request.extend_from_slice(&part[..length]);
    }
    let line = String::from_utf8_lossy(&request);
    let line = line.lines().next().unwrap_or_default();
    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
    seen.lock().unwrap().push(line.clone());
    match answers(&line) {
        Some(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
        }
        None => std::future::pending().await,
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "what the stand-in answers with, where it answers"
)]
fn http(status: u16, body: &str) -> Option<String> {
    Some(format!(
        "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

const VERSION: &str = r#"{"Version": "29.0.0", "ApiVersion": "1.52", "MinAPIVersion": "1.44", "Os": "linux", "Arch": "arm64"}"#;

fn container(state: &str) -> String {
    format!(r#"{{"Id": "0123456789abcdef", "Name": "/db", "State": {state}}}"#)
}

fn id() -> ContainerId {
    ContainerId::new("0123456789abcdef")
}

/// Refuses requests as engines do: a version that they no longer speak, or not yet.
fn picky(line: &str) -> Option<String> {
    let path = line.split(' ').nth(1).unwrap_or_default();
    if let Some(version) = path.strip_prefix("/v1.") {
        let minor: u32 = version.split('/').next()?.parse().ok()?;
        if !(44..=52).contains(&minor) {
            return http(400, r#"{"message": "client version is not supported"}"#);
        }
    }
    if path.ends_with("/version") {
        return http(200, VERSION);
    }
    http(200, "[]")
}

#[tokio::test]
async fn engines_of_other_versions_are_understood() {
    let stand_in = StandIn::new(picky);
    let address = EngineAddress::unix(stand_in.socket()).unwrap();
    let engine = BollardEngine::connect(&address, EngineOptions::default())
        .await
        .unwrap();
    let version = engine.version().await.unwrap();
    assert_eq!(version.min_api_version.as_deref(), Some("1.44"));
    assert_eq!(version.platform, "linux/arm64");
    assert_eq!(engine.containers().await.unwrap(), []);
    assert_eq!(
        *stand_in.requests.lock().unwrap(),
        [
            "GET /version",
            "GET /version",
            "GET /containers/json?all=true&size=false"
        ]
    );
}

#[tokio::test]
async fn a_missing_engine_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let error = engine(&socket).version().await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Unreachable);
    assert!(error.is_away());
    let text = error.to_string();
    assert!(text.contains(socket.to_str().unwrap()), "{text}");
    assert!(text.contains("systemctl status docker"), "{text}");

    // A socket that its engine left behind.
    drop(UnixListener::bind(&socket).unwrap());
    let error = engine(&socket).containers().await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Unreachable);
    assert!(error.to_string().contains("nobody listens"), "{error}");
}

#[tokio::test]
async fn silence_ends_with_the_deadline() {
    let stand_in = StandIn::new(|_| None);
    let error = stand_in.engine().container(&id()).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::DeadlinePassed);
    assert!(error.is_away());
    assert_eq!(
        error.to_string(),
        format!(
            "inspect container 0123456789ab: the Docker engine at unix://{} did not answer within 2 s",
            stand_in.socket().display()
        )
    );
}

#[tokio::test]
async fn a_body_that_never_ends_ends_with_the_deadline() {
    let stand_in = StandIn::new(|_| {
        Some("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{".to_owned() + &" ".repeat(9))
    });
    // The stand-in closes after its answer, so what is missing is noticed at once or in time.
    let error = stand_in.engine().version().await.unwrap_err();
    assert!(error.is_away(), "{error:?}");
}

#[tokio::test]
async fn a_refusal_is_passed_on_in_the_engines_words() {
    let stand_in = StandIn::new(|line| {
        if line.starts_with("GET") {
            http(200, &container(r#"{"Status": "running"}"#))
        } else {
            http(
                500,
                r#"{"message": "driver failed: port is already allocated"}"#,
            )
        }
    });
    let error = stand_in.engine().start(&id()).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Refused);
    assert!(!error.is_away());
    let text = error.to_string();
    assert!(
        text.contains("answered 500: driver failed: port is already allocated"),
        "{text}"
    );
}

#[tokio::test]
async fn an_engine_on_its_way_out_is_away() {
    let stand_in = StandIn::new(|_| http(503, r#"{"message": "server is shutting down"}"#));
    assert!(stand_in.engine().start(&id()).await.unwrap_err().is_away());
}

#[tokio::test]
async fn what_is_no_engine_is_called_so() {
    for answers in [
        (|_| Some("SSH-2.0-OpenSSH_9.2\r\n".to_owned())) as Answers,
        |_| http(200, "<html>hello</html>"),
        |_| http(200, "{}"),
    ] {
        let stand_in = StandIn::new(answers);
        let error = stand_in.engine().version().await.unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::BadAnswer, "{error:?}");
        assert!(matches!(error, EngineError::BadAnswer { .. }));
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[tokio::test]
async fn a_stop_is_told_apart_by_what_the_container_says() {
    let stand_in = StandIn::new(|line| {
        if line.starts_with("GET") {
            http(200, &container(r#"{"Status": "exited", "ExitCode": 0}"#))
        } else {
            http(204, "")
        }
    });
    let stopped = stand_in.engine().stop(&id(), Duration::ZERO).await.unwrap();
    assert_eq!(stopped, Stopped::AlreadyStopped);
    assert_eq!(
        *stand_in.requests.lock().unwrap(),
        ["GET /containers/0123456789abcdef/json"]
    );

    let restless = StandIn::new(|line| {
        if line.starts_with("GET") {
            http(200, &container(r#"{"Status": "running"}"#))
        } else {
            http(204, "")
        }
    });
    let error = restless
        .engine()
        .stop(&id(), Duration::from_millis(1500))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("running again"), "{error}");
    assert!(
        restless
            .requests
            .lock()
            .unwrap()
            .contains(&"POST /containers/0123456789abcdef/stop?t=2".to_owned())
    );
}

#[tokio::test]
async fn a_container_that_vanishes_from_the_list_is_not_in_it() {
    let stand_in = StandIn::new(|line| {
        if line.contains("/containers/json") {
            http(200, r#"[{"Id": "0123456789abcdef"}, {"Id": "gone"}]"#)
        } else if line.contains("/gone/") {
            http(404, r#"{"message": "No such container: gone"}"#)
        } else {
            http(200, &container(r#"{"Status": "running"}"#))
        }
    });
    let listed = stand_in.engine().containers().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].name, "db");
}

#[tokio::test]
async fn a_pause_that_the_engine_notes_late_is_waited_for() {
    // The first look finds the old state, as it does with Docker 20.10.
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    let stand_in = StandIn::new(|line| {
        if line.starts_with("POST") {
            return http(204, "");
        }
        let late = LOOKS.fetch_add(1, Ordering::SeqCst) == 0;
        let status = if late { "running" } else { "paused" };
        http(200, &container(&format!(r#"{{"Status": "{status}"}}"#)))
    });
    stand_in.engine().pause(&id()).await.unwrap();
    assert_eq!(LOOKS.load(Ordering::SeqCst), 2);

    // And one that never does is not waited for for ever.
    let error = stand_in.engine().unpause(&id()).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::DeadlinePassed);
}

/// 500 containers, of which one has gone when it is inspected.
fn five_hundred(line: &str) -> Option<String> {
    let path = line.split(' ').nth(1).unwrap_or_default();
    if path.starts_with("/containers/json") {
        let all: Vec<String> = (0..500)
            .map(|n| format!(r#"{{"Id": "{n:064x}"}}"#))
            .collect();
        return http(200, &format!("[{}]", all.join(",")));
    }
    if path.starts_with("/volumes") {
        return http(200, r#"{"Volumes": []}"#);
    }
    let id = path.split('/').nth(2)?;
    let number = u32::from_str_radix(id, 16).ok()?;
    if number == 250 {
        return http(404, r#"{"message": "no such container"}"#);
    }
    // Names that fall as the identifiers rise: the order is not the list's by chance.
    let name = 999 - number;
    http(
        200,
        &format!(r#"{{"Id": "{id}", "Name": "/c{name}", "State": {{"Status": "running"}}}}"#),
    )
}

#[tokio::test]
async fn five_hundred_containers_cost_one_call_each_and_two_more() {
    let stand_in = StandIn::new(five_hundred);
    let engine = stand_in.engine();
    let containers = engine.containers().await.unwrap();
    engine.volumes().await.unwrap();
    assert_eq!(containers.len(), 499);
    assert!(containers.is_sorted_by(|a, b| a.name < b.name));
    assert_eq!(stand_in.requests.lock().unwrap().len(), 502);
}

#[tokio::test]
async fn a_definition_is_the_engines_own_to_the_last_field() {
    let stand_in = StandIn::new(|line| {
        if line.contains("/gone/") {
            return http(404, r#"{"message": "No such container: gone"}"#);
        }
        http(
            200,
            r#"{"Id": "0123456789abcdef", "FieldOfTheNextRelease": {"a": [1, null]}, "Config": {"Env": ["PASSWORD=x"]}}"#,
        )
    });
    let engine = stand_in.engine();
    let definition = engine.definition(&id()).await.unwrap();
    assert_eq!(definition["FieldOfTheNextRelease"]["a"][0], 1);
    assert_eq!(definition["Config"]["Env"][0], "PASSWORD=x");
    let gone = engine.definition(&ContainerId::new("gone")).await;
    assert_eq!(gone.unwrap_err().kind(), EngineErrorKind::NotFound);
    assert_eq!(
        *stand_in.requests.lock().unwrap(),
        [
            "GET /containers/0123456789abcdef/json",
            "GET /containers/gone/json"
        ]
    );

    let garbage = StandIn::new(|_| http(200, "<html>"));
    let error = garbage.engine().definition(&id()).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::BadAnswer);
    let silent = StandIn::new(|_| None);
    let error = silent.engine().definition(&id()).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::DeadlinePassed);
}

#[tokio::test]
async fn networks_and_images_are_a_list_each() {
    let stand_in = StandIn::new(|line| {
        if line.contains("/networks") {
            http(
                200,
                r#"[{"Name": "b", "Id": "2"}, {"Name": "a", "Id": "9"}]"#,
            )
        } else {
            http(
                200,
                r#"[{"Id": "sha256:1", "ParentId": "", "RepoTags": null, "RepoDigests": ["a@sha256:2"],
                    "Created": 1, "Size": 2, "SharedSize": -1, "Labels": null, "Containers": -1}]"#,
            )
        }
    });
    let engine = stand_in.engine();
    let networks = engine.networks().await.unwrap();
    let names: Vec<&str> = networks.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(engine.images().await.unwrap()[0].digests, ["a@sha256:2"]);
    let requests = stand_in.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(requests[0].starts_with("GET /networks"), "{requests:?}");
    assert!(requests[1].starts_with("GET /images/json"), "{requests:?}");
}

/// A manager whose service somebody else changes at the same time, as often as the test says.
fn a_busy_manager(line: &str) -> Option<String> {
    static CHANGES: AtomicUsize = AtomicUsize::new(2);
    let body = match line {
        "GET /services/db" => {
            r#"{"ID": "db", "Version": {"Index": 12}, "Spec":
                {"Name": "shop_db", "Mode": {"Replicated": {"Replicas": 2}}}}"#
        }
        "POST /services/db/update?version=12&registryAuthFrom=spec" => {
            let left =
                CHANGES.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            if left.is_ok() {
                let message = "rpc error: code = Unknown desc = update out of sequence";
                return http(500, &format!(r#"{{"message": "{message}"}}"#));
            }
            r#"{"Warnings": null}"#
        }
        _ => return http(404, r#"{"message": "no such path"}"#),
    };
    http(200, body)
}

#[tokio::test]
async fn a_change_that_another_came_before_is_made_again() {
    let stand_in = StandIn::new(a_busy_manager);
    let engine = stand_in.engine();
    let db = ServiceId::new("db");
    let was = ServiceMode::Replicated { replicas: 2 };
    engine.halt_service(&db, was).await.unwrap();
    let requests = stand_in.requests.lock().unwrap().clone();
    assert_eq!(
        requests.len(),
        6,
        "three times read and written: {requests:?}"
    );

    let other = ServiceMode::Replicated { replicas: 3 };
    let error = engine.halt_service(&db, other).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Refused);
    assert!(error.to_string().contains("has 2 replicas"), "{error}");
    for strange in ["", "../containers/json", "a b"] {
        let error = engine.service(&ServiceId::new(strange)).await.unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::NotFound, "{strange}");
    }
}

#[tokio::test]
async fn a_worker_is_not_asked_for_services() {
    let stand_in = StandIn::new(|line| match line {
        "GET /info" => http(
            200,
            r#"{"Swarm": {"LocalNodeState": "active", "ControlAvailable": false}}"#,
        ),
        _ => http(503, r#"{"message": "This node is not a swarm manager."}"#),
    });
    let engine = stand_in.engine();
    assert_eq!(engine.services().await.unwrap(), []);
    assert_eq!(*stand_in.requests.lock().unwrap(), ["GET /info"]);
    let error = engine.service(&ServiceId::new("db")).await.unwrap_err();
    assert!(error.is_away(), "it may be a manager in a moment: {error}");
}
