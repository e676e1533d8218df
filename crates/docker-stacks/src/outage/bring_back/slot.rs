//! One container's way through an outage.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    engine::Stopped,
    journal::RecordedContainer,
    model::{Container, ContainerRef, Health},
    outage::{ContainerReport, StartEnd, StopEnd},
};

/// How long an engine may take to kill what did not stop in its grace time.
pub(in crate::outage) const KILL_MARGIN: Duration = Duration::from_secs(5);

/// How long those that need a container wait for it while its stop may be under way. Nearly all
/// stops are over by then. It may also be that no stop was asked for: then they must not stay down
/// for the whole of a grace time, and the one that was waited for runs in any case.
const FALL_PATIENCE: Duration = Duration::from_secs(3);

/// A container's way through an outage.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they say nothing of each other, and no call takes them"
)]
pub(in crate::outage) struct Slot {
    pub(super) record: RecordedContainer,
    /// The container as it is now: recreated ones have another identifier.
    pub(super) container: ContainerRef,
    stop: StopEnd,
    down_since: Option<Instant>,
    /// Until then, a stop that was asked for may still take effect.
    pub(super) may_fall_until: Option<Instant>,
    /// From then on, those that need it no longer wait for that stop.
    give_way_at: Option<Instant>,
    /// Others wait until it has done its work and ended.
    pub(super) is_job: bool,
    pub(super) start_asked: bool,
    /// When it came up, for the report.
    up_at: Option<Instant>,
    /// Since when it is watched: later than `up_at` by the time that the engine was away.
    watched_since: Option<Instant>,
    /// When the next attempt to raise it is due, if there was one.
    pub(super) retry_at: Option<Instant>,
    pub(super) attempts: u32,
    /// How often it was restarted because it had been cut off.
    pub(super) restarts: u32,
    disturbed: bool,
    /// What the last look said; without a health check, being up is all that can be known.
    pub(super) is_healthy: bool,
    pub(super) started_at: Option<Timestamp>,
    pub(super) end: Option<StartEnd>,
}

impl Slot {
    pub(in crate::outage) fn new(record: RecordedContainer) -> Self {
        Self {
            container: record.container.clone(),
            record,
            stop: StopEnd::NotAsked,
            down_since: None,
            may_fall_until: None,
            give_way_at: None,
            is_job: false,
            start_asked: false,
            up_at: None,
            watched_since: None,
            retry_at: None,
            attempts: 0,
            restarts: 0,
            disturbed: false,
            is_healthy: false,
            started_at: None,
            end: None,
        }
    }

    pub(in crate::outage) fn record(&self) -> &RecordedContainer {
        &self.record
    }

    /// The container as it is now.
    pub(in crate::outage) fn container(&self) -> &ContainerRef {
        &self.container
    }

    pub(in crate::outage) fn up_at(&self) -> Option<Instant> {
        self.up_at
    }

    pub(in crate::outage) fn was_asked_to_stop(&self) -> bool {
        self.down_since.is_some()
    }

    pub(in crate::outage) fn stop_begins(&mut self) {
        self.down_since = Some(Instant::now());
    }

    pub(in crate::outage) fn stop_ended(&mut self, end: StopEnd) {
        if let StopEnd::Failed { .. } = end {
            self.suspect_fall();
        }
        self.stop = end;
    }

    /// A stop may be under way of which the end was not seen.
    pub(super) fn suspect_fall(&mut self) {
        let now = Instant::now();
        self.may_fall_until = Some(now + self.record.grace + KILL_MARGIN);
        self.give_way_at = Some(now + FALL_PATIENCE);
    }

    /// It runs, but may be about to stop.
    pub(super) fn may_fall(&self) -> bool {
        self.may_fall_until
            .is_some_and(|until| Instant::now() < until)
    }

    /// Those that need it are not to wait any longer for its stop.
    pub(super) fn gives_way(&self) -> bool {
        self.may_fall() && self.give_way_at.is_some_and(|at| Instant::now() >= at)
    }

    /// Something else started it while the work was done.
    pub(in crate::outage) fn was_disturbed(&mut self) {
        self.disturbed = true;
    }

    pub(super) fn is_up(&self) -> bool {
        self.up_at.is_some()
    }

    pub(super) fn is_due(&self) -> bool {
        self.retry_at.is_none_or(|at| Instant::now() >= at)
    }

    /// It runs, since now if that was not known before.
    pub(super) fn came_up(&mut self) {
        let now = Instant::now();
        self.up_at.get_or_insert(now);
        self.watched_since.get_or_insert(now);
        self.retry_at = None;
    }

    /// It does not run, whatever was seen before: raise it, at the earliest `after` now.
    pub(super) fn fell(&mut self, after: Duration) {
        self.up_at = None;
        self.watched_since = None;
        self.end = None;
        self.retry_at = Some(Instant::now() + after);
    }

    /// For how long it has been seen up.
    pub(super) fn up_for(&self) -> Duration {
        self.watched_since.map_or(Duration::ZERO, |at| at.elapsed())
    }

    /// An engine's absence is not its containers' fault: it does not count as time that they had.
    pub(super) fn was_out_of_sight(&mut self, passed: Duration) {
        self.watched_since = self.watched_since.map(|at| at + passed);
    }

    /// Keeps what a look at the container says.
    pub(super) fn note(&mut self, now: &Container) {
        self.is_healthy = !now.has_health_check || now.health == Some(Health::Healthy);
        self.started_at = now.started_at;
    }

    /// Notes who started the container, on the first look after the work.
    pub(super) fn note_disturbance(&mut self, now: &Container) {
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

    /// What must still be started, if it does not run. What was deleted is not: nobody could.
    pub(in crate::outage) fn still_owed(&self) -> Option<RecordedContainer> {
        matches!(self.end, Some(StartEnd::Failed { .. })).then(|| RecordedContainer {
            container: self.container.clone(),
            ..self.record.clone()
        })
    }

    /// It does not run, as far as is known.
    pub(in crate::outage) fn is_missing(&self) -> bool {
        self.end
            .as_ref()
            .is_none_or(|end| end.why_not_running().is_some())
    }

    pub(in crate::outage) fn report(&self) -> ContainerReport {
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
}
