//! The hand on the tasks of a simulated NAS.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::Control;

impl Control {
    /// Runs a snapshot task now, and what follows it, as its schedule would.
    ///
    /// # Panics
    /// When the NAS has no such task, or has disabled it.
    pub fn run_snapshot_task(&self, id: i64) {
        self.change(|world, now| {
            if let Err(refusal) = world.run_snapshot_task(id, now) {
                panic!("the simulated NAS does not run its snapshot task {id}: {refusal:?}");
            }
        });
    }

    /// Since when a replication task has been running; `None` while it does not.
    #[must_use]
    pub fn running_since(&self, name: &str) -> Option<Timestamp> {
        self.with_replication(name, |task| task.running_since())
    }

    /// Keeps a replication task `RUNNING` from its next run on (or in the current one) until
    /// [`Control::release_replication`].
    pub fn hold_replication(&self, name: &str) {
        self.with_replication(name, |task| task.held = true);
    }

    /// Lets a replication task run, from its next run on (or in the current one), without getting
    /// any further: neither its time nor its bytes move until [`Control::release_replication`].
    pub fn stall_replication(&self, name: &str) {
        self.with_replication(name, |task| task.stalled = true);
    }

    /// Lets a held or stalled replication task go on, and end.
    pub fn release_replication(&self, name: &str) {
        self.with_replication(name, |task| {
            task.held = false;
            task.stalled = false;
        });
    }

    /// Lets a replication task wait so long before it runs; one that waits already, too.
    pub fn set_waits(&self, name: &str, waits: Duration) {
        self.with_replication(name, |task| task.options.waits = waits);
    }

    /// Enables or disables a replication task.
    pub fn set_replication_enabled(&self, name: &str, enabled: bool) {
        self.with_replication(name, |task| task.options.enabled = enabled);
    }

    /// Lets a replication task finish with these warnings from now on.
    pub fn set_warnings(&self, name: &str, warnings: &[&str]) {
        let warnings = warnings.iter().map(|&warning| warning.to_owned()).collect();
        self.with_replication(name, |task| task.options.warnings = warnings);
    }

    /// Puts a replication task on hold, for a reason such as `Pool tank is offline.`
    pub fn put_on_hold(&self, name: &str, reason: &str) {
        let now = self.now();
        self.with_replication(name, |task| task.on_hold = Some((now, reason.to_owned())));
    }

    /// Takes [`Control::put_on_hold`] back.
    pub fn lift_hold(&self, name: &str) {
        self.with_replication(name, |task| task.on_hold = None);
    }

    /// Lets every replication task show the same error, because what runs them all is broken;
    /// `None` repairs it.
    pub fn break_replications(&self, error: Option<&str>) {
        self.change(|world, now| world.broken = error.map(|error| (now, error.to_owned())));
    }

    /// Makes a replication task show this as its `state`, and stand still as long as it does.
    pub fn set_state(&self, name: &str, state: Value) {
        self.with_replication(name, |task| task.says = Some(state));
    }

    /// Takes [`Control::set_state`] back.
    pub fn clear_state(&self, name: &str) {
        self.with_replication(name, |task| task.says = None);
    }
}
