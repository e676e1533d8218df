//! The night: its steps, in the order that makes each prove the one before.
//!
//! ```text
//! wake ──► ready ─┐
//!                 ├─► replicate ──► evidence ──► guard ──► shut down ──► confirm
//! stacks ─► copied┴─► verify ──► retain
//! ```

mod report;
mod switch_off;

use jiff::Timestamp;
use reachability::{DownOptions, Probe};
use remote_shutdown::RemoteShutdown;
use tokio_util::sync::CancellationToken;
use truenas_client::TrueNas;
use wol::Waker;

pub use report::{NightReport, render_step};
pub use switch_off::{SwitchOff, switch_off, would_switch_off};

use crate::clock::Clock;
use crate::history::{History, HistoryError};
use crate::step::replicate::{ReplicateOptions, Replication};
use crate::step::stacks::{DockerHost, StacksOptions};
use crate::step::upkeep::{self, UpkeepOptions};
use crate::step::wake::WakeOptions;
use crate::step::{
    Outcome, Step, StepEnd, StepRecord, not_reached, prove, replicate, stacks, wake,
};
use crate::window::Night;

/// Everything that a night touches.
#[derive(Debug)]
pub struct Homelab {
    /// The time.
    pub clock: Box<dyn Clock>,
    /// What sends magic packets.
    pub waker: Box<dyn Waker>,
    /// What answers when the backup NAS is ready, and is silent when it is off.
    pub ready: Box<dyn Probe>,
    /// The machine whose stacks are backed up.
    pub docker_host: Box<dyn DockerHost>,
    /// The NAS that is always on.
    pub primary: Box<dyn TrueNas>,
    /// The API of the NAS that sleeps, where it is configured.
    pub backup: Option<Box<dyn TrueNas>>,
    /// What switches the NAS off that sleeps.
    pub shutdown: Box<dyn RemoteShutdown>,
}

/// How the night goes.
#[derive(Debug, Clone)]
pub struct NightOptions {
    /// How the backup NAS is woken.
    pub wake: WakeOptions,
    /// What is backed up.
    pub stacks: StacksOptions,
    /// The replication that brings it to the backup NAS.
    pub replication: Replication,
    /// How the repository is kept while the replication runs; not at all without this.
    pub upkeep: Option<UpkeepOptions>,
    /// How it is made sure that the backup NAS is off.
    pub down: DownOptions,
    /// Whether the backup NAS is left on at the end.
    pub keep_up: bool,
}

/// Runs the night.
///
/// Every step leaves its record in the history as soon as it has ended, whatever comes after it.
///
/// # Errors
/// Only when the history cannot be read or written. Everything else that goes wrong is in the
/// report.
pub async fn run(
    homelab: &Homelab,
    options: &NightOptions,
    night: Night,
    history: &History,
    cancel: &CancellationToken,
) -> Result<NightReport, HistoryError> {
    let clock = homelab.clock.as_ref();
    let mut report = NightReport::begin(night, clock.now());
    let (woken, saved) = tokio::join!(
        wake::run(
            clock,
            homelab.waker.as_ref(),
            std::slice::from_ref(&homelab.ready),
            &options.wake,
            cancel
        ),
        stacks::run(
            clock,
            homelab.docker_host.as_ref(),
            &night,
            &options.stacks,
            cancel
        ),
    );
    let ready = matches!(woken.outcome, Outcome::Wake { ready: true, .. });
    let backup_ended = match saved.outcome {
        Outcome::Stacks { backup_ended, .. } => backup_ended,
        _ => None,
    };
    report.add(history, woken)?;
    let copy = saved.end;
    report.add(history, saved)?;

    let (brought_over, kept) = tokio::join!(
        bring_over(homelab, options, &night, ready, backup_ended, cancel),
        async {
            match &options.upkeep {
                Some(keep) => {
                    let host = homelab.docker_host.as_ref();
                    upkeep::run(clock, host, &night, keep, copy, cancel).await
                }
                None => Vec::new(),
            }
        }
    );
    for record in brought_over.into_iter().chain(kept) {
        report.add(history, record)?;
    }

    let woken = history
        .read(night.date)?
        .and_then(|known| known.found_off_and_woke());
    let parts = SwitchOff {
        clock,
        ready: homelab.ready.as_ref(),
        primary: Ok(homelab.primary.as_ref()),
        backup: homelab.backup.as_deref().ok_or_else(no_backup_api),
        shutdown: homelab.shutdown.as_ref(),
        down: &options.down,
    };
    for record in switch_off(parts, woken, options.keep_up, cancel).await {
        report.add(history, record)?;
    }
    report.finish(clock.now());
    Ok(report)
}

/// The replication, and the proof of it.
async fn bring_over(
    homelab: &Homelab,
    options: &NightOptions,
    night: &Night,
    ready: bool,
    backup_ended: Option<Timestamp>,
    cancel: &CancellationToken,
) -> [StepRecord; 2] {
    let clock = homelab.clock.as_ref();
    let replicated = replicate_step(homelab, options, night, ready, backup_ended, cancel).await;
    let has_ended = matches!(replicated.end, StepEnd::Done | StepEnd::Attention);
    let proven = match backup_ended {
        Some(backup_ended) if has_ended && !cancel.is_cancelled() => {
            prove::run(
                clock,
                homelab.primary.as_ref(),
                homelab.backup.as_deref(),
                &options.replication.tasks,
                backup_ended,
            )
            .await
        }
        _ => not_reached(
            clock,
            Step::Evidence,
            "the replication was not seen to succeed",
        ),
    };
    [replicated, proven]
}

async fn replicate_step(
    homelab: &Homelab,
    options: &NightOptions,
    night: &Night,
    ready: bool,
    backup_ended: Option<Timestamp>,
    cancel: &CancellationToken,
) -> StepRecord {
    let clock = homelab.clock.as_ref();
    if cancel.is_cancelled() {
        return not_reached(clock, Step::Replicate, "the night was ended by a signal");
    }
    let Some(since) = backup_ended else {
        return not_reached(clock, Step::Replicate, "no stack was saved");
    };
    if !ready {
        return not_reached(clock, Step::Replicate, "the backup NAS is not ready");
    }
    let options = ReplicateOptions {
        replication: options.replication.clone(),
        since,
        deadline: night.time_left(clock.now()),
    };
    replicate::run(clock, homelab.primary.as_ref(), &options, cancel).await
}

/// Why the guard cannot know what the backup NAS does.
#[must_use]
pub fn no_backup_api() -> String {
    "its API is not configured: add url and api_key_file to [backup_nas]".to_owned()
}

#[cfg(test)]
mod tests;
