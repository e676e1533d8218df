//! The backup NAS as a stand-in: it sleeps until a magic packet for its MAC address comes, boots,
//! offers its services, and goes off when it is told to.
//!
//! # In the lab's namespaces
//!
//! The host lives in a network namespace of its own, at the other end of a cable:
//!
//! ```text
//! lab: lan0 10.202.7.137/24 ═══ veth ═══ eth0 10.202.7.11/24 :host
//! ```
//!
//! Asleep, it has no IP address: nobody answers ARP for it, so a connection attempt ends in
//! silence and later in "no route to host", exactly as with a machine that is off. A network card
//! that waits for a magic packet still hears broadcasts, so a single *broadcast* route for
//! 10.202.7.255 stays, and one UDP socket listens behind it. (With the address kept and nothing
//! listening, the kernel would refuse connections in the host's name, which a machine that is off
//! does not do; and with neither address nor route the kernel drops the broadcast too.)
//!
//! # Without
//!
//! It lives on the loopback interface, at 127.0.0.1 and ports of its own, and is woken by a packet to
//! 127.255.255.255. The loopback interface always answers, so silence is made of a listener
//! whose queue is full: Linux drops every further attempt to connect. What cannot be shown
//! there is everything that has to do with a network: the wrong interface, ARP, a cut cable.
//!
//! # Not simulated
//!
//! Firmware, Wake-on-LAN settings that are lost, a disk check at boot. The host is a thread with
//! sockets; only the network around it is real.

mod machine;
mod network;
mod service;
mod silent_port;
mod ssh;

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc::UnboundedSender, watch};
use wol::MacAddr;

use crate::cable::CableError;
use machine::{Command, Machine, Status};
use network::Network;
pub use service::{Running, Service, ServiceError};
pub use ssh::{SshAccess, SshService};

/// How a [`SleepingHost`] behaves.
#[derive(Debug, Clone)]
pub struct SleepingHostOptions {
    /// The address that magic packets have to name. In namespaces, also that of its `eth0`.
    pub mac: MacAddr,
    /// From the magic packet to the services.
    pub boot: Duration,
    /// From the end of the services to the silence.
    pub power_off: Duration,
    /// Whether it is up at the start, without a packet.
    pub awake: bool,
}

impl Default for SleepingHostOptions {
    /// Asleep, boots in two seconds and goes off in one.
    fn default() -> Self {
        Self {
            mac: MacAddr::new([0x02, 0x00, 0x5e, 0xca, 0x07, 0x11])
                .expect("a locally administered unicast address"),
            boot: Duration::from_secs(2),
            power_off: Duration::from_secs(1),
            awake: false,
        }
    }
}

/// What a [`SleepingHost`] is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerState {
    /// Off, but listening for its magic packet.
    Asleep,
    /// Woken, but not up yet: it does not answer.
    Booting,
    /// Its services have been started.
    Up,
    /// Its services have been stopped; it still refuses connections.
    PoweringOff,
}

/// A host that sleeps. Dropping it stops its services and takes it off the network.
#[derive(Debug)]
pub struct SleepingHost {
    mac: MacAddr,
    services: Vec<(String, SocketAddr)>,
    broadcast: SocketAddrV4,
    commands: UnboundedSender<Command>,
    status: watch::Receiver<Status>,
    thread: Option<JoinHandle<()>>,
}

impl SleepingHost {
    /// Puts a host on the lab's network, with these services to start at every boot.
    ///
    /// There is one such host in the lab's namespaces at a time; without namespaces there can be
    /// any number. With [`awake`](SleepingHostOptions::awake), its services have been started when
    /// this returns.
    ///
    /// # Errors
    ///
    /// When the network cannot be built, and when a service of a host that is to be awake does not
    /// start.
    pub fn start(
        options: SleepingHostOptions,
        services: Vec<Box<dyn Service>>,
    ) -> Result<Self, SleepingHostError> {
        let network = Network::new(options.mac)?;
        let mac = options.mac;
        let (commands, received) = tokio::sync::mpsc::unbounded_channel();
        let (reporter, status) = watch::channel(Status::default());
        let power_switch = PowerSwitch {
            commands: commands.clone(),
        };
        let (ready, is_ready) = mpsc::channel();
        let machine = Machine {
            network,
            options,
            services,
            power: power_switch,
            commands: received,
            status: reporter,
        };
        let thread = std::thread::Builder::new()
            .name("sleeping-host".to_owned())
            .spawn(move || machine.live(&ready))
            .map_err(system("start a thread for the host"))?;
        let started = is_ready.recv().unwrap_or(Err(SleepingHostError::Ended));
        match started {
            Ok(ready) => Ok(Self {
                mac,
                services: ready.services,
                broadcast: ready.broadcast,
                commands,
                status,
                thread: Some(thread),
            }),
            Err(error) => {
                // It is about to end; a panic in it is not news beside the error.
                let _ = thread.join();
                Err(error)
            }
        }
    }

    /// Its IP address, while it is up.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        network::address()
    }

    /// Where the service with this name listens while the host is up.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<SocketAddr> {
        let (_, address) = self.services.iter().find(|(own, _)| own == name)?;
        Some(*address)
    }

    /// Where to send magic packets: the broadcast address and the port.
    #[must_use]
    pub fn broadcast(&self) -> SocketAddrV4 {
        self.broadcast
    }

    /// The address that magic packets have to name.
    #[must_use]
    pub fn mac(&self) -> MacAddr {
        self.mac
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> PowerState {
        self.status.borrow().state
    }

    /// Whether it is up, with its services started.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state() == PowerState::Up
    }

    /// How many magic packets for it have come, in whatever state it was.
    #[must_use]
    pub fn packets_seen(&self) -> usize {
        self.status.borrow().packets
    }

    /// How often it has booted. Being awake at the start is not a boot.
    #[must_use]
    pub fn boots(&self) -> usize {
        self.status.borrow().boots
    }

    /// What is wrong with it: the services that did not start at the last boot (it is up without
    /// them), or what it broke down from.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        self.status.borrow().faults.clone()
    }

    /// Waits until it is in this state.
    ///
    /// # Errors
    ///
    /// [`Ended`](SleepingHostError::Ended) when it broke down; see [`faults`](Self::faults).
    pub async fn wait_for(&self, state: PowerState) -> Result<(), SleepingHostError> {
        let mut status = self.status.clone();
        match status.wait_for(|status| status.state == state).await {
            Ok(_) => Ok(()),
            Err(_) => Err(SleepingHostError::Ended),
        }
    }

    /// A switch for those who are to turn it off.
    #[must_use]
    pub fn power_switch(&self) -> PowerSwitch {
        PowerSwitch {
            commands: self.commands.clone(),
        }
    }
}

impl Drop for SleepingHost {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.commands.send(Command::Dismantle);
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed by then.
            let _ = thread.join();
        }
    }
}

/// Turns a [`SleepingHost`] off, from wherever it is asked for.
#[derive(Debug, Clone)]
pub struct PowerSwitch {
    commands: UnboundedSender<Command>,
}

impl PowerSwitch {
    /// Begins the power-off. A host that is asleep stays so.
    pub fn off(&self) {
        // An error means that the host is gone, which is as off as can be.
        let _ = self.commands.send(Command::Off);
    }

    /// Begins the power-off, after which it boots again without a packet.
    pub fn reboot(&self) {
        // As above.
        let _ = self.commands.send(Command::Reboot);
    }
}

/// Why a [`SleepingHost`] did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SleepingHostError {
    /// The network could not be built.
    #[error(transparent)]
    Network(#[from] CableError),
    /// The operating system refused something.
    #[error("{what}")]
    System {
        /// What was wanted.
        what: String,
        /// Its answer.
        source: io::Error,
    },
    /// A service of a host that is to be awake did not start.
    #[error("start the host awake: {}", services.join("; "))]
    Services {
        /// Each with its error.
        services: Vec<String>,
    },
    /// The host's thread ended.
    #[error("reach the host: it has ended")]
    Ended,
}

fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> SleepingHostError {
    let what = what.into();
    move |source| SleepingHostError::System { what, source }
}
