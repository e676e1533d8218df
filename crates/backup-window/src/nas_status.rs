//! What the tasks of a NAS are worth at any time of day, its alerts, and the health of its pools.
//!
//! [`ask`] asks; [`NasStatus::of`] judges what it was told, and is pure. No snapshot is listed: how
//! old one is, its name tells.

mod due;
mod snapshot_verdict;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use truenas_client::{
    Alert, Pool, ReplicationTask, SnapshotName, SnapshotTask, System, TaskState, TrueNas,
    TrueNasError, Verdict, VerdictInput, judge,
};

use crate::sentence;

pub use snapshot_verdict::SnapshotVerdict;

/// What a NAS told about itself.
#[derive(Debug, Clone)]
pub struct NasAnswers {
    /// Its version, its clock and its time zone.
    pub system: System,
    /// Its replication tasks.
    pub replications: Vec<ReplicationTask>,
    /// Its snapshot tasks.
    pub snapshot_tasks: Vec<SnapshotTask>,
    /// Its alerts, or why they are not known.
    pub alerts: Result<Vec<Alert>, String>,
    /// Its pools, or why they are not known.
    pub pools: Result<Vec<Pool>, String>,
}

/// Asks a NAS for everything at once.
///
/// # Errors
/// When it does not answer, or not what its tasks are. That alerts or pools are not for the user of
/// the key is told with the rest.
pub async fn ask(nas: &dyn TrueNas) -> Result<NasAnswers, TrueNasError> {
    let optional = |error: TrueNasError| {
        if crate::nas_error::may_pass(&error) {
            Err(error)
        } else {
            Ok(sentence::failed_to(&error))
        }
    };
    let alerts = async {
        match nas.alerts().await {
            Ok(alerts) => Ok(Ok(alerts)),
            Err(error) => optional(error).map(Err),
        }
    };
    let pools = async {
        match nas.pools().await {
            Ok(pools) => Ok(Ok(pools)),
            Err(error) => optional(error).map(Err),
        }
    };
    let (system, replications, snapshot_tasks, alerts, pools) = tokio::try_join!(
        nas.system(),
        nas.replication_tasks(),
        nas.snapshot_tasks(),
        alerts,
        pools
    )?;
    Ok(NasAnswers {
        system,
        replications,
        snapshot_tasks,
        alerts,
        pools,
    })
}

/// How a NAS is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NasStatus {
    /// Its version.
    pub version: String,
    /// Its name.
    pub hostname: String,
    /// What its clock shows. Every other time is by this clock.
    pub datetime: Timestamp,
    /// The time zone of its schedules and of the names of its snapshots.
    pub time_zone: String,
    /// Its replication tasks, and those that it should have.
    pub replications: Vec<ReplicationStatus>,
    /// Its snapshot tasks.
    pub snapshot_tasks: Vec<SnapshotTaskStatus>,
    /// Its alerts: those that need attention first, and of those the worst first.
    pub alerts: Vec<Alert>,
    /// Its pools.
    pub pools: Vec<Pool>,
    /// What could not be found out.
    pub not_known: Vec<String>,
    /// Whether somebody should look at any of it.
    pub needs_attention: bool,
}

/// A replication task, and what it is worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReplicationStatus {
    /// Its name.
    pub name: String,
    /// When it last ended, well or badly, if it has and does not run now.
    pub last_run: Option<Timestamp>,
    /// What it sent last.
    pub last_snapshot: Option<SnapshotName>,
    /// How old that is, by its name.
    pub age_seconds: Option<i64>,
    /// What a snapshot must not be older than: when it should last have been taken.
    pub expected_since: Option<Timestamp>,
    /// The verdict.
    pub verdict: Verdict,
    /// What led to it.
    pub reasons: Vec<String>,
    /// When it runs next by itself.
    pub next_run: Option<Timestamp>,
    /// Whether somebody should look at it.
    pub needs_attention: bool,
}

/// A snapshot task, and what it is worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SnapshotTaskStatus {
    /// What it takes snapshots of.
    pub dataset: String,
    /// When it last ended, well or badly, if it has and does not run now.
    pub last_run: Option<Timestamp>,
    /// Its last snapshot, where the version tells it.
    pub last_snapshot: Option<SnapshotName>,
    /// How old that is, by its name.
    pub age_seconds: Option<i64>,
    /// When it should last have run.
    pub expected_since: Option<Timestamp>,
    /// The verdict.
    pub verdict: SnapshotVerdict,
    /// When it runs next.
    pub next_run: Option<Timestamp>,
    /// Whether somebody should look at it.
    pub needs_attention: bool,
}

impl NasStatus {
    /// Judges what a NAS told. `wanted` are the replication tasks that it must have and that must
    /// be enabled; others may be switched off.
    #[must_use]
    pub fn of(answers: NasAnswers, wanted: &[String]) -> Self {
        let NasAnswers {
            system,
            replications,
            snapshot_tasks,
            alerts,
            pools,
        } = answers;
        let mut not_known = Vec::new();
        let time_zone = TimeZone::get(&system.time_zone).ok();
        if time_zone.is_none() {
            not_known.push(format!(
                "its time zone {:?} is not known here, so that neither ages nor schedules are",
                system.time_zone
            ));
        }
        let now = Now {
            datetime: system.datetime,
            time_zone: time_zone.as_ref(),
        };
        let missing = wanted
            .iter()
            .filter(|name| !replications.iter().any(|task| task.name == **name));
        let mut statuses: Vec<ReplicationStatus> = missing.map(|name| now.missing(name)).collect();
        statuses.extend(replications.iter().map(|task| {
            let is_wanted = wanted.contains(&task.name);
            now.replication(task, &snapshot_tasks, is_wanted)
        }));
        let snapshot_tasks: Vec<SnapshotTaskStatus> = snapshot_tasks
            .iter()
            .map(|task| now.snapshot_task(task))
            .collect();
        let mut alerts = alerts.unwrap_or_else(|why| {
            not_known.push(format!("its alerts: {why}"));
            Vec::new()
        });
        alerts.sort_by(|a, b| {
            let urgency = |alert: &Alert| (alert.needs_attention(), alert.level.clone());
            urgency(b).cmp(&urgency(a)).then(a.since.cmp(&b.since))
        });
        let pools = pools.unwrap_or_else(|why| {
            not_known.push(format!("its pools: {why}"));
            Vec::new()
        });
        let needs_attention = !not_known.is_empty()
            || statuses.iter().any(|task| task.needs_attention)
            || snapshot_tasks.iter().any(|task| task.needs_attention)
            || alerts.iter().any(Alert::needs_attention)
            || pools.iter().any(pool_needs_attention);
        Self {
            version: system.version.to_string(),
            hostname: system.hostname,
            datetime: system.datetime,
            time_zone: system.time_zone,
            replications: statuses,
            snapshot_tasks,
            alerts,
            pools,
            not_known,
            needs_attention,
        }
    }
}

/// Whether somebody should look at a pool.
#[must_use]
pub fn pool_needs_attention(pool: &Pool) -> bool {
    !pool.healthy || pool.warning || pool.status != "ONLINE"
}

/// The clock of the NAS.
struct Now<'a> {
    datetime: Timestamp,
    time_zone: Option<&'a TimeZone>,
}

impl Now<'_> {
    fn missing(&self, name: &str) -> ReplicationStatus {
        let judgement = judge(None, &VerdictInput::since(self.datetime));
        ReplicationStatus {
            name: name.to_owned(),
            last_run: None,
            last_snapshot: None,
            age_seconds: None,
            expected_since: None,
            verdict: judgement.verdict,
            reasons: judgement.reasons,
            next_run: None,
            needs_attention: true,
        }
    }

    fn replication(
        &self,
        task: &ReplicationTask,
        snapshot_tasks: &[SnapshotTask],
        is_wanted: bool,
    ) -> ReplicationStatus {
        let expected_since = self
            .time_zone
            .filter(|_| task.auto)
            .and_then(|zone| due::snapshot_due(task, snapshot_tasks, self.datetime, zone));
        let input = VerdictInput {
            since: expected_since.unwrap_or(Timestamp::MIN),
            source_snapshots: Vec::new(),
            time_zone: self.time_zone.cloned(),
        };
        let judgement = judge(Some(task), &input);
        let needs_attention = match &judgement.verdict {
            Verdict::Fresh { .. } | Verdict::Running { .. } | Verdict::Waiting { .. } => false,
            Verdict::Disabled => is_wanted,
            // One that only somebody starts, and nobody has.
            Verdict::Unknown { .. } => task.auto || task.state != TaskState::Pending,
            _ => true,
        };
        let last = task.last_snapshot.as_ref();
        let taken = last
            .zip(self.time_zone)
            .and_then(|(last, zone)| Some(task.time_of(&last.name, zone)?.earliest));
        ReplicationStatus {
            name: task.name.clone(),
            last_run: ended_at(&task.state),
            last_snapshot: task.last_snapshot.clone(),
            age_seconds: taken.map(|taken| self.age(taken)),
            expected_since,
            verdict: judgement.verdict,
            reasons: judgement.reasons,
            next_run: self
                .time_zone
                .filter(|_| task.enabled && task.auto)
                .and_then(|zone| due::next_run(task, snapshot_tasks, self.datetime, zone)),
            needs_attention,
        }
    }

    fn snapshot_task(&self, task: &SnapshotTask) -> SnapshotTaskStatus {
        let expected_since = self
            .time_zone
            .and_then(|zone| due::last_due(&task.schedule, self.datetime, zone));
        let last = task.last_snapshot.as_ref();
        let taken = last
            .zip(self.time_zone)
            .and_then(|(last, zone)| Some(task.naming_schema.time_of(&last.name, zone)?.earliest));
        let verdict = snapshot_verdict::judge(task, expected_since, taken);
        let needs_attention =
            matches!(
                verdict,
                SnapshotVerdict::Stale { .. }
                    | SnapshotVerdict::Failed { .. }
                    | SnapshotVerdict::Held { .. }
            ) || matches!(task.state, TaskState::Unstated | TaskState::Unknown { .. });
        SnapshotTaskStatus {
            dataset: task.dataset.clone(),
            last_run: ended_at(&task.state),
            last_snapshot: task.last_snapshot.clone(),
            age_seconds: taken.map(|taken| self.age(taken)),
            expected_since,
            verdict,
            next_run: self
                .time_zone
                .filter(|_| task.enabled)
                .and_then(|zone| task.schedule.next_after(self.datetime, zone)),
            needs_attention,
        }
    }

    fn age(&self, taken: Timestamp) -> i64 {
        self.datetime
            .duration_since(taken)
            .max(SignedDuration::ZERO)
            .as_secs()
    }
}

/// When a task ended. One that waits or runs hides it.
fn ended_at(state: &TaskState) -> Option<Timestamp> {
    match state {
        TaskState::Finished { at, .. } => Some(*at),
        TaskState::Error { at, .. } => *at,
        _ => None,
    }
}

#[cfg(test)]
mod tests;
