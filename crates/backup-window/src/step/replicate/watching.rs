//! Watching the tasks of a NAS, with as few questions as it allows.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use truenas_client::{
    ReplicationChange, ReplicationChanges, ReplicationTask, System, TrueNas, TrueNasError,
};

use super::pace::{self, Pace};
use crate::clock::Clock;
use crate::nas_clock::NasClock;

/// How often a NAS is asked that tells of changes by itself: in case that one got lost, and to see
/// that it has not restarted.
pub(super) const HEARTBEAT: Duration = Duration::from_mins(5);

/// How far apart two accounts of when a NAS started may be, of one start.
const SAME_START: SignedDuration = SignedDuration::from_mins(2);

/// The tasks of a NAS as they were last heard of.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    nas: &'a dyn TrueNas,
    clock: &'a dyn Clock,
    /// What it tells by itself, if it does and the connection holds.
    changes: Option<ReplicationChanges>,
    /// Whether the connection is as good as it was when the NAS was last asked.
    connected: bool,
    /// Whether it must be asked at every turn although it tells of changes: there are things of
    /// which it does not tell.
    pub(super) attentive: bool,
    pace: Pace,
    next_question: Instant,
    tasks: Vec<ReplicationTask>,
    about: Option<About>,
}

/// What a NAS says of itself.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) clock: NasClock,
    pub(super) time_zone: Option<TimeZone>,
    boot_id: Option<String>,
    /// When it started, by its own clock.
    pub(super) started: Timestamp,
}

impl<'a> Watch<'a> {
    pub(super) fn new(nas: &'a dyn TrueNas, clock: &'a dyn Clock, poll_interval: Duration) -> Self {
        Self {
            nas,
            clock,
            changes: None,
            connected: false,
            attentive: false,
            pace: Pace::new(poll_interval),
            next_question: Instant::now(),
            tasks: Vec::new(),
            about: None,
        }
    }

    /// What was last heard of the tasks.
    pub(super) fn tasks(&self) -> &[ReplicationTask] {
        &self.tasks
    }

    pub(super) fn task(&self, name: &str) -> Option<&ReplicationTask> {
        self.tasks.iter().find(|task| task.name == name)
    }

    /// What the NAS last said of itself, which is known after a first look.
    pub(super) fn about(&self) -> Option<&About> {
        self.about.as_ref()
    }

    /// Asks the NAS at the next look, whatever was heard.
    pub(super) fn look_again(&mut self) {
        self.next_question = Instant::now();
    }

    /// Brings what is known of the tasks up to date, and asks only if it is time to.
    pub(super) async fn look(&mut self) -> Result<(), TrueNasError> {
        if Instant::now() < self.next_question {
            return Ok(());
        }
        let lively = self.ask().await?;
        let pause = if self.changes.is_some() && !self.attentive {
            HEARTBEAT
        } else {
            self.pace.pause(lively)
        };
        self.next_question = Instant::now() + pause;
        Ok(())
    }

    /// Whether the NAS answered when it was last asked.
    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// The connection is not what it was: something may have happened meanwhile.
    pub(super) fn is_lost(&mut self) {
        self.changes = None;
        self.connected = false;
        self.next_question = Instant::now() + self.pace.pause(false);
    }

    /// Asks for the tasks. Gives whether something happens or is about to.
    async fn ask(&mut self) -> Result<bool, TrueNasError> {
        let tasks = if self.connected && (self.changes.is_none() || self.attentive) {
            self.nas.replication_tasks().await?
        } else {
            if !self.connected {
                // Only changes from now on are told, so this comes before the question.
                self.changes = self.nas.replication_changes().await?;
            }
            let asked = self.clock.now();
            let (system, tasks) =
                tokio::try_join!(self.nas.system(), self.nas.replication_tasks())?;
            self.about = Some(About::new(&system, asked));
            tasks
        };
        let lively = !self.connected
            || pace::has_news(&self.tasks, &tasks)
            || tasks.iter().any(|task| pace::is_nearly_done(&task.state));
        self.tasks = tasks;
        self.connected = true;
        Ok(lively)
    }

    /// Asks the NAS about itself.
    pub(super) async fn ask_about(&mut self) -> Result<(), TrueNasError> {
        let asked = self.clock.now();
        let system = self.nas.system().await?;
        self.about = Some(About::new(&system, asked));
        Ok(())
    }

    /// Asks again soon, although the NAS tells of changes: while it is attentive.
    pub(super) fn hurry(&mut self) {
        if self.attentive {
            let soon = Instant::now() + self.pace.pause(false);
            self.next_question = self.next_question.min(soon);
        }
    }

    /// Waits until there is something to look at, or until `until` at the latest.
    pub(super) async fn wait(&mut self, until: Instant) {
        let heard = tokio::select! {
            () = tokio::time::sleep_until(until.min(self.next_question)) => {
                self.look_again();
                return;
            }
            heard = next(&mut self.changes) => heard,
        };
        let Some(change) = heard else {
            tracing::debug!("the NAS tells no changes any more");
            self.is_lost();
            return;
        };
        let known = self.tasks.iter_mut().find(|known| known.id == change.id);
        if !known.is_some_and(|known| change.apply_to(known)) {
            self.look_again();
        }
    }
}

/// The next change; never, where none are told.
async fn next(changes: &mut Option<ReplicationChanges>) -> Option<ReplicationChange> {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}

impl About {
    fn new(system: &System, asked: Timestamp) -> Self {
        Self {
            clock: NasClock::from_answer(asked, system.datetime),
            time_zone: TimeZone::get(&system.time_zone).ok(),
            boot_id: system.boot_id.clone(),
            started: system
                .datetime
                .saturating_sub(system.uptime)
                .unwrap_or(system.datetime),
        }
    }

    /// Whether the NAS has restarted since it said `before`.
    pub(super) fn is_after_a_restart(&self, before: &Self) -> bool {
        match (&self.boot_id, &before.boot_id) {
            (Some(now), Some(before)) => now != before,
            _ => self.started.duration_since(before.started) > SAME_START,
        }
    }
}

#[cfg(test)]
mod tests {
    use truenas_client::Version;

    use super::*;

    fn about(uptime: u64, boot_id: Option<&str>, datetime: i64) -> About {
        let datetime = Timestamp::from_second(datetime).unwrap();
        let mut system = System::new(Version::parse("TrueNAS-13.0-U6.7"), "nas", datetime);
        system.uptime = Duration::from_secs(uptime);
        system.boot_id = boot_id.map(str::to_owned);
        About::new(&system, datetime)
    }

    #[test]
    fn a_restart_is_seen_by_the_boot_or_by_how_long_the_nas_is_up() {
        let before = about(10_000, Some("a"), 50_000);
        assert!(!about(10_600, Some("a"), 50_600).is_after_a_restart(&before));
        assert!(about(60, Some("b"), 50_600).is_after_a_restart(&before));
        // Its clock was set, which is no restart.
        assert!(!about(10_600, Some("a"), 60_000).is_after_a_restart(&before));

        let before = about(10_000, None, 50_000);
        assert!(!about(10_600, None, 50_610).is_after_a_restart(&before));
        assert!(about(60, None, 50_600).is_after_a_restart(&before));
    }
}
