//! The socket for echo requests, of whichever kind this process may have.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use super::echo::without_ip_header;

/// This process may not send echo requests.
#[derive(Debug, thiserror::Error)]
#[error(
    "open a socket for echo requests: {source}; run as root or with CAP_NET_RAW, have \
     net.ipv4.ping_group_range include a group of this user, or use tcp: or ssh: instead"
)]
#[non_exhaustive]
pub struct IcmpUnavailable {
    /// What the operating system says.
    #[source]
    pub source: io::Error,
}

/// Opens a socket and closes it again.
pub(super) fn try_out() -> Result<(), IcmpUnavailable> {
    match open(IpAddr::V4(Ipv4Addr::LOCALHOST)) {
        Ok(_) => Ok(()),
        Err(source) => Err(IcmpUnavailable { source }),
    }
}

#[derive(Debug)]
pub(super) struct IcmpSocket {
    /// Of the type for UDP, because that is what tokio has; the calls are the same for all
    /// sockets that send datagrams.
    socket: UdpSocket,
    /// Whether what is received begins with a header of IPv4.
    has_ip_header: bool,
}

impl IcmpSocket {
    /// Opens a socket for the family of this address.
    pub(super) fn open(address: IpAddr) -> io::Result<Self> {
        let (socket, kind) = open(address)?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket: UdpSocket::from_std(socket.into())?,
            has_ip_header: has_ip_header(address, kind),
        })
    }

    pub(super) async fn send(&self, request: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket.send_to(request, to).await.map(|_| ())
    }

    /// Receives something, without a header of IP.
    pub(super) async fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<(&'a [u8], IpAddr)> {
        let (length, from) = self.socket.recv_from(buffer).await?;
        let received = &buffer[..length];
        if self.has_ip_header {
            return Ok((without_ip_header(received), from.ip()));
        }
        Ok((received, from.ip()))
    }
}

/// A raw socket shows the header of IPv4, but not that of IPv6. On systems other than Linux, the
/// socket without privileges shows it too.
fn has_ip_header(address: IpAddr, kind: Type) -> bool {
    address.is_ipv4() && (kind == Type::RAW || cfg!(not(target_os = "linux")))
}

/// The kernel's socket for echo requests if it may be had, else a raw one.
fn open(address: IpAddr) -> io::Result<(Socket, Type)> {
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let of_kind = |kind| Ok((Socket::new(domain, kind, Some(protocol))?, kind));
    of_kind(Type::DGRAM).or_else(|first| of_kind(Type::RAW).map_err(|_: io::Error| first))
}
