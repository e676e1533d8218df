//! A NAS in memory whose replication goes as a test says.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use truenas_client::{
    Job, JobId, MockTrueNas, NamingSchema, Progress, ReplicationChange, ReplicationChanges,
    Snapshot, SnapshotName, SnapshotTask, System, TaskState, Version,
};

use super::super::*;
use crate::clock::SimulatedClock;

type Told = Arc<dyn Fn(&mut ReplicationTask, Duration) + Send + Sync>;
type Failing = Arc<dyn Fn() -> TrueNasError + Send + Sync>;

pub(super) fn start() -> Timestamp {
    "2026-11-23T02:00:00Z".parse().unwrap()
}

/// Whole minutes since the start.
pub(super) fn minutes(after: Duration) -> i64 {
    i64::try_from(after.as_secs() / 60).unwrap()
}

pub(super) fn tonights() -> SnapshotName {
    "tank/docker@auto-2026-11-23_02-15".parse().unwrap()
}

pub(super) fn yesterdays() -> TaskState {
    TaskState::Finished {
        at: "2026-11-22T02:30:00Z".parse().unwrap(),
        warnings: Vec::new(),
    }
}

pub(super) fn finished(minute: i64) -> TaskState {
    TaskState::Finished {
        at: start() + SignedDuration::from_mins(minute),
        warnings: Vec::new(),
    }
}

/// Running, and got on a moment ago.
pub(super) fn running(after: Duration) -> TaskState {
    let mut progress = Progress::default();
    progress.sent_bytes = Some(after.as_secs());
    TaskState::Running {
        at: Some(start() + after),
        progress: Some(progress),
    }
}

pub(super) fn unreachable() -> TrueNasError {
    TrueNasError::Connect {
        url: "https://nas".to_owned(),
        source: "connection refused".into(),
    }
}

/// The job that takes the snapshot, where a job does.
pub(super) const SNAPSHOT_JOB: JobId = 4;

/// The NAS, and what it was asked.
pub(super) struct Scene {
    clock: SimulatedClock,
    begun: Instant,
    told: Told,
    changes: Arc<Mutex<VecDeque<ReplicationChanges>>>,
    calls: Arc<Mutex<Vec<(Duration, String)>>>,
    /// In minutes.
    pub(super) unreachable: Option<Range<i64>>,
    pub(super) fails_with: Option<Failing>,
    pub(super) boot_id: fn(Duration) -> &'static str,
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) progress: Option<Arc<dyn ReplicationProgress>>,
    pub(super) trigger: bool,
    pub(super) snapshot_task: fn(&mut SnapshotTask, Duration),
    /// When the snapshot of the one task is there, after it was told to take it.
    pub(super) runs_snapshot_task: fn() -> Result<Option<JobId>, TrueNasError>,
    pub(super) snapshot_job: fn() -> Option<Job>,
    pub(super) runs_replication: fn() -> Result<JobId, TrueNasError>,
    pub(super) job: fn(Duration) -> Option<Job>,
    /// When which was told to run.
    pub(super) snapshot_told: Arc<Mutex<Option<Duration>>>,
    pub(super) replication_told: Arc<Mutex<Option<Duration>>>,
}

impl Scene {
    /// A NAS whose task is changed by `told` to what it is so long after the start.
    pub(super) fn new(
        told: impl Fn(&mut ReplicationTask, Duration) + Send + Sync + 'static,
    ) -> Self {
        Self {
            clock: SimulatedClock::starting_at(start()),
            begun: Instant::now(),
            told: Arc::new(told),
            changes: Arc::default(),
            calls: Arc::default(),
            unreachable: None,
            fails_with: None,
            boot_id: |_| "a",
            snapshots: vec![Snapshot {
                dataset: "tank/docker".to_owned(),
                name: tonights().name,
                created: start() + SignedDuration::from_mins(15),
                guid: None,
            }],
            progress: None,
            trigger: false,
            snapshot_task: |_, _| {},
            runs_snapshot_task: || Ok(None),
            snapshot_job: || None,
            runs_replication: || Ok(7),
            job: |_| None,
            snapshot_told: Arc::default(),
            replication_told: Arc::default(),
        }
    }

    /// Tells by itself how the task is at each of these minutes, over a connection of its own.
    pub(super) fn tells_of_changes_at(&mut self, minutes: &[u64]) {
        let (sender, changes) = ReplicationChanges::channel();
        self.hands_out(changes);
        let (told, begun, minutes) = (Arc::clone(&self.told), self.begun, minutes.to_vec());
        tokio::spawn(async move {
            for minute in minutes {
                let after = Duration::from_mins(minute);
                tokio::time::sleep_until(begun + after).await;
                let task = task(&told, after);
                let change = ReplicationChange::new(1).state(task.state, task.last_snapshot);
                if sender.send(change).is_err() {
                    return;
                }
            }
            sender.closed().await;
        });
    }

    /// The connection that was made last is lost then.
    pub(super) fn loses_the_connection_at(&mut self, minute: u64) {
        let mut last = self.changes.lock().unwrap().pop_back().unwrap();
        let (sender, changes) = ReplicationChanges::channel();
        self.hands_out(changes);
        let begun = self.begun;
        tokio::spawn(async move {
            let until = tokio::time::sleep_until(begun + Duration::from_mins(minute));
            tokio::pin!(until);
            loop {
                tokio::select! {
                    () = &mut until => return,
                    Some(change) = last.next() => drop(sender.send(change)),
                }
            }
        });
    }

    pub(super) fn hands_out(&mut self, changes: ReplicationChanges) {
        self.changes.lock().unwrap().push_back(changes);
    }

    pub(super) async fn run(&self, deadline_minutes: u64) -> StepRecord {
        self.run_until(deadline_minutes, &CancellationToken::new())
            .await
    }

    pub(super) async fn run_until(
        &self,
        deadline_minutes: u64,
        cancel: &CancellationToken,
    ) -> StepRecord {
        let options = ReplicateOptions {
            replication: Replication {
                trigger: self.trigger,
                progress: self.progress.clone(),
                ..Replication::new(vec!["docker".to_owned()])
            },
            since: start(),
            deadline: Duration::from_mins(deadline_minutes),
        };
        run(&self.clock, &self.nas(), &options, cancel).await
    }

    /// The calls, those of a minute in one line.
    pub(super) fn calls(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut last = None;
        for (after, call) in self.calls.lock().unwrap().iter() {
            let minute = minutes(*after);
            if last == Some(minute) {
                let line = lines.last_mut().unwrap();
                *line = format!("{line}, {call}");
            } else {
                lines.push(format!("{minute}: {call}"));
            }
            last = Some(minute);
        }
        lines
    }

    /// When a method was called.
    pub(super) fn times_of(&self, method: &str) -> Vec<Duration> {
        let calls = self.calls.lock().unwrap();
        let of_method = calls.iter().filter(|(_, call)| call.starts_with(method));
        of_method.map(|(after, _)| *after).collect()
    }

    /// What each method does before it answers.
    fn gate(&self) -> impl Fn(&str) -> Result<Duration, TrueNasError> + Clone + Send + use<> {
        let (begun, calls) = (self.begun, Arc::clone(&self.calls));
        let (unreachable_at, failing) = (self.unreachable.clone(), self.fails_with.clone());
        move |call: &str| {
            let after = begun.elapsed();
            calls.lock().unwrap().push((after, call.to_owned()));
            let is_off = unreachable_at
                .as_ref()
                .is_some_and(|off| off.contains(&minutes(after)));
            match &failing {
                _ if is_off => Err(unreachable()),
                Some(failing) => Err(failing()),
                None => Ok(after),
            }
        }
    }

    fn nas(&self) -> MockTrueNas {
        let mut nas = MockTrueNas::new();
        nas.expect_url().return_const("https://nas");
        let gate = self.gate();
        let changes = Arc::clone(&self.changes);
        nas.expect_replication_changes().returning(move || {
            let mut changes = changes.lock().unwrap();
            // Where nothing is told, nothing is asked either.
            if !changes.is_empty() {
                gate("replication_changes")?;
            }
            Ok(changes.pop_front())
        });
        let (gate, clock, boot_id) = (self.gate(), self.clock, self.boot_id);
        nas.expect_system().returning(move || {
            let after = gate("system")?;
            let now = crate::clock::Clock::now(&clock);
            let mut system = System::new(Version::parse("TrueNAS-25.10.1"), "nas", now);
            system.boot_id = Some(boot_id(after).to_owned());
            system.uptime = Duration::from_secs(after.as_secs() % 600);
            Ok(system)
        });
        let (gate, told) = (self.gate(), Arc::clone(&self.told));
        nas.expect_replication_tasks()
            .returning(move || Ok(vec![task(&told, gate("replication_tasks")?)]));
        let (gate, snapshots) = (self.gate(), self.snapshots.clone());
        let snapshot_told = Arc::clone(&self.snapshot_told);
        let is_triggered = self.trigger;
        nas.expect_snapshots().returning(move |query| {
            let dataset = query.dataset.clone().unwrap_or_default();
            let name = query.name.clone().unwrap_or_else(|| "*".to_owned());
            let after = gate(&format!("snapshots {dataset}@{name}"))?;
            let taken = snapshot_told.lock().unwrap();
            // It takes half a minute to be there.
            let is_there =
                !is_triggered || taken.is_some_and(|told| after >= told + Duration::from_secs(30));
            let mut found = snapshots.clone();
            found.retain(|snapshot| is_there && query.matches(snapshot));
            Ok(found)
        });
        let (gate, change) = (self.gate(), self.snapshot_task);
        nas.expect_snapshot_tasks().returning(move || {
            let after = gate("snapshot_tasks")?;
            let mut task = SnapshotTask::new(3, "tank/docker");
            change(&mut task, after);
            Ok(vec![task])
        });
        let (gate, runs, told) = (
            self.gate(),
            self.runs_snapshot_task,
            Arc::clone(&self.snapshot_told),
        );
        nas.expect_run_snapshot_task().returning(move |id| {
            let after = gate(&format!("run_snapshot_task {id}"))?;
            let outcome = runs();
            if !matches!(outcome, Err(TrueNasError::Connect { .. })) {
                told.lock().unwrap().get_or_insert(after);
            }
            outcome
        });
        let (gate, runs, told) = (
            self.gate(),
            self.runs_replication,
            Arc::clone(&self.replication_told),
        );
        nas.expect_run_replication_task().returning(move |id| {
            let after = gate(&format!("run_replication_task {id}"))?;
            told.lock().unwrap().get_or_insert(after);
            runs()
        });
        let (gate, job, told) = (self.gate(), self.job, Arc::clone(&self.replication_told));
        let snapshot_job = self.snapshot_job;
        nas.expect_job().returning(move |id| {
            if id == SNAPSHOT_JOB {
                gate("snapshot job")?;
                return Ok(snapshot_job());
            }
            let after = gate(&format!("job {id}"))?;
            let told = told.lock().unwrap().unwrap();
            Ok(job(after.saturating_sub(told)))
        });
        nas
    }
}

fn task(told: &Told, after: Duration) -> ReplicationTask {
    let mut task = ReplicationTask::new(1, "docker", "tank/docker", "dozer/docker");
    task.naming_schemas = vec![NamingSchema::new("auto-%Y-%m-%d_%H-%M")];
    task.snapshot_tasks = vec![3];
    told(&mut task, after);
    task
}
