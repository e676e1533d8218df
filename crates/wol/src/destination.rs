//! Where a magic packet is sent to.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

/// The UDP port that magic packets are sent to unless another is named: *discard* (RFC 863).
///
/// Nobody reads the port in a sleeping machine; 9 and 7 are what routers with rules for
/// Wake-on-LAN expect.
pub const DEFAULT_PORT: u16 = 9;

/// Where a magic packet is sent to, and through which network card.
///
/// Parses from `ADDRESS[:PORT]`, an IPv4 address with port [9](DEFAULT_PORT) unless another is
/// given. The interface is not part of that notation.
///
/// ```
/// use wol::Destination;
///
/// let destination: Destination = "192.0.2.255:7".parse()?;
/// assert_eq!(destination.to_string(), "192.0.2.255:7");
/// assert_eq!(destination.on_interface("eno1").to_string(), "192.0.2.255:7 on eno1");
/// # Ok::<(), wol::DestinationError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Destination {
    /// The address and UDP port, usually the subnet's broadcast address.
    pub address: SocketAddrV4,
    /// The network card that the packet must leave by, such as `eno1`; `None` leaves the choice to
    /// the routing table.
    pub interface: Option<String>,
}

impl Destination {
    /// A destination that the routing table finds the way to.
    #[must_use]
    pub const fn new(address: SocketAddrV4) -> Self {
        Self {
            address,
            interface: None,
        }
    }

    /// The same address, but through this network card and no other.
    #[must_use]
    pub fn on_interface(mut self, interface: impl Into<String>) -> Self {
        self.interface = Some(interface.into());
        self
    }
}

impl From<SocketAddrV4> for Destination {
    fn from(address: SocketAddrV4) -> Self {
        Self::new(address)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        match &self.interface {
            Some(interface) => write!(f, " on {interface}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |problem| DestinationError {
            input: text.to_owned(),
            problem,
        };
        let (address, port) = match text.split_once(':') {
            Some((address, port)) => (address, Some(port)),
            None => (text, None),
        };
        let address: Ipv4Addr = address.parse().map_err(|_| refuse(Problem::Address))?;
        if address.is_unspecified() {
            return Err(refuse(Problem::Unspecified));
        }
        let port = match port {
            None => DEFAULT_PORT,
            // `u16::from_str` alone would take "+9".
            Some(port) if !port.starts_with('+') => match port.parse() {
                Ok(port) if port != 0 => port,
                _ => return Err(refuse(Problem::Port)),
            },
            Some(_) => return Err(refuse(Problem::Port)),
        };
        Ok(Self::new(SocketAddrV4::new(address, port)))
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
                "a packet to 0.0.0.0 never leaves this machine; expected the broadcast address \
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
    fn what_is_no_destination_is_refused_with_what_was_expected() {
        for (text, expected) in [
            ("", "such as 192.168.0.255"),
            ("nas.local", "such as 192.168.0.255"),
            ("192.0.2", "such as 192.168.0.255"),
            ("192.0.2.256", "such as 192.168.0.255"),
            ("192.0.2.255/24", "such as 192.168.0.255"),
            ("fe80::1", "such as 192.168.0.255"),
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
