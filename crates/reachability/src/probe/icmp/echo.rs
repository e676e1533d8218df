//! Echo requests and replies, as bytes (RFC 792, RFC 4443).

use std::net::IpAddr;

/// Type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;
/// Process and number, so that no reply to somebody else is taken for ours.
const PAYLOAD: usize = 12;

/// One question, which may be asked several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Echo {
    request: u8,
    reply: u8,
    payload: [u8; PAYLOAD],
}

impl Echo {
    /// The question of this process with this number.
    pub(super) fn new(address: IpAddr, process: u32, number: u64) -> Self {
        let (request, reply) = match address {
            IpAddr::V4(_) => (8, 0),
            IpAddr::V6(_) => (128, 129),
        };
        let mut payload = [0; PAYLOAD];
        payload[..4].copy_from_slice(&process.to_be_bytes());
        payload[4..].copy_from_slice(&number.to_be_bytes());
        Self {
            request,
            reply,
            payload,
        }
    }

    /// The request, with its checksum. Kernels write another identifier over ours into sockets
    /// without privileges, and the checksum of IPv6.
    pub(super) fn request(&self, sequence: u16) -> [u8; HEADER + PAYLOAD] {
        let mut bytes = [0; HEADER + PAYLOAD];
        bytes[0] = self.request;
        bytes[4..6].copy_from_slice(&self.payload[2..4]);
        bytes[6..8].copy_from_slice(&sequence.to_be_bytes());
        bytes[HEADER..].copy_from_slice(&self.payload);
        let sum = checksum(&bytes);
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// Whether this is a reply to one of the requests.
    pub(super) fn is_answered_by(&self, received: &[u8]) -> bool {
        received.first() == Some(&self.reply)
            && received.get(1) == Some(&0)
            && received.get(HEADER..) == Some(&self.payload)
    }
}

/// What comes after the header of IPv4, whose length is in its first byte; nothing if there is less.
pub(super) fn without_ip_header(packet: &[u8]) -> &[u8] {
    let length = packet
        .first()
        .map_or(0, |first| usize::from(first & 0x0f) * 4);
    packet.get(length..).unwrap_or_default()
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::{Echo, checksum, without_ip_header};

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

    #[test]
    fn the_checksum_is_that_of_the_internet() {
        // The example of RFC 1071, section 3.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&bytes), !0xddf2);
        assert_eq!(checksum(&[0xff]), !0xff00);
        assert_eq!(checksum(&[]), 0xffff);
    }

    #[test]
    fn a_request_is_not_its_own_reply() {
        for address in [V4, V6] {
            let echo = Echo::new(address, 77, 1);
            let mut bytes = echo.request(3);
            assert_eq!(checksum(&bytes), 0, "the sum is right");
            // On the loopback interface, a raw socket hears the request as well.
            assert!(!echo.is_answered_by(&bytes));
            bytes[0] = if address == V4 { 0 } else { 129 };
            assert!(echo.is_answered_by(&bytes));
            assert!(!Echo::new(address, 78, 1).is_answered_by(&bytes));
            assert!(!Echo::new(address, 77, 2).is_answered_by(&bytes));
            assert!(!echo.is_answered_by(&bytes[..19]));
        }
    }

    #[test]
    fn the_header_of_ip_is_cut_off_at_its_own_length() {
        let mut packet = vec![0x46; 24];
        packet.push(9);
        assert_eq!(without_ip_header(&packet), [9]);
        assert_eq!(without_ip_header(&packet[..10]), [0_u8; 0]);
        assert_eq!(without_ip_header(&[]), [0_u8; 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_reply_or_none(bytes: Vec<u8>) {
            let echo = Echo::new(V4, 77, 1);
            prop_assert!(!echo.is_answered_by(&bytes) || bytes.len() == 20);
            let _ = without_ip_header(&bytes);
        }
    }
}
