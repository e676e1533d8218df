//! What can go wrong between here and the wire.

use std::error::Error;
use std::io;
use std::net::IpAddr;

use crate::Destination;

/// Why a magic packet could not be sent.
///
/// The texts continue "failed to …".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WakeError {
    /// The request names no destination.
    #[error(
        "send a magic packet: no destination is named; expected at least one, such as the \
         broadcast address of the machine's subnet"
    )]
    NoDestination,

    /// Every destination of the request failed.
    #[error("send any magic packet: {}", all_of(failed))]
    NothingSent {
        /// Each destination with its own error.
        failed: Vec<(Destination, WakeError)>,
    },

    /// No socket could be had from the operating system.
    #[error("open a UDP socket for broadcasts")]
    Socket {
        /// The operating system's answer.
        source: io::Error,
    },

    /// The packet could not be tied to the network card that the destination names.
    #[error("send through network interface {interface:?}: {}", interface_hint(source.kind()))]
    Interface {
        /// The name of the network card.
        interface: String,
        /// The operating system's answer.
        source: io::Error,
    },

    /// The packet could not be sent from the address that the destination names.
    #[error("send from {address}: expected an address that this machine has")]
    SourceAddress {
        /// The address.
        address: IpAddr,
        /// The operating system's answer.
        source: io::Error,
    },

    /// The Ethernet frame could not be sent.
    #[error("send an Ethernet frame through {interface:?}: {}", frame_hint(source.kind()))]
    Ethernet {
        /// The name of the network card.
        interface: String,
        /// The operating system's answer.
        source: io::Error,
    },

    /// The interfaces of this machine are not known.
    #[error("look at the network interfaces of this machine: {}", look_hint(source.kind()))]
    Interfaces {
        /// The operating system's answer.
        source: io::Error,
    },

    /// The neighbours of this machine are not known.
    #[error("look at the neighbours of this machine: {}", look_hint(source.kind()))]
    Neighbours {
        /// The operating system's answer.
        source: io::Error,
    },

    /// The operating system did not take the packet.
    #[error("send a magic packet to {destination}: {}", send_hint(source.kind()))]
    Send {
        /// Where the packet was to go.
        destination: Destination,
        /// The operating system's answer.
        source: io::Error,
    },
}

/// What a caller may want to know about a [`WakeError`] to decide what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WakeErrorKind {
    /// The request itself can never succeed: it names no destination.
    Request,
    /// A network card with that name cannot be used on this machine.
    Interface,
    /// This process may not do that.
    Permission,
    /// There is no way to the destination at the moment; a cable or a route may be missing.
    Unreachable,
    /// The operating system refused for another reason.
    System,
}

impl WakeError {
    /// What it is about. For [`NothingSent`](Self::NothingSent), what its first failure is about.
    #[must_use]
    pub fn kind(&self) -> WakeErrorKind {
        match self {
            Self::NoDestination => WakeErrorKind::Request,
            Self::NothingSent { failed } => failed
                .first()
                .map_or(WakeErrorKind::Request, |(_, error)| error.kind()),
            Self::Interface { source, .. }
            | Self::Socket { source }
            | Self::SourceAddress { source, .. }
            | Self::Ethernet { source, .. }
            | Self::Interfaces { source }
            | Self::Neighbours { source }
            | Self::Send { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                WakeErrorKind::Permission
            }
            Self::Interface { .. } => WakeErrorKind::Interface,
            Self::Ethernet { source, .. }
                if matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::Unsupported
                ) =>
            {
                WakeErrorKind::Interface
            }
            Self::Send { source, .. } | Self::Ethernet { source, .. }
                if is_unreachable(source.kind()) =>
            {
                WakeErrorKind::Unreachable
            }
            Self::Socket { .. }
            | Self::SourceAddress { .. }
            | Self::Ethernet { .. }
            | Self::Interfaces { .. }
            | Self::Neighbours { .. }
            | Self::Send { .. } => WakeErrorKind::System,
        }
    }
}

const fn is_unreachable(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
    )
}

const fn interface_hint(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => {
            "not permitted; run as root or grant CAP_NET_RAW, or leave the interface out"
        }
        io::ErrorKind::Unsupported => "only Linux can choose it; leave the interface out",
        _ => "expected the name of a network card of this machine, as `ip link` lists them",
    }
}

const fn frame_hint(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => {
            "not permitted; run as root or grant CAP_NET_RAW, or send by UDP"
        }
        io::ErrorKind::NotFound => {
            "expected the name of a network card of this machine, as `ip link` lists them"
        }
        io::ErrorKind::Unsupported => "it takes none, or this system sends none; send by UDP",
        kind if is_unreachable(kind) => "it is down; switch it on, or check the cable",
        _ => "the operating system did not take it",
    }
}

const fn look_hint(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::Unsupported => {
            "only Linux can be asked; name the broadcast address of the machine's subnet"
        }
        _ => "the kernel did not say",
    }
}

const fn send_hint(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => {
            "not permitted; a firewall rule of this machine may forbid it"
        }
        kind if is_unreachable(kind) => {
            "this machine has no way there; check the cable, the routes and that it is the \
             broadcast address of a subnet this machine is on"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no address there to send it from, or not yet: one of IPv6 is not used \
             for a second or two after its interface came up"
        }
        _ => "the operating system did not take it",
    }
}

/// Every failure with its causes, on one line. [`WakeError::NothingSent`] has no single source
/// that a caller's error printer could follow, so the causes have to be part of the text.
fn all_of(failed: &[(Destination, WakeError)]) -> String {
    let texts: Vec<String> = failed
        .iter()
        // Each error names its destination or its interface itself.
        .map(|(_, error)| format!("failed to {}", with_causes(error)))
        .collect();
    texts.join("; ")
}

fn with_causes(error: &WakeError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::io;

    use super::{WakeError, WakeErrorKind};

    fn send(kind: io::ErrorKind) -> WakeError {
        WakeError::Send {
            destination: "192.0.2.255".parse().unwrap(),
            source: kind.into(),
        }
    }

    #[test]
    fn the_kind_follows_the_operating_systems_answer() {
        assert_eq!(
            send(io::ErrorKind::PermissionDenied).kind(),
            WakeErrorKind::Permission
        );
        assert_eq!(
            send(io::ErrorKind::NetworkUnreachable).kind(),
            WakeErrorKind::Unreachable
        );
        assert_eq!(
            send(io::ErrorKind::OutOfMemory).kind(),
            WakeErrorKind::System
        );
        assert_eq!(WakeError::NoDestination.kind(), WakeErrorKind::Request);
    }

    #[test]
    fn the_text_leaves_the_cause_to_source() {
        let error = send(io::ErrorKind::NetworkUnreachable);
        let cause = error.source().unwrap().to_string();
        assert!(!error.to_string().contains(&cause), "{error}");
        assert!(error.to_string().contains("192.0.2.255:9"), "{error}");
        assert!(error.to_string().contains("check the cable"), "{error}");
    }

    #[test]
    fn nothing_sent_names_every_failure_with_its_cause() {
        let destination = "192.0.2.255".parse::<crate::Destination>().unwrap();
        let error = WakeError::NothingSent {
            failed: vec![
                (destination.clone(), send(io::ErrorKind::NetworkUnreachable)),
                (
                    destination.on_interface("eno9"),
                    WakeError::Interface {
                        interface: "eno9".to_owned(),
                        source: io::ErrorKind::NotFound.into(),
                    },
                ),
            ],
        };
        assert!(error.source().is_none());
        let text = error.to_string();
        for part in [
            "192.0.2.255:9",
            "network unreachable",
            "\"eno9\"",
            "entity not found",
        ] {
            assert!(text.contains(part), "{part:?} is missing in {text}");
        }
        assert_eq!(error.kind(), WakeErrorKind::Unreachable);
    }
}
