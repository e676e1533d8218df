//! The network card that waits for its packet.

use std::io;

use tokio::net::UdpSocket;
use wol::{MacAddr, MagicPacket};

/// Waits for the next magic packet for this address. Other packets are passed over, as a network
/// card does.
pub(super) async fn next_packet(socket: &UdpSocket, mac: MacAddr) -> io::Result<()> {
    let mut buffer = [0; 2048];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if is_magic(&buffer[..length], mac) {
            return Ok(());
        }
    }
}

/// The packet may lie anywhere in the payload.
fn is_magic(payload: &[u8], mac: MacAddr) -> bool {
    let packet = MagicPacket::new(mac);
    let packet = packet.as_bytes();
    payload.windows(packet.len()).any(|window| window == packet)
}

#[cfg(test)]
mod tests {
    use wol::{MacAddr, MagicPacket};

    use super::is_magic;

    #[test]
    fn the_packet_is_found_anywhere_and_only_for_its_address() {
        let mac = |last| MacAddr::new([2, 0, 0, 0, 0, last]).unwrap();
        let packet = MagicPacket::new(mac(1)).as_bytes().to_vec();
        assert!(is_magic(&packet, mac(1)));
        assert!(!is_magic(&packet, mac(2)));
        assert!(!is_magic(&packet[1..], mac(1)));
        assert!(!is_magic(b"", mac(1)));

        let mut embedded = b"before".to_vec();
        embedded.extend(packet);
        embedded.extend(b"after");
        assert!(is_magic(&embedded, mac(1)));
    }
}
