//! The bytes that wake a machine.

use std::fmt;

use crate::{MacAddr, SecureOn};

/// The `EtherType` of magic packets in frames of their own.
const ETHER_TYPE: [u8; 2] = [0x08, 0x42];

/// A magic packet: six octets of `0xff`, then the address sixteen times, then the
/// [`SecureOn`] password if there is one.
///
/// The format is AMD's ("Magic Packet Technology", publication 20213, November 1995). The network
/// card looks for these bytes anywhere in a frame, so any carrier will do: UDP to any port is
/// customary because it needs no privileges.
///
/// ```
/// use wol::MagicPacket;
///
/// let mac = "d0:94:66:12:34:56".parse()?;
/// assert_eq!(MagicPacket::new(mac).as_bytes().len(), 102);
/// let password = "192.168.1.1".parse()?;
/// assert_eq!(MagicPacket::with_password(mac, Some(&password)).as_bytes().len(), 106);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct MagicPacket {
    mac: MacAddr,
    bytes: Vec<u8>,
}

impl MagicPacket {
    /// The packet that wakes the machine whose network card has this address.
    #[must_use]
    pub fn new(mac: MacAddr) -> Self {
        Self::with_password(mac, None)
    }

    /// The packet for a network card that wants this password as well.
    #[must_use]
    pub fn with_password(mac: MacAddr, password: Option<&SecureOn>) -> Self {
        let mut bytes = vec![0xff; 6];
        bytes.extend(mac.octets().repeat(16));
        bytes.extend(password.map_or(&[][..], SecureOn::as_bytes));
        Self { mac, bytes }
    }

    /// The 102 bytes of the packet, and the 4 or 6 of the password.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// An Ethernet frame with the packet alone in it, from the network card with the address
    /// `source` to everybody on its network.
    ///
    /// ```
    /// use wol::MagicPacket;
    ///
    /// let packet = MagicPacket::new("d0:94:66:12:34:56".parse()?);
    /// let frame = packet.frame([2, 0, 0, 0, 0, 1]);
    /// assert_eq!(frame[..6], [0xff; 6]); // to the broadcast address
    /// assert_eq!(frame[12..14], [0x08, 0x42]);
    /// assert_eq!(frame[14..], *packet.as_bytes());
    /// # Ok::<(), wol::MacAddrError>(())
    /// ```
    #[must_use]
    pub fn frame(&self, source: [u8; 6]) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend(source);
        frame.extend(ETHER_TYPE);
        frame.extend(&self.bytes);
        frame
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
    use crate::SecureOn;

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

    #[test]
    fn the_password_follows_and_is_not_shown() {
        let mac = "d0:94:66:12:34:af".parse().unwrap();
        for password in [SecureOn::from([1, 2, 3, 4]), [1, 2, 3, 4, 5, 6].into()] {
            let packet = MagicPacket::with_password(mac, Some(&password));
            let (front, back) = packet.as_bytes().split_at(102);
            assert_eq!(front, MagicPacket::new(mac).as_bytes());
            assert_eq!(back, password.as_bytes());
            assert_eq!(format!("{packet:?}"), "MagicPacket(d0:94:66:12:34:af)");
        }
    }
}
