//! `docker-backup recover`: ends what a run that was killed began.

use backup_window::clock::SystemClock;
use backup_window::exit::Exit;
use backup_window::fs_snapshots::{SnapshotUse, problems_of};
use backup_window::setup::{engine, outage_options, snapshot_holder};
use backup_window::step::recover;
use docker_stacks::{FileJournal, HookEnd, RecoveryReport};
use fs_snapshots::Holder;

use super::leftovers::{settle_if_well, undo_leftovers};
use crate::failure::{Failure, failed_to};
use crate::session::Session;
use crate::tonight;

/// Needs the engine and the journal only: neither the NAS nor the repository's password, which may
/// not be there yet when this runs at boot.
pub(crate) async fn recover(session: &Session) -> Result<Exit, Failure> {
    let config = session.config()?;
    let state = session.state(Some(&config))?;
    let _lock = tonight::lock(&state, "recover")?;
    let leftover = undo_leftovers(&state).await?;
    // At boot, the engine may still be starting: `recover` waits for it.
    let engine = engine(&config).map_err(|error| Failure::usage(&error))?;
    let journal = FileJournal::new(state.outage_journal());
    // Stacks first: what is left of a drill is in nobody's way.
    let report = recover::run(&SystemClock, &engine, &journal, &outage_options(&config))
        .await
        .map_err(|error| failed_to(Exit::Failed, &error))?;
    match state.drill_journal().settle(&engine).await {
        Ok(cleared) if cleared.is_nothing() => {}
        Ok(_) => tracing::info!("what a drill had left behind is taken away"),
        Err(error) => tracing::warn!(%error, "something of a drill is left behind"),
    }
    if config.docker().snapshots == SnapshotUse::Auto {
        remove_snapshots(&snapshot_holder(&config, &state)).await;
    }
    if let Some((_, record)) = &report {
        tonight::remember_recovery(&state, &config, record);
    }
    let report = report.map(|(report, _)| report);
    if exit(report.as_ref()) == Exit::Done {
        settle_if_well(&state, &engine, leftover.as_ref()).await?;
    }
    session
        .output()
        .write(&report, || describe(report.as_ref()))?;
    Ok(exit(report.as_ref()))
}

/// Removes the snapshots of file systems that a run has left: they are in nobody's way, but fill
/// the disk.
async fn remove_snapshots(holder: &Holder) {
    match holder.recover().await {
        Ok(removal) => {
            for problem in problems_of(&removal) {
                tracing::warn!("{problem}");
            }
        }
        Err(error) => tracing::warn!(%error, "snapshots of file systems may be left"),
    }
}

/// What a recovery contributes to the exit code.
pub(super) fn exit(report: Option<&RecoveryReport>) -> Exit {
    let is_well = |report: &RecoveryReport| {
        report.not_running.is_empty()
            && report.hooks.iter().all(|hook| hook.end == HookEnd::Done)
            && report.warnings.is_empty()
    };
    if report.is_none_or(is_well) {
        Exit::Done
    } else {
        Exit::Attention
    }
}

/// What a recovery did, for people.
pub(super) fn describe(report: Option<&RecoveryReport>) -> String {
    let Some(report) = report else {
        return "nothing was left stopped".to_owned();
    };
    let mut lines = vec![format!(
        "the run that began at {} had left these stopped:",
        report.begun_at
    )];
    let containers = report.containers.iter();
    let containers = containers.map(|report| (&report.container.name, &report.start));
    let services = report.services.iter();
    let services = services.map(|report| (&report.service.name, &report.start));
    for (name, start) in containers.chain(services) {
        let state = if start.is_well() {
            "runs again"
        } else {
            "DOES NOT RUN"
        };
        lines.push(format!("  {name}  {state}"));
    }
    for missing in &report.not_running {
        lines.push(format!("  {}: {}", missing.what.name(), missing.why));
    }
    for hook in &report.hooks {
        if let HookEnd::Failed { why } = &hook.end {
            lines.push(format!("  {}: {}: {why}", hook.container, hook.command));
        }
    }
    lines.extend(report.warnings.iter().map(|warning| format!("  {warning}")));
    lines.join("\n")
}
