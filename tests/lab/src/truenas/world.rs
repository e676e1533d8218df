//! Everything that a simulated NAS knows, and how it changes with time.
//!
//! Nothing here looks at a clock: time comes in as an argument.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::http::{Fault, RequestSeen};
use super::options::{SimSnapshotTask, SimulatorOptions};
use super::query::Refusal;
use super::replication::{Outcome, Replication};

/// A snapshot on a simulated NAS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimSnapshot {
    /// The dataset.
    pub dataset: String,
    /// The part after the `@`.
    pub name: String,
    /// When it was created, to the second. A replica has the time of the original.
    pub created: Timestamp,
    /// Its identity, the same on both NAS.
    pub guid: u64,
    pub(super) created_txg: u64,
}

#[derive(Debug)]
pub(super) struct SnapshotTask {
    pub(super) options: SimSnapshotTask,
    next: Option<Timestamp>,
    pub(super) ran: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: i64,
    pub(super) method: &'static str,
    pub(super) arguments: Value,
    pub(super) state: &'static str,
    pub(super) error: Option<String>,
    pub(super) started: Timestamp,
    pub(super) finished: Option<Timestamp>,
}

/// A scrub that someone set up; see [`Control::scrub`](super::Control::scrub).
#[derive(Debug, Clone, Copy)]
pub(super) struct Scrub {
    pub(super) percent: f64,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) options: SimulatorOptions,
    pub(super) on: bool,
    pub(super) boots: u64,
    pub(super) booted: Timestamp,
    pub(super) snapshots: Vec<SimSnapshot>,
    pub(super) snapshot_tasks: Vec<SnapshotTask>,
    pub(super) replications: Vec<Replication>,
    pub(super) jobs: Vec<Job>,
    pub(super) scrubs: BTreeMap<String, Scrub>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) requests: Vec<RequestSeen>,
    transactions: u64,
}

const ENOENT: i32 = 2;

impl World {
    pub(super) fn new(options: SimulatorOptions) -> Self {
        let snapshot_tasks = options
            .snapshot_tasks
            .iter()
            .cloned()
            .map(|options| SnapshotTask {
                options,
                next: None,
                ran: None,
            });
        let replications = options
            .replication_tasks
            .iter()
            .cloned()
            .map(Replication::new);
        Self {
            snapshot_tasks: snapshot_tasks.collect(),
            replications: replications.collect(),
            options,
            on: false,
            boots: 0,
            booted: Timestamp::UNIX_EPOCH,
            snapshots: Vec::new(),
            jobs: Vec::new(),
            scrubs: BTreeMap::new(),
            faults: VecDeque::new(),
            requests: Vec::new(),
            transactions: 1000,
        }
    }

    pub(super) fn switched_on(&mut self, now: Timestamp) {
        self.on = true;
        self.boots += 1;
        self.booted = now;
        // Jobs, runs, and what snapshot tasks did are in memory only.
        self.jobs.clear();
        self.replications.iter_mut().for_each(Replication::forget);
        for task in &mut self.snapshot_tasks {
            task.ran = None;
            task.next = task.options.every.map(|period| later(now, period));
        }
    }

    /// Goes on until `now`, and returns what has to be put on the other NAS: the number of the
    /// replication task, and its snapshots.
    pub(super) fn advance(
        &mut self,
        now: Timestamp,
        reachable: bool,
    ) -> Vec<(i64, Vec<SimSnapshot>)> {
        let due: Vec<i64> = self
            .snapshot_tasks
            .iter()
            .filter(|task| task.options.enabled && task.next.is_some_and(|next| next <= now))
            .map(|task| task.options.id)
            .collect();
        for id in due {
            self.take_snapshots(id, now);
        }
        let mut deliveries = Vec::new();
        let mut ended = Vec::new();
        for replication in &mut self.replications {
            match replication.advance(now, reachable, &self.snapshots) {
                Some(Outcome::Deliver(snapshots)) => {
                    deliveries.push((replication.options.id, snapshots));
                }
                Some(Outcome::Ended { job, error }) => ended.push((job, error)),
                None => {}
            }
        }
        for (job, error) in ended {
            self.end_job(job, error, now);
        }
        for index in 0..self.replications.len() {
            if self.replications[index].take_again() {
                self.start_scheduled(index, now);
            }
        }
        deliveries
    }

    /// Runs a snapshot task, and what follows it.
    pub(super) fn run_snapshot_task(&mut self, id: i64, now: Timestamp) -> Result<(), Refusal> {
        if self.snapshot_tasks.iter().all(|task| task.options.id != id) {
            let message = format!("PeriodicSnapshotTask {id} does not exist");
            return Err(Refusal::validation("null", &message, ENOENT));
        }
        self.take_snapshots(id, now);
        Ok(())
    }

    fn take_snapshots(&mut self, id: i64, now: Timestamp) {
        let Some(task) = self
            .snapshot_tasks
            .iter_mut()
            .find(|task| task.options.id == id)
        else {
            return;
        };
        task.ran = Some(now);
        task.next = task.options.every.map(|period| later(now, period));
        let name = now.strftime(&task.options.naming_schema).to_string();
        let (root, recursive) = (task.options.dataset.clone(), task.options.recursive);
        let mut datasets: Vec<String> = self.options.datasets.clone();
        datasets.retain(|dataset| *dataset == root || recursive && is_within(dataset, &root));
        for dataset in datasets {
            self.snapshot(&dataset, &name, now);
        }
        for index in 0..self.replications.len() {
            if self.replications[index].follows(id) {
                self.start_scheduled(index, now);
            }
        }
    }

    /// Takes one snapshot, unless there is one of this name.
    pub(super) fn snapshot(&mut self, dataset: &str, name: &str, created: Timestamp) {
        self.transactions += 7;
        // The same on every run, and different on every NAS and for every snapshot.
        let host: u64 = self
            .options
            .hostname
            .bytes()
            .fold(7, |sum, byte| sum * 31 % 9_973 + u64::from(byte));
        self.receive(SimSnapshot {
            dataset: dataset.to_owned(),
            name: name.to_owned(),
            created: Timestamp::from_second(created.as_second()).unwrap_or(created),
            guid: (host << 32) + self.transactions,
            created_txg: self.transactions,
        });
    }

    /// Takes a snapshot over, perhaps from another NAS.
    pub(super) fn receive(&mut self, mut snapshot: SimSnapshot) {
        let exists = self
            .snapshots
            .iter()
            .any(|other| other.dataset == snapshot.dataset && other.name == snapshot.name);
        if exists {
            return;
        }
        self.transactions += 1;
        snapshot.created_txg = self.transactions;
        if !self.options.datasets.contains(&snapshot.dataset) {
            self.options.datasets.push(snapshot.dataset.clone());
        }
        self.snapshots.push(snapshot);
    }

    /// Runs a replication task by hand: always a job, which fails at once if the task cannot run.
    pub(super) fn run_replication(&mut self, id: i64, now: Timestamp) -> i64 {
        let job = self.start_job(json!([id]), now);
        let error = match self
            .replications
            .iter_mut()
            .find(|task| task.options.id == id)
        {
            None => Some(format!(
                "[ENOENT] None: ReplicationTask {id} does not exist"
            )),
            Some(task) if !task.options.enabled => Some("[EFAULT] Task is not enabled".to_owned()),
            Some(task) => match task.state()["state"].as_str() {
                // The original would queue a second run behind one that waits.
                Some("RUNNING" | "WAITING") => Some("[EFAULT] Task is already running".to_owned()),
                Some("HOLD") => Some("[EFAULT] Task is on hold".to_owned()),
                _ => {
                    task.trigger(now, job);
                    None
                }
            },
        };
        if error.is_some() {
            self.end_job(job, error, now);
        }
        job
    }

    /// Runs a replication task as the scheduler does, which makes a job for it, too.
    fn start_scheduled(&mut self, index: usize, now: Timestamp) {
        let task = &mut self.replications[index];
        let (id, job) = (task.options.id, next_job(&self.jobs));
        if task.trigger(now, job) {
            self.start_job(json!([id, false]), now);
        }
    }

    fn start_job(&mut self, arguments: Value, now: Timestamp) -> i64 {
        let id = next_job(&self.jobs);
        self.jobs.push(Job {
            id,
            method: "replication.run",
            arguments,
            state: "RUNNING",
            error: None,
            started: now,
            finished: None,
        });
        id
    }

    fn end_job(&mut self, id: i64, error: Option<String>, now: Timestamp) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) {
            job.state = if error.is_some() { "FAILED" } else { "SUCCESS" };
            job.error = error;
            job.finished = Some(now);
        }
    }

    /// The job that a replication task last ran under.
    pub(super) fn job_of(&self, replication: i64) -> Option<&Job> {
        self.jobs
            .iter()
            .rev()
            .find(|job| job.arguments[0] == json!(replication))
    }

    /// The pools: the first parts of the datasets.
    pub(super) fn pools(&self) -> Vec<String> {
        let first = |dataset: &String| dataset.split('/').next().unwrap_or_default().to_owned();
        let mut pools: Vec<String> = self.options.datasets.iter().map(first).collect();
        pools.sort();
        pools.dedup();
        pools
    }
}

fn next_job(jobs: &[Job]) -> i64 {
    jobs.last().map_or(1, |job| job.id + 1)
}

fn later(now: Timestamp, period: Duration) -> Timestamp {
    now.checked_add(period).unwrap_or(Timestamp::MAX)
}

/// Whether `dataset` is a descendant of `ancestor`.
pub(super) fn is_within(dataset: &str, ancestor: &str) -> bool {
    dataset
        .strip_prefix(ancestor)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// A time as TrueNAS writes it.
pub(super) fn millis(time: Timestamp) -> Value {
    json!({ "$date": time.as_millisecond() })
}
