//! What a scenario plays in: two simulated NAS, and clients of one transport for both.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lab::truenas::{
    Control, SimReplication, SimSnapshotTask, SimulatedVersion, Simulator, SimulatorOptions,
};
use secrecy::SecretString;
use truenas_client::{
    DatasetEvidence, EvidenceRequest, JsonRpcClient, Judgement, NasOptions, ReplicationTask,
    RestClient, TaskState, Transport, TrueNas, Trust, Verdict, VerdictInput, judge,
};

pub(crate) const TASK: &str = "docker to backup";
/// Its number, and that of its snapshot task.
pub(crate) const TASK_ID: i64 = 5;
pub(crate) const SNAPSHOTS_ID: i64 = 1;

/// A version, and how it is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tongue {
    pub(crate) version: SimulatedVersion,
    pub(crate) transport: Transport,
}

impl Tongue {
    /// Every version over every transport that it has.
    pub(crate) fn all() -> Vec<Self> {
        let versions = SimulatedVersion::ALL.into_iter();
        versions
            .flat_map(|version| {
                let rest = version.speaks_rest().then_some(Transport::Rest);
                let json_rpc = version.speaks_json_rpc().then_some(Transport::JsonRpc);
                let transports = rest.into_iter().chain(json_rpc);
                transports.map(move |transport| Self { version, transport })
            })
            .collect()
    }

    pub(crate) fn is_rest(self) -> bool {
        self.transport == Transport::Rest
    }

    pub(crate) fn client(self, options: NasOptions) -> Arc<dyn TrueNas> {
        match self.transport {
            Transport::Rest => Arc::new(RestClient::new(options).unwrap()),
            _ => Arc::new(JsonRpcClient::new(options).unwrap()),
        }
    }
}

pub(crate) fn options(nas: &Simulator) -> NasOptions {
    let pin = nas.certificate_sha256().parse().unwrap();
    let key = SecretString::from(nas.api_key());
    let mut options = NasOptions::new(nas.url(), key, Trust::Certificate(pin)).user(nas.username());
    options.timeouts.total = Duration::from_secs(20);
    options
}

/// What a scenario plays in.
pub(crate) struct House {
    pub(crate) primary: Simulator,
    pub(crate) backup: Simulator,
    /// The primary NAS, as a client sees it.
    pub(crate) nas: Arc<dyn TrueNas>,
    /// The backup NAS, as a client sees it.
    pub(crate) target: Arc<dyn TrueNas>,
}

impl House {
    pub(crate) async fn new(tongue: Tongue) -> Self {
        Self::with(tongue, |_| {}).await
    }

    pub(crate) async fn with(tongue: Tongue, change: impl FnOnce(&mut SimulatorOptions)) -> Self {
        let mut replication =
            SimReplication::new(TASK_ID, TASK, "tank/docker", "dozer/docker").after(SNAPSHOTS_ID);
        replication.takes = Duration::from_millis(150);
        replication.gives_up_after = Duration::from_millis(600);
        let mut primary = SimulatorOptions {
            version: tongue.version,
            datasets: ["tank/docker", "tank/docker/db", "tank/media"]
                .map(str::to_owned)
                .to_vec(),
            snapshot_tasks: vec![SimSnapshotTask::new(SNAPSHOTS_ID, "tank/docker")],
            replication_tasks: vec![replication],
            ..SimulatorOptions::new("primary")
        };
        change(&mut primary);
        let backup = SimulatorOptions {
            version: tongue.version,
            datasets: vec!["dozer/docker".to_owned()],
            ..SimulatorOptions::new("backup")
        };
        let primary = Simulator::start(primary).await.unwrap();
        let backup = Simulator::start(backup).await.unwrap();
        primary.control().replicate_to(backup.control());
        Self {
            nas: tongue.client(options(&primary)),
            target: tongue.client(options(&backup)),
            primary,
            backup,
        }
    }

    pub(crate) fn control(&self) -> Control {
        self.primary.control()
    }

    /// The time of the NAS.
    pub(crate) fn now(&self) -> Timestamp {
        self.control().now()
    }

    /// The time of the NAS, in a second in which nothing has happened yet: its snapshots know no
    /// smaller unit.
    pub(crate) async fn new_second(&self) -> Timestamp {
        let second = self.now().as_second() + 1;
        until("the next second", || async {
            (self.now().as_second() >= second).then_some(())
        })
        .await;
        Timestamp::from_second(second).unwrap()
    }

    pub(crate) async fn task(&self) -> ReplicationTask {
        let mut tasks = self.nas.replication_tasks().await.unwrap();
        tasks.retain(|task| task.name == TASK);
        tasks.remove(0)
    }

    pub(crate) async fn until_task(
        &self,
        what: &str,
        is: impl Fn(&ReplicationTask) -> bool,
    ) -> ReplicationTask {
        until(what, || async {
            let task = self.task().await;
            is(&task).then_some(task)
        })
        .await
    }

    /// Takes a snapshot, and waits until it has been sent.
    pub(crate) async fn replicate(&self) -> ReplicationTask {
        let begun = self.now();
        self.nas.run_snapshot_task(SNAPSHOTS_ID).await.unwrap();
        self.until_task(
            "finished",
            |task| matches!(task.state, TaskState::Finished { at, .. } if at >= begun),
        )
        .await
    }

    /// Takes a snapshot, and waits until it is being sent, which it is until it is let go.
    pub(crate) async fn begin_to_replicate(&self) {
        self.control().hold_replication(TASK);
        self.nas.run_snapshot_task(SNAPSHOTS_ID).await.unwrap();
        self.until_task("running", |task| {
            matches!(task.state, TaskState::Running { .. })
        })
        .await;
    }

    /// What of this task is on both NAS.
    pub(crate) async fn evidence(
        &self,
        task: &ReplicationTask,
        since: Timestamp,
    ) -> Vec<DatasetEvidence> {
        let request = EvidenceRequest {
            task,
            since,
            time_zone: Some(&TimeZone::UTC),
        };
        let evidence = request.collect(&*self.nas, Some(&*self.target)).await;
        evidence.unwrap()
    }

    pub(crate) async fn judge(&self, since: Timestamp) -> Judgement {
        let system = self.nas.system().await.unwrap();
        let task = self.task().await;
        let input = VerdictInput {
            time_zone: TimeZone::get(&system.time_zone).ok(),
            ..VerdictInput::since(since)
        };
        judge(Some(&task), &input)
    }

    pub(crate) async fn verdict(&self, since: Timestamp) -> Verdict {
        self.judge(since).await.verdict
    }
}

/// Asks again until the answer is the right one. The simulator lives in real time.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), asking)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"))
}
