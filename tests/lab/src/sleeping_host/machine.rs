//! What the host does, from state to state.

use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::mpsc;

use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error};
use wol::MacAddr;

use super::network::{self, Network};
use super::{
    PowerState, PowerSwitch, Running, Service, SleepingHostError, SleepingHostOptions, system,
};
use crate::magic::is_magic;

/// What a host can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Off,
    Reboot,
    /// Its owner is done with it.
    Dismantle,
}

/// What a host tells about itself.
#[derive(Debug, Clone)]
pub(super) struct Status {
    pub(super) state: PowerState,
    pub(super) packets: usize,
    pub(super) boots: usize,
    pub(super) faults: Vec<String>,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            state: PowerState::Asleep,
            packets: 0,
            boots: 0,
            faults: Vec::new(),
        }
    }
}

/// What is known once the host is on its network.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) services: Vec<(String, SocketAddr)>,
    pub(super) broadcast: SocketAddrV4,
}

/// The host.
pub(super) struct Machine {
    pub(super) network: Network,
    pub(super) options: SleepingHostOptions,
    pub(super) services: Vec<Box<dyn Service>>,
    pub(super) power: PowerSwitch,
    pub(super) commands: UnboundedReceiver<Command>,
    pub(super) status: watch::Sender<Status>,
}

/// What ends a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Time,
    Packet,
    Told(Command),
}

/// What a host does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Sleep,
    Boot,
    RunUntilTold,
    GoOff { and_boot_again: bool },
    Vanish,
}

impl Machine {
    /// Lives on the calling thread, which moves to the host's network for good, until it is
    /// dismantled.
    pub(super) fn live(self, ready: &mpsc::Sender<Result<Ready, SleepingHostError>>) {
        let started = self.network.enter().and_then(|()| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(system("start a runtime for the host"))
        });
        match started {
            Ok(runtime) => runtime.block_on(self.run(ready)),
            Err(error) => tell(ready, Err(error)),
        }
    }

    async fn run(mut self, ready: &mpsc::Sender<Result<Ready, SleepingHostError>>) {
        let mut life = match self.begin().await {
            Ok((life, about)) => {
                tell(ready, Ok(about));
                life
            }
            Err(error) => return tell(ready, Err(error)),
        };
        let mut next = if self.options.awake {
            Next::RunUntilTold
        } else {
            Next::Sleep
        };
        while next != Next::Vanish {
            debug!(?next, "the host goes on");
            next = match self.step(&mut life, next).await {
                Ok(next) => next,
                Err(fault) => {
                    error!(%fault, "the host breaks down");
                    self.status
                        .send_modify(|status| status.faults.push(fault.to_string()));
                    Next::Vanish
                }
            };
        }
        life.stop_services().await;
    }

    /// Plugs the host in; asleep, or with its services if it is to be awake.
    async fn begin(&mut self) -> Result<(Life, Ready), SleepingHostError> {
        let wake_address = self.network.wake_address();
        let bound = |socket: UdpSocket| Ok((socket.local_addr()?, socket));
        let (own, card) = UdpSocket::bind(wake_address)
            .await
            .and_then(bound)
            .map_err(system(format!("listen for packets on {wake_address}")))?;
        let mut addresses: Vec<SocketAddr> = self
            .services
            .iter()
            .map(|service| SocketAddr::new(network::address(), service.port()))
            .collect();
        self.network.go_silent(&mut addresses)?;

        let names = self
            .services
            .iter()
            .map(|service| service.name().to_owned());
        let about = Ready {
            services: names.zip(addresses.iter().copied()).collect(),
            broadcast: self.network.broadcast(own),
        };
        let mut life = Life {
            card,
            addresses,
            running: Vec::new(),
        };
        if self.options.awake {
            self.network.wake_up()?;
            self.start_services(&mut life).await;
            let services = self.status.borrow().faults.clone();
            if !services.is_empty() {
                life.stop_services().await;
                return Err(SleepingHostError::Services { services });
            }
            self.enter_state(PowerState::Up);
        }
        Ok((life, about))
    }

    async fn step(&mut self, life: &mut Life, next: Next) -> Result<Next, SleepingHostError> {
        match next {
            Next::Sleep => {
                self.network.go_silent(&mut life.addresses)?;
                self.enter_state(PowerState::Asleep);
                loop {
                    match self.event(life, None).await {
                        Event::Packet => return Ok(Next::Boot),
                        Event::Told(Command::Dismantle) => return Ok(Next::Vanish),
                        Event::Told(Command::Off | Command::Reboot) | Event::Time => {}
                    }
                }
            }
            Next::Boot => {
                self.network.go_silent(&mut life.addresses)?;
                self.status.send_modify(|status| {
                    status.state = PowerState::Booting;
                    status.boots += 1;
                });
                let booted = Instant::now() + self.options.boot;
                loop {
                    match self.event(life, Some(booted)).await {
                        Event::Time => break,
                        Event::Told(Command::Off) => return Ok(Next::Sleep),
                        Event::Told(Command::Dismantle) => return Ok(Next::Vanish),
                        Event::Told(Command::Reboot) | Event::Packet => {}
                    }
                }
                self.network.wake_up()?;
                self.start_services(life).await;
                self.enter_state(PowerState::Up);
                Ok(Next::RunUntilTold)
            }
            Next::RunUntilTold => loop {
                let and_boot_again = match self.event(life, None).await {
                    Event::Told(Command::Off) => false,
                    Event::Told(Command::Reboot) => true,
                    Event::Told(Command::Dismantle) => return Ok(Next::Vanish),
                    Event::Packet | Event::Time => continue,
                };
                return Ok(Next::GoOff { and_boot_again });
            },
            Next::GoOff { and_boot_again } => {
                self.enter_state(PowerState::PoweringOff);
                life.stop_services().await;
                let off = Instant::now() + self.options.power_off;
                loop {
                    match self.event(life, Some(off)).await {
                        Event::Time => break,
                        Event::Told(Command::Dismantle) => return Ok(Next::Vanish),
                        // It is on its way, and a network card with the power on wakes nobody.
                        Event::Told(Command::Off | Command::Reboot) | Event::Packet => {}
                    }
                }
                Ok(if and_boot_again {
                    Next::Boot
                } else {
                    Next::Sleep
                })
            }
            Next::Vanish => Ok(Next::Vanish),
        }
    }

    /// Waits for what happens next, until then at the latest, and counts packets.
    async fn event(&mut self, life: &Life, until: Option<Instant>) -> Event {
        let time = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            command = self.commands.recv() => Event::Told(command.unwrap_or(Command::Dismantle)),
            () = time => Event::Time,
            packet = next_packet(&life.card, self.options.mac) => match packet {
                Ok(()) => {
                    self.status.send_modify(|status| status.packets += 1);
                    Event::Packet
                }
                // Of a socket that is only read from: the card went away with the network.
                Err(_) => Event::Told(Command::Dismantle),
            },
        }
    }

    /// Starts what can be started. As on a real host, what cannot does not keep it from running.
    async fn start_services(&mut self, life: &mut Life) {
        let mut faults = Vec::new();
        for (service, address) in self.services.iter_mut().zip(&life.addresses) {
            match service.start(*address, self.power.clone()).await {
                Ok(running) => life.running.push(running),
                Err(fault) => {
                    error!(service = service.name(), %fault, "a service does not start");
                    faults.push(format!(
                        "failed to start {} at {address}: {}",
                        service.name(),
                        with_causes(&*fault)
                    ));
                }
            }
        }
        self.status.send_modify(|status| status.faults = faults);
    }

    fn enter_state(&self, state: PowerState) {
        self.status.send_modify(|status| status.state = state);
    }
}

/// What a host has while it is plugged in.
struct Life {
    /// The network card.
    card: UdpSocket,
    /// Where each service is to listen.
    addresses: Vec<SocketAddr>,
    running: Vec<Box<dyn Running>>,
}

impl Life {
    /// In the reverse order of their starts.
    async fn stop_services(&mut self) {
        while let Some(running) = self.running.pop() {
            running.stop().await;
        }
    }
}

fn tell(
    ready: &mpsc::Sender<Result<Ready, SleepingHostError>>,
    result: Result<Ready, SleepingHostError>,
) {
    // An error means that nobody waits for the host any more.
    let _ = ready.send(result);
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Waits for the next magic packet for this address. Other packets are passed over, as a network
/// card does.
async fn next_packet(socket: &UdpSocket, mac: MacAddr) -> io::Result<()> {
    let mut buffer = [0; 2048];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if is_magic(&buffer[..length], mac, None) {
            return Ok(());
        }
    }
}
