//! Magic packets in Ethernet frames of their own.

use std::io;
use std::os::fd::AsRawFd as _;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, MsgFlags, sendto};
use socket2::{Domain, Socket, Type};

use super::interfaces::index_of;
use crate::{Destination, MagicPacket, Sent, WakeError};

/// Sends one frame to everybody on the network of the destination's interface.
pub(crate) fn send_frame(
    packet: &MagicPacket,
    destination: &Destination,
) -> Result<Sent, WakeError> {
    let interface = destination.interface.as_deref().unwrap_or_default();
    let failed = |source| WakeError::Ethernet {
        interface: interface.to_owned(),
        source,
    };
    let card = card(interface).map_err(failed)?;
    let source = card
        .addr()
        .filter(|octets| card.halen() == octets.len())
        .ok_or_else(|| failed(io::ErrorKind::Unsupported.into()))?;
    // Without a protocol, the socket hears nothing.
    let socket = Socket::new(Domain::PACKET, Type::RAW, None).map_err(failed)?;
    let frame = packet.frame(source);
    sendto(socket.as_raw_fd(), &frame, &card, MsgFlags::empty())
        .map_err(|error| failed(error.into()))?;
    Ok(Sent::new(destination.clone(), packet.as_bytes().len()))
}

/// The address that the interface has in the link layer. It holds the interface's number, which is
/// all that the kernel looks at when the frame has a header already. A tunnel has none.
fn card(interface: &str) -> io::Result<LinkAddr> {
    index_of(interface).map_err(|_| io::ErrorKind::NotFound)?;
    getifaddrs()?
        .filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .ok_or_else(|| io::ErrorKind::Unsupported.into())
}
