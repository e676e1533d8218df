//! Which of this machine's interfaces the packets leave by, and where they go.

mod decision;
mod error;

use std::net::{IpAddr, Ipv4Addr};

pub use decision::{Decision, NotUsed, Used, Verdict};
pub use error::{AimError, Remark};

use crate::interface::{InterfaceAddress, InterfaceFacts};
use crate::{Carrier, DEFAULT_PORT, Destination};

/// Where magic packets are to go, as somebody says it who does not know the machine's interfaces.
///
/// The default is what suits most machines: the broadcast address of every network that the
/// machine is on by a network card, not what Docker, virtual machines and VPNs have brought.
/// [`take`](Self::take) makes [`Destination`]s of it, with a reason for every interface.
///
/// ```
/// use wol::{Aim, InterfaceFacts, InterfaceKind};
///
/// let machine = [
///     InterfaceFacts::card("eno1", 2).with_address([192, 168, 0, 137], 24),
///     InterfaceFacts::card("docker0", 3)
///         .of_kind(InterfaceKind::Bridge)
///         .with_address([172, 17, 0, 1], 16),
/// ];
/// let targets = Aim::default().take(&machine)?;
/// assert_eq!(targets.destinations[0].to_string(), "192.168.0.255:9 on eno1");
/// assert_eq!(targets.decisions[0].to_string(), "eno1 is used: it is up and on a network");
/// assert_eq!(
///     targets.decisions[1].to_string(),
///     "docker0 is not used: it is a bridge of Docker"
/// );
/// # Ok::<(), wol::AimError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Aim {
    /// The interfaces to send through, and no other; those that suit if there is none.
    pub interfaces: Vec<String>,
    /// The addresses to send to; the broadcast addresses of the interfaces if there is none.
    pub broadcasts: Vec<Destination>,
    /// Whether to send Ethernet frames. In place of datagrams, unless there are addresses too.
    pub ethernet: bool,
}

/// What an [`Aim`] comes to on one machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Targets {
    /// Where the packets go.
    pub destinations: Vec<Destination>,
    /// Each interface, and whether packets leave by it and why.
    pub decisions: Vec<Decision>,
    /// What is odd about it.
    pub remarks: Vec<Remark>,
}

impl Aim {
    /// An aim at these addresses, as the routing table and their networks say.
    #[must_use]
    pub fn at(broadcasts: Vec<Destination>) -> Self {
        Self {
            broadcasts,
            ..Self::default()
        }
    }

    /// Where the packets go on a machine with these interfaces. Pure: nothing is looked up.
    ///
    /// # Errors
    ///
    /// When an interface is named that is not there, when an address is this machine's own, and
    /// when nothing is left to send through.
    pub fn take(&self, machine: &[InterfaceFacts]) -> Result<Targets, AimError> {
        self.check_names(machine)?;
        for broadcast in &self.broadcasts {
            refuse_own_address(broadcast, machine)?;
        }
        let suitable = decision::decide(&self.interfaces, self.ethernet, machine);
        let used: Vec<&InterfaceFacts> = machine
            .iter()
            .zip(&suitable)
            .filter(|(_, decision)| decision.is_used())
            .map(|(facts, _)| facts)
            .collect();

        let mut targets = Targets::default();
        if self.ethernet {
            let frames = used.iter().filter(|facts| facts.hardware.is_some());
            targets
                .destinations
                .extend(frames.map(|facts| Destination::ethernet(&facts.name)));
        } else if self.broadcasts.is_empty() {
            targets
                .destinations
                .extend(used.iter().flat_map(|facts| on_its_networks(facts)));
        }
        for broadcast in &self.broadcasts {
            targets
                .destinations
                .extend(self.ways_to(broadcast, &used, machine)?);
            targets
                .remarks
                .extend(Remark::on_a_host_address(broadcast, machine));
        }
        targets.decisions = suitable
            .into_iter()
            .map(|decision| decision.finally(self, &targets.destinations))
            .collect();
        if targets.destinations.is_empty() {
            return Err(AimError::NothingToSendThrough {
                decisions: targets.decisions,
            });
        }
        Ok(targets)
    }

    /// Where the packets go when nothing is known of the machine's interfaces: to the addresses
    /// that are named, through the interfaces that are.
    ///
    /// # Errors
    ///
    /// When that is not enough: there are no addresses, and no interfaces for frames.
    pub fn take_blindly(&self) -> Result<Targets, AimError> {
        let mut destinations = Vec::new();
        if self.ethernet {
            destinations.extend(self.interfaces.iter().map(Destination::ethernet));
        }
        for broadcast in &self.broadcasts {
            if self.interfaces.is_empty() || broadcast.interface.is_some() {
                destinations.push(broadcast.clone());
            } else {
                let on = |name| broadcast.clone().on_interface(name);
                destinations.extend(self.interfaces.iter().map(on));
            }
        }
        if destinations.is_empty() {
            return Err(AimError::NothingToSendThrough {
                decisions: Vec::new(),
            });
        }
        Ok(Targets {
            destinations,
            ..Targets::default()
        })
    }

    fn check_names(&self, machine: &[InterfaceFacts]) -> Result<(), AimError> {
        let in_addresses = self
            .broadcasts
            .iter()
            .filter_map(|broadcast| broadcast.interface.as_ref());
        for name in self.interfaces.iter().chain(in_addresses) {
            if !machine.iter().any(|facts| facts.name == *name) {
                return Err(AimError::NoSuchInterface {
                    name: name.clone(),
                    machine: machine.iter().map(|facts| facts.name.clone()).collect(),
                });
            }
        }
        Ok(())
    }

    /// The ways to an address that was named.
    fn ways_to(
        &self,
        broadcast: &Destination,
        used: &[&InterfaceFacts],
        machine: &[InterfaceFacts],
    ) -> Result<Vec<Destination>, AimError> {
        let Carrier::Udp(address) = broadcast.carrier else {
            return Ok(vec![broadcast.clone()]);
        };
        let through = |facts: &InterfaceFacts| tie(broadcast, facts, address.ip());
        if let Some(name) = &broadcast.interface {
            let named = machine.iter().filter(|facts| facts.name == *name);
            return Ok(named.map(through).collect());
        }
        if !self.interfaces.is_empty() {
            return Ok(used.iter().map(|facts| through(facts)).collect());
        }
        if decision::is_of_a_link(address.ip()) {
            return match (used, address.ip()) {
                ([], IpAddr::V6(_)) => Err(AimError::NoInterfaceFor {
                    destination: broadcast.clone(),
                }),
                ([], IpAddr::V4(_)) => Ok(vec![broadcast.clone()]),
                _ => Ok(used.iter().map(|facts| through(facts)).collect()),
            };
        }
        let on_its_network: Vec<Destination> = machine
            .iter()
            .filter(|facts| facts.up)
            .filter(|facts| network_of(facts, address.ip()).is_some())
            .map(through)
            .collect();
        if on_its_network.is_empty() {
            return Ok(vec![broadcast.clone()]);
        }
        Ok(on_its_network)
    }
}

/// The broadcast address of each network that the interface is on.
fn on_its_networks(facts: &InterfaceFacts) -> Vec<Destination> {
    let mut destinations: Vec<Destination> = Vec::new();
    for (own, broadcast) in facts.broadcasts() {
        let destination = Destination::new((broadcast, DEFAULT_PORT))
            .on_interface(&facts.name)
            .from_address(own);
        if !destinations
            .iter()
            .any(|other| other.carrier == destination.carrier)
        {
            destinations.push(destination);
        }
    }
    destinations
}

/// The destination through this interface, from the address of it that is on the same network, or
/// else from its first.
fn tie(broadcast: &Destination, facts: &InterfaceFacts, address: IpAddr) -> Destination {
    let destination = broadcast.clone().on_interface(&facts.name);
    let own = network_of(facts, address).or_else(|| {
        let of_its_family = |own: &&InterfaceAddress| own.address.is_ipv4() && address.is_ipv4();
        facts.addresses.iter().find(of_its_family)
    });
    match own {
        Some(own) => destination.from_address(own.address),
        None => destination,
    }
}

fn network_of(facts: &InterfaceFacts, address: IpAddr) -> Option<&InterfaceAddress> {
    facts
        .addresses
        .iter()
        .find(|own| own.is_on_the_network_of(address))
}

/// An address of this machine, given in place of a broadcast address, never leaves it.
fn refuse_own_address(broadcast: &Destination, machine: &[InterfaceFacts]) -> Result<(), AimError> {
    let Some(given) = broadcast.address().map(|address| address.ip()) else {
        return Ok(());
    };
    let owner = machine
        .iter()
        .find(|facts| facts.addresses.iter().any(|own| own.address == given));
    let Some(owner) = owner else {
        return Ok(());
    };
    let expected: Option<Ipv4Addr> = owner
        .broadcasts()
        .find(|(own, _)| IpAddr::V4(*own) == given)
        .map(|(_, broadcast)| broadcast);
    Err(AimError::OwnAddress {
        given,
        interface: owner.name.clone(),
        expected,
    })
}

#[cfg(test)]
mod tests;
