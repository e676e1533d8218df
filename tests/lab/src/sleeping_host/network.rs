//! The cable between the lab and the host.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use wol::MacAddr;

use super::silent_port::SilentPort;
use super::{SleepingHostError, system};
use crate::cable::{BROADCAST, Cable, CableError, HOST, PREFIX};
use crate::isolation::{self, Isolation};

/// The name of the host's network card.
const CARD: &str = "eth0";

/// Where the host is when it is up.
pub(super) fn address() -> IpAddr {
    match isolation::current() {
        Isolation::Namespaces => HOST.into(),
        Isolation::None { .. } => Ipv4Addr::LOCALHOST.into(),
    }
}

/// The network that the host is on.
#[derive(Debug)]
pub(super) enum Network {
    /// A namespace of its own.
    Namespace(Cable),
    /// The loopback interface, shared with everything else on the machine.
    Loopback {
        /// Its ports, while they are silent.
        silent: Vec<SilentPort>,
    },
}

impl Network {
    /// Builds it, with the host asleep.
    pub(super) fn new(mac: MacAddr) -> Result<Self, SleepingHostError> {
        match isolation::current() {
            Isolation::Namespaces => Ok(Self::Namespace(Cable::lay(CARD, Some(mac))?)),
            Isolation::None { .. } => Ok(Self::Loopback { silent: Vec::new() }),
        }
    }

    /// Moves the calling thread to the host's side. Threads and processes that it starts from then
    /// on are there too.
    pub(super) fn enter(&self) -> Result<(), SleepingHostError> {
        match self {
            Self::Namespace(cable) => Ok(cable.enter()?),
            Self::Loopback { .. } => Ok(()),
        }
    }

    /// Where the network card listens. The port 0 means any.
    pub(super) fn wake_address(&self) -> SocketAddrV4 {
        match self {
            // Bound to the broadcast address, the socket would not survive that the address comes
            // and goes with the host's own.
            Self::Namespace(_) => SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, wol::DEFAULT_PORT),
            // Never to 0.0.0.0: that would be on the machine's network.
            Self::Loopback { .. } => SocketAddrV4::new(Ipv4Addr::new(127, 255, 255, 255), 0),
        }
    }

    /// Where to send packets to so that they come to that socket.
    pub(super) fn broadcast(&self, bound: SocketAddr) -> SocketAddrV4 {
        match self {
            Self::Namespace(_) => SocketAddrV4::new(BROADCAST, bound.port()),
            Self::Loopback { .. } => SocketAddrV4::new(*self.wake_address().ip(), bound.port()),
        }
    }

    /// Makes the host silent at these addresses, and gives each port that was 0 a number.
    pub(super) fn go_silent(
        &mut self,
        addresses: &mut [SocketAddr],
    ) -> Result<(), SleepingHostError> {
        match self {
            Self::Namespace(cable) => {
                for address in addresses.iter_mut().filter(|address| address.port() == 0) {
                    *address = free_port(*address)?;
                }
                Ok(take_address(cable)?)
            }
            Self::Loopback { silent } => {
                silent.clear();
                for address in addresses {
                    let port = SilentPort::hold(*address)
                        .map_err(system(format!("hold the silent port {address}")))?;
                    *address = port.address();
                    silent.push(port);
                }
                Ok(())
            }
        }
    }

    /// Lets the host answer.
    pub(super) fn wake_up(&mut self) -> Result<(), SleepingHostError> {
        match self {
            Self::Namespace(cable) => Ok(give_address(cable)?),
            Self::Loopback { silent } => {
                silent.clear();
                Ok(())
            }
        }
    }
}

/// A port that is free on the host. In a namespace where only the host lives, it stays so.
fn free_port(address: SocketAddr) -> Result<SocketAddr, SleepingHostError> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let port = std::net::TcpListener::bind(any)
        .and_then(|listener| listener.local_addr())
        .map_err(system("find a free port"))?
        .port();
    Ok(SocketAddr::new(address.ip(), port))
}

/// Lets the host answer at its address.
fn give_address(cable: &Cable) -> Result<(), CableError> {
    cable.there(&format!(
        "addr replace {HOST}/{PREFIX} brd {BROADCAST} dev {CARD}"
    ))?;
    Ok(())
}

/// Taking the address takes its routes with it, the broadcast route too, which therefore is put
/// back.
fn take_address(cable: &Cable) -> Result<(), CableError> {
    cable.there(&format!("addr flush dev {CARD}"))?;
    cable.there(&format!(
        "route replace broadcast {BROADCAST} dev {CARD} table local"
    ))?;
    Ok(())
}
