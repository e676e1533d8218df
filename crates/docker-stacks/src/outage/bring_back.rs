//! Starting again what ran before, and watching until it does.

mod judge;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{ContainerReport, OutageOptions, StartEnd, StopEnd, explain};
use crate::{
    engine::{Engine, EngineError, EngineErrorKind, Stopped},
    journal::{RecordedContainer, Was},
    model::{Container, ContainerRef, ContainerState},
};
use judge::{Look, judge};

/// How long an engine may take to kill what did not stop in its grace time.
pub(super) const KILL_MARGIN: Duration = Duration::from_secs(5);

/// How long the others wait, in a recovery, for a container whose stop may be under way. Nearly all
/// stops are over by then. It may also be that no stop was asked for: then the others must not stay
/// down for the whole of a grace time, and the one that was waited for runs in any case.
const FALL_PATIENCE: Duration = Duration::from_secs(3);

/// How much longer than the first the longest pause between two attempts is.
const LONGEST_PAUSE_FACTOR: u32 = 16;

/// A container's way through an outage.
#[derive(Debug)]
pub(super) struct Slot {
    record: RecordedContainer,
    /// The container as it is now: recreated ones have another identifier.
    container: ContainerRef,
    stop: StopEnd,
    down_since: Option<Instant>,
    /// Until then, a stop that was asked for may still take effect.
    may_fall_until: Option<Instant>,
    /// From then on, the others no longer wait for it: whether a stop was asked for is not known.
    give_way_at: Option<Instant>,
    start_asked: bool,
    up_at: Option<Instant>,
    attempts: u32,
    disturbed: bool,
    end: Option<StartEnd>,
}

impl Slot {
    pub(super) fn new(record: RecordedContainer) -> Self {
        Self {
            container: record.container.clone(),
            record,
            stop: StopEnd::NotAsked,
            down_since: None,
            may_fall_until: None,
            give_way_at: None,
            start_asked: false,
            up_at: None,
            attempts: 0,
            disturbed: false,
            end: None,
        }
    }

    pub(super) fn record(&self) -> &RecordedContainer {
        &self.record
    }

    pub(super) fn up_at(&self) -> Option<Instant> {
        self.up_at
    }

    pub(super) fn was_asked_to_stop(&self) -> bool {
        self.down_since.is_some()
    }

    pub(super) fn stop_begins(&mut self) {
        self.down_since = Some(Instant::now());
    }

    pub(super) fn stop_ended(&mut self, end: StopEnd) {
        if let StopEnd::Failed { .. } = end {
            self.expect_fall();
        }
        self.stop = end;
    }

    /// A stop may be under way of which the end was not seen.
    fn expect_fall(&mut self) {
        self.may_fall_until = Some(Instant::now() + self.record.grace + KILL_MARGIN);
    }

    /// The same, when it is not even known whether the stop was asked for.
    fn suspect_fall(&mut self) {
        self.expect_fall();
        self.give_way_at = Some(Instant::now() + FALL_PATIENCE);
    }

    /// Whether the others no longer wait for it; asked until it is, and then never again.
    fn gives_way(&mut self) -> bool {
        let due = |at: &mut Instant| Instant::now() >= *at;
        self.give_way_at.take_if(due).is_some()
    }

    /// What must still be started, if it does not run. What was deleted is not: nobody could.
    pub(super) fn still_owed(&self) -> Option<RecordedContainer> {
        matches!(self.end, Some(StartEnd::Failed { .. })).then(|| RecordedContainer {
            container: self.container.clone(),
            ..self.record.clone()
        })
    }

    pub(super) fn report(&self) -> ContainerReport {
        let start = self.end.clone().unwrap_or_else(|| StartEnd::Failed {
            why: "nobody looked whether it runs".to_owned(),
        });
        let runs = start.why_not_running().is_none();
        ContainerReport {
            container: self.container.clone(),
            was: self.record.was,
            stop: self.stop.clone(),
            downtime: match (self.down_since, self.up_at) {
                (Some(down), Some(up)) if runs => Some(up.saturating_duration_since(down)),
                _ => None,
            },
            start,
            disturbed: self.disturbed,
        }
    }

    /// Notes who started the container, on the first look after the work.
    fn note_disturbance(&mut self, now: &Container) {
        let stopped = matches!(
            self.stop,
            StopEnd::Stopped(Stopped::Clean { .. } | Stopped::Killed)
        );
        if stopped
            && !self.start_asked
            && (now.state.is_active() || now.started_at != self.record.started_at)
        {
            self.disturbed = true;
        }
    }
}

/// What one attempt to raise a container came to.
enum Raise {
    Up,
    /// It runs, but may be about to stop.
    MayFall,
    Gone,
}

/// Starts containers and watches them, with one engine's absence counted once for all of them.
#[derive(Debug)]
pub(super) struct BringBack<'a> {
    engine: &'a dyn Engine,
    options: &'a OutageOptions,
    away_since: Option<Instant>,
}

impl<'a> BringBack<'a> {
    pub(super) fn new(engine: &'a dyn Engine, options: &'a OutageOptions) -> Self {
        Self {
            engine,
            options,
            away_since: None,
        }
    }

    /// Starts what must run, in the reverse of the given order, and sees how it fares. Afterwards
    /// every slot has its end.
    pub(super) async fn bring_back(&mut self, slots: &mut [Slot]) {
        for slot in slots.iter_mut().rev() {
            self.raise(slot).await;
        }
        // Those that gave way to the others.
        let left = |slot: &&mut Slot| slot.up_at.is_none() && slot.end.is_none();
        for slot in slots.iter_mut().rev().filter(left) {
            self.raise(slot).await;
        }
        loop {
            let mut waiting = false;
            for slot in slots.iter_mut().rev().filter(|slot| slot.end.is_none()) {
                self.watch(slot).await;
                waiting |= slot.end.is_none();
            }
            if !waiting {
                break;
            }
            sleep(self.options.poll).await;
        }
        for slot in slots.iter_mut() {
            if slot.record.was == Was::Paused && slot.end == Some(StartEnd::Running) {
                self.pause(slot).await;
            }
        }
    }

    /// Finds the container whose stop may have been under way when the process that asked for it
    /// died: an engine goes on with it, so that a container which runs now may not in a moment.
    ///
    /// Containers are stopped one after the other, so it is the first that still runs; unless it
    /// was started since, in which case the process died while it started them again.
    pub(super) async fn expect_last_stop(&mut self, slots: &mut [Slot]) {
        for slot in slots {
            let looked = loop {
                match self.engine.container(&slot.container.id).await {
                    Err(error) if error.is_away() && self.may_try_again(slot, &error) => {
                        sleep(self.options.retry_pause).await;
                    }
                    looked => break looked,
                }
            };
            // One that is gone, or cannot be looked at, is dealt with when it is to be started.
            let Ok(now) = looked else { continue };
            self.away_since = None;
            if now.state.is_active() {
                if now.started_at == slot.record.started_at {
                    slot.suspect_fall();
                }
                return;
            }
        }
    }

    /// Starts one container, as often as it takes or is allowed. Leaves without an end, and not
    /// up, the one that gives way to the others.
    async fn raise(&mut self, slot: &mut Slot) {
        let mut pause = self.options.retry_pause;
        loop {
            match self.try_raise(slot).await {
                Ok(Raise::Up) => {
                    self.away_since = None;
                    return;
                }
                Ok(Raise::Gone) => {
                    slot.end = Some(StartEnd::Gone);
                    return;
                }
                Ok(Raise::MayFall) => {
                    self.away_since = None;
                    if slot.gives_way() {
                        return;
                    }
                    sleep(self.options.poll).await;
                    continue;
                }
                Err(error) => {
                    if !self.may_try_again(slot, &error) {
                        slot.end = Some(StartEnd::Failed {
                            why: format!("failed to {}", explain(&error)),
                        });
                        return;
                    }
                    tracing::warn!(
                        container = %slot.container,
                        why = explain(&error),
                        "not started, trying again"
                    );
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(self.options.retry_pause * LONGEST_PAUSE_FACTOR);
        }
    }

    async fn try_raise(&self, slot: &mut Slot) -> Result<Raise, EngineError> {
        let now = match self.engine.container(&slot.container.id).await {
            Err(error) if error.kind() == EngineErrorKind::NotFound => {
                let Some(replacement) = self.replacement(slot).await? else {
                    return Ok(Raise::Gone);
                };
                tracing::info!(container = %slot.container, by = %replacement.id.short(), "replaced");
                slot.container = replacement.to_ref();
                // It was created by somebody else since: what its predecessor's stop did not reach
                // is not to be waited for.
                slot.may_fall_until = None;
                replacement
            }
            found => found?,
        };
        slot.note_disturbance(&now);
        let id = &slot.container.id;
        match now.state {
            ContainerState::Paused if slot.record.was == Was::Paused => {}
            ContainerState::Paused => self.engine.unpause(id).await?,
            ContainerState::Running | ContainerState::Restarting => {
                if slot
                    .may_fall_until
                    .is_some_and(|until| Instant::now() < until)
                {
                    return Ok(Raise::MayFall);
                }
                slot.may_fall_until = None;
            }
            _ => {
                slot.may_fall_until = None;
                slot.start_asked = true;
                self.engine.start(id).await?;
                tracing::info!(container = %slot.container, "started");
                slot.up_at = Some(Instant::now());
            }
        }
        // What nobody had to start has been up all the time, as far as can be said.
        slot.up_at.get_or_insert_with(Instant::now);
        Ok(Raise::Up)
    }

    async fn replacement(&self, slot: &Slot) -> Result<Option<Container>, EngineError> {
        let all = self.engine.containers().await?;
        Ok(all
            .into_iter()
            .find(|container| slot.record.is_replaced_by(container)))
    }

    /// Counts a failure, and says whether another attempt is due.
    fn may_try_again(&mut self, slot: &mut Slot, error: &EngineError) -> bool {
        if error.is_away() {
            let since = *self.away_since.get_or_insert_with(Instant::now);
            since.elapsed() < self.options.engine_away
        } else {
            self.away_since = None;
            slot.attempts += 1;
            slot.attempts < self.options.start_attempts
        }
    }

    /// Looks at one container once, and raises it if it fell.
    async fn watch(&mut self, slot: &mut Slot) {
        let looked = match self.engine.container(&slot.container.id).await {
            Ok(now) => {
                self.away_since = None;
                judge(&now, slot, self.options)
            }
            Err(error) if error.kind() == EngineErrorKind::NotFound => {
                Look::Fallen("it was deleted after its start".to_owned())
            }
            Err(error) => {
                if self.may_try_again(slot, &error) {
                    // An engine's absence is not its containers' fault: it does not count.
                    slot.up_at = slot.up_at.map(|at| at + self.options.poll);
                    Look::Wait
                } else {
                    Look::Done(StartEnd::Failed {
                        why: format!(
                            "it was started, but whether it runs is unknown: failed to {}",
                            explain(&error)
                        ),
                    })
                }
            }
        };
        match looked {
            Look::Done(end) => slot.end = Some(end),
            Look::Wait => {}
            Look::Fallen(why) => {
                slot.attempts += 1;
                if slot.attempts < self.options.start_attempts {
                    tracing::warn!(container = %slot.container, why, "fallen, starting it again");
                    sleep(self.options.retry_pause).await;
                    self.raise(slot).await;
                } else {
                    slot.end = Some(StartEnd::Failed { why });
                }
            }
        }
    }

    /// Pauses what was paused. It runs in any case, so what fails here is no failure of the start.
    async fn pause(&self, slot: &mut Slot) {
        let id = &slot.container.id;
        let paused = match self.engine.container(id).await {
            Ok(now) if now.state == ContainerState::Paused => Ok(()),
            Ok(_) => self.engine.pause(id).await,
            Err(error) => Err(error),
        };
        slot.end = Some(match paused {
            Ok(()) => StartEnd::PausedAgain,
            Err(error) => StartEnd::Unhealthy {
                why: format!(
                    "it was paused before, and runs now: failed to {}",
                    explain(&error)
                ),
            },
        });
    }
}
