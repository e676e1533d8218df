//! The hand on a simulated NAS.

mod faults;
mod power;
mod tasks;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::watch;
use truenas_client::CertificateFingerprint;

use super::SimulatorError;
use super::clock::NasClock;
use super::keys::KeyState;
use super::options::{KeyRole, PoolHealth, SimulatorOptions};
use super::records::{CallSeen, ConnectionSeen, RequestSeen};
use super::replication::Replication;
use super::snapshots::SimSnapshot;
use super::versions::SimulatedVersion;
use super::world::{Scan, World, later};
use crate::tls::Identity;

pub(super) use power::Listening;

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
    /// How often all connections have been cut.
    cuts: watch::Sender<u64>,
    /// How many changes there have been.
    news: watch::Sender<u64>,
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
    /// If its certificate cannot be made, or its time zone is not known here.
    pub fn new(options: SimulatorOptions) -> Result<Self, SimulatorError> {
        let zone =
            TimeZone::get(&options.time_zone).map_err(|source| SimulatorError::TimeZone {
                name: options.time_zone.clone(),
                source,
            })?;
        let nas = Nas {
            identity: Identity::new(&options.hostname, options.address.ip())
                .map_err(|source| SimulatorError::Certificate { source })?,
            clock: NasClock::ahead_by(options.clock_ahead),
            world: Mutex::new(World::new(options, zone)),
            other: Mutex::default(),
            cuts: watch::Sender::new(0),
            news: watch::Sender::new(0),
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

    /// What runs on it.
    #[must_use]
    pub fn version(&self) -> SimulatedVersion {
        self.world().options.version
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
        self.world().snapshots.of(dataset).to_vec()
    }

    /// Adds `count` snapshots of a dataset, taken every `seconds_apart` seconds until now, and
    /// named after the times at which they were.
    pub fn add_snapshots(&self, dataset: &str, count: u32, seconds_apart: u32) {
        self.change(|world, now| {
            for number in (0..count).rev() {
                let ago = u64::from(number) * u64::from(seconds_apart);
                let at = now
                    .checked_sub(std::time::Duration::from_secs(ago))
                    .unwrap_or(Timestamp::MIN);
                let local = at.to_zoned_datetime(world.zone.clone());
                let name = local.strftime("auto-%Y-%m-%d_%H-%M-%S").to_string();
                world.snapshot(dataset, &name, at);
            }
        });
    }

    /// Removes a snapshot.
    pub fn remove_snapshot(&self, dataset: &str, name: &str) {
        self.world().snapshots.remove(dataset, name);
    }

    /// Lets a scrub of a pool be at `percent`.
    pub fn scrub(&self, pool: &str, percent: f64) {
        self.scan("SCRUB", pool, percent);
    }

    /// Lets a resilver of a pool be at `percent`.
    pub fn resilver(&self, pool: &str, percent: f64) {
        self.scan("RESILVER", pool, percent);
    }

    fn scan(&self, function: &'static str, pool: &str, percent: f64) {
        self.change(|world, now| {
            let running = world.scans.get(pool).filter(|scan| scan.ended.is_none());
            let started = running.map_or(now, |scan| scan.started);
            let scan = Scan {
                function,
                percent,
                started,
                ended: None,
            };
            world.scans.insert(pool.to_owned(), scan);
        });
    }

    /// Lets the scrub or resilver of a pool be done.
    pub fn end_scrub(&self, pool: &str) {
        self.change(|world, now| {
            if let Some(scan) = world.scans.get_mut(pool) {
                scan.percent = 100.0;
                scan.ended = Some(now);
            }
        });
    }

    /// How a pool is doing from now on.
    pub fn set_pool(&self, pool: &str, health: PoolHealth) {
        self.world().pools.insert(pool.to_owned(), health);
    }

    /// Raises an alert of a class, such as `VolumeStatus`, at a level, such as `CRITICAL`. Those
    /// that follow from what the tasks do are there without this.
    pub fn raise_alert(&self, level: &str, class: &str, text: &str) {
        self.change(|world, now| world.alert(level, class, text, now));
    }

    /// Takes the alerts back that were raised.
    pub fn clear_alerts(&self) {
        self.world().alerts.clear();
    }

    /// Every request that came by HTTP since the NAS was made, the opening of a `WebSocket` included.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestSeen> {
        self.world().records.requests.clone()
    }

    /// Every call of JSON-RPC, the logins included.
    #[must_use]
    pub fn calls(&self) -> Vec<CallSeen> {
        self.world().records.calls.clone()
    }

    /// Every connection for JSON-RPC.
    #[must_use]
    pub fn connections(&self) -> Vec<ConnectionSeen> {
        self.world().records.connections.clone()
    }

    /// How many requests and calls came with a key, right or wrong.
    #[must_use]
    pub fn keys_seen(&self) -> usize {
        self.world().records.keys_seen()
    }

    /// What has become of its key.
    #[must_use]
    pub fn key_state(&self) -> KeyState {
        self.world().keys.state.clone()
    }

    /// Makes its key good or bad.
    pub fn set_key_state(&self, state: KeyState) {
        self.world().keys.state = state;
    }

    /// Gives the owner of its key other rights.
    pub fn set_key_role(&self, role: KeyRole) {
        self.world().keys.role = role;
    }

    /// Whose key it is.
    #[must_use]
    pub fn username(&self) -> String {
        self.world().options.username.clone()
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

    /// Lets the tasks go on until now, and brings what they send to the other NAS.
    pub(super) fn go_on(&self) {
        self.end_outages();
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
        let result = act(&mut world, self.nas.clock.now());
        world.note_changes();
        let happened = world.events.happened();
        self.nas.news.send_if_modified(|known| {
            let news = *known != happened;
            *known = happened;
            news
        });
        result
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
