//! What can be wrong with an aim.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::Decision;
use crate::Destination;
use crate::interface::InterfaceFacts;

/// Why an [`Aim`](super::Aim) leads nowhere.
///
/// The texts continue "failed to …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AimError {
    /// An address of this machine was given as the address to send to.
    #[error(
        "use {given} as a broadcast address: it is this machine's own, on {interface}; expected {}",
        expected_broadcast(*expected)
    )]
    OwnAddress {
        /// The address.
        given: IpAddr,
        /// The interface that has it.
        interface: String,
        /// The broadcast address of its network, if it has one.
        expected: Option<Ipv4Addr>,
    },

    /// An interface was named that this machine does not have.
    #[error("send through {name:?}: there is no such interface; expected one of {}", machine.join(", "))]
    NoSuchInterface {
        /// The name.
        name: String,
        /// Those that there are.
        machine: Vec<String>,
    },

    /// The address means something else on each interface, and none was named or suits.
    #[error(
        "send to {destination}: expected the interface too, such as ff02::1%eno1, as no interface \
         of this machine suits by itself"
    )]
    NoInterfaceFor {
        /// Where the packet was to go.
        destination: Destination,
    },

    /// No interface is left.
    #[error(
        "find an interface to send magic packets through{}; expected one that is up and has an \
         IPv4 broadcast address, or the name of one, or a broadcast address",
        all_of(decisions)
    )]
    NothingToSendThrough {
        /// Why each is not used.
        decisions: Vec<Decision>,
    },
}

impl AimError {
    /// Whether somebody has to say it otherwise. The rest may pass by itself: a cable is plugged
    /// in, an address comes.
    #[must_use]
    pub const fn is_a_mistake(&self) -> bool {
        matches!(self, Self::OwnAddress { .. } | Self::NoSuchInterface { .. })
    }

    /// The decisions that were made all the same.
    #[must_use]
    pub fn decisions(&self) -> &[Decision] {
        match self {
            Self::NothingToSendThrough { decisions } => decisions,
            _ => &[],
        }
    }
}

fn expected_broadcast(expected: Option<Ipv4Addr>) -> String {
    expected.map_or_else(
        || "the broadcast address of the sleeping machine's network".to_owned(),
        |broadcast| format!("the broadcast address of that network, {broadcast}"),
    )
}

fn all_of(decisions: &[Decision]) -> String {
    if decisions.is_empty() {
        return String::new();
    }
    let texts: Vec<String> = decisions.iter().map(ToString::to_string).collect();
    format!(" ({})", texts.join("; "))
}

/// What is odd about an aim, but may be meant so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remark {
    /// An address is that of one machine on a network that this machine is on.
    HostAddress {
        /// The address.
        given: Ipv4Addr,
        /// The broadcast address of the network.
        broadcast: Ipv4Addr,
    },
}

impl Remark {
    pub(super) fn on_a_host_address(
        destination: &Destination,
        machine: &[InterfaceFacts],
    ) -> Option<Self> {
        let IpAddr::V4(given) = destination.address()?.ip() else {
            return None;
        };
        let networks = machine.iter().flat_map(|facts| &facts.addresses);
        let broadcast = networks
            .filter(|own| own.is_on_the_network_of(given.into()))
            .find_map(|own| own.broadcast)?;
        (given != broadcast && !given.is_broadcast())
            .then_some(Self::HostAddress { given, broadcast })
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HostAddress { given, broadcast } => write!(
                f,
                "{given} is the address of one machine: packets reach it in its sleep only while \
                 somebody knows its MAC address (a static ARP entry); the broadcast address of its \
                 network is {broadcast}"
            ),
        }
    }
}
