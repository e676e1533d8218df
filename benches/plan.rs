//! Planning 500 containers in 100 stacks, with an engine that takes 5 ms for each answer.
//!
//! ```text
//! cargo bench -p benches --bench plan
//! ```
//!
//! The client is the real one; the engine is a few lines of HTTP on a Unix socket. `README.md` says
//! what is measured.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::{
    env, error,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use docker_stacks::{
    BollardEngine, Engine, EngineAddress, EngineOptions, PlanRules, find_stacks, look_at_host, plan,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    time::sleep,
};

type Outcome<T> = Result<T, Box<dyn error::Error>>;

const STACKS: usize = 100;
const CONTAINERS: usize = 500;

/// How long the engine takes for each answer.
const ANSWERS_AFTER: Duration = Duration::from_millis(5);

/// What planning may cost.
const MOST_CALLS_PER_CONTAINER: usize = 2;
const LONGEST: Duration = Duration::from_secs(1);

/// An odd number, so that the median is a figure that was measured.
const ROUNDS: usize = 11;

#[tokio::main]
async fn main() -> Outcome<()> {
    // `cargo bench` passes this to what it runs; `cargo test --benches` does not.
    if !env::args().any(|argument| argument == "--bench") {
        println!("Nothing was measured: run it with `cargo bench -p benches --bench plan`.");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("docker.sock");
    let requests = serve(&socket)?;
    let address = EngineAddress::unix(&socket)?;
    let engine = BollardEngine::new(&address, EngineOptions::default());

    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        requests.store(0, Relaxed);
        rounds.push(measure(&engine).await?);
    }
    rounds.sort_by_key(|round| round.asking + round.deciding);
    let calls = requests.load(Relaxed);
    let (fastest, median) = (&rounds[0], &rounds[ROUNDS / 2]);
    let slowest = &rounds[ROUNDS - 1];
    println!(
        "{CONTAINERS} containers in {STACKS} stacks, {ANSWERS_AFTER:?} per answer, {ROUNDS} rounds"
    );
    println!(
        "calls to the engine: {calls}, {:.3} per container",
        per_container(calls)
    );
    for (name, round) in [
        ("median", median),
        ("fastest", fastest),
        ("slowest", slowest),
    ] {
        println!(
            "{name}: {:.3} s, of which {:.3} s asking and {:.3} s deciding",
            (round.asking + round.deciding).as_secs_f64(),
            round.asking.as_secs_f64(),
            round.deciding.as_secs_f64(),
        );
    }
    let kept =
        calls <= MOST_CALLS_PER_CONTAINER * CONTAINERS && median.asking + median.deciding < LONGEST;
    println!(
        "the limits (1 s, {MOST_CALLS_PER_CONTAINER} calls per container) are {}",
        if kept { "kept" } else { "NOT KEPT" }
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people, of small numbers")]
fn per_container(calls: usize) -> f64 {
    calls as f64 / CONTAINERS as f64
}

struct Round {
    asking: Duration,
    deciding: Duration,
}

async fn measure(engine: &BollardEngine) -> Outcome<Round> {
    let begun = now();
    let stacks = find_stacks(engine.containers().await?);
    let volumes = engine.volumes().await?;
    let asking = begun.elapsed();
    let begun = now();
    let rules = PlanRules {
        host: look_at_host(&stacks, &volumes).await,
        exclude_paths: vec!["*.log".parse()?],
        ..PlanRules::default()
    };
    let plan = plan(&stacks, &volumes, &rules);
    let deciding = begun.elapsed();
    let stopped: usize = plan.groups.iter().map(|group| group.stop_order.len()).sum();
    assert_eq!((plan.groups.len(), stopped), (STACKS, CONTAINERS));
    Ok(Round { asking, deciding })
}

#[expect(
    clippy::disallowed_methods,
    reason = "measuring time is what this program is for"
)]
fn now() -> Instant {
    Instant::now()
}

/// Answers on the socket, and counts what it is asked.
fn serve(socket: &Path) -> Outcome<Arc<AtomicUsize>> {
    let listener = UnixListener::bind(socket)?;
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Relaxed);
            tokio::spawn(answer(stream));
        }
    });
    Ok(requests)
}

async fn answer(mut stream: UnixStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut part = [0; 1024];
        match stream.read(&mut part).await {
            Ok(length @ 1..) => request.extend_from_slice(&part[..length]),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request);
    let path = request.split(' ').nth(1).unwrap_or_default();
    let body = body(path).to_string();
    sleep(ANSWERS_AFTER).await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    // Who hangs up does not want the answer.
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn body(path: &str) -> serde_json::Value {
    if path.starts_with("/containers/json") {
        let all = (0..CONTAINERS).map(|number| json!({ "Id": format!("{number:064x}") }));
        return all.collect();
    }
    if path.starts_with("/volumes") {
        let all: Vec<_> = (0..STACKS)
            .map(|stack| {
                json!({ "Name": format!("p{stack}_data"), "Driver": "local", "Scope": "local",
                    "Mountpoint": format!("/var/lib/docker/volumes/p{stack}_data/_data"),
                    "Labels": {}, "Options": null })
            })
            .collect();
        return json!({ "Volumes": all });
    }
    let id = path.split('/').nth(2).unwrap_or_default();
    let number = usize::from_str_radix(id, 16).unwrap_or_default();
    let (stack, place) = (
        number / (CONTAINERS / STACKS),
        number % (CONTAINERS / STACKS),
    );
    let mut labels = json!({
        "com.docker.compose.project": format!("p{stack}"),
        "com.docker.compose.service": format!("s{place}"),
        "com.docker.compose.project.working_dir": format!("/srv/p{stack}"),
        "com.docker.compose.project.config_files": format!("/srv/p{stack}/compose.yaml"),
        "backup-window.exclude": "/data/cache/**, *.tmp",
    });
    if place > 0 {
        let needed = format!("s{}:service_started:true", place - 1);
        labels["com.docker.compose.depends_on"] = needed.into();
    }
    json!({
        "Id": id, "Name": format!("/p{stack}-s{place}-1"), "Image": "sha256:1",
        "State": { "Status": "running", "Running": true, "StartedAt": "2025-03-30T00:12:01Z" },
        "Config": { "Image": "app:1", "Labels": labels, "Env": vec!["A=B"; 20] },
        "HostConfig": { "NetworkMode": format!("p{stack}_default"), "AutoRemove": false },
        "Mounts": [
            { "Type": "volume", "Name": format!("p{stack}_data"), "Driver": "local", "RW": true,
              "Source": format!("/var/lib/docker/volumes/p{stack}_data/_data"),
              "Destination": "/data" },
            { "Type": "bind", "Source": format!("/srv/p{stack}/s{place}"), "RW": true,
              "Destination": "/config" },
            { "Type": "bind", "Source": "/etc/localtime", "Destination": "/etc/localtime",
              "RW": false },
        ],
    })
}
