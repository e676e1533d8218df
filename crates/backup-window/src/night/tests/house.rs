//! A house in memory, with everything that can go wrong in it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use backup_store::{
    BackupRequest, BackupSummary, Capture, CheckDepth, CheckReport, CompareRequest, Comparison,
    ExportRequest, ExportSummary, PruneOptions, PruneSummary, RestoreRequest, RestoreSummary,
    StagedBackup, Store, StoreError, WarmUp,
};
use docker_stacks::testing::{Behaviour, Call, MemoryEngine, MemoryJournal, container, volume};
use docker_stacks::{
    ContainerState, Engine, EngineError, EngineInfo, Journal, OutageOptions, OutageRecord,
    PlanRules, RecordedContainer, SwarmRole, Volume,
};
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use reachability::{Answer, DownOptions, Probe};
use remote_shutdown::{Outcome as ShutdownOutcome, RemoteShutdown, ShutdownError};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use truenas_client::{
    MockTrueNas, Pool, ReplicationTask, Snapshot, SnapshotName, System, TaskState, Version,
};
use wol::{Aim, InterfaceFacts, Sent, WakeError, WakeReport, WakeRequest, Waker};

use super::super::{Homelab, NightOptions, NightReport, run};
use crate::clock::{Clock, SimulatedClock};
use crate::history::History;
use crate::mount::{Mounted, NotMounted};
use crate::step::replicate::Replication;
use crate::step::stacks::{DockerHost, HostView, Permission, StacksOptions};
use crate::step::wake::WakeOptions;
use crate::whereabouts::Here;
use crate::window::Night;

const TASK: &str = "docker to backup";
const BOOT: Duration = Duration::from_secs(90);
/// When TrueNAS's snapshot task runs, after the night's begin.
const SNAPSHOT_AT: SignedDuration = SignedDuration::from_mins(20);
const REPLICATED_AT: SignedDuration = SignedDuration::from_mins(30);

pub(super) fn night() -> Night {
    Night {
        date: date(2026, 11, 23),
        start: "2026-11-23T01:45:00Z".parse().unwrap(),
        end: "2026-11-23T04:00:00Z".parse().unwrap(),
    }
}

type ShutdownAnswer = fn() -> Result<ShutdownOutcome, ShutdownError>;

/// What happens in the house, and what went wrong in it.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something that can go wrong"
)]
struct State {
    /// When the NAS answers from, and until when.
    up_from: Option<Instant>,
    packets: usize,
    never_wakes: bool,
    reboot: Option<Duration>,
    store_fails: bool,
    saving: Duration,
    saved: Vec<String>,
    arrives: bool,
    mounted: bool,
    replication: fn(Timestamp) -> TaskState,
    shutdown: ShutdownAnswer,
}

pub(super) struct House {
    state: Arc<Mutex<State>>,
    engine: Arc<MemoryEngine>,
    journal: Arc<MemoryJournal>,
    begin: Timestamp,
    here: Here,
    folder: TempDir,
}

impl House {
    pub(super) fn asleep() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = MemoryEngine::new();
        let data = Volume::local("wiki_data", folder.path());
        engine.add_volume(data.clone());
        let mut wiki = container("wiki");
        wiki.mounts.push(volume(&data, "/data"));
        engine.add(wiki, Behaviour::default());
        Self {
            state: Arc::new(Mutex::new(State {
                up_from: None,
                packets: 0,
                never_wakes: false,
                reboot: None,
                store_fails: false,
                saving: Duration::from_secs(5),
                saved: Vec::new(),
                arrives: true,
                mounted: true,
                replication: |now| {
                    if now < night().start + REPLICATED_AT {
                        TaskState::Pending
                    } else {
                        TaskState::Finished {
                            at: night().start + REPLICATED_AT,
                            warnings: Vec::new(),
                        }
                    }
                },
                shutdown: || {
                    Ok(ShutdownOutcome::Accepted {
                        exit_status: 0,
                        output: String::new(),
                    })
                },
            })),
            engine: Arc::new(engine),
            journal: Arc::new(MemoryJournal::default()),
            begin: night().start,
            here: Here::default(),
            folder,
        }
    }

    pub(super) fn awake() -> Self {
        let house = Self::asleep();
        house.state().up_from = Some(Instant::now());
        house
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(super) fn begins(&mut self, at: Timestamp) {
        self.begin = at;
    }

    /// The engine runs on another machine than this program.
    pub(super) fn has_its_engine_elsewhere(&mut self) {
        self.here.kernel = Some("6.1.0".to_owned());
        let mut info = EngineInfo::new(SwarmRole::None);
        info.kernel = Some("6.12.0".to_owned());
        self.engine.set_info(info);
    }

    pub(super) fn never_wakes(&self) {
        self.state().never_wakes = true;
    }

    pub(super) fn store_fails(&self) {
        self.state().store_fails = true;
    }

    pub(super) fn saving_takes(&self, duration: Duration) {
        self.state().saving = duration;
    }

    pub(super) fn replication(&self, state: fn(Timestamp) -> TaskState) {
        self.state().replication = state;
    }

    pub(super) fn nothing_arrives(&self) {
        self.state().arrives = false;
    }

    pub(super) fn reboots_instead_of_going_off(&self, after: Duration) {
        self.state().reboot = Some(after);
    }

    pub(super) fn shutdown_answers(&self, answer: ShutdownAnswer) {
        self.state().shutdown = answer;
    }

    pub(super) fn is_not_mounted(&self) {
        self.state().mounted = false;
    }

    /// Leaves behind what a run leaves that is killed while the wiki is down.
    pub(super) async fn was_killed_during_an_outage(&self) {
        let wiki = &self.engine.containers().await.unwrap()[0];
        let record = OutageRecord {
            begun_at: self.begin,
            engine: self.engine.endpoint(),
            stacks: Vec::new(),
            containers: RecordedContainer::of(wiki, Duration::from_secs(10))
                .into_iter()
                .collect(),
            services: Vec::new(),
            hooks: Vec::new(),
        };
        self.journal.write(&record).await.unwrap();
        self.engine
            .stop(&wiki.id, Duration::from_secs(10))
            .await
            .unwrap();
    }

    pub(super) fn nas_is_up(&self) -> bool {
        self.state().is_up()
    }

    pub(super) fn packets(&self) -> usize {
        self.state().packets
    }

    pub(super) fn saved(&self) -> Vec<String> {
        self.state().saved.clone()
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.engine.calls()
    }

    pub(super) fn state_of(&self, container: &str) -> ContainerState {
        self.engine.state_of(container).unwrap()
    }

    pub(super) fn history(&self) -> History {
        History::in_folder(self.folder.path().join("history"))
    }

    pub(super) async fn run(&self) -> NightReport {
        self.run_until(&CancellationToken::new()).await
    }

    pub(super) async fn run_until(&self, cancel: &CancellationToken) -> NightReport {
        let clock = SimulatedClock::starting_at(self.begin);
        let part = || Part(Arc::clone(&self.state));
        let homelab = Homelab {
            clock: Box::new(clock),
            waker: Box::new(part()),
            ready: Box::new(part()),
            docker_host: Box::new(Host {
                state: Arc::clone(&self.state),
                engine: Arc::clone(&self.engine),
                journal: Arc::clone(&self.journal),
            }),
            primary: Box::new(self.truenas(clock, true)),
            backup: Some(Box::new(self.truenas(clock, false))),
            shutdown: Box::new(part()),
        };
        let mac = "00:25:90:aa:bb:cc".parse().unwrap();
        let aim = Aim::at(vec!["192.0.2.255".parse().unwrap()]);
        let options = NightOptions {
            upkeep: None,
            wake: WakeOptions::new(mac, aim),
            stacks: StacksOptions {
                rules: PlanRules::default(),
                host_view: HostView::Unknown,
                only: Vec::new(),
                permission: Permission::WithinWindow,
                outage: OutageOptions::default(),
                here: self.here.clone(),
            },
            replication: Replication::new(vec![TASK.to_owned()]),
            down: DownOptions {
                silence: Duration::from_mins(5),
                deadline: Duration::from_mins(15),
                ..DownOptions::default()
            },
            keep_up: false,
        };
        run(&homelab, &options, night(), &self.history(), cancel)
            .await
            .unwrap()
    }

    /// A NAS that takes a snapshot and replicates it at fixed times, as TrueNAS's schedule does.
    fn truenas(&self, clock: SimulatedClock, is_primary: bool) -> MockTrueNas {
        let mut nas = MockTrueNas::new();
        nas.expect_url().return_const(if is_primary {
            "https://primary"
        } else {
            "https://backup"
        });
        nas.expect_system().returning(move || {
            let version = Version::parse("TrueNAS-SCALE-24.10.1");
            Ok(System::new(version, "nas", clock.now()))
        });
        let state = Arc::clone(&self.state);
        nas.expect_replication_tasks().returning(move || {
            if !is_primary {
                return Ok(Vec::new());
            }
            let mut task = ReplicationTask::new(1, TASK, "tank/docker", "dozer/docker");
            task.state = (state.lock().unwrap().replication)(clock.now());
            task.last_snapshot = Some("tank/docker@auto-1".parse::<SnapshotName>().unwrap());
            Ok(vec![task])
        });
        let state = Arc::clone(&self.state);
        nas.expect_snapshots().returning(move |query| {
            let created = night().start + SNAPSHOT_AT;
            let is_there = is_primary || state.lock().unwrap().arrives;
            let dataset = if is_primary {
                "tank/docker"
            } else {
                "dozer/docker"
            };
            let snapshot = Snapshot {
                dataset: dataset.to_owned(),
                name: "auto-1".to_owned(),
                created,
                guid: Some("7".to_owned()),
            };
            let is_asked_for = query.matches(&snapshot);
            Ok((is_there && is_asked_for)
                .then_some(snapshot)
                .into_iter()
                .collect())
        });
        nas.expect_replication_changes().returning(|| Ok(None));
        nas.expect_pools()
            .returning(|| Ok(vec![Pool::new("dozer")]));
        nas
    }
}

impl State {
    fn is_up(&self) -> bool {
        self.up_from.is_some_and(|from| from <= Instant::now())
    }
}

/// The backup NAS, as those see it who wake it, ask it and switch it off.
#[derive(Debug)]
struct Part(Arc<Mutex<State>>);

impl Waker for Part {
    fn interfaces(&self) -> Result<Vec<InterfaceFacts>, WakeError> {
        Ok(vec![
            InterfaceFacts::card("eno1", 2).with_address([192, 0, 2, 137], 24),
        ])
    }

    fn wake(&self, request: &WakeRequest) -> Result<WakeReport, WakeError> {
        let mut state = self.0.lock().unwrap();
        state.packets += 1;
        if !state.never_wakes && state.up_from.is_none() {
            state.up_from = Some(Instant::now() + BOOT);
        }
        let sent = request
            .destinations
            .iter()
            .map(|destination| Sent::new(destination.clone(), 102))
            .collect();
        Ok(WakeReport::new(sent, Vec::new()))
    }
}

#[async_trait]
impl Probe for Part {
    fn target(&self) -> String {
        "ssh:backup".to_owned()
    }

    async fn probe(&self, timeout: Duration) -> Answer {
        if self.0.lock().unwrap().is_up() {
            return Answer::Up {
                detail: "SSH-2.0-OpenSSH_9.2".to_owned(),
            };
        }
        tokio::time::sleep(timeout).await;
        Answer::Silent
    }
}

#[async_trait]
impl RemoteShutdown for Part {
    fn endpoint(&self) -> String {
        "shutdown@backup:22".to_owned()
    }

    async fn shut_down(&self) -> Result<ShutdownOutcome, ShutdownError> {
        let mut state = self.0.lock().unwrap();
        state.up_from = state.reboot.map(|after| Instant::now() + after);
        (state.shutdown)()
    }
}

/// The Docker host.
#[derive(Debug)]
struct Host {
    state: Arc<Mutex<State>>,
    engine: Arc<MemoryEngine>,
    journal: Arc<MemoryJournal>,
}

#[async_trait]
impl DockerHost for Host {
    async fn engine(&self) -> Result<Arc<dyn Engine>, EngineError> {
        Ok(self.engine.clone())
    }

    fn check_mount(&self) -> Result<Option<Mounted>, NotMounted> {
        let mount = PathBuf::from("/mnt/nas");
        if self.state.lock().unwrap().mounted {
            Ok(Some(Mounted {
                mount_point: mount,
                file_system: "nfs4".to_owned(),
                source: "primary:/mnt/tank/docker".to_owned(),
            }))
        } else {
            Err(NotMounted::Nothing {
                mount,
                covered_by: "/".into(),
                file_system: "ext4".to_owned(),
            })
        }
    }

    async fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(Arc::new(Repository(Arc::clone(&self.state))))
    }

    fn journal(&self) -> &dyn Journal {
        self.journal.as_ref()
    }

    #[expect(clippy::unnecessary_literal_bound, reason = "the trait's signature")]
    fn host_name(&self) -> &str {
        "docker-host"
    }
}

/// The repository: it only remembers the names of what it was given.
#[derive(Debug)]
struct Repository(Arc<Mutex<State>>);

impl Repository {
    fn save(&self, request: BackupRequest) -> Result<BackupSummary, StoreError> {
        let mut state = self.0.lock().unwrap();
        if state.store_fails {
            return Err(StoreError::InvalidRequest {
                reason: "the disk is full".to_owned(),
            });
        }
        state.saved.push(request.stack);
        Ok(BackupSummary {
            snapshot: "0".repeat(64).parse().unwrap(),
            files: 1,
            directories: 1,
            other: 0,
            processed_bytes: 100,
            added_bytes: 10,
            unreadable: Vec::new(),
            left_out: 0,
            sockets: Vec::new(),
        })
    }
}

#[async_trait]
impl Store for Repository {
    fn location(&self) -> String {
        "/mnt/nas/restic".to_owned()
    }

    async fn back_up(&self, request: BackupRequest) -> Result<BackupSummary, StoreError> {
        let saving = self.0.lock().unwrap().saving;
        tokio::time::sleep(saving).await;
        self.save(request)
    }

    async fn stage(&self, request: BackupRequest) -> Result<Box<dyn StagedBackup>, StoreError> {
        let repository = Self(Arc::clone(&self.0));
        Ok(Box::new(Staged(repository, request)))
    }

    async fn snapshots(&self) -> Result<Vec<backup_store::Snapshot>, StoreError> {
        Ok(Vec::new())
    }

    async fn restore(&self, _: RestoreRequest) -> Result<RestoreSummary, StoreError> {
        Ok(RestoreSummary::default())
    }

    async fn compare(&self, _: CompareRequest) -> Result<Comparison, StoreError> {
        Ok(Comparison::default())
    }

    async fn export(&self, _: ExportRequest) -> Result<ExportSummary, StoreError> {
        Ok(ExportSummary::default())
    }

    async fn check(&self, _: CheckDepth) -> Result<CheckReport, StoreError> {
        Ok(CheckReport {
            snapshots: 0,
            read_bytes: 0,
            findings: Vec::new(),
        })
    }

    async fn forget(&self, _: Vec<backup_store::SnapshotId>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn prune(&self, _: PruneOptions) -> Result<PruneSummary, StoreError> {
        Ok(PruneSummary::default())
    }
}

/// A backup that takes its time while everything is down, which is the worst case.
#[derive(Debug)]
struct Staged(Repository, BackupRequest);

#[async_trait]
impl StagedBackup for Staged {
    async fn warm_up(&mut self, _: Timestamp) -> Result<WarmUp, StoreError> {
        Ok(WarmUp::default())
    }

    async fn capture(&mut self, _: Timestamp) -> Result<Capture, StoreError> {
        let saving = self.0.0.lock().unwrap().saving;
        tokio::time::sleep(saving).await;
        Ok(Capture::default())
    }

    async fn archive(self: Box<Self>) -> Result<BackupSummary, StoreError> {
        self.0.save(self.1)
    }
}
