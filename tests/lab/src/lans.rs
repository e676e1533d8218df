//! The network interfaces of a Docker host, and what leaves by them.
//!
//! ```text
//! lan0  10.201.0.137/24   a network card (a macvlan, whose other end is in the same namespace)
//! lan1  10.201.1.137/24   another
//! docker0  172.17.0.1/16  a bridge, with one end of a pair in it
//! veth0                   the other end, with an address of its own
//! tun0  10.8.0.2/24       a tunnel
//! ```

use std::io;
use std::os::fd::AsRawFd as _;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{LinkAddr, recvfrom};
use socket2::{Domain, Protocol, Socket, Type};
use wol::{LanWaker, MacAddr, MagicPacket, Waker as _};

use crate::isolation::{Isolation, current, find_program};

/// The broadcast addresses of `lan0` and `lan1`.
pub const BROADCASTS: [&str; 2] = ["10.201.0.255", "10.201.1.255"];

/// What makes the interfaces, for `ip`.
const COMMANDS: [&str; 26] = [
    "link add cable0 type veth peer name switch0",
    "link add cable1 type veth peer name switch1",
    "link set cable0 up",
    "link set cable1 up",
    "link set switch0 up",
    "link set switch1 up",
    "link add link cable0 name lan0 address 02:00:5e:00:00:10 type macvlan mode private",
    "link add link cable1 name lan1 address 02:00:5e:00:00:11 type macvlan mode private",
    "addr add 10.201.0.137/24 brd + dev lan0",
    "addr add 10.201.1.137/24 brd + dev lan1",
    "addr add fd00:201::137/64 dev lan1 nodad",
    "link set lan0 up",
    "link set lan1 up",
    "link add docker0 type bridge",
    "addr add 172.17.0.1/16 brd + dev docker0",
    "addr add fd00:172::1/64 dev docker0 nodad",
    "link add veth0 type veth peer name veth1",
    "link set veth1 master docker0",
    "addr add 10.99.0.1/24 brd + dev veth0",
    "link set veth0 up",
    "link set veth1 up",
    "link set docker0 up",
    "tuntap add dev tun0 mode tun",
    "addr add 10.8.0.2/24 dev tun0",
    "link set tun0 up",
    "route add default via 10.201.0.1",
];

/// Makes the interfaces, in the lab's namespaces, with which they end.
///
/// # Errors
///
/// When a command fails.
///
/// # Panics
///
/// Outside of the lab's namespaces: these are not for the machine itself.
pub fn lay() -> io::Result<()> {
    assert_eq!(current(), Isolation::Namespaces, "only inside the lab");
    let ip = find_program("ip", "iproute2").map_err(io::Error::other)?;
    for command in COMMANDS {
        let Output { status, stderr, .. } = Command::new(&ip).args(command.split(' ')).output()?;
        if !status.success() {
            let said = String::from_utf8_lossy(&stderr);
            return Err(io::Error::other(format!("ip {command}: {}", said.trim())));
        }
    }
    await_carriers()
}

/// Waits until the kernel has noticed that the interfaces are plugged in, which it does a little
/// later than it does it.
fn await_carriers() -> io::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let begun = now();
    loop {
        let interfaces = LanWaker.interfaces().map_err(io::Error::other)?;
        let all = ["lan0", "lan1", "docker0", "veth0"].iter().all(|name| {
            let found = interfaces.iter().find(|facts| facts.name == *name);
            found.is_some_and(|facts| facts.carrier)
        });
        if all {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(io::Error::other(format!("no carrier: {interfaces:?}")));
        }
        a_moment();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the kernel's own time, with nothing else to do in it"
)]
fn a_moment() {
    std::thread::sleep(Duration::from_millis(20));
}

#[expect(clippy::disallowed_methods, reason = "the kernel's own time")]
fn now() -> Instant {
    Instant::now()
}

/// A frame that left this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The interface that it left by.
    pub interface: String,
    /// All of it, from its Ethernet header on; on a tunnel, from its IP header on.
    pub bytes: Vec<u8>,
}

impl Frame {
    /// The source and destination in its IPv4 and UDP headers, and what it carries; `None` if it is
    /// no such frame.
    #[must_use]
    pub fn udp(&self) -> Option<(String, String, &[u8])> {
        let packet = self.bytes.get(14..)?;
        let is_udp = self.bytes.get(12..14)? == [8, 0] && packet.first()? & 0xf0 == 0x40;
        if !is_udp || packet.get(9) != Some(&17) {
            return None;
        }
        let header = usize::from(packet.first()? & 0x0f) * 4;
        let address = |from: usize| -> Option<String> {
            let octets: [u8; 4] = packet.get(from..from + 4)?.try_into().ok()?;
            Some(std::net::Ipv4Addr::from(octets).to_string())
        };
        let datagram = packet.get(header..)?;
        let port = u16::from_be_bytes(datagram.get(2..4)?.try_into().ok()?);
        let length = usize::from(u16::from_be_bytes(datagram.get(4..6)?.try_into().ok()?));
        let to = format!("{}:{port}", address(16)?);
        Some((address(12)?, to, datagram.get(8..length)?))
    }
}

/// Hears all frames that leave by any interface of this network namespace.
#[derive(Debug)]
pub struct Capture {
    socket: Socket,
}

impl Capture {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// When the kernel does not allow it: it takes `CAP_NET_RAW`.
    pub fn begin() -> io::Result<Self> {
        /// `ETH_P_ALL`, in the order of bytes that the kernel takes it in.
        const EVERYTHING: u16 = 0x0003_u16.to_be();
        let protocol = Protocol::from(i32::from(EVERYTHING));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
        socket.set_recv_buffer_size(4 << 20)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket })
    }

    /// The frames with a magic packet for this address that have left by an interface of
    /// [`lay`] since the last call, in their order. What a program sent that has ended is there.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn magic(&self, mac: MacAddr) -> io::Result<Vec<Frame>> {
        /// `PACKET_OUTGOING`.
        const OUTGOING: u8 = 4;
        let packet = MagicPacket::new(mac);
        let names = ["lan0", "lan1", "docker0", "veth0", "tun0"]
            .map(|name| (name, if_nametoindex(name).ok()));
        let mut frames = Vec::new();
        let mut buffer = [0; 2048];
        loop {
            let received = recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut buffer);
            let (length, from) = match received {
                Ok(received) => received,
                Err(nix::errno::Errno::EAGAIN) => return Ok(frames),
                Err(error) => return Err(error.into()),
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            let Some(from) = from.filter(|from| from.pkttype() == OUTGOING) else {
                continue;
            };
            let name = names.iter().find(|(_, index)| {
                index.is_some_and(|index| usize::try_from(index) == Ok(from.ifindex()))
            });
            let wakes = bytes
                .windows(packet.as_bytes().len())
                .any(|window| window == packet.as_bytes());
            if let (Some((name, _)), true) = (name, wakes) {
                frames.push(Frame {
                    interface: (*name).to_owned(),
                    bytes: bytes.to_vec(),
                });
            }
        }
    }
}
