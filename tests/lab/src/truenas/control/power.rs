//! Power, and what is there while it is on.

use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use super::{Control, later};
use crate::truenas::world::{Outage, ShutdownSeen, World};

/// What the port of a NAS does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::truenas) enum Listening {
    /// It is there.
    Yes,
    /// It is not there for so long.
    NotFor(Duration),
    /// It is not there until somebody switches the NAS on.
    No,
}

impl Control {
    /// Restarts what stands behind the web server: every connection falls, jobs and runs that have
    /// not ended are forgotten, and every request is answered with 502 for so long. It is no new
    /// boot.
    pub fn restart_middleware(&self, down_for: Duration) {
        self.change(|world, now| {
            world.forget(now);
            world.outage = Some(Outage::Gateway {
                until: later(now, down_for),
            });
        });
        self.cut_connections();
    }

    /// Switches the NAS off and, after so long, on again: a new boot, at the same address.
    pub fn reboot(&self, down_for: Duration) {
        self.change(|world, now| {
            let until = Some(later(now, down_for));
            world.forget(now);
            world.on = false;
            world.outage = Some(Outage::Dark { until });
        });
        self.cut_connections();
    }

    /// Ends [`Control::restart_middleware`] or [`Control::reboot`] now, whatever their time.
    pub fn come_back(&self) {
        self.change(|world, now| {
            let past = now.checked_sub(Duration::from_nanos(1)).unwrap_or(now);
            match &mut world.outage {
                Some(Outage::Gateway { until } | Outage::Dark { until: Some(until) }) => {
                    *until = past;
                }
                Some(Outage::Dark { until: None }) | None => {}
            }
        });
        self.end_outages();
        self.cut_connections();
    }

    /// Cuts every connection, and takes new ones at once.
    pub fn cut_connections(&self) {
        self.nas.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Every order to switch itself off that came by its API.
    #[must_use]
    pub fn shutdowns(&self) -> Vec<ShutdownSeen> {
        self.world().shutdowns.clone()
    }

    /// Told of every cut.
    pub(in crate::truenas) fn cuts(&self) -> watch::Receiver<u64> {
        self.nas.cuts.subscribe()
    }

    /// Told of every change that is an event.
    pub(in crate::truenas) fn news(&self) -> watch::Receiver<u64> {
        self.nas.news.subscribe()
    }

    pub(in crate::truenas) fn switched_on(&self) {
        self.change(World::switched_on);
    }

    pub(in crate::truenas) fn switched_off(&self) {
        self.world().on = false;
        self.cut_connections();
    }

    /// Whether its port is there now.
    pub(in crate::truenas) fn listening(&self) -> Listening {
        match self.world().outage {
            Some(Outage::Dark { until: None }) => Listening::No,
            Some(Outage::Dark { until: Some(until) }) => Listening::NotFor(
                until
                    .duration_since(self.now())
                    .try_into()
                    .unwrap_or_default(),
            ),
            Some(Outage::Gateway { .. }) | None => Listening::Yes,
        }
    }

    /// Lets end what has its time, and begin what was put off.
    pub(in crate::truenas) fn end_outages(&self) {
        let goes_off = self.change(|world, now| {
            let over = |until: Timestamp| until <= now;
            match world.outage {
                Some(Outage::Gateway { until }) if over(until) => world.outage = None,
                Some(Outage::Dark { until: Some(until) }) if over(until) => world.switched_on(now),
                _ => {}
            }
            let goes_off = world.off_at.is_some_and(over);
            if goes_off {
                world.off_at = None;
                world.on = false;
                world.outage = Some(Outage::Dark { until: None });
            }
            goes_off
        });
        if goes_off {
            self.cut_connections();
        }
    }
}
