//! When the machine is on, and when it is off.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc;

use tokio::process::Child;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error};

use super::machine::Machine;
use super::network::{Card, Network};
use super::{GuestError, GuestOptions};
use crate::magic::wakes;

/// What a guest can be told from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    CutPower,
    /// Its owner is done with it.
    Dismantle,
}

/// What is known of a guest.
#[derive(Debug, Clone, Default)]
pub(super) struct Status {
    pub(super) on: bool,
    pub(super) boots: usize,
    pub(super) packets: usize,
    pub(super) faults: Vec<String>,
}

/// The guest with its power supply.
#[derive(Debug)]
pub(super) struct Power {
    pub(super) network: Arc<Network>,
    pub(super) machine: Machine,
    pub(super) options: GuestOptions,
    pub(super) commands: UnboundedReceiver<Command>,
    pub(super) status: watch::Sender<Status>,
}

/// What the machine is doing.
#[derive(Debug)]
enum State {
    Off,
    On(Child),
    /// Its power went off, and its firmware switches it on again at this moment.
    InFirmware(Instant),
}

/// What changes that.
#[derive(Debug)]
enum Event {
    Packet,
    Ended(io::Result<ExitStatus>),
    FirmwareDone,
    Told(Command),
}

impl Power {
    /// Lives on the calling thread, which moves to the guest's network for good, until it is
    /// dismantled.
    pub(super) fn live(self, ready: &mpsc::Sender<Result<(), GuestError>>) {
        let runtime = self.network.enter().and_then(|()| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(GuestError::system("start a runtime for the guest"))
        });
        // An error of `send` means that nobody waits for the guest any more.
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                match self.network.card() {
                    Ok(card) => {
                        let _ = ready.send(Ok(()));
                        self.run(&card).await;
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                }
            }),
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    }

    async fn run(mut self, card: &Card) {
        let mut state = State::Off;
        loop {
            let event = self.event(card, &mut state).await;
            debug!(?state, ?event, "the guest goes on");
            state = match (state, event) {
                (State::On(child), Event::Told(Command::Dismantle)) => {
                    self.unplug(child).await;
                    return;
                }
                (_, Event::Told(Command::Dismantle)) => return,
                (State::On(child), Event::Told(Command::CutPower)) => {
                    self.unplug(child).await;
                    State::Off
                }
                (_, Event::Told(Command::CutPower)) => State::Off,
                (State::Off, Event::Packet) | (State::InFirmware(_), Event::FirmwareDone) => {
                    self.switch_on()
                }
                (State::On(_), Event::Ended(status)) => self.ended(status),
                // A card wakes nobody who is on.
                (state, Event::Packet | Event::Ended(_) | Event::FirmwareDone) => state,
            };
        }
    }

    async fn event(&mut self, card: &Card, state: &mut State) -> Event {
        let changes = async {
            match state {
                State::Off => std::future::pending().await,
                State::On(child) => Event::Ended(child.wait().await),
                State::InFirmware(until) => {
                    sleep_until(*until).await;
                    Event::FirmwareDone
                }
            }
        };
        let options = &self.options;
        let packet = async {
            let mut frame = [0; 2048];
            loop {
                match card.hear(&mut frame).await {
                    Ok(length) if wakes(&frame[..length], options.mac, options.secure_on) => {
                        return Event::Packet;
                    }
                    Ok(_) => {}
                    // Of a socket that is only read from: the card went away with the network.
                    Err(_) => return Event::Told(Command::Dismantle),
                }
            }
        };
        let event = tokio::select! {
            command = self.commands.recv() => Event::Told(command.unwrap_or(Command::Dismantle)),
            event = changes => event,
            event = packet => event,
        };
        if matches!(event, Event::Packet) {
            self.status.send_modify(|status| status.packets += 1);
        }
        event
    }

    fn switch_on(&self) -> State {
        match self.machine.switch_on() {
            Ok(child) => {
                self.status.send_modify(|status| {
                    status.on = true;
                    status.boots += 1;
                });
                State::On(child)
            }
            Err(fault) => {
                self.is_off(Some(super::all_of(&fault)));
                State::Off
            }
        }
    }

    /// The guest has switched its power off, or QEMU has failed.
    fn ended(&self, status: io::Result<ExitStatus>) -> State {
        let fault = match status {
            Ok(status) if status.success() => None,
            Ok(status) => Some(format!(
                "QEMU ended with {status}: {}",
                self.machine.complaints()
            )),
            Err(error) => Some(format!("failed to wait for QEMU: {error}")),
        };
        let switched_itself_off = fault.is_none();
        self.is_off(fault);
        match self.options.reboots_instead {
            Some(firmware) if switched_itself_off => State::InFirmware(Instant::now() + firmware),
            _ => State::Off,
        }
    }

    async fn unplug(&self, mut child: Child) {
        let fault = child.kill().await.err();
        self.is_off(fault.map(|error| format!("failed to end QEMU: {error}")));
    }

    fn is_off(&self, fault: Option<String>) {
        if let Some(fault) = &fault {
            error!(%fault, "the guest fails");
        }
        self.status.send_modify(|status| {
            status.on = false;
            status.faults.extend(fault);
        });
    }
}
