//! Finishing the outage of a process that did not live to do it.

use jiff::Timestamp;
use serde::Serialize;

use super::{
    ContainerReport, HookReport, NotRunning, OutageOptions, ServiceReport,
    bring_back::{BringBack, Slot},
    hooks,
    promise::close,
    report::not_running,
    services::{self, ServiceSlot},
};
use crate::{
    engine::Engine,
    journal::{Journal, JournalError},
    model::StackName,
};

/// What a recovery did.
///
/// ```
/// use docker_stacks::RecoveryReport;
///
/// fn sentences(report: &RecoveryReport) -> Vec<String> {
///     let missing = report.not_running.iter();
///     missing.map(|m| format!("{} does not run: {}", m.what.name(), m.why)).collect()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[must_use]
pub struct RecoveryReport {
    /// When the outage began that was not ended.
    pub begun_at: Timestamp,
    /// The stacks that were down.
    pub stacks: Vec<StackName>,
    /// What became of each container. Nothing is known of how it was stopped.
    pub containers: Vec<ContainerReport>,
    /// What became of each service.
    pub services: Vec<ServiceReport>,
    /// What ran before and does not run now.
    pub not_running: Vec<NotRunning>,
    /// What came of the commands that containers were owed.
    pub hooks: Vec<HookReport>,
    /// What else somebody should look at.
    pub warnings: Vec<String>,
}

/// Why nothing could be recovered.
///
/// ```
/// use docker_stacks::RecoverError;
///
/// fn names_another_engine(error: &RecoverError) -> bool {
///     matches!(error, RecoverError::OtherEngine { .. })
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// Nobody knows what to start.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The record is of another engine: none of its containers would be found on this one.
    #[error(
        "recover the outage of the engine at {recorded}: this is the engine at {asked}; name the other one"
    )]
    OtherEngine {
        /// The engine that the record is of.
        recorded: String,
        /// The engine that was to be recovered.
        asked: String,
    },
}

/// Starts what the journal names, if it names anything.
///
/// Calls may be repeated, and a recovery that dies is recovered by the next: the record stays until
/// everything in it runs, or is known to be deleted. A container that was recreated meanwhile is
/// found by its place in its project, or by its name. Commands that containers are owed after their
/// start are run; one that was under way when the process died is run again. An engine that is away, as at boot, is waited
/// for as long as [`OutageOptions::engine_away`] says.
///
/// Nothing must be under way on the same journal.
///
/// # Errors
///
/// If the journal cannot be read, or is of another engine. What could not be started is in the
/// report.
///
/// # Example
///
/// ```no_run
/// # use docker_stacks::{Engine, FileJournal, OutageOptions, recover};
/// # async fn example(engine: &dyn Engine) -> Result<(), docker_stacks::RecoverError> {
/// let journal = FileJournal::new("/var/lib/my-backup/outage.json");
/// if let Some(report) = recover(engine, &journal, &OutageOptions::default()).await? {
///     println!("{} containers were started again", report.containers.len());
/// }
/// # Ok(())
/// # }
/// ```
pub async fn recover(
    engine: &dyn Engine,
    journal: &dyn Journal,
    options: &OutageOptions,
) -> Result<Option<RecoveryReport>, RecoverError> {
    let Some(mut record) = journal.read().await? else {
        return Ok(None);
    };
    if record.engine != engine.endpoint() {
        return Err(RecoverError::OtherEngine {
            recorded: record.engine,
            asked: engine.endpoint(),
        });
    }
    tracing::warn!(begun_at = %record.begun_at, "an outage was not ended; ending it");
    let mut slots: Vec<Slot> = std::mem::take(&mut record.containers)
        .into_iter()
        .map(Slot::new)
        .collect();
    let mut bring_back = BringBack::new(engine, options);
    let mut halted: Vec<ServiceSlot> = std::mem::take(&mut record.services)
        .into_iter()
        .map(ServiceSlot::recovered)
        .collect();
    bring_back.expect_last_stop(&mut slots).await;
    tokio::join!(
        services::resume_all(engine, &mut halted, options),
        bring_back.bring_back(&mut slots),
    );

    let owed = std::mem::take(&mut record.hooks);
    let (hooks, owed) = hooks::run_after(engine, &owed, &slots).await;
    let containers: Vec<_> = slots.iter().map(Slot::report).collect();
    let services: Vec<_> = halted.iter().map(ServiceSlot::report).collect();
    Ok(Some(RecoveryReport {
        begun_at: record.begun_at,
        stacks: record.stacks.clone(),
        not_running: not_running(&containers, &services),
        containers,
        services,
        hooks,
        warnings: close(journal, record, (&slots, &halted), owed).await,
    }))
}
