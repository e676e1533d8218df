//! The switch that the guest is at, and the network card that never sleeps.

use std::io;

use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::net::UdpSocket;

use super::GuestError;
use crate::cable::{Cable, CableError};
use crate::isolation::find_program;

/// The switch's port to the lab.
const PORT: &str = "port0";
/// The switch.
const SWITCH: &str = "switch0";
/// The switch's port to the guest.
pub(super) const TAP: &str = "tap0";
/// The name of the rules in the kernel's tables.
const TABLE: &str = "netdev lab";

/// The guest's side of the lab's network.
#[derive(Debug)]
pub(super) struct Network {
    cable: Cable,
}

impl Network {
    /// Builds it, with nobody at the guest's port.
    pub(super) fn new() -> Result<Self, GuestError> {
        let cable = Cable::lay(PORT, None)?;
        cable.there(&format!("link add {SWITCH} type bridge stp_state 0"))?;
        cable.there(&format!("tuntap add {TAP} mode tap"))?;
        for device in [SWITCH, TAP] {
            cable.without_ipv6(device)?;
        }
        for port in [PORT, TAP] {
            cable.there(&format!("link set {port} master {SWITCH}"))?;
        }
        // Promiscuous, so that the card hears what is meant for the guest, too.
        cable.there(&format!("link set {SWITCH} promisc on up"))?;
        cable.there(&format!("link set {TAP} up"))?;
        Ok(Self { cable })
    }

    /// Moves the calling thread there; see [`Cable::enter`].
    pub(super) fn enter(&self) -> Result<(), GuestError> {
        Ok(self.cable.enter()?)
    }

    /// The network card. To be called on a thread that has entered.
    pub(super) fn card(&self) -> Result<Card, GuestError> {
        let listed = self.cable.there(&format!("-o link show dev {SWITCH}"))?;
        let index = listed
            .split_once(':')
            .and_then(|(number, _)| number.trim().parse().ok());
        let index: u32 = index.ok_or_else(|| CableError::Command {
            command: format!("ip -o link show dev {SWITCH}"),
            said: format!("no number: {listed}"),
        })?;
        Card::listen(index).map_err(GuestError::system(format!("listen at {SWITCH}")))
    }

    /// Has the switch lose so many magic packets. They are lost on their way in, before anything
    /// at the switch hears them.
    pub(super) fn drop_first(&self, packets: u32) -> Result<(), GuestError> {
        self.nft(&rules(packets))?;
        Ok(())
    }

    /// How many it has lost.
    pub(super) fn dropped(&self) -> Result<u32, GuestError> {
        let command = format!("list counter {TABLE} dropped");
        let listed = self.nft(&format!("{command}\n"))?;
        let count = listed
            .split_once("packets ")
            .and_then(|(_, rest)| rest.split_ascii_whitespace().next()?.parse().ok());
        Ok(count.ok_or(CableError::Command {
            command: format!("nft {command}"),
            said: listed,
        })?)
    }

    fn nft(&self, commands: &str) -> Result<String, GuestError> {
        let nft = find_program("nft", "nftables")?;
        Ok(self.cable.run_there(&nft, "-f -", commands)?)
    }
}

/// Rules for `nft`: a magic packet begins with six times 0xff, by UDP to any port or right in the
/// frame. Both kinds are counted together.
fn rules(packets: u32) -> String {
    format!(
        "\
table {TABLE}
delete table {TABLE}
table {TABLE} {{
    counter dropped {{ }}
    chain lose {{
        numgen inc mod 4294967295 < {packets} counter name dropped drop
    }}
    chain incoming {{
        type filter hook ingress device {PORT} priority 0
        meta l4proto udp @th,64,48 0xffffffffffff jump lose
        ether type 0x0842 jump lose
    }}
}}
"
    )
}

/// A network card that listens: hears every frame at the switch.
#[derive(Debug)]
pub(super) struct Card {
    /// Of the type for UDP, because of all that tokio reads datagrams from, that is what a socket of
    /// any kind can be made into; only `recv` is used, which is the same for all.
    socket: UdpSocket,
}

impl Card {
    /// Listens at the device with this number alone. A packet socket hears every device of its
    /// namespace, and so it would hear each frame at every port it passes.
    fn listen(index: u32) -> io::Result<Self> {
        /// `ETH_P_ALL`, every protocol, as it is on the wire.
        const EVERY_PROTOCOL: i32 = 0x0003_u16.to_be() as i32;

        // What comes before the filter is there is nothing: nobody has been told of the guest yet.
        let socket = Socket::new(
            Domain::PACKET,
            Type::RAW,
            Some(Protocol::from(EVERY_PROTOCOL)),
        )?;
        socket.attach_filter(&only_from(index))?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket.into())?;
        Ok(Self { socket })
    }

    /// Waits for the next frame, and gives its length.
    pub(super) async fn hear(&self, frame: &mut [u8]) -> io::Result<usize> {
        self.socket.recv(frame).await
    }
}

/// A program for the kernel's filter (`linux/filter.h`): the whole frame if it comes from this
/// device, else nothing.
fn only_from(index: u32) -> [SockFilter; 4] {
    /// `BPF_LD | BPF_W | BPF_ABS`
    const LOAD: u16 = 0x20;
    /// `BPF_JMP | BPF_JEQ | BPF_K`
    const JUMP_IF_EQUAL: u16 = 0x15;
    /// `BPF_RET | BPF_K`
    const RETURN: u16 = 0x06;
    /// `SKF_AD_OFF + SKF_AD_IFINDEX`: not a byte of the frame, but the number of its device.
    const DEVICE: u32 = (-0x1000_i32 + 8).cast_unsigned();

    [
        SockFilter::new(LOAD, 0, 0, DEVICE),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, index),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}
