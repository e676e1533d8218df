//! Whether packets leave by an interface, and why.

use std::fmt;
use std::net::IpAddr;

use crate::interface::{InterfaceFacts, InterfaceKind};
use crate::{Aim, Destination};

/// Whether packets leave by an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// The interface.
    pub interface: String,
    /// Whether it is used, and why.
    pub verdict: Verdict,
}

/// Whether an interface is used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Used(Used),
    /// It is not.
    NotUsed(NotUsed),
}

/// Why an interface is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Used {
    /// It is up, and has what it takes.
    OnANetwork,
    /// It was named.
    Named,
    /// An address was named that is on its network.
    HasTheNetwork,
    /// It leads out of a container, in which there is nothing else.
    OnlyWayOut,
}

/// Why an interface is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotUsed {
    /// Other interfaces were named.
    NotNamed,
    /// The addresses that were named are on other networks.
    OtherNetwork,
    /// It is switched off.
    Down,
    /// No cable is plugged in.
    NoCarrier,
    /// It leads back to this machine.
    Loopback,
    /// It is a bridge that Docker made.
    DockerBridge,
    /// It is a bridge to nothing but containers or virtual machines of this machine.
    BridgeWithoutCard,
    /// It leads to a container of this machine.
    Veth,
    /// It is a tunnel of some kind: what sleeps is not at its other end.
    Tunnel(String),
    /// It is a part of another interface, which has the addresses.
    PartOf(String),
    /// It has no IPv4 address with a broadcast address.
    NoBroadcastAddress,
    /// It takes no Ethernet frames.
    NoEthernet,
}

impl Decision {
    pub(super) fn is_used(&self) -> bool {
        matches!(self.verdict, Verdict::Used(_))
    }

    /// The decision once it is known where everything goes: addresses that were named may lie on
    /// interfaces that would not have been chosen, and leave out some that would.
    pub(super) fn finally(mut self, aim: &Aim, destinations: &[Destination]) -> Self {
        let is_this =
            |destination: &Destination| destination.interface.as_ref() == Some(&self.interface);
        let named = aim.interfaces.contains(&self.interface) || aim.broadcasts.iter().any(is_this);
        let may_choose = aim.ethernet
            || aim.broadcasts.is_empty()
            || aim.broadcasts.iter().any(is_of_every_link);
        self.verdict = match (self.verdict, destinations.iter().any(is_this)) {
            (_, true) if named => Verdict::Used(Used::Named),
            (Verdict::Used(why), true) if may_choose => Verdict::Used(why),
            (_, true) => Verdict::Used(Used::HasTheNetwork),
            (Verdict::Used(_), false) => Verdict::NotUsed(if !aim.broadcasts.is_empty() {
                NotUsed::OtherNetwork
            } else if aim.ethernet {
                NotUsed::NoEthernet
            } else {
                NotUsed::NoBroadcastAddress
            }),
            (not_used, false) => not_used,
        };
        self
    }
}

fn is_of_every_link(destination: &Destination) -> bool {
    destination
        .address()
        .is_some_and(|address| is_of_a_link(address.ip()))
}

/// Whether the address means another network on each interface, so that the routing table's choice,
/// which is one of them, would often be the wrong one.
pub(super) fn is_of_a_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_broadcast(),
        IpAddr::V6(address) => address.is_multicast() || address.is_unicast_link_local(),
    }
}

/// Which interfaces suit, one decision for each, in their order.
pub(super) fn decide(
    names: &[String],
    ethernet: bool,
    machine: &[InterfaceFacts],
) -> Vec<Decision> {
    let mut verdicts: Vec<Verdict> = machine
        .iter()
        .map(|facts| {
            if names.is_empty() {
                suits(facts, ethernet, machine).map(|()| Used::OnANetwork)
            } else if names.contains(&facts.name) && facts.up {
                // Even without a carrier, which a bridge has only some time after its first port.
                Ok(Used::Named)
            } else if names.contains(&facts.name) {
                Err(NotUsed::Down)
            } else {
                Err(NotUsed::NotNamed)
            }
            .map_or_else(Verdict::NotUsed, Verdict::Used)
        })
        .collect();
    let nothing = !verdicts
        .iter()
        .any(|verdict| matches!(verdict, Verdict::Used(_)));
    if nothing {
        // What a container of LXC or Docker has for a network card is one end of such a pair. On
        // the machine itself its ends have no address, or there is a card beside them.
        for (verdict, facts) in verdicts.iter_mut().zip(machine) {
            if *verdict == Verdict::NotUsed(NotUsed::Veth)
                && facts.broadcasts().next().is_some()
                && is_able(facts).is_ok()
            {
                *verdict = Verdict::Used(Used::OnlyWayOut);
            }
        }
    }
    machine
        .iter()
        .zip(verdicts)
        .map(|(facts, verdict)| Decision {
            interface: facts.name.clone(),
            verdict,
        })
        .collect()
}

/// Whether anything can be sent through it now.
fn is_able(facts: &InterfaceFacts) -> Result<(), NotUsed> {
    if !facts.up {
        Err(NotUsed::Down)
    } else if !facts.carrier {
        Err(NotUsed::NoCarrier)
    } else {
        Ok(())
    }
}

/// Whether it leads to a network of the house.
fn suits(
    facts: &InterfaceFacts,
    ethernet: bool,
    machine: &[InterfaceFacts],
) -> Result<(), NotUsed> {
    match &facts.kind {
        InterfaceKind::Loopback => return Err(NotUsed::Loopback),
        InterfaceKind::Veth => return Err(NotUsed::Veth),
        InterfaceKind::Tunnel(kind) => return Err(NotUsed::Tunnel(kind.clone())),
        InterfaceKind::Bridge if is_of_docker(&facts.name) => return Err(NotUsed::DockerBridge),
        InterfaceKind::Bridge if !has_a_card(facts, machine) => {
            return Err(NotUsed::BridgeWithoutCard);
        }
        InterfaceKind::Bridge | InterfaceKind::Card | InterfaceKind::Other(_) => {}
    }
    is_able(facts)?;
    if facts.broadcasts().next().is_some() {
        return Ok(());
    }
    if let Some(master) = machine
        .iter()
        .find(|other| Some(other.index) == facts.master)
    {
        return Err(NotUsed::PartOf(master.name.clone()));
    }
    if ethernet && facts.hardware.is_some() {
        return Ok(());
    }
    Err(NotUsed::NoBroadcastAddress)
}

/// `docker0`, `docker_gwbridge` and `br-` with the first twelve digits of a network's identifier.
fn is_of_docker(name: &str) -> bool {
    let is_identifier =
        |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    matches!(name, "docker0" | "docker_gwbridge")
        || name.strip_prefix("br-").is_some_and(is_identifier)
}

/// Whether a bridge leads out of this machine: something belongs to it that leads to no container,
/// virtual machine or tunnel.
fn has_a_card(bridge: &InterfaceFacts, machine: &[InterfaceFacts]) -> bool {
    machine.iter().any(|facts| {
        facts.master == Some(bridge.index)
            && !matches!(facts.kind, InterfaceKind::Veth | InterfaceKind::Tunnel(_))
    })
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Used(why) => write!(f, "{} is used: {why}", self.interface),
            Verdict::NotUsed(why) => write!(f, "{} is not used: {why}", self.interface),
        }
    }
}

impl fmt::Display for Used {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnANetwork => "it is up and on a network",
            Self::Named => "it was named",
            Self::HasTheNetwork => "an address was named that is on its network",
            Self::OnlyWayOut => "there is no other, as in a container",
        })
    }
}

impl fmt::Display for NotUsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotNamed => "others were named",
            Self::OtherNetwork => "the addresses that were named are on other networks",
            Self::Down => "it is down",
            Self::NoCarrier => "no cable is plugged in",
            Self::Loopback => "it leads back to this machine",
            Self::DockerBridge => "it is a bridge of Docker",
            Self::BridgeWithoutCard => "it is a bridge without a network card",
            Self::Veth => "it leads to a container",
            Self::Tunnel(kind) => return write!(f, "it is a tunnel ({kind})"),
            Self::PartOf(master) => return write!(f, "it is a part of {master}"),
            Self::NoBroadcastAddress => "it has no IPv4 broadcast address",
            Self::NoEthernet => "it takes no Ethernet frames",
        })
    }
}
