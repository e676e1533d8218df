//! Whom this machine knows on its networks: the way from an IP address to a MAC address.

use std::net::IpAddr;

use crate::{MacAddr, WakeError, system};

/// A machine that this one has spoken to not long ago, or was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Neighbour {
    /// Its IP address.
    pub address: IpAddr,
    /// The address of its network card.
    pub mac: MacAddr,
    /// The number of this machine's interface to it.
    pub interface_index: u32,
}

/// All neighbours that the kernel knows the network cards of, by IPv4 and IPv6.
///
/// # Errors
///
/// When the kernel's table cannot be read, as on other systems than Linux.
pub fn neighbours() -> Result<Vec<Neighbour>, WakeError> {
    system::neighbours()
}

/// The address of the network card of the machine with this IP address, if the kernel knows it:
/// while the machine is up and on a network of this one, speak to it first.
///
/// # Errors
///
/// As [`neighbours`].
///
/// ```no_run
/// // Some packet goes there, and the kernel looks for it.
/// let _ = std::net::TcpStream::connect("192.168.0.11:22");
/// match wol::lookup_neighbour([192, 168, 0, 11].into())? {
///     Some(mac) => println!("mac = \"{mac}\""),
///     None => println!("not on a network of this machine, or off"),
/// }
/// # Ok::<(), wol::WakeError>(())
/// ```
pub fn lookup_neighbour(address: IpAddr) -> Result<Option<MacAddr>, WakeError> {
    Ok(neighbours()?
        .into_iter()
        .find(|neighbour| neighbour.address == address)
        .map(|neighbour| neighbour.mac))
}
