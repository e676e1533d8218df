//! Magic packets in UDP datagrams.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    Carrier, Destination, InterfaceFacts, MagicPacket, Sent, Tie, WakeError, WakeReport,
    WakeRequest, Waker, system,
};

/// Sends magic packets as UDP datagrams. Needs no privileges.
///
/// A destination with an [interface](Destination::interface) is tied to it with `SO_BINDTODEVICE`
/// (Linux; without privileges since 5.7), so the packet leaves there or not at all. Where that is
/// not allowed, its [source address](Destination::from) has to do, and the report
/// [says so](Tie::Address); without one, such a destination fails. A destination of another
/// [carrier](Carrier) fails.
#[derive(Debug, Clone, Copy, Default)]
pub struct UdpWaker;

impl Waker for UdpWaker {
    fn interfaces(&self) -> Result<Vec<InterfaceFacts>, WakeError> {
        system::interfaces()
    }

    fn wake(&self, request: &WakeRequest) -> Result<WakeReport, WakeError> {
        request.send_each(|packet, destination| match destination.carrier {
            Carrier::Udp(address) => send(packet, destination, address),
            Carrier::Ethernet => Err(WakeError::Ethernet {
                interface: destination.interface.clone().unwrap_or_default(),
                source: io::ErrorKind::Unsupported.into(),
            }),
        })
    }
}

/// Sends one packet through a socket of its own: being tied to an interface is a property of the
/// whole socket, and one that lives for one packet cannot outlive a change of the network.
pub(crate) fn send(
    packet: &MagicPacket,
    destination: &Destination,
    mut address: SocketAddr,
) -> Result<Sent, WakeError> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )
    .and_then(|socket| {
        if address.is_ipv4() {
            socket.set_broadcast(true)?;
        }
        Ok(socket)
    })
    .map_err(|source| WakeError::Socket { source })?;

    let tie = match &destination.interface {
        None => Tie::Route,
        Some(interface) => {
            let failed = |source| WakeError::Interface {
                interface: interface.clone(),
                source,
            };
            if let SocketAddr::V6(address) = &mut address {
                address.set_scope_id(system::index_of(interface).map_err(failed)?);
            }
            match bind_to(&socket, interface) {
                Ok(()) => Tie::Interface,
                Err(error) if may_do_without(&error) && destination.from.is_some() => Tie::Address,
                Err(error) => return Err(failed(error)),
            }
        }
    };
    if let Some(from) = destination.from.filter(|from| is_usable(*from, address)) {
        socket
            .bind(&SocketAddr::new(from, 0).into())
            .map_err(|source| WakeError::SourceAddress {
                address: from,
                source,
            })?;
    }

    let bytes = socket
        .send_to(packet.as_bytes(), &address.into())
        .map_err(|source| WakeError::Send {
            destination: destination.clone(),
            source,
        })?;
    Ok(Sent::new(destination.clone(), bytes).tied_by(tie))
}

/// A link-local address of this machine means nothing without its interface, which the scope of the
/// destination names already.
fn is_usable(from: IpAddr, to: SocketAddr) -> bool {
    match from {
        IpAddr::V4(_) => to.is_ipv4(),
        IpAddr::V6(from) => to.is_ipv6() && !from.is_unicast_link_local(),
    }
}

fn may_do_without(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported
    )
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
