//! Magic packets in UDP datagrams.

use std::io;

use socket2::{Domain, Protocol, Socket, Type};

use crate::{Destination, MagicPacket, Sent, WakeError, WakeReport, WakeRequest, Waker};

/// Sends magic packets as UDP broadcasts. Needs no privileges.
///
/// A destination with an [interface](Destination::interface) is tied to it with `SO_BINDTODEVICE`
/// (Linux; without privileges since 5.7), so the packet leaves there or not at all. On other
/// systems such a destination fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct UdpWaker;

impl Waker for UdpWaker {
    fn wake(&self, request: &WakeRequest) -> Result<WakeReport, WakeError> {
        if request.destinations.is_empty() {
            return Err(WakeError::NoDestination);
        }
        let packet = MagicPacket::new(request.mac);
        let mut report = WakeReport::default();
        for destination in &request.destinations {
            match send(&packet, destination) {
                Ok(sent) => report.sent.push(sent),
                Err(error) => report.failed.push((destination.clone(), error)),
            }
        }
        if report.sent.is_empty() {
            return Err(WakeError::NothingSent {
                failed: report.failed,
            });
        }
        Ok(report)
    }
}

/// Sends one packet through a socket of its own: being tied to an interface is a property of the
/// whole socket, and one that lives for one packet cannot outlive a change of the network.
fn send(packet: &MagicPacket, destination: &Destination) -> Result<Sent, WakeError> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))
        .and_then(|socket| {
            socket.set_broadcast(true)?;
            Ok(socket)
        })
        .map_err(|source| WakeError::Socket { source })?;

    if let Some(interface) = &destination.interface {
        bind_to(&socket, interface).map_err(|source| WakeError::Interface {
            interface: interface.clone(),
            source,
        })?;
    }

    let bytes = socket
        .send_to(packet.as_bytes(), &destination.address.into())
        .map_err(|source| WakeError::Send {
            destination: destination.clone(),
            source,
        })?;
    Ok(Sent::new(destination.clone(), bytes))
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn bind_to(socket: &Socket, interface: &str) -> io::Result<()> {
    if interface.is_empty() {
        // An empty name would *remove* the tie instead of making one.
        return Err(io::ErrorKind::InvalidInput.into());
    }
    socket.bind_device(Some(interface.as_bytes()))
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn bind_to(_socket: &Socket, _interface: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
