//! The hand on a simulated NAS.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde_json::Value;
use truenas_client::CertificateFingerprint;

use super::SimulatorError;
use super::clock::NasClock;
use super::http::{Fault, KeySeen, RequestSeen};
use super::options::SimulatorOptions;
use super::replication::Replication;
use super::world::{Scrub, SimSnapshot, World};
use crate::tls::Identity;

type Reachable = Arc<dyn Fn() -> bool + Send + Sync>;

/// Makes a simulated NAS do things, and tells what was done to it. It stands for the NAS with its
/// disks, whether it is switched on or not.
///
/// Replication tasks are named by their name; a name that there is not makes the method panic.
#[derive(Clone)]
pub struct Control {
    nas: Arc<Nas>,
}

struct Nas {
    identity: Identity,
    clock: NasClock,
    world: Mutex<World>,
    other: Mutex<OtherNas>,
}

#[derive(Default)]
struct OtherNas {
    control: Option<Control>,
    reachable: Option<Reachable>,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control")
            .field("hostname", &self.world().options.hostname)
            .finish_non_exhaustive()
    }
}

impl Control {
    /// A NAS that is switched off; [`Simulator::boot`](super::Simulator::boot) switches it on.
    ///
    /// # Errors
    /// If its certificate cannot be made.
    pub fn new(options: SimulatorOptions) -> Result<Self, SimulatorError> {
        let nas = Nas {
            identity: Identity::new(&options.hostname, options.address.ip())
                .map_err(|source| SimulatorError::Certificate { source })?,
            clock: NasClock::ahead_by(options.clock_ahead),
            world: Mutex::new(World::new(options)),
            other: Mutex::default(),
        };
        Ok(Self { nas: Arc::new(nas) })
    }

    /// What its clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.nas.clock.now()
    }

    /// Whether it is switched on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.world().on
    }

    /// What replication tasks send arrives at `other`. Without another NAS, it goes nowhere, and
    /// the tasks succeed all the same.
    pub fn replicate_to(&self, other: Control) {
        self.other().control = Some(other);
    }

    /// Whether the other NAS can be reached. Without this, it can be as long as it is switched on.
    pub fn set_target_reachable(&self, reachable: Arc<dyn Fn() -> bool + Send + Sync>) {
        self.other().reachable = Some(reachable);
    }

    /// Takes a snapshot by hand.
    pub fn take_snapshot(&self, dataset: &str, name: &str) {
        self.change(|world, now| world.snapshot(dataset, name, now));
    }

    /// Its snapshots of one dataset, in the order in which they were taken.
    #[must_use]
    pub fn snapshots(&self, dataset: &str) -> Vec<SimSnapshot> {
        let mut snapshots = self.world().snapshots.clone();
        snapshots.retain(|snapshot| snapshot.dataset == dataset);
        snapshots
    }

    /// Runs a snapshot task now, and what follows it, as its schedule would.
    ///
    /// # Panics
    /// When the NAS has no such task.
    pub fn run_snapshot_task(&self, id: i64) {
        self.change(|world, now| {
            let ran = world.run_snapshot_task(id, now);
            assert!(ran.is_ok(), "the simulated NAS has no snapshot task {id}");
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

    /// Lets a held replication task end.
    pub fn release_replication(&self, name: &str) {
        self.with_replication(name, |task| task.held = false);
    }

    /// Enables or disables a replication task.
    pub fn set_replication_enabled(&self, name: &str, enabled: bool) {
        self.with_replication(name, |task| task.options.enabled = enabled);
    }

    /// Makes a replication task show this as its `state`, and stand still as long as it does.
    pub fn set_state(&self, name: &str, state: Value) {
        self.with_replication(name, |task| task.says = Some(state));
    }

    /// Takes [`Control::set_state`] back.
    pub fn clear_state(&self, name: &str) {
        self.with_replication(name, |task| task.says = None);
    }

    /// Lets a scrub of a pool be at `percent`.
    pub fn scrub(&self, pool: &str, percent: f64) {
        self.change(|world, now| {
            let running = world.scrubs.get(pool).filter(|scrub| scrub.ended.is_none());
            let started = running.map_or(now, |scrub| scrub.started);
            let scrub = Scrub {
                percent,
                started,
                ended: None,
            };
            world.scrubs.insert(pool.to_owned(), scrub);
        });
    }

    /// Lets the scrub of a pool be done.
    pub fn end_scrub(&self, pool: &str) {
        self.change(|world, now| {
            if let Some(scrub) = world.scrubs.get_mut(pool) {
                scrub.percent = 100.0;
                scrub.ended = Some(now);
            }
        });
    }

    /// Answers the next request that has no such answer waiting yet with this, whatever it asks.
    pub fn next_response(&self, status: u16, body: impl Into<String>) {
        self.plan(status, None, body.into());
    }

    /// Answers the next request that has no other answer waiting yet with a redirect.
    pub fn next_redirect(&self, to: &str) {
        self.plan(307, Some(to.to_owned()), String::new());
    }

    /// Every request that came through TLS since the NAS was made.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestSeen> {
        self.world().requests.clone()
    }

    /// How many requests came with a key, right or wrong.
    #[must_use]
    pub fn keys_seen(&self) -> usize {
        self.world()
            .requests
            .iter()
            .filter(|request| request.key != KeySeen::Absent)
            .count()
    }

    fn plan(&self, status: u16, location: Option<String>, body: String) {
        self.world().faults.push_back(Fault {
            status,
            location,
            body,
        });
    }

    #[track_caller]
    fn with_replication<R>(&self, name: &str, act: impl FnOnce(&mut Replication) -> R) -> R {
        let mut world = self.world();
        let task = world
            .replications
            .iter_mut()
            .find(|task| task.options.name == name);
        act(task.unwrap_or_else(|| panic!("the simulated NAS has no replication task {name:?}")))
    }

    pub(super) fn identity(&self) -> Identity {
        self.nas.identity.clone()
    }

    /// The fingerprint of its certificate, as its web page would show it.
    #[must_use]
    pub fn certificate_sha256(&self) -> String {
        CertificateFingerprint::of_der(&self.nas.identity.der).to_string()
    }

    /// A key that it accepts. As secret as the certificate: one per NAS, and known to whoever has its control.
    #[must_use]
    pub fn api_key(&self) -> String {
        let fingerprint = CertificateFingerprint::of_der(&self.nas.identity.der);
        let letters = fingerprint
            .as_bytes()
            .iter()
            .map(|byte| char::from(b'a' + byte % 26));
        format!("1-{}", letters.collect::<String>())
    }

    pub(super) fn switched_on(&self) {
        self.change(World::switched_on);
    }

    pub(super) fn switched_off(&self) {
        self.world().on = false;
    }

    /// Lets the tasks go on until now, and brings what they send to the other NAS.
    pub(super) fn go_on(&self) {
        let (other, reachable) = {
            let other = self.other();
            (other.control.clone(), other.reachable.clone())
        };
        // Both are asked before the lock is taken, so that two NAS may replicate to each other.
        let reachable = match (&reachable, &other) {
            (Some(reachable), _) => reachable(),
            (None, Some(other)) => other.is_on(),
            (None, None) => true,
        };
        let deliveries = self.change(|world, now| world.advance(now, reachable));
        if deliveries.is_empty() {
            return;
        }
        for (task, snapshots) in deliveries {
            if let Some(other) = &other {
                let mut world = other.world();
                for snapshot in snapshots {
                    world.receive(snapshot);
                }
            }
            self.with_replication_id(task, Replication::arrived);
        }
        // Finished is said only after everything has arrived.
        self.change(|world, now| world.advance(now, reachable));
    }

    fn with_replication_id(&self, id: i64, act: impl FnOnce(&mut Replication)) {
        if let Some(task) = self
            .world()
            .replications
            .iter_mut()
            .find(|task| task.options.id == id)
        {
            act(task);
        }
    }

    pub(super) fn look<R>(&self, see: impl FnOnce(&World, Timestamp) -> R) -> R {
        see(&self.world(), self.now())
    }

    pub(super) fn change<R>(&self, act: impl FnOnce(&mut World, Timestamp) -> R) -> R {
        // The time is read under the lock, so that it never goes back for the world.
        let mut world = self.world();
        act(&mut world, self.nas.clock.now())
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.nas
            .world
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn other(&self) -> MutexGuard<'_, OtherNas> {
        self.nas
            .other
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
