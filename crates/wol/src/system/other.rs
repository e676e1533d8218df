//! Systems that are not Linux: what is named is used, and nothing is chosen.

use std::io;

use crate::{Destination, InterfaceFacts, MagicPacket, Neighbour, Sent, WakeError};

fn unsupported() -> io::Error {
    io::ErrorKind::Unsupported.into()
}

pub(crate) fn interfaces() -> Result<Vec<InterfaceFacts>, WakeError> {
    Err(WakeError::Interfaces {
        source: unsupported(),
    })
}

/// The number of an interface, where it is given as one.
pub(crate) fn index_of(interface: &str) -> io::Result<u32> {
    interface.parse().map_err(|_| unsupported())
}

pub(crate) fn neighbours() -> Result<Vec<Neighbour>, WakeError> {
    Err(WakeError::Neighbours {
        source: unsupported(),
    })
}

pub(crate) fn send_frame(
    _packet: &MagicPacket,
    destination: &Destination,
) -> Result<Sent, WakeError> {
    Err(WakeError::Ethernet {
        interface: destination.interface.clone().unwrap_or_default(),
        source: unsupported(),
    })
}
