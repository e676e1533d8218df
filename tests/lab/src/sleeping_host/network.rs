//! The cable between the lab and the host.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use wol::MacAddr;

use super::silent_port::SilentPort;
use super::{SleepingHostError, system};
use crate::isolation::{self, Isolation, find_program};

/// The host's address on the lab's network.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 202, 7, 11);
/// The broadcast address of that network.
const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 202, 7, 255);
/// The lab's address on it, as `ip` takes it.
const LAB: &str = "10.202.7.137/24";
/// The name of the host's namespace.
const NAMESPACE: &str = "sleeping-host";
/// Where `ip netns` keeps them.
const NAMESPACES: &str = "/run/netns";

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
            Isolation::Namespaces => Ok(Self::Namespace(Cable::lay(mac)?)),
            Isolation::None { .. } => Ok(Self::Loopback { silent: Vec::new() }),
        }
    }

    /// Moves the calling thread to the host's side. Threads and processes that it starts from then
    /// on are there too.
    pub(super) fn enter(&self) -> Result<(), SleepingHostError> {
        let Self::Namespace(_) = self else {
            return Ok(());
        };
        let path = Path::new(NAMESPACES).join(NAMESPACE);
        File::open(&path)
            .and_then(|namespace| {
                let kind = Some(LinkNameSpaceType::Network);
                Ok(move_into_link_name_space(namespace.as_fd(), kind)?)
            })
            .map_err(system(format!("enter {}", path.display())))
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
                cable.take_address()
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
            Self::Namespace(cable) => cable.give_address(),
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

/// A veth pair: `lan0` in the lab, `eth0` in the host's namespace. Taken away when dropped.
#[derive(Debug)]
pub(super) struct Cable {
    ip: PathBuf,
}

impl Cable {
    fn lay(mac: MacAddr) -> Result<Self, SleepingHostError> {
        if Path::new(NAMESPACES).join(NAMESPACE).exists() {
            return Err(SleepingHostError::Occupied);
        }
        let cable = Self {
            ip: find_program("ip", "iproute2")?,
        };
        cable.ip(&format!("netns add {NAMESPACE}"))?;
        cable.ip(&format!(
            "link add lan0 type veth peer name eth0 address {mac} netns {NAMESPACE}"
        ))?;
        // A host that is asleep must not answer over IPv6 either.
        if Path::new("/proc/sys/net/ipv6").exists() {
            cable.host_ip("link set eth0 addrgenmode none")?;
        }
        cable.ip(&format!("addr add {LAB} brd {BROADCAST} dev lan0"))?;
        cable.ip("link set lan0 up")?;
        cable.host_ip("link set lo up")?;
        cable.host_ip("link set eth0 up")?;
        Ok(cable)
    }

    fn give_address(&self) -> Result<(), SleepingHostError> {
        self.host_ip(&format!("addr replace {HOST}/24 brd {BROADCAST} dev eth0"))
    }

    /// Taking the address takes its routes with it, the broadcast route too, which therefore is
    /// put back.
    fn take_address(&self) -> Result<(), SleepingHostError> {
        self.host_ip("addr flush dev eth0")?;
        self.host_ip(&format!(
            "route replace broadcast {BROADCAST} dev eth0 table local"
        ))
    }

    fn host_ip(&self, arguments: &str) -> Result<(), SleepingHostError> {
        self.ip(&format!("-netns {NAMESPACE} {arguments}"))
    }

    fn ip(&self, arguments: &str) -> Result<(), SleepingHostError> {
        let Output { status, stderr, .. } = Command::new(&self.ip)
            .args(arguments.split(' '))
            .output()
            .map_err(system(format!("run {}", self.ip.display())))?;
        if status.success() {
            return Ok(());
        }
        Err(SleepingHostError::Command {
            command: format!("ip {arguments}"),
            said: String::from_utf8_lossy(&stderr).trim().to_owned(),
        })
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // The namespace itself ends with the last thread in it; the pair would end with it, but
        // later, and a new host needs the names at once. From the host's end, because this runs on
        // the host's thread. Nothing can be done about an error, and the lab's end takes both away
        // in any case.
        let _ = self.host_ip("link del eth0");
        let _ = self.ip(&format!("netns del {NAMESPACE}"));
    }
}
