//! Starting again what ran before, and watching until it does.

mod judge;
mod order;
mod slot;

use std::time::Duration;

use tokio::{
    sync::oneshot,
    time::{Instant, sleep},
};

use super::{OutageOptions, StartEnd, explain};
use crate::{
    engine::{Engine, EngineError, EngineErrorKind},
    journal::Was,
    model::{Container, ContainerState},
};
use judge::{Look, judge};

pub(super) use slot::{KILL_MARGIN, Slot};

/// How much longer than the first the longest pause between two attempts is.
const LONGEST_PAUSE_FACTOR: u32 = 16;

/// How often a container is restarted because what it lives in was: more often would be a quarrel
/// between two containers that nobody wins.
const MOST_RESTARTS: u32 = 2;

/// What one attempt to raise a container came to.
enum Raise {
    Up,
    /// It runs, but may be about to stop.
    MayFall,
    Gone,
}

/// An engine that cannot be spoken to.
#[derive(Debug, Clone, Copy)]
struct Away {
    since: Instant,
    /// How long to wait before it is asked again.
    pause: Duration,
}

/// Starts containers and watches them, with one engine's absence counted once for all of them.
#[derive(Debug)]
pub(super) struct BringBack<'a> {
    engine: &'a dyn Engine,
    options: &'a OutageOptions,
    away: Option<Away>,
    /// Who waits until everything has been started.
    started: Option<oneshot::Sender<()>>,
}

impl<'a> BringBack<'a> {
    pub(super) fn new(engine: &'a dyn Engine, options: &'a OutageOptions) -> Self {
        Self {
            engine,
            options,
            away: None,
            started: None,
        }
    }

    /// Has somebody told when everything has been started, or has its end.
    pub(super) fn tell(&mut self, started: oneshot::Sender<()>) {
        self.started = Some(started);
    }

    /// Starts what must run, in the reverse of the given order, each when what it needs is there,
    /// and sees how it fares. Afterwards every slot has its end.
    pub(super) async fn bring_back(&mut self, slots: &mut [Slot]) {
        order::mark_jobs(slots);
        loop {
            self.until_all_have_an_end(slots).await;
            let cut_off =
                order::cut_off(slots).filter(|&index| slots[index].restarts < MOST_RESTARTS);
            let to_pause = |slot: &&mut Slot| {
                slot.record.was == Was::Paused && slot.end == Some(StartEnd::Running)
            };
            if let Some(index) = cut_off {
                self.stop_again(&mut slots[index]).await;
            } else if let Some(slot) = slots.iter_mut().find(to_pause) {
                self.pause(slot).await;
            } else {
                return;
            }
        }
    }

    async fn until_all_have_an_end(&mut self, slots: &mut [Slot]) {
        loop {
            for index in (0..slots.len()).rev() {
                if slots[index].end.is_some() {
                    continue;
                }
                if slots[index].is_up() {
                    self.watch(&mut slots[index]).await;
                } else if slots[index].is_due() && order::may_start(slots, index) {
                    self.raise(&mut slots[index]).await;
                }
                if self.away.is_some() && slots[index].end.is_none() {
                    break;
                }
            }
            if slots.iter().all(|slot| slot.end.is_some() || slot.is_up()) {
                // Nobody need wait for it.
                let _ = self.started.take().map(|started| started.send(()));
            }
            if slots.iter().all(|slot| slot.end.is_some()) {
                return;
            }
            self.wait(slots).await;
        }
    }

    /// Waits until there is something to look at, or to try again.
    async fn wait(&self, slots: &mut [Slot]) {
        if let Some(away) = self.away {
            sleep(away.pause).await;
            for slot in slots {
                slot.was_out_of_sight(away.pause);
            }
            return;
        }
        let now = Instant::now();
        let looks = slots
            .iter()
            .any(|slot| slot.end.is_none() && slot.is_up())
            .then_some(self.options.poll);
        let attempts = slots
            .iter()
            .filter(|slot| slot.end.is_none() && !slot.is_up())
            .filter_map(|slot| slot.retry_at)
            .map(|at| at.saturating_duration_since(now))
            .filter(|due| !due.is_zero());
        // With neither, somebody waits for one whose stop may be under way.
        let next = attempts.chain(looks).min().unwrap_or(self.options.poll);
        sleep(next).await;
    }

    /// Finds the container whose stop may have been under way when the process that asked for it
    /// died: an engine goes on with it, so that a container which runs now may not in a moment.
    ///
    /// Containers are stopped one after the other, so it is the first that still runs; unless it
    /// was started since, in which case the process died while it started them again, or is paused,
    /// in which case it was not even let go on to be stopped.
    pub(super) async fn expect_last_stop(&mut self, slots: &mut [Slot]) {
        for slot in slots {
            let looked = loop {
                match self.engine.container(&slot.container.id).await {
                    Err(error) if error.is_away() && !self.is_away_too_long() => {
                        sleep(self.options.retry_pause).await;
                    }
                    looked => break looked,
                }
            };
            // One that is gone, or cannot be looked at, is dealt with when it is to be started.
            let Ok(now) = looked else { continue };
            self.away = None;
            if now.state.is_active() {
                let untouched = now.started_at == slot.record.started_at;
                if untouched && now.state != ContainerState::Paused {
                    slot.suspect_fall();
                }
                return;
            }
        }
    }

    /// Tries once to raise a container.
    async fn raise(&mut self, slot: &mut Slot) {
        match self.try_raise(slot).await {
            Ok(Raise::Up) => {
                self.away = None;
                slot.came_up();
            }
            Ok(Raise::Gone) => {
                self.away = None;
                slot.end = Some(StartEnd::Gone);
            }
            Ok(Raise::MayFall) => {
                self.away = None;
                slot.retry_at = Some(Instant::now() + self.options.poll);
            }
            Err(error) => self.failed(slot, &error, "failed to"),
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
        slot.note(&now);
        slot.note_disturbance(&now);
        let id = &slot.container.id;
        match now.state {
            ContainerState::Paused if slot.record.was != Was::Paused => {
                self.engine.unpause(id).await?;
            }
            ContainerState::Running | ContainerState::Restarting | ContainerState::Paused => {
                if slot.may_fall() {
                    // As it was before, whether its stop comes or not.
                    let to_pause = slot.record.was == Was::Paused && slot.gives_way();
                    if to_pause && now.state == ContainerState::Running {
                        self.engine.pause(id).await?;
                    }
                    return Ok(Raise::MayFall);
                }
                slot.may_fall_until = None;
            }
            _ => {
                slot.may_fall_until = None;
                slot.start_asked = true;
                self.engine.start(id).await?;
                tracing::info!(container = %slot.container, "started");
            }
        }
        Ok(Raise::Up)
    }

    async fn replacement(&self, slot: &Slot) -> Result<Option<Container>, EngineError> {
        let all = self.engine.containers().await?;
        Ok(all
            .into_iter()
            .find(|container| slot.record.is_replaced_by(container)))
    }

    /// Counts an error, and sets when the next attempt is due, or that there is none.
    fn failed(&mut self, slot: &mut Slot, error: &EngineError, what: &str) {
        let why = || format!("{what} {}", explain(error));
        // An engine that does not answer in time may do so for another container.
        let nobody_there = error.is_away() && error.kind() != EngineErrorKind::DeadlinePassed;
        if nobody_there {
            if self.is_away_too_long() {
                slot.end = Some(StartEnd::Failed { why: why() });
                return;
            }
        } else {
            self.away = None;
            slot.attempts += 1;
            if slot.attempts >= self.options.start_attempts {
                slot.end = Some(StartEnd::Failed { why: why() });
                return;
            }
            slot.retry_at = Some(Instant::now() + self.pause_after(slot.attempts));
        }
        tracing::warn!(container = %slot.container, why = why(), "trying again");
    }

    /// Twice as long after each attempt, up to a limit.
    fn pause_after(&self, attempts: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempts.saturating_sub(1));
        let factor = factor.unwrap_or(LONGEST_PAUSE_FACTOR);
        self.options.retry_pause * factor.clamp(1, LONGEST_PAUSE_FACTOR)
    }

    /// Counts that nobody could be spoken to.
    fn is_away_too_long(&mut self) -> bool {
        let longest = self.options.retry_pause * LONGEST_PAUSE_FACTOR;
        let away = self.away.map_or(
            Away {
                since: Instant::now(),
                pause: self.options.retry_pause,
            },
            |before| Away {
                pause: (before.pause * 2).min(longest),
                ..before
            },
        );
        self.away = Some(away);
        away.since.elapsed() >= self.options.engine_away
    }

    /// Looks at one container that came up.
    async fn watch(&mut self, slot: &mut Slot) {
        let looked = match self.engine.container(&slot.container.id).await {
            Ok(now) => {
                self.away = None;
                slot.note(&now);
                judge(&now, slot, self.options)
            }
            Err(error) if error.kind() == EngineErrorKind::NotFound => {
                Look::Fallen("it was deleted after its start".to_owned())
            }
            Err(error) => {
                let what = "it was started, but whether it runs is unknown: failed to";
                self.failed(slot, &error, what);
                return;
            }
        };
        match looked {
            Look::Done(end) => slot.end = Some(end),
            Look::Wait => {}
            Look::Fallen(why) => {
                slot.attempts += 1;
                if slot.attempts < self.options.start_attempts {
                    tracing::warn!(container = %slot.container, why, "fallen, starting it again");
                    slot.fell(self.options.retry_pause);
                } else {
                    slot.end = Some(StartEnd::Failed { why });
                }
            }
        }
    }

    /// Stops a container that is to start again, because it lives in what was restarted after it.
    async fn stop_again(&mut self, slot: &mut Slot) {
        tracing::warn!(container = %slot.container, "cut off by another's restart, restarting it");
        slot.restarts += 1;
        let mut attempts = 0;
        loop {
            let stopped = self.engine.stop(&slot.container.id, slot.record.grace);
            let Err(error) = stopped.await else {
                self.away = None;
                slot.fell(Duration::ZERO);
                return;
            };
            let Some(pause) = self.again_after(&error, &mut attempts) else {
                slot.restarts = MOST_RESTARTS;
                slot.end = Some(StartEnd::Unhealthy {
                    why: format!(
                        "it lives in a container that was restarted after it, and could not be \
                         restarted itself: failed to {}",
                        explain(&error)
                    ),
                });
                return;
            };
            sleep(pause).await;
        }
    }

    /// How long to wait before a call that failed is made again, if it is to be.
    fn again_after(&mut self, error: &EngineError, attempts: &mut u32) -> Option<Duration> {
        if error.is_away() && !self.is_away_too_long() {
            return self.away.map(|away| away.pause);
        }
        *attempts += 1;
        (*attempts < self.options.start_attempts).then(|| self.pause_after(*attempts))
    }

    /// Pauses what was paused, or finds out that it does not run after all. Otherwise it runs, so
    /// that what fails here is no failure of the start.
    async fn pause(&mut self, slot: &mut Slot) {
        let mut attempts = 0;
        slot.end = Some(loop {
            let error = match self.try_pause(slot).await {
                Ok(true) => break StartEnd::PausedAgain,
                Ok(false) => {
                    slot.attempts += 1;
                    if slot.attempts < self.options.start_attempts {
                        slot.fell(self.options.retry_pause);
                        return;
                    }
                    let why = "it ended before it could be paused again".to_owned();
                    break StartEnd::Failed { why };
                }
                Err(error) => error,
            };
            let Some(pause) = self.again_after(&error, &mut attempts) else {
                break StartEnd::Unhealthy {
                    why: format!(
                        "it was paused before, and runs now: failed to {}",
                        explain(&error)
                    ),
                };
            };
            sleep(pause).await;
        });
    }

    /// Says whether it is paused now; it is not if it does not run.
    async fn try_pause(&mut self, slot: &Slot) -> Result<bool, EngineError> {
        let id = &slot.container.id;
        let state = self.engine.container(id).await?.state;
        self.away = None;
        match state {
            ContainerState::Paused => Ok(true),
            state if state.is_active() => self.engine.pause(id).await.map(|()| true),
            _ => Ok(false),
        }
    }
}
