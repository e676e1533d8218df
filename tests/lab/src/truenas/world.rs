//! Everything that a simulated NAS knows, and how it changes with time.
//!
//! Nothing here looks at a clock: time comes in as an argument.

mod jobs;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::events::Events;
use super::fault::Faults;
use super::keys::Keys;
use super::options::{PoolHealth, SimulatorOptions};
use super::records::Records;
use super::refusal::{EFAULT, ENOENT, Refusal};
use super::replication::{Outcome, Replication};
use super::snapshots::{SimSnapshot, Snapshots};
use super::tasks::{SimSnapshotTask, is_within};

pub(super) use jobs::{Caller, Job};

#[derive(Debug)]
pub(super) struct SnapshotTask {
    pub(super) options: SimSnapshotTask,
    next: Option<Timestamp>,
    pub(super) ran: Option<Timestamp>,
    pub(super) last_snapshot: Option<String>,
}

/// A scrub that someone set up; see [`Control::scrub`](super::Control::scrub).
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    pub(super) function: &'static str,
    pub(super) percent: f64,
    pub(super) started: Timestamp,
    pub(super) ended: Option<Timestamp>,
}

/// Something that the NAS wants its owner to know.
#[derive(Debug, Clone)]
pub(super) struct Alert {
    pub(super) level: String,
    pub(super) class: String,
    pub(super) text: String,
    pub(super) at: Timestamp,
}

/// Why nobody is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outage {
    /// The web server is there, and what stands behind it is not.
    Gateway { until: Timestamp },
    /// Nothing listens.
    Dark { until: Option<Timestamp> },
}

/// That the NAS was told to switch itself off.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownSeen {
    /// What it was told to be the reason.
    pub reason: Option<String>,
    /// After how long.
    pub delay: Duration,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) options: SimulatorOptions,
    pub(super) zone: TimeZone,
    pub(super) on: bool,
    pub(super) boots: u64,
    pub(super) booted: Timestamp,
    pub(super) outage: Option<Outage>,
    pub(super) off_at: Option<Timestamp>,
    pub(super) shutdowns: Vec<ShutdownSeen>,
    pub(super) snapshots: Snapshots,
    pub(super) snapshot_tasks: Vec<SnapshotTask>,
    pub(super) replications: Vec<Replication>,
    pub(super) jobs: Vec<Job>,
    pub(super) scans: BTreeMap<String, Scan>,
    pub(super) pools: BTreeMap<String, PoolHealth>,
    pub(super) alerts: Vec<Alert>,
    /// Since when all tasks fail for the same reason, and for which.
    pub(super) broken: Option<(Timestamp, String)>,
    pub(super) keys: Keys,
    pub(super) faults: Faults,
    pub(super) records: Records,
    pub(super) events: Events,
    transactions: u64,
}

impl World {
    pub(super) fn new(options: SimulatorOptions, zone: TimeZone) -> Self {
        let snapshot_tasks = options
            .snapshot_tasks
            .iter()
            .cloned()
            .map(|options| SnapshotTask {
                options,
                next: None,
                ran: None,
                last_snapshot: None,
            });
        let replications = options
            .replication_tasks
            .iter()
            .cloned()
            .map(Replication::new);
        Self {
            snapshot_tasks: snapshot_tasks.collect(),
            replications: replications.collect(),
            keys: Keys::new(options.key_role, options.rate_limit),
            options,
            zone,
            on: false,
            boots: 0,
            booted: Timestamp::UNIX_EPOCH,
            outage: None,
            off_at: None,
            shutdowns: Vec::new(),
            snapshots: Snapshots::default(),
            jobs: Vec::new(),
            scans: BTreeMap::new(),
            pools: BTreeMap::new(),
            alerts: Vec::new(),
            broken: None,
            faults: Faults::default(),
            records: Records::default(),
            events: Events::default(),
            transactions: 1000,
        }
    }

    pub(super) fn switched_on(&mut self, now: Timestamp) {
        self.on = true;
        self.boots += 1;
        self.booted = now;
        self.outage = None;
        self.off_at = None;
        self.forget(now);
    }

    /// What was only in memory has never been: jobs, runs, and what old snapshot tasks did.
    pub(super) fn forget(&mut self, now: Timestamp) {
        let version = self.options.version;
        self.jobs.clear();
        self.keys.forget_logins();
        for replication in &mut self.replications {
            replication.forget(version);
        }
        for task in &mut self.snapshot_tasks {
            if !version.keeps_states_of_snapshot_tasks() {
                task.ran = None;
            }
            task.next = task.options.every.map(|period| later(now, period));
        }
        self.events.forget();
    }

    /// Goes on until `now`, and returns what has to be put on the other NAS: the number of the
    /// replication task, and its snapshots.
    pub(super) fn advance(
        &mut self,
        now: Timestamp,
        reachable: bool,
    ) -> Vec<(i64, Vec<SimSnapshot>)> {
        if self.outage.is_some() {
            return Vec::new();
        }
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
        let mut tasks = self.snapshot_tasks.iter();
        let Some(task) = tasks.find(|task| task.options.id == id) else {
            let message = format!("PeriodicSnapshotTask {id} does not exist");
            return Err(Refusal::validation("null", &message, ENOENT));
        };
        if !task.options.enabled {
            return Err(Refusal::call(EFAULT, "Task is not enabled"));
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
        let SimSnapshotTask {
            dataset: root,
            recursive,
            exclude,
            naming_schema,
            every,
            ..
        } = &task.options;
        let local = now.to_zoned_datetime(self.zone.clone());
        let name = local.strftime(naming_schema).to_string();
        let mut datasets: Vec<String> = self.options.datasets.clone();
        datasets.retain(|dataset| {
            dataset == root || *recursive && is_within(dataset, root) && !exclude.contains(dataset)
        });
        task.next = every.map(|period| later(now, period));
        task.ran = Some(now);
        task.last_snapshot = Some(format!("{root}@{name}"));
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
        if self.snapshots.contains(&snapshot.dataset, &snapshot.name) {
            return;
        }
        self.transactions += 1;
        snapshot.created_txg = self.transactions;
        if !self.options.datasets.contains(&snapshot.dataset) {
            self.options.datasets.push(snapshot.dataset.clone());
        }
        self.snapshots.add(snapshot);
    }

    pub(super) fn alert(&mut self, level: &str, class: &str, text: &str, at: Timestamp) {
        self.alerts.push(Alert {
            level: level.to_owned(),
            class: class.to_owned(),
            text: text.to_owned(),
            at,
        });
    }

    /// Is told to switch itself off.
    pub(super) fn shut_down(&mut self, reason: Option<String>, delay: Duration, now: Timestamp) {
        self.off_at = Some(later(now, delay));
        self.shutdowns.push(ShutdownSeen { reason, delay });
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

pub(super) fn later(now: Timestamp, period: Duration) -> Timestamp {
    now.checked_add(period).unwrap_or(Timestamp::MAX)
}

/// A time as TrueNAS writes it.
pub(super) fn millis(time: Timestamp) -> Value {
    json!({ "$date": time.as_millisecond() })
}
