//! Running the snapshot tasks and the replication, rather than waiting for their time.
//!
//! Whatever is asked of the NAS here changes something on it, and is asked once. After an error the
//! NAS is looked at for what came of it.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use truenas_client::{
    Job, JobId, JobState, SnapshotQuery, SnapshotTask, TaskState, TrueNas, TrueNasError, Verdict,
};

use super::judging::Judged;
use crate::nas_error;

/// What runs a snapshot task, where a job does.
const SNAPSHOT_JOB: &str = "pool.snapshottask.run";

/// What is to be done after a turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Wait.
    Wait,
    /// Look at the tasks again at once: something has changed.
    LookAgain,
    /// No waiting helps.
    Hopeless(String),
}

/// How far the triggering has come.
#[derive(Debug, Default)]
pub(super) struct Trigger {
    /// The states of the replication tasks before they were triggered: an error that is still the
    /// same is an old one.
    before: HashMap<String, TaskState>,
    /// The snapshot tasks that were told to run.
    told: HashMap<i64, Told>,
    /// Whether there is a snapshot that is new enough, of everything that is to be sent.
    snapshots_are_there: bool,
    triggered: HashSet<String>,
    jobs: HashMap<String, JobId>,
    ended_well: HashSet<String>,
}

/// A snapshot task that was told to run.
#[derive(Debug)]
struct Told {
    /// Its state before.
    before: TaskState,
    /// The job that runs it, where there is one, and as long as it has not ended.
    job: Option<JobId>,
}

impl Trigger {
    /// Whether the failure of a task is from before it was triggered.
    pub(super) fn is_old(&self, judged: &Judged) -> bool {
        matches!(judged.verdict, Verdict::Failed { .. })
            && judged.state().is_some()
            && self.before.get(&judged.name) == judged.state()
    }

    /// Whether there is something to be asked for of which no change of a task tells.
    pub(super) fn is_pending(&self) -> bool {
        !self.snapshots_are_there || !self.jobs.is_empty()
    }

    /// Remembers how the tasks were when they were first seen.
    pub(super) fn note(&mut self, judged: &[Judged]) {
        for task in judged {
            if let Some(state) = task.state() {
                self.before
                    .entry(task.name.clone())
                    .or_insert_with(|| state.clone());
            }
        }
    }

    /// Does what is to be done now.
    pub(super) async fn turn(
        &mut self,
        nas: &dyn TrueNas,
        judged: &[Judged],
        since: Timestamp,
        time_zone: Option<&TimeZone>,
    ) -> Result<Turn, TrueNasError> {
        if !self.snapshots_are_there {
            let missing = self.take_snapshots(nas, judged, since, time_zone).await?;
            if let Some(turn) = missing {
                return Ok(turn);
            }
            self.snapshots_are_there = true;
            // TrueNAS itself may have begun to send them.
            return Ok(Turn::LookAgain);
        }
        if let Some(turn) = self.follow_jobs(nas, judged).await? {
            return Ok(turn);
        }
        self.run_replications(nas, judged).await
    }

    /// Has the bound snapshot tasks run. Gives what to do while a snapshot is missing.
    async fn take_snapshots(
        &mut self,
        nas: &dyn TrueNas,
        judged: &[Judged],
        since: Timestamp,
        time_zone: Option<&TimeZone>,
    ) -> Result<Option<Turn>, TrueNasError> {
        let waiting = judged.iter().filter(|judged| !judged.has_arrived());
        let bound: HashSet<i64> = waiting
            .filter_map(|judged| judged.task.as_ref())
            .flat_map(|task| task.snapshot_tasks.iter().copied())
            .collect();
        if bound.is_empty() {
            return Ok(None);
        }
        let mut tasks = nas.snapshot_tasks().await?;
        tasks.retain(|task| bound.contains(&task.id));
        if tasks.iter().all(|task| !task.enabled) {
            let datasets: Vec<&str> = tasks.iter().map(|task| task.dataset.as_str()).collect();
            return Ok(Some(Turn::Hopeless(format!(
                "no snapshot can be taken, because every snapshot task that the replication is \
                 bound to is disabled ({}): enable one on {} under Data Protection",
                datasets.join(", "),
                nas.url()
            ))));
        }
        let mut missing = None;
        for task in tasks.iter().filter(|task| task.enabled) {
            let from = time_zone.and_then(|zone| task.naming_schema.names_since(since, zone));
            let query = SnapshotQuery::of(task.dataset.clone())
                .since(since)
                .names_from(from);
            if nas.snapshots(&query).await?.is_empty() {
                if let Some(why) = self.take_snapshot(nas, task).await? {
                    return Ok(Some(Turn::Hopeless(why)));
                }
                missing = Some(Turn::Wait);
            }
        }
        Ok(missing)
    }

    /// Has a snapshot task run, or looks what came of it. Gives why there will be no snapshot.
    async fn take_snapshot(
        &mut self,
        nas: &dyn TrueNas,
        task: &SnapshotTask,
    ) -> Result<Option<String>, TrueNasError> {
        let dataset = &task.dataset;
        if let TaskState::Hold { reason, .. } = &task.state {
            return Ok(Some(format!(
                "the snapshot task of {dataset} is on hold; TrueNAS says why: {reason}"
            )));
        }
        let Some(told) = self.told.get_mut(&task.id) else {
            let job = match nas.run_snapshot_task(task.id).await {
                Ok(job) => job,
                // It may have arrived: what comes of it will be seen.
                Err(error) if nas_error::may_pass(&error) && !nas_error::never_arrived(&error) => {
                    tracing::warn!(
                        "whether the snapshot task of {dataset} was run is not known: {error}"
                    );
                    None
                }
                Err(error) => return Err(error),
            };
            tracing::info!("told {} to take a snapshot of {dataset}", nas.url());
            let before = task.state.clone();
            self.told.insert(task.id, Told { before, job });
            return Ok(None);
        };
        if let Some(id) = told.job {
            // After a restart, the number may be another job's.
            let job = nas.job(id).await?;
            let job =
                job.filter(|job| job.method == SNAPSHOT_JOB && job.state != JobState::Success);
            match job {
                Some(job) if job.state.has_ended() => {
                    let why = job.error.as_deref().unwrap_or("no reason given");
                    return Ok(Some(format!(
                        "the snapshot task of {dataset} could not be run: {why}"
                    )));
                }
                Some(_) => {}
                None => told.job = None,
            }
        }
        if told.before == task.state {
            return Ok(None);
        }
        Ok(match &task.state {
            TaskState::Error { error, .. } => {
                Some(format!("the snapshot task of {dataset} failed: {error}"))
            }
            TaskState::Finished { .. } if !task.allow_empty => Some(format!(
                "the snapshot task of {dataset} ran and kept no snapshot, because nothing has \
                 changed since the one before: tonight's backup is not in {dataset}, or allow the \
                 task to take empty snapshots"
            )),
            _ => None,
        })
    }

    /// Looks at the runs that were begun here.
    async fn follow_jobs(
        &mut self,
        nas: &dyn TrueNas,
        judged: &[Judged],
    ) -> Result<Option<Turn>, TrueNasError> {
        for judged in judged {
            let Some(&id) = self.jobs.get(&judged.name) else {
                continue;
            };
            let task = judged.task.as_ref().map(|task| task.id);
            let job = nas.job(id).await?.filter(|job| is_run_of(job, task));
            let name = &judged.name;
            match job {
                None => {
                    tracing::info!(
                        "the NAS has forgotten the run of \"{name}\", whose state tells the rest"
                    );
                    self.jobs.remove(name);
                }
                Some(job) if job.state == JobState::Success => {
                    self.jobs.remove(name);
                    self.ended_well.insert(name.clone());
                    return Ok(Some(Turn::LookAgain));
                }
                Some(job) if job.state.has_ended() => {
                    self.jobs.remove(name);
                    match refusal(&job) {
                        // Another run of it, which may have begun before the snapshot was taken: it
                        // is triggered again if that one does not bring it.
                        Refusal::AlreadyRunning => {
                            tracing::info!("\"{name}\" runs already");
                            self.triggered.remove(name);
                            return Ok(Some(Turn::Wait));
                        }
                        Refusal::Other(why) => {
                            return Ok(Some(Turn::Hopeless(format!(
                                "replication \"{name}\" {why}"
                            ))));
                        }
                    }
                }
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// Has those replications run that neither run nor have done their work.
    async fn run_replications(
        &mut self,
        nas: &dyn TrueNas,
        judged: &[Judged],
    ) -> Result<Turn, TrueNasError> {
        for judged in judged {
            let name = &judged.name;
            let Some(task) = &judged.task else { continue };
            if judged.has_arrived() || judged.is_active() {
                continue;
            }
            if self.triggered.contains(name) {
                if self.ended_well.contains(name) && judged.verdict == Verdict::NothingSent {
                    return Ok(Turn::Hopeless(format!(
                        "replication \"{name}\" was run and ended well, but sent no snapshot that \
                         is new enough: does it send the snapshots of the tasks that it is bound to?"
                    )));
                }
                continue;
            }
            self.before.insert(name.clone(), task.state.clone());
            match nas.run_replication_task(task.id).await {
                Ok(job) => {
                    tracing::info!("told {} to run \"{name}\" (job {job})", nas.url());
                    self.jobs.insert(name.clone(), job);
                }
                Err(error) if nas_error::may_pass(&error) && !nas_error::never_arrived(&error) => {
                    tracing::warn!("whether \"{name}\" was run is not known: {error}");
                }
                Err(error) => return Err(error),
            }
            self.triggered.insert(name.clone());
        }
        Ok(Turn::Wait)
    }
}

/// Whether it is a run of this task: after a restart, the NAS counts jobs from 1 again.
fn is_run_of(job: &Job, task: Option<i64>) -> bool {
    job.replication_task.is_none() || job.replication_task == task
}

/// Why a run ended badly.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// It does not matter: the task runs anyway.
    AlreadyRunning,
    /// What the task did not do, and why.
    Other(String),
}

/// What the end of a job means. TrueNAS begins a job also for a task that cannot run, and only the
/// job fails.
fn refusal(job: &Job) -> Refusal {
    let error = job.error.as_deref().unwrap_or("no reason given").trim();
    let says = |words: &str| error.to_ascii_lowercase().contains(words);
    if says("already running") {
        Refusal::AlreadyRunning
    } else if says("not enabled") {
        Refusal::Other(
            "cannot be run, because it is disabled: enable it on the NAS under Data Protection"
                .to_owned(),
        )
    } else if says("on hold") {
        Refusal::Other(format!(
            "cannot be run, because it is on hold; TrueNAS says: {error}"
        ))
    } else if job.state == JobState::Aborted {
        Refusal::Other("was ended by somebody on the NAS".to_owned())
    } else {
        Refusal::Other(format!("failed: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(state: JobState, error: Option<&str>) -> Refusal {
        let mut job = Job::new(7, "replication.run", state);
        job.error = error.map(str::to_owned);
        refusal(&job)
    }

    #[test]
    fn the_ways_in_which_a_run_is_refused_are_told_apart() {
        let failed = |error| ended(JobState::Failed, Some(error));
        assert_eq!(
            failed("[EFAULT] Task is already running"),
            Refusal::AlreadyRunning
        );
        for (refusal, says) in [
            (failed("[EFAULT] Task is not enabled"), "it is disabled"),
            (
                failed("[EFAULT] Task is on hold: Pool tank is offline."),
                "Pool tank is offline.",
            ),
            (
                failed("[EFAULT] no route to host"),
                "failed: [EFAULT] no route to host",
            ),
            (ended(JobState::Failed, None), "failed: no reason given"),
            (ended(JobState::Aborted, None), "ended by somebody"),
        ] {
            let Refusal::Other(why) = refusal else {
                panic!("{says}");
            };
            assert!(why.contains(says), "{why}");
        }
    }

    #[test]
    fn a_job_of_another_task_is_not_ours() {
        let mut job = Job::new(7, "replication.run", JobState::Running);
        assert!(is_run_of(&job, Some(1)), "it does not say whose it is");
        job.replication_task = Some(1);
        assert!(is_run_of(&job, Some(1)));
        assert!(!is_run_of(&job, Some(2)));
        assert!(!is_run_of(&job, None));
    }
}
