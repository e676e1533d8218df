//! Where a magic packet is sent to.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The UDP port that magic packets are sent to unless another is named: *discard* (RFC 863).
///
/// Nobody reads the port in a sleeping machine; 9 and 7 are what routers with rules for
/// Wake-on-LAN expect.
pub const DEFAULT_PORT: u16 = 9;

/// Where a magic packet is sent to, and through which network card.
///
/// Parses from `ADDRESS[:PORT]`, an IPv4 address with port [9](DEFAULT_PORT) unless another is
/// given, or from `IPV6[%INTERFACE]`, in brackets where a port follows.
///
/// ```
/// use wol::Destination;
///
/// let destination: Destination = "192.0.2.255:7".parse()?;
/// assert_eq!(destination.to_string(), "192.0.2.255:7");
/// assert_eq!(destination.on_interface("eno1").to_string(), "192.0.2.255:7 on eno1");
///
/// // All machines of an IPv6 link.
/// let destination: Destination = "ff02::1%eno1".parse()?;
/// assert_eq!(destination.to_string(), "[ff02::1]:9 on eno1");
/// assert_eq!(Destination::ethernet("eno1").to_string(), "Ethernet broadcast on eno1");
/// # Ok::<(), wol::DestinationError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Destination {
    /// What carries the packet, and to whom.
    pub carrier: Carrier,
    /// The network card that the packet must leave by, such as `eno1`; `None` leaves the choice to
    /// the routing table.
    pub interface: Option<String>,
    /// The address of this machine that the packet comes from; `None` leaves the choice to the
    /// operating system.
    pub from: Option<IpAddr>,
}

/// What carries a magic packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Carrier {
    /// A UDP datagram to this address, usually the subnet's broadcast address. Needs no privileges.
    Udp(SocketAddr),
    /// An Ethernet frame of its own (`EtherType` 0x0842) to everybody on the network. Needs
    /// `CAP_NET_RAW`, and no IP address.
    Ethernet,
}

impl Destination {
    /// A datagram that the routing table finds the way for.
    #[must_use]
    pub fn new(address: impl Into<SocketAddr>) -> Self {
        Self {
            carrier: Carrier::Udp(address.into()),
            interface: None,
            from: None,
        }
    }

    /// A frame through this network card.
    #[must_use]
    pub fn ethernet(interface: impl Into<String>) -> Self {
        Self {
            carrier: Carrier::Ethernet,
            interface: Some(interface.into()),
            from: None,
        }
    }

    /// The same address, but through this network card and no other.
    #[must_use]
    pub fn on_interface(mut self, interface: impl Into<String>) -> Self {
        self.interface = Some(interface.into());
        self
    }

    /// The same, coming from this address of this machine.
    #[must_use]
    pub fn from_address(mut self, address: impl Into<IpAddr>) -> Self {
        self.from = Some(address.into());
        self
    }

    /// Where the datagram goes; `None` for a frame.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        match self.carrier {
            Carrier::Udp(address) => Some(address),
            Carrier::Ethernet => None,
        }
    }
}

impl<A: Into<SocketAddr>> From<A> for Destination {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.carrier {
            Carrier::Udp(address) => address.fmt(f)?,
            Carrier::Ethernet => f.write_str("Ethernet broadcast")?,
        }
        match &self.interface {
            Some(interface) => write!(f, " on {interface}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|problem| DestinationError {
            input: text.to_owned(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<Destination, Problem> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(Problem::Address)?;
        return v6(address, port);
    }
    if text.matches(':').count() > 1 && text.split('%').next().is_some_and(is_v6) {
        return v6(text, "");
    }
    let (address, port) = match text.split_once(':') {
        Some((address, port)) => (address, Some(port)),
        None => (text, None),
    };
    let address: std::net::Ipv4Addr = address.parse().map_err(|_| Problem::Address)?;
    if address.is_unspecified() {
        return Err(Problem::Unspecified);
    }
    let port = port.map_or(Ok(DEFAULT_PORT), parse_port)?;
    Ok(Destination::new((address, port)))
}

fn is_v6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

/// `ADDRESS[%INTERFACE]`, and a port with its colon or nothing.
fn v6(address: &str, port: &str) -> Result<Destination, Problem> {
    let (address, interface) = match address.split_once('%') {
        Some((_, "")) => return Err(Problem::Address),
        Some((address, interface)) => (address, Some(interface)),
        None => (address, None),
    };
    let address: Ipv6Addr = address.parse().map_err(|_| Problem::Address)?;
    if address.is_unspecified() {
        return Err(Problem::Unspecified);
    }
    let port = match port {
        "" => DEFAULT_PORT,
        _ => parse_port(port.strip_prefix(':').ok_or(Problem::Port)?)?,
    };
    let destination = Destination::new((address, port));
    Ok(match interface {
        Some(interface) => destination.on_interface(interface),
        None => destination,
    })
}

fn parse_port(text: &str) -> Result<u16, Problem> {
    match text.parse() {
        // `u16::from_str` alone would take "+9".
        Ok(port) if port != 0 && !text.starts_with('+') => Ok(port),
        _ => Err(Problem::Port),
    }
}

/// Why a text is not a [`Destination`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use {input:?} as a destination of magic packets: {problem}")]
pub struct DestinationError {
    input: String,
    problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    Address,
    Unspecified,
    Port,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => {
                "expected the IPv4 broadcast address of the machine's subnet, with or without \
                 a port, such as 192.168.0.255 or 192.168.0.255:9"
            }
            Self::Unspecified => {
                "a packet to no address never leaves this machine; expected the broadcast address \
                 of the machine's subnet, such as 192.168.0.255"
            }
            Self::Port => "expected a port from 1 to 65535 after the colon",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Destination;

    #[test]
    fn the_port_is_nine_unless_it_is_given() {
        let parse = |text: &str| text.parse::<Destination>().unwrap().to_string();
        assert_eq!(parse("192.0.2.255"), "192.0.2.255:9");
        assert_eq!(parse("192.0.2.255:7"), "192.0.2.255:7");
        assert_eq!(parse("255.255.255.255:65535"), "255.255.255.255:65535");
    }

    #[test]
    fn an_ipv6_address_has_its_interface_behind_a_percent_sign() {
        for (text, shown, interface) in [
            ("ff02::1%eno1", "[ff02::1]:9 on eno1", Some("eno1")),
            ("[ff02::1%eno1]:7", "[ff02::1]:7 on eno1", Some("eno1")),
            ("[ff02::1%br-0.7]", "[ff02::1]:9 on br-0.7", Some("br-0.7")),
            ("fd00::11", "[fd00::11]:9", None),
        ] {
            let destination: Destination = text.parse().unwrap();
            assert_eq!(destination.to_string(), shown);
            assert_eq!(destination.interface.as_deref(), interface);
        }
    }

    #[test]
    fn what_is_no_destination_is_refused_with_what_was_expected() {
        for (text, expected) in [
            ("", "such as 192.168.0.255"),
            ("nas.local", "such as 192.168.0.255"),
            ("192.0.2", "such as 192.168.0.255"),
            ("192.0.2.256", "such as 192.168.0.255"),
            ("192.0.2.255/24", "such as 192.168.0.255"),
            ("fe80::g", "such as 192.168.0.255"),
            ("ff02::1%", "such as 192.168.0.255"),
            ("[ff02::1", "such as 192.168.0.255"),
            ("[ff02::1]9", "from 1 to 65535"),
            ("[ff02::1]:0", "from 1 to 65535"),
            ("::", "never leaves this machine"),
            ("0.0.0.0", "never leaves this machine"),
            ("192.0.2.255:", "from 1 to 65535"),
            ("192.0.2.255:0", "from 1 to 65535"),
            ("192.0.2.255:+9", "from 1 to 65535"),
            ("192.0.2.255:65536", "from 1 to 65535"),
            ("192.0.2.255:9:9", "from 1 to 65535"),
        ] {
            let error = text.parse::<Destination>().expect_err(text).to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
            assert!(error.contains(&format!("{text:?}")), "{text:?}: {error}");
        }
    }
}
