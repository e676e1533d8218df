//! Decide whether the backup NAS may be switched off (I2, I4, I5).
//!
//! There are three answers. *Switch it off* needs proof of everything. *Leave it up* is the normal
//! end of a night that found the NAS running. *Refuse* is an alarm: this night woke the NAS and
//! cannot show that switching it off is safe. What is not known counts as unsafe.

use jiff::Timestamp;
use truenas_client::{
    Pool, ReplicationTask, RunningSince, ScanFunction, ScanState, TaskState, TrueNas,
};

use super::{Outcome, Recorder, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::evidence::Fact;
use crate::sentence;

/// What the guard decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Everything is known and safe.
    SwitchOff,
    /// The NAS is not this night's to switch off.
    LeaveUp {
        /// Why.
        why: String,
    },
    /// It is this night's to switch off, but that would not be safe.
    Refuse {
        /// Everything that stands against it.
        why: Vec<String>,
    },
}

/// What the guard knows.
#[derive(Debug)]
pub struct Known {
    /// When this night found the NAS off and woke it, if it did.
    pub woken: Option<Timestamp>,
    /// Whether somebody asked for the NAS to be kept up.
    pub keep_up: bool,
    /// The replication tasks of each NAS that was asked, by its name; or why they are not known.
    pub replications: Vec<(String, Result<Vec<ReplicationTask>, String>)>,
    /// The pools of the backup NAS, by its name; or why they are not known.
    pub pools: (String, Result<Vec<Pool>, String>),
}

/// Decides, from what is known.
#[must_use]
pub fn decide(known: &Known) -> Decision {
    if known.keep_up {
        return Decision::LeaveUp {
            why: "it was asked to be kept up".to_owned(),
        };
    }
    if known.woken.is_none() {
        return Decision::LeaveUp {
            why: "this night did not wake it: it was up before, or nothing shows that it was off"
                .to_owned(),
        };
    }
    let mut why = Vec::new();
    for (nas, tasks) in &known.replications {
        match tasks {
            Ok(tasks) => why.extend(tasks.iter().filter_map(|task| busy(nas, task))),
            Err(error) => why.push(format!(
                "{nas}: the replication tasks are not known: {error}"
            )),
        }
    }
    let (nas, pools) = &known.pools;
    match pools {
        Ok(pools) => why.extend(pools.iter().filter_map(|pool| scanning(nas, pool))),
        Err(error) => why.push(format!(
            "{nas}: whether a scrub or resilver runs is not known: {error}"
        )),
    }
    if why.is_empty() {
        Decision::SwitchOff
    } else {
        Decision::Refuse { why }
    }
}

/// What speaks against switching off while this task is in its state.
fn busy(nas: &str, task: &ReplicationTask) -> Option<String> {
    let name = &task.name;
    match &task.state {
        TaskState::Running { progress, .. } => {
            let since = match task.running_since() {
                Some(RunningSince::Started(since)) => format!("since {since:.0}"),
                Some(RunningSince::LastProgress(at)) => {
                    format!("since a time that is not known, and got on at {at:.0}")
                }
                None => "since a time that is not known".to_owned(),
            };
            let progress = progress
                .as_ref()
                .and_then(|progress| progress.snapshots_sent.zip(progress.snapshots_total))
                .map_or_else(String::new, |(sent, total)| {
                    format!(" ({sent} of {total} snapshots sent)")
                });
            Some(format!(
                "{nas}: replication \"{name}\" has been running {since}{progress}"
            ))
        }
        TaskState::Waiting { reason, since } => {
            let since = since.map_or_else(String::new, |since| format!(" since {since:.0}"));
            let reason = reason
                .as_ref()
                .map_or_else(String::new, |reason| format!(": {reason}"));
            Some(format!(
                "{nas}: replication \"{name}\" has been waiting{since}{reason}"
            ))
        }
        TaskState::Unstated => Some(format!(
            "{nas}: the NAS does not say whether replication \"{name}\" runs"
        )),
        TaskState::Unknown { raw } => Some(format!(
            "{nas}: the state of replication \"{name}\" cannot be understood: {raw}"
        )),
        TaskState::Pending
        | TaskState::Finished { .. }
        | TaskState::Error { .. }
        | TaskState::Hold { .. } => None,
        // A state that a later version of the client knows and this code does not is unknown.
        other => Some(format!(
            "{nas}: replication \"{name}\" is in a state that is not known here: {other:?}"
        )),
    }
}

/// What speaks against switching off while this pool is in its state.
fn scanning(nas: &str, pool: &Pool) -> Option<String> {
    let scan = pool.scan.as_ref()?;
    let name = &pool.name;
    match &scan.state {
        ScanState::Finished | ScanState::Canceled => None,
        ScanState::Scanning => {
            let percentage = scan.percentage.map_or_else(String::new, |percentage| {
                format!(", {percentage:.0} % done")
            });
            Some(format!(
                "{nas}: a {} of pool {name} runs{percentage}",
                function(&scan.function)
            ))
        }
        other => Some(format!(
            "{nas}: the state of the {} of pool {name} cannot be understood: {other:?}",
            function(&scan.function)
        )),
    }
}

fn function(function: &ScanFunction) -> &str {
    match function {
        ScanFunction::Scrub => "scrub",
        ScanFunction::Resilver => "resilver",
        ScanFunction::Other(other) => other,
        _ => "scan",
    }
}

/// Asks both NAS and decides.
///
/// Without an API of the backup NAS its scrubs are not known, and so it is never switched off.
pub async fn run(
    clock: &dyn Clock,
    woken: Option<Timestamp>,
    keep_up: bool,
    primary: Result<&dyn TrueNas, String>,
    backup: Result<&dyn TrueNas, String>,
) -> StepRecord {
    let mut recorder = Recorder::begin(Step::Guard, clock);
    let known = ask(woken, keep_up, primary, backup).await;
    let decision = decide(&known);
    recorder.hand_on(Outcome::Guard {
        switch_off: decision == Decision::SwitchOff,
    });
    match decision {
        Decision::SwitchOff => {
            record_evidence(&mut recorder, &known);
            recorder.end(StepEnd::Done, "the backup NAS may be switched off")
        }
        Decision::LeaveUp { why } => recorder.end(
            StepEnd::NotNeeded,
            format!("the backup NAS is left up: {why}"),
        ),
        Decision::Refuse { why } => {
            for reason in &why {
                recorder.needs_attention(reason.clone());
            }
            recorder.end(
                StepEnd::Refused,
                format!(
                    "the backup NAS stays on, because switching it off would not be safe: {}",
                    why.join("; ")
                ),
            )
        }
    }
}

async fn ask(
    woken: Option<Timestamp>,
    keep_up: bool,
    primary: Result<&dyn TrueNas, String>,
    backup: Result<&dyn TrueNas, String>,
) -> Known {
    let mut replications = Vec::new();
    for (nas, api) in [("primary NAS", &primary), ("backup NAS", &backup)] {
        let tasks = match api {
            Ok(api) => api
                .replication_tasks()
                .await
                .map_err(|error| sentence::failed_to(&error)),
            Err(why) => Err(why.clone()),
        };
        replications.push((nas.to_owned(), tasks));
    }
    let pools = match backup {
        Ok(api) => api
            .pools()
            .await
            .map_err(|error| sentence::failed_to(&error)),
        Err(why) => Err(why),
    };
    Known {
        woken,
        keep_up,
        replications,
        pools: ("backup NAS".to_owned(), pools),
    }
}

fn record_evidence(recorder: &mut Recorder<'_>, known: &Known) {
    if let Some(found_off_at) = known.woken {
        recorder.saw(
            "history of this night",
            Fact::WokenByThisNight { found_off_at },
        );
    }
    for (nas, tasks) in &known.replications {
        if let Ok(tasks) = tasks {
            recorder.saw(nas, Fact::NoReplicationRuns { tasks: tasks.len() });
        }
    }
    let (nas, pools) = &known.pools;
    if let Ok(pools) = pools {
        let pools = pools.iter().map(|pool| pool.name.clone()).collect();
        recorder.saw(nas, Fact::NoScanRuns { pools });
    }
}

#[cfg(test)]
mod tests;
