//! The bytes that wake a machine.

use std::fmt;

use crate::MacAddr;

/// A magic packet: six octets of `0xff`, then the address sixteen times.
///
/// The format is AMD's ("Magic Packet Technology", publication 20213, November 1995). The network
/// card looks for these bytes anywhere in a frame, so any carrier will do: UDP to any port is
/// customary because it needs no privileges.
///
/// ```
/// use wol::MagicPacket;
///
/// let packet = MagicPacket::new("d0:94:66:12:34:56".parse()?);
/// assert_eq!(packet.as_bytes().len(), 102);
/// # Ok::<(), wol::MacAddrError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MagicPacket {
    mac: MacAddr,
    bytes: [u8; Self::SIZE],
}

impl MagicPacket {
    const SIZE: usize = 6 + 16 * 6;

    /// The packet that wakes the machine whose network card has this address.
    #[must_use]
    pub fn new(mac: MacAddr) -> Self {
        let mut bytes = [0xff; Self::SIZE];
        for copy in bytes[6..].chunks_exact_mut(6) {
            copy.copy_from_slice(&mac.octets());
        }
        Self { mac, bytes }
    }

    /// The 102 bytes of the packet.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for MagicPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MagicPacket({})", self.mac)
    }
}

#[cfg(test)]
mod tests {
    use super::MagicPacket;

    #[test]
    fn the_packet_is_six_times_ff_and_sixteen_times_the_address() {
        let packet = MagicPacket::new("d0:94:66:12:34:af".parse().unwrap());

        let mut expected = vec![0xff; 6];
        for _ in 0..16 {
            expected.extend([0xd0, 0x94, 0x66, 0x12, 0x34, 0xaf]);
        }
        assert_eq!(packet.as_bytes(), expected);
        assert_eq!(packet.as_bytes().len(), 102);
        assert_eq!(format!("{packet:?}"), "MagicPacket(d0:94:66:12:34:af)");
    }
}
