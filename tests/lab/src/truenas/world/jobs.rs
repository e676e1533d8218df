//! Jobs, and what is put down for those who want to be told of changes.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::World;
use crate::truenas::resource;

#[derive(Debug)]
pub(in crate::truenas) struct Job {
    pub(in crate::truenas) id: i64,
    pub(in crate::truenas) method: &'static str,
    pub(in crate::truenas) arguments: Value,
    pub(in crate::truenas) state: &'static str,
    pub(in crate::truenas) error: Option<String>,
    pub(in crate::truenas) started: Timestamp,
    pub(in crate::truenas) finished: Option<Timestamp>,
    /// Whether somebody with the key wanted it, or the NAS itself.
    pub(in crate::truenas) caller: Caller,
    /// Its end has been put down.
    noted: bool,
}

/// Who wanted something done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::truenas) enum Caller {
    /// Whoever has the key.
    Key,
    /// The NAS itself.
    Schedule,
}

impl World {
    /// Runs a replication task by hand: always a job, which fails at once if the task cannot run.
    pub(in crate::truenas) fn run_replication(&mut self, id: i64, now: Timestamp) -> i64 {
        let version = self.options.version;
        let job = self.start_job("replication.run", json!([id]), Caller::Key, now);
        let error = match self
            .replications
            .iter_mut()
            .find(|task| task.options.id == id)
        {
            None => Some(format!(
                "[ENOENT] None: ReplicationTask {id} does not exist"
            )),
            Some(task) if !task.options.enabled => Some("[EFAULT] Task is not enabled".to_owned()),
            Some(task) => match task.state(version)["state"].as_str() {
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
    pub(super) fn start_scheduled(&mut self, index: usize, now: Timestamp) {
        let options = self.options.version.scheduled_run_options();
        let job = next_job(&self.jobs);
        let task = &mut self.replications[index];
        let id = task.options.id;
        if task.trigger(now, job) {
            self.start_job(
                "replication.run",
                json!([id, options]),
                Caller::Schedule,
                now,
            );
        }
    }

    pub(in crate::truenas) fn start_job(
        &mut self,
        method: &'static str,
        arguments: Value,
        caller: Caller,
        now: Timestamp,
    ) -> i64 {
        let id = next_job(&self.jobs);
        self.jobs.push(Job {
            id,
            method,
            arguments,
            state: "RUNNING",
            error: None,
            started: now,
            finished: None,
            caller,
            noted: false,
        });
        self.note_jobs();
        id
    }

    pub(in crate::truenas) fn end_job(&mut self, id: i64, error: Option<String>, now: Timestamp) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) {
            job.state = if error.is_some() { "FAILED" } else { "SUCCESS" };
            job.error = error;
            job.finished = Some(now);
        }
        self.note_jobs();
    }

    /// The job that a replication task last ran under.
    pub(in crate::truenas) fn job_of(&self, replication: i64) -> Option<&Job> {
        self.jobs
            .iter()
            .rev()
            .find(|job| job.method == "replication.run" && job.arguments[0] == json!(replication))
    }

    /// Puts down what has changed since it was last put down.
    pub(in crate::truenas) fn note_changes(&mut self) {
        self.note_jobs();
        let states: Vec<_> = self
            .replications
            .iter()
            .map(|task| (task.options.id, resource::raw_state(self, task)))
            .collect();
        for (id, state) in states {
            self.events
                .changed("replication.query", id, json!({ "state": state }));
        }
    }

    fn note_jobs(&mut self) {
        for index in 0..self.jobs.len() {
            if !self.jobs[index].noted {
                let job = &self.jobs[index];
                let (id, ended) = (job.id, job.finished.is_some());
                let entry = resource::job(self, job);
                self.events.changed("core.get_jobs", id, entry);
                self.jobs[index].noted = ended;
            }
        }
    }
}

fn next_job(jobs: &[Job]) -> i64 {
    jobs.last().map_or(1, |job| job.id + 1)
}
