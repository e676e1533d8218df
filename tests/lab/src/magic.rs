//! What a network card that waits for its packet looks for.

use wol::{MacAddr, MagicPacket};

/// The six bytes that a network card may want to see after the packet (SecureOn).
pub(crate) type Password = [u8; 6];

/// Whether there is a magic packet for this address anywhere in the payload, and right behind it the
/// password, if there is one.
pub(crate) fn is_magic(payload: &[u8], mac: MacAddr, password: Option<Password>) -> bool {
    let mut wanted = MagicPacket::new(mac).as_bytes().to_vec();
    wanted.extend(password.into_iter().flatten());
    payload.windows(wanted.len()).any(|window| window == wanted)
}

/// Whether an Ethernet frame wakes the machine: it must be for the network card or for all, and
/// the rest is as in [`is_magic`], whatever the protocol.
pub(crate) fn wakes(frame: &[u8], mac: MacAddr, password: Option<Password>) -> bool {
    let Some((destination, rest)) = frame.split_first_chunk::<6>() else {
        return false;
    };
    // The lowest bit of the first octet tells a group from a single card.
    let is_for_it = *destination == mac.octets() || destination[0] & 1 == 1;
    is_for_it && is_magic(rest, mac, password)
}

#[cfg(test)]
mod tests {
    use wol::{MacAddr, MagicPacket};

    use super::{is_magic, wakes};

    fn mac(last: u8) -> MacAddr {
        MacAddr::new([2, 0, 0, 0, 0, last]).unwrap()
    }

    #[test]
    fn the_packet_is_found_anywhere_and_only_for_its_address() {
        let packet = MagicPacket::new(mac(1)).as_bytes().to_vec();
        assert!(is_magic(&packet, mac(1), None));
        assert!(!is_magic(&packet, mac(2), None));
        assert!(!is_magic(&packet[1..], mac(1), None));
        assert!(!is_magic(b"", mac(1), None));

        let mut embedded = b"before".to_vec();
        embedded.extend(packet);
        embedded.extend(b"after");
        assert!(is_magic(&embedded, mac(1), None));
    }

    #[test]
    fn the_password_must_follow_where_there_is_one() {
        let mut packet = MagicPacket::new(mac(1)).as_bytes().to_vec();
        let password = Some([9, 8, 7, 6, 5, 4]);
        assert!(!is_magic(&packet, mac(1), password));
        packet.extend([9, 8, 7, 6, 5, 4]);
        assert!(is_magic(&packet, mac(1), password));
        assert!(is_magic(&packet, mac(1), None));
        assert!(!is_magic(&packet, mac(1), Some([0; 6])));
    }

    #[test]
    fn a_frame_must_be_for_the_card_or_for_all() {
        let frame = |destination: [u8; 6]| {
            let mut frame = destination.to_vec();
            frame.extend([2, 0, 0, 0, 0, 9, 0x08, 0x42]);
            frame.extend(MagicPacket::new(mac(1)).as_bytes());
            frame
        };
        assert!(wakes(&frame([0xff; 6]), mac(1), None));
        assert!(wakes(&frame(mac(1).octets()), mac(1), None));
        assert!(!wakes(&frame(mac(2).octets()), mac(1), None));
        assert!(!wakes(b"short", mac(1), None));
    }
}
