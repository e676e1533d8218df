//! The network interfaces of this machine, as values.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// What is known of one network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterfaceFacts {
    /// Its name, such as `eno1`.
    pub name: String,
    /// Its number.
    pub index: u32,
    /// What it is.
    pub kind: InterfaceKind,
    /// Whether it is switched on.
    pub up: bool,
    /// Whether a cable is plugged in, or what that is for it.
    pub carrier: bool,
    /// Whether it can send to everybody at once.
    pub can_broadcast: bool,
    /// Its hardware address, if it is one of six bytes.
    pub hardware: Option<[u8; 6]>,
    /// The number of the bridge or bond that it belongs to.
    pub master: Option<u32>,
    /// Its addresses.
    pub addresses: Vec<InterfaceAddress>,
}

impl InterfaceFacts {
    /// A network card that is up, without an address yet.
    #[must_use]
    pub fn card(name: impl Into<String>, index: u32) -> Self {
        Self {
            name: name.into(),
            index,
            kind: InterfaceKind::Card,
            up: true,
            carrier: true,
            can_broadcast: true,
            hardware: None,
            master: None,
            addresses: Vec::new(),
        }
    }

    /// The same, of another kind.
    #[must_use]
    pub fn of_kind(mut self, kind: InterfaceKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same, with one more address.
    #[must_use]
    pub fn with_address(mut self, address: impl Into<IpAddr>, prefix: u8) -> Self {
        self.addresses
            .push(InterfaceAddress::new(address.into(), prefix));
        self
    }

    /// The same, as a part of the bridge or bond with this number.
    #[must_use]
    pub fn in_master(mut self, master: u32) -> Self {
        self.master = Some(master);
        self
    }

    /// Its IPv4 addresses that have a broadcast address, with that.
    pub(crate) fn broadcasts(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr)> + '_ {
        let can = self.can_broadcast;
        self.addresses
            .iter()
            .filter(move |_| can)
            .filter_map(|address| match address.address {
                IpAddr::V4(own) => Some((own, address.broadcast?)),
                IpAddr::V6(_) => None,
            })
    }
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// How many of its first bits name the network.
    pub prefix: u8,
    /// The broadcast address of the network.
    pub broadcast: Option<Ipv4Addr>,
}

impl InterfaceAddress {
    /// An address, with the broadcast address that follows from it: the last of its network, if
    /// that has more than two.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        let broadcast = match address {
            IpAddr::V4(address) if prefix < 31 => Some(Ipv4Addr::from_bits(
                address.to_bits() | u32::MAX.checked_shr(prefix.into()).unwrap_or(0),
            )),
            _ => None,
        };
        Self {
            address,
            prefix,
            broadcast,
        }
    }

    /// Whether `other` is in the network of this address.
    pub(crate) fn is_on_the_network_of(&self, other: IpAddr) -> bool {
        let (own, other, bits) = match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits().into(), other.to_bits().into(), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let differ: u128 = own ^ other;
        differ
            .checked_shr(u32::from(bits - self.prefix.min(bits)))
            .is_none_or(|network| network == 0)
    }
}

/// What an interface is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum InterfaceKind {
    /// A network card, wired or not; also where it is not known better.
    Card,
    /// The loopback interface.
    Loopback,
    /// A bridge.
    Bridge,
    /// One end of a pair, whose other end is in a container.
    Veth,
    /// A tunnel or VPN of some kind (`tun`, `wireguard`).
    Tunnel(String),
    /// Something else that the kernel makes of other interfaces, such as `vlan` or `bond`.
    Other(String),
}

impl fmt::Display for InterfaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Card => "network card",
            Self::Loopback => "loopback",
            Self::Bridge => "bridge",
            Self::Veth => "veth",
            Self::Tunnel(kind) | Self::Other(kind) => kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str, prefix: u8) -> InterfaceAddress {
        InterfaceAddress::new(text.parse().unwrap(), prefix)
    }

    #[test]
    fn the_broadcast_address_is_the_last_of_the_network() {
        for (own, prefix, expected) in [
            ("192.0.2.7", 24, Some("192.0.2.255")),
            ("10.1.2.3", 8, Some("10.255.255.255")),
            ("192.0.2.129", 30, Some("192.0.2.131")),
            ("192.0.2.129", 31, None),
            ("192.0.2.129", 32, None),
            ("192.0.2.7", 0, Some("255.255.255.255")),
            ("fd00::7", 64, None),
        ] {
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(address(own, prefix).broadcast, expected, "{own}/{prefix}");
        }
    }

    #[test]
    fn an_address_is_on_a_network_when_the_first_bits_are_the_same() {
        for (own, prefix, other, expected) in [
            ("192.0.2.7", 24, "192.0.2.255", true),
            ("192.0.2.7", 24, "192.0.3.1", false),
            ("192.0.2.7", 32, "192.0.2.7", true),
            ("192.0.2.7", 32, "192.0.2.6", false),
            ("192.0.2.7", 0, "10.0.0.1", true),
            ("192.0.2.7", 24, "fd00::7", false),
            ("fd00::7", 64, "fd00::1:2:3", true),
            ("fd00::7", 64, "fd00:0:0:1::7", false),
            ("fd00::7", 0, "fe80::1", true),
        ] {
            let is = address(own, prefix).is_on_the_network_of(other.parse().unwrap());
            assert_eq!(is, expected, "{other} and {own}/{prefix}");
        }
    }
}
