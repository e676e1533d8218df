//! Finish the outage of a run that did not live to do it.

use docker_stacks::{Engine, Journal, OutageOptions, RecoverError, RecoveryReport};

use super::stacks::problems;
use super::{Recorder, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::evidence::Fact;

/// Starts what an earlier run left stopped, if it left anything, and records it.
///
/// # Errors
/// When the journal cannot be read, or is of another engine.
pub async fn run(
    clock: &dyn Clock,
    engine: &dyn Engine,
    journal: &dyn Journal,
    options: &OutageOptions,
) -> Result<Option<(RecoveryReport, StepRecord)>, RecoverError> {
    let mut recorder = Recorder::begin(Step::Recover, clock);
    let Some(report) = docker_stacks::recover(engine, journal, options).await? else {
        return Ok(None);
    };
    let running = report
        .containers
        .iter()
        .filter(|container| container.start.is_well())
        .count();
    if report.not_running.is_empty() {
        let containers = running;
        recorder.saw(engine.endpoint(), Fact::RunningAsBefore { containers });
    }
    for problem in problems::of_recovery(&report) {
        recorder.needs_attention(problem);
    }
    let summary = format!(
        "{running} of {} containers run again",
        report.containers.len()
    );
    let end = if report.not_running.is_empty() {
        StepEnd::Done
    } else {
        StepEnd::Failed
    };
    let record = recorder.end(end, summary);
    Ok(Some((report, record)))
}
