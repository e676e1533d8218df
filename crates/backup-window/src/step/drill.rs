//! Try out what was saved of a stack.

use std::collections::BTreeMap;

use backup_store::{Snapshot, Store};
use docker_stacks::Mark;
use tokio_util::sync::CancellationToken;

use super::stacks::DockerHost;
use super::{Recorder, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::drill::{DrillOptions, DrillRecord, DrillRecords, DrillReport, Verdict, drill};
use crate::evidence::Fact;
use crate::restore::Restorer;
use crate::sentence;
use crate::setup::ConfiguredHost;
use crate::state::StateDir;
use crate::whereabouts::Here;

/// What a drill works with.
#[derive(Debug)]
pub struct Drilling<'a> {
    /// The machine whose stacks are tried.
    pub host: &'a ConfiguredHost,
    /// What is known of this machine.
    pub here: &'a Here,
    /// What restores.
    pub restorer: &'a dyn Restorer,
    /// Where it is written down that a drill goes on, and what came of it.
    pub state: &'a StateDir,
    /// How.
    pub options: DrillOptions,
}

/// Tries the newest snapshot of the stack that is named, or of the one whose turn it is. To be
/// called by who holds the lock of runs.
pub async fn run(
    clock: &dyn Clock,
    drilling: &Drilling<'_>,
    stack: Option<&str>,
    cancel: &CancellationToken,
) -> (StepRecord, Option<DrillReport>) {
    let recorder = Recorder::begin(Step::Drill, clock);
    let Drilling { host, state, .. } = drilling;
    let ready = tokio::select! {
        ready = prepare(drilling, stack) => ready,
        () = cancel.cancelled() => Err((StepEnd::Cancelled, "ended by a signal".to_owned())),
    };
    let (store, snapshot, mut records) = match ready {
        Ok(ready) => ready,
        Err((end, why)) => return (recorder.end(end, why), None),
    };
    let engine = host.workbench();
    let journal = state.drill_journal();
    let mark = Mark::new(clock.now().strftime("%Y%m%dT%H%M%S").to_string());
    let work = drill(
        engine,
        (store.as_ref(), drilling.restorer),
        &journal,
        &snapshot,
        &mark,
        &drilling.options,
    );
    let done = tokio::select! {
        done = work => Some(done),
        () = cancel.cancelled() => None,
    };
    let report = match done {
        Some(Ok(report)) => report,
        Some(Err(error)) => {
            let why = format!("{} cannot be written: {error}", journal.path().display());
            return (recorder.end(StepEnd::Failed, why), None);
        }
        None => {
            let cleared = journal.settle(engine).await;
            let why = match cleared {
                Ok(_) => "ended by a signal, after everything of it was taken away".to_owned(),
                Err(error) => sentence::failed_to(&error),
            };
            return (recorder.end(StepEnd::Cancelled, why), None);
        }
    };
    records.note(
        &report.stack,
        DrillRecord {
            at: clock.now(),
            snapshot: report.snapshot.clone(),
            verdict: report.verdict,
            reason: report.reason.clone(),
        },
    );
    let written = records.write(&state.drills());
    (
        record(recorder, store.as_ref(), &report, written.err()),
        Some(report),
    )
}

type Ready = (std::sync::Arc<dyn Store>, Snapshot, DrillRecords);

async fn prepare(drilling: &Drilling<'_>, stack: Option<&str>) -> Result<Ready, (StepEnd, String)> {
    let failed = |error: &dyn std::error::Error| (StepEnd::Failed, sentence::failed_to(error));
    let host = drilling.host;
    if let Err(why) = host.check_mount() {
        let why = format!(
            "nothing was tried, because the NAS is not there: {}",
            sentence::of(&why)
        );
        return Err((StepEnd::Refused, why));
    }
    let engine = host.engine().await.map_err(|error| failed(&error))?;
    let elsewhere = drilling.here.why_not(engine.as_ref()).await;
    if let Some(why) = elsewhere.map_err(|error| failed(&error))? {
        return Err((
            StepEnd::Refused,
            format!("nothing was tried, because {why}"),
        ));
    }
    let store = host.store().await.map_err(|error| failed(&error))?;
    let snapshots = store.snapshots().await.map_err(|error| failed(&error))?;
    let newest = newest(snapshots, host.host_name());
    let records = DrillRecords::read(&drilling.state.drills())
        .map_err(|error| (StepEnd::Failed, sentence::of(&error)))?;
    let names = newest.keys().map(String::as_str);
    let stack = stack.or_else(|| records.next(names)).unwrap_or_default();
    let Some(snapshot) = newest.get(stack) else {
        let why = if stack.is_empty() {
            "the repository has no snapshot of a stack of this machine".to_owned()
        } else {
            format!("the repository has no snapshot of a stack of this machine called {stack}")
        };
        return Err((StepEnd::Failed, why));
    };
    Ok((store, snapshot.clone(), records))
}

/// The newest snapshot of each stack of this machine, without those that a restore made of what it
/// replaced.
fn newest(snapshots: Vec<Snapshot>, host_name: &str) -> BTreeMap<String, Snapshot> {
    snapshots
        .into_iter()
        .filter(|snapshot| snapshot.host == host_name && !snapshot.stack.is_empty())
        .filter(Snapshot::is_of_a_night)
        .map(|snapshot| (snapshot.stack.clone(), snapshot))
        .collect()
}

fn record(
    mut recorder: Recorder<'_>,
    store: &dyn Store,
    report: &DrillReport,
    not_written: Option<crate::drill::RecordsError>,
) -> StepRecord {
    if let Some(error) = not_written {
        recorder.needs_attention(sentence::of(&error));
    }
    if let Some(why) = &report.left_behind {
        recorder.needs_attention(format!("something of the drill is left behind: {why}"));
    }
    if !report.confined {
        recorder.needs_attention(
            "it was restored by a process that the kernel did not confine".to_owned(),
        );
    }
    let summary = format!("{}: {}: {}", report.stack, report.verdict, report.reason);
    let end = match report.verdict {
        Verdict::Pass => {
            recorder.saw(
                store.location(),
                Fact::Drilled {
                    stack: report.stack.clone(),
                    snapshot: report.snapshot.clone(),
                    seen: report.reason.clone(),
                },
            );
            StepEnd::Done
        }
        Verdict::Unusable => StepEnd::Failed,
        Verdict::Inconclusive => StepEnd::Attention,
    };
    recorder.end(end, summary)
}
