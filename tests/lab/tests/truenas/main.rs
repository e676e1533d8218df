//! The REST client against the simulated TrueNAS, and the simulator's own manners, which clients
//! try that know nothing of TrueNAS.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are tests to everyone but clippy"
)]

mod events;
mod failures;
mod faults;
mod jsonrpc;
mod many;
mod oddities;
mod raw;
mod reading;
mod replication;
mod restarts;
mod runs;
mod schemas;
mod trust;
mod versions;

use std::future::Future;
use std::time::Duration;

use lab::truenas::{
    SimReplication, SimSnapshotTask, SimulatedVersion, Simulator, SimulatorOptions,
};
use secrecy::SecretString;
use truenas_client::{NasOptions, ReplicationTask, RestClient, TaskState, TrueNas, Trust};

const TASK: &str = "docker to backup";

async fn backup() -> Simulator {
    let options = SimulatorOptions {
        version: SimulatedVersion::Core13_0,
        datasets: vec!["dozer/docker".to_owned()],
        ..SimulatorOptions::new("backup")
    };
    Simulator::start(options).await.unwrap()
}

async fn primary() -> Simulator {
    let mut replication = SimReplication::new(5, TASK, "tank/docker", "dozer/docker").after(1);
    replication.takes = Duration::from_millis(300);
    replication.gives_up_after = Duration::from_millis(1500);
    let options = SimulatorOptions {
        datasets: vec![
            "tank/docker".to_owned(),
            "tank/docker/volumes".to_owned(),
            "tank/media".to_owned(),
        ],
        snapshot_tasks: vec![SimSnapshotTask::new(1, "tank/docker")],
        replication_tasks: vec![replication],
        ..SimulatorOptions::new("primary")
    };
    Simulator::start(options).await.unwrap()
}

fn options(nas: &Simulator) -> NasOptions {
    let pin = nas.certificate_sha256().parse().unwrap();
    NasOptions::new(
        nas.url(),
        SecretString::from(nas.api_key()),
        Trust::Certificate(pin),
    )
}

fn client(nas: &Simulator) -> RestClient {
    RestClient::new(options(nas)).unwrap()
}

/// Asks again until the answer is the right one. The simulator lives in real time.
async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"))
}

async fn task(client: &RestClient) -> ReplicationTask {
    client.replication_tasks().await.unwrap().remove(0)
}

async fn until_task(
    client: &RestClient,
    what: &str,
    is: impl Fn(&ReplicationTask) -> bool,
) -> ReplicationTask {
    until(what, || async {
        let task = task(client).await;
        is(&task).then_some(task)
    })
    .await
}

fn is_running(task: &ReplicationTask) -> bool {
    matches!(task.state, TaskState::Running { .. })
}

fn is_finished(task: &ReplicationTask) -> bool {
    matches!(task.state, TaskState::Finished { .. })
}
