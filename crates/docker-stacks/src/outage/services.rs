//! Services in an outage: halted together before the first container is stopped, resumed together
//! after the last is started.
//!
//! A halt and a resumption are changes of what the swarm is to do, which it then does at its own
//! pace; so all that can be done is to look again and again until it has. The order is decided by
//! what can wait: a service finds what it needs by name, and the swarm tries again and again, while
//! a container that misses a service at its start may end for good; and a service's tasks write for
//! as long as the swarm takes to end them, which must be over before anything is copied.

mod judge;

use std::{collections::BTreeSet, pin::Pin, time::Duration};

use futures_util::future::{Fuse, poll_immediate};
use tokio::time::{Instant, sleep};

use super::{
    HaltEnd, OutageOptions, ServiceReport, StartEnd, StopsEnd, bring_back::KILL_MARGIN, explain,
};
use crate::{
    engine::{Engine, EngineError, EngineErrorKind},
    journal::RecordedService,
    model::{Service, ServiceRef},
    plan::GroupPlan,
};
use judge::{Look, judge};

/// How much longer than its grace time the end of a task may take: the swarm's managers tell the
/// node, and the node them, each when it is their turn.
const SWARM_MARGIN: Duration = Duration::from_secs(30);

/// A service's way through an outage.
#[derive(Debug)]
pub(super) struct ServiceSlot {
    record: RecordedService,
    /// The service as it is now: one that was deployed again has another identifier.
    service: ServiceRef,
    /// Who halted it is not known: a process that died.
    recovered: bool,
    halt: HaltEnd,
    down_since: Option<Instant>,
    /// How often it was resumed: more than once if somebody else halts it again.
    resumes: u32,
    /// When somebody first looked whether it runs again.
    watched_since: Option<Instant>,
    /// The tasks that run, as many as before, and since when they are these.
    up: Option<(Instant, BTreeSet<String>)>,
    attempts: u32,
    disturbed: bool,
    owed: bool,
    end: Option<StartEnd>,
}

impl ServiceSlot {
    fn new(record: RecordedService) -> Self {
        Self {
            service: record.service.clone(),
            record,
            recovered: false,
            halt: HaltEnd::NotAsked,
            down_since: None,
            resumes: 0,
            watched_since: None,
            up: None,
            attempts: 0,
            disturbed: false,
            owed: true,
            end: None,
        }
    }

    /// A service that a process which died was to resume.
    pub(super) fn recovered(record: RecordedService) -> Self {
        Self {
            recovered: true,
            ..Self::new(record)
        }
    }

    pub(super) fn record(&self) -> &RecordedService {
        &self.record
    }

    pub(super) fn up_at(&self) -> Option<Instant> {
        self.up.as_ref().map(|(at, _)| *at)
    }

    pub(super) fn was_asked_to_halt(&self) -> bool {
        self.down_since.is_some()
    }

    /// What must still be resumed. One that has its tasks back, but whose tasks do not run, is the
    /// swarm's to care for: it never ceases trying.
    pub(super) fn still_owed(&self) -> Option<RecordedService> {
        self.owed.then(|| RecordedService {
            service: self.service.clone(),
            ..self.record.clone()
        })
    }

    pub(super) fn report(&self) -> ServiceReport {
        let start = self.end.clone().unwrap_or_else(|| StartEnd::Failed {
            why: "nobody looked whether it runs".to_owned(),
        });
        let well = start.is_well();
        ServiceReport {
            service: self.service.clone(),
            was: self.record.was,
            halt: self.halt.clone(),
            downtime: match (self.down_since, self.up_at()) {
                (Some(down), Some(up)) if well => Some(up.saturating_duration_since(down)),
                _ => None,
            },
            start,
            disturbed: self.disturbed,
        }
    }

    /// Until when its tasks may take to end.
    fn ends_within(&self) -> Duration {
        self.record.grace + KILL_MARGIN + SWARM_MARGIN
    }
}

/// Looks at the services of a group that are to be halted.
pub(super) async fn look_all(
    engine: &dyn Engine,
    group: &GroupPlan,
) -> Result<Vec<ServiceSlot>, String> {
    let mut slots = Vec::new();
    for wanted in group.halted() {
        let id = &wanted.service.id;
        let service = engine.service(id).await.map_err(|error| {
            format!(
                "service {} changed since the plan: {}",
                wanted.service,
                explain(&error)
            )
        })?;
        // One that was scaled to 0 since the plan was made is not halted, and so not resumed.
        slots.extend(RecordedService::of(&service).map(ServiceSlot::new));
    }
    Ok(slots)
}

/// Halts services, and waits until their tasks have ended.
pub(super) async fn halt_all<C: Future<Output = ()>>(
    engine: &dyn Engine,
    slots: &mut [ServiceSlot],
    options: &OutageOptions,
    cancelled: &mut Pin<&mut Fuse<C>>,
) -> StopsEnd {
    for slot in &mut *slots {
        if poll_immediate(&mut *cancelled).await.is_some() {
            return StopsEnd::Cancelled;
        }
        slot.down_since = Some(Instant::now());
        if let Err(error) = engine.halt_service(&slot.service.id, slot.record.was).await {
            return failed(slot, &explain(&error));
        }
        tracing::info!(service = %slot.service, "halted");
    }
    loop {
        let mut waiting = false;
        for slot in slots
            .iter_mut()
            .filter(|slot| slot.halt == HaltEnd::NotAsked)
        {
            match look_for_the_end(engine, slot).await {
                Ok(true) => {}
                Ok(false) => waiting = true,
                Err(why) => return failed(slot, &why),
            }
        }
        if !waiting {
            return StopsEnd::AllStopped;
        }
        if poll_immediate(&mut *cancelled).await.is_some() {
            return StopsEnd::Cancelled;
        }
        sleep(options.poll).await;
    }
}

fn failed(slot: &mut ServiceSlot, why: &str) -> StopsEnd {
    tracing::warn!(service = %slot.service, why, "not halted");
    let why = format!("service {}: {why}", slot.service);
    slot.halt = HaltEnd::Failed { why: why.clone() };
    StopsEnd::Failed(why)
}

/// Whether a halted service's tasks have all ended.
async fn look_for_the_end(engine: &dyn Engine, slot: &mut ServiceSlot) -> Result<bool, String> {
    let waited = slot.down_since.map_or(Duration::ZERO, |at| at.elapsed());
    let late = waited >= slot.ends_within();
    match engine.service(&slot.service.id).await {
        Ok(now) if !now.is_halted() => {
            Err("somebody else resumed it while it was halted".to_owned())
        }
        Ok(now) if now.tasks.is_empty() => {
            // The swarm deletes the tasks of a halted service with all that could be read of their
            // end; but who ended before the grace time was over was not killed.
            slot.halt = if waited < slot.record.grace {
                HaltEnd::Ended
            } else {
                HaltEnd::MayBeKilled
            };
            tracing::info!(service = %slot.service, "its tasks have ended");
            Ok(true)
        }
        Ok(now) if late => Err(format!(
            "{} of its tasks have not ended {} s after it was halted",
            now.tasks.len(),
            waited.as_secs()
        )),
        Err(error) if !error.is_away() || late => Err(explain(&error)),
        Ok(_) | Err(_) => Ok(false),
    }
}

/// Resumes services, and sees how they fare. Afterwards every slot has its end.
pub(super) async fn resume_all(
    engine: &dyn Engine,
    slots: &mut [ServiceSlot],
    options: &OutageOptions,
) {
    let mut away_since = None;
    loop {
        let mut waiting = false;
        for slot in slots.iter_mut().filter(|slot| slot.end.is_none()) {
            match watch(engine, slot, options).await {
                Ok(()) => away_since = None,
                Err(error) => endure(slot, &error, &mut away_since, options),
            }
            waiting |= slot.end.is_none();
        }
        if !waiting {
            return;
        }
        sleep(options.poll).await;
    }
}

/// Looks at one service once, and resumes it if that is due.
async fn watch(
    engine: &dyn Engine,
    slot: &mut ServiceSlot,
    options: &OutageOptions,
) -> Result<(), EngineError> {
    let now = match engine.service(&slot.service.id).await {
        Err(error) if error.kind() == EngineErrorKind::NotFound => {
            let Some(replacement) = replacement(engine, slot).await? else {
                slot.owed = false;
                slot.end = Some(StartEnd::Gone);
                return Ok(());
            };
            tracing::info!(service = %slot.service, by = %replacement.id, "replaced");
            slot.service = replacement.to_ref();
            replacement
        }
        found => found?,
    };
    match judge(&now, slot, options) {
        Look::Wait => {}
        Look::Resume if slot.resumes >= options.start_attempts => {
            slot.end = Some(StartEnd::Failed {
                why: "it was resumed, and is to have no tasks again: who halts it?".to_owned(),
            });
        }
        Look::Resume => {
            slot.resumes += 1;
            engine
                .resume_service(&slot.service.id, slot.record.was)
                .await?;
            tracing::info!(service = %slot.service, "resumed");
            slot.watched_since = Some(Instant::now());
            slot.owed = false;
        }
        Look::Done(end) => {
            slot.owed = false;
            slot.end = Some(end);
        }
    }
    Ok(())
}

async fn replacement(
    engine: &dyn Engine,
    slot: &ServiceSlot,
) -> Result<Option<Service>, EngineError> {
    let all = engine.services().await?;
    Ok(all
        .into_iter()
        .find(|service| service.name == slot.service.name))
}

/// Counts a failure, and gives the service up if there were too many, or for too long.
fn endure(
    slot: &mut ServiceSlot,
    error: &EngineError,
    away_since: &mut Option<Instant>,
    options: &OutageOptions,
) {
    let goes_on = if error.is_away() {
        away_since.get_or_insert_with(Instant::now).elapsed() < options.engine_away
    } else {
        *away_since = None;
        slot.attempts += 1;
        slot.attempts < options.start_attempts
    };
    let why = explain(error);
    if goes_on {
        tracing::warn!(service = %slot.service, why, "not resumed, trying again");
        // An engine's absence is not its services' fault: it does not count.
        slot.watched_since = slot.watched_since.map(|at| at + options.poll);
    } else {
        slot.end = Some(StartEnd::Failed {
            why: format!("failed to {why}"),
        });
    }
}
