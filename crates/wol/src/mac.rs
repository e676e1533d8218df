//! The 48-bit address of one network card.

use std::fmt;
use std::str::FromStr;

/// The address of one network card, such as `d0:94:66:12:34:56`.
///
/// Only addresses that a host can have: all zeroes, the broadcast address and group (multicast)
/// addresses are refused, because a packet made for one of them wakes nobody and is always a
/// mistake in a configuration.
///
/// Parses the four notations in use, in either case: `aa:bb:cc:dd:ee:ff` (Linux, BSD),
/// `AA-BB-CC-DD-EE-FF` (IEEE 802, Windows), `aabb.ccdd.eeff` (Cisco) and `aabbccddeeff`. In the
/// first two, a group may lack its leading zero, as BSD prints it (`0:1e:c:5:0:7`). Displays as
/// the first, with all zeroes.
///
/// ```
/// use wol::MacAddr;
///
/// let mac: MacAddr = "D0-94-66-12-34-56".parse()?;
/// assert_eq!(mac.to_string(), "d0:94:66:12:34:56");
/// assert!("ff:ff:ff:ff:ff:ff".parse::<MacAddr>().is_err());
/// # Ok::<(), wol::MacAddrError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr([u8; 6]);

impl MacAddr {
    /// The address with these octets, in the order in which they are written and sent.
    ///
    /// # Errors
    ///
    /// When no host can have the address: all zeroes, broadcast, or a group address (the lowest
    /// bit of the first octet is set, IEEE 802-2014 section 8.2).
    pub fn new(octets: [u8; 6]) -> Result<Self, MacAddrError> {
        let refuse = |kind| {
            Err(MacAddrError {
                input: Self(octets).to_string(),
                kind,
            })
        };
        match octets {
            [0, 0, 0, 0, 0, 0] => refuse(MacAddrErrorKind::Zero),
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => refuse(MacAddrErrorKind::Broadcast),
            [first, ..] if first & 1 == 1 => refuse(MacAddrErrorKind::Group),
            _ => Ok(Self(octets)),
        }
    }

    /// The six octets, in the order in which they are written and sent.
    #[must_use]
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, octet) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ":" };
            write!(f, "{separator}{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MacAddr({self})")
    }
}

impl TryFrom<[u8; 6]> for MacAddr {
    type Error = MacAddrError;

    fn try_from(octets: [u8; 6]) -> Result<Self, Self::Error> {
        Self::new(octets)
    }
}

impl FromStr for MacAddr {
    type Err = MacAddrError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let with_input = |kind| MacAddrError {
            input: text.to_owned(),
            kind,
        };
        let octets = parse_octets(text).ok_or_else(|| with_input(MacAddrErrorKind::Syntax))?;
        Self::new(octets).map_err(|error| with_input(error.kind))
    }
}

/// The octets of any of the four notations; `None` for everything else, mixed notations included.
fn parse_octets(text: &str) -> Option<[u8; 6]> {
    if let Some(separator) = [':', '-'].into_iter().find(|c| text.contains(*c)) {
        let mut octets = [0; 6];
        let mut groups = text.split(separator);
        for octet in &mut octets {
            let group = groups.next()?;
            // BSD's tools leave a leading zero out: 0:1e:c:5:0:7.
            if !matches!(group.len(), 1 | 2) || !is_hex(group) {
                return None;
            }
            *octet = u8::from_str_radix(group, 16).ok()?;
        }
        return groups.next().is_none().then_some(octets);
    }
    let digits = match text.split('.').collect::<Vec<_>>()[..] {
        [digits] => digits.to_owned(),
        [a, b, c] if [a, b, c].iter().all(|group| group.len() == 4) => [a, b, c].concat(),
        _ => return None,
    };
    if digits.len() != 12 || !is_hex(&digits) {
        return None;
    }
    let number = u64::from_str_radix(&digits, 16).ok()?;
    let [_, _, octets @ ..] = number.to_be_bytes();
    Some(octets)
}

/// `from_str_radix` alone would take a sign.
fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Why something is not the [address of a host](MacAddr).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use {input:?} as a MAC address: {kind}")]
pub struct MacAddrError {
    input: String,
    kind: MacAddrErrorKind,
}

impl MacAddrError {
    /// What is wrong with it.
    #[must_use]
    pub const fn kind(&self) -> MacAddrErrorKind {
        self.kind
    }

    /// The text (or the octets, written with colons) that was refused.
    #[must_use]
    pub fn input(&self) -> &str {
        &self.input
    }
}

/// What is wrong with a [`MacAddr`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MacAddrErrorKind {
    /// It is not written as an address.
    Syntax,
    /// All zeroes: the placeholder for "unknown".
    Zero,
    /// The broadcast address, which every host listens to and none has.
    Broadcast,
    /// A group (multicast) address, which no host has as its own.
    Group,
}

impl fmt::Display for MacAddrErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => {
                "expected six pairs of hexadecimal digits, such as d0:94:66:12:34:56, \
                 D0-94-66-12-34-56, d094.6612.3456 or d09466123456"
            }
            Self::Zero => {
                "all zeroes is a placeholder; expected the address of the machine's own \
                 network card (on that machine: `ip link` or `ifconfig`)"
            }
            Self::Broadcast => {
                "that is the broadcast address; expected the address of the machine's own \
                 network card (on that machine: `ip link` or `ifconfig`)"
            }
            Self::Group => {
                "that is a group (multicast) address, its second digit is odd; expected the \
                 address of the machine's own network card"
            }
        })
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for MacAddr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for MacAddr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl serde::de::Visitor<'_> for Text {
            type Value = MacAddr;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a MAC address as a string, such as \"d0:94:66:12:34:56\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<MacAddr, E> {
                text.parse()
                    .map_err(|error| E::custom(format_args!("cannot {error}")))
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests;
