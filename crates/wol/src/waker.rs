//! The seam between asking for a wake-up and the network.

use std::fmt;
use std::fmt::Debug;

use crate::{Destination, InterfaceFacts, MacAddr, MagicPacket, SecureOn, WakeError};

/// Sends magic packets.
///
/// # Contract
///
/// - One call of [`wake`](Self::wake) sends one packet to each destination, in their order. A
///   destination that fails does not keep the others from being tried.
/// - `Ok` means that at least one packet was handed to the network; which ones, and why the others
///   were not, is in the report. Each destination is in one of its two lists, once.
/// - Sending is not waiting: the call returns as soon as the packets are on their way, and never
///   retries. Whether and when to send again is the caller's choice.
/// - A packet leaves by the interface that its destination names, or not at all.
/// - The password of a request appears in no error and in no report.
/// - [`interfaces`](Self::interfaces) looks anew each time, and sends nothing.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Waker: Debug + Send + Sync + 'static {
    /// The interfaces that packets can be sent through, for an [`Aim`](crate::Aim) to choose from.
    ///
    /// # Errors
    ///
    /// When they cannot be known. Packets can be sent all the same.
    fn interfaces(&self) -> Result<Vec<InterfaceFacts>, WakeError>;

    /// Sends one magic packet to each destination of the request.
    ///
    /// # Errors
    ///
    /// When no packet was sent at all: there is no destination, or each of them failed.
    fn wake(&self, request: &WakeRequest) -> Result<WakeReport, WakeError>;
}

/// Which machine to wake, and where to send its packets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WakeRequest {
    /// The address of the sleeping machine's network card.
    pub mac: MacAddr,
    /// The password that the network card wants, if it does.
    pub secure_on: Option<SecureOn>,
    /// Where to send the packets; at least one.
    pub destinations: Vec<Destination>,
}

impl WakeRequest {
    /// A request to wake the machine with this address.
    #[must_use]
    pub const fn new(mac: MacAddr, destinations: Vec<Destination>) -> Self {
        Self {
            mac,
            secure_on: None,
            destinations,
        }
    }

    /// The same, with a password behind the packet.
    #[must_use]
    pub fn with_password(mut self, password: Option<SecureOn>) -> Self {
        self.secure_on = password;
        self
    }

    /// The packet that it is about.
    #[must_use]
    pub fn packet(&self) -> MagicPacket {
        MagicPacket::with_password(self.mac, self.secure_on.as_ref())
    }

    /// Has `carry` send the packet to each destination, and reports as the [contract](Waker) wants
    /// it; for those who implement [`Waker`].
    ///
    /// # Errors
    ///
    /// When there is no destination, and when `carry` failed for each.
    pub fn send_each(
        &self,
        mut carry: impl FnMut(&MagicPacket, &Destination) -> Result<Sent, WakeError>,
    ) -> Result<WakeReport, WakeError> {
        if self.destinations.is_empty() {
            return Err(WakeError::NoDestination);
        }
        let packet = self.packet();
        let mut report = WakeReport::default();
        for destination in &self.destinations {
            match carry(&packet, destination) {
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

/// What became of one [`WakeRequest`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct WakeReport {
    /// The packets that were handed to the network.
    pub sent: Vec<Sent>,
    /// The destinations that no packet could be sent to, and why.
    pub failed: Vec<(Destination, WakeError)>,
}

impl WakeReport {
    /// A report of these packets and failures, for those who implement [`Waker`].
    #[must_use]
    pub const fn new(sent: Vec<Sent>, failed: Vec<(Destination, WakeError)>) -> Self {
        Self { sent, failed }
    }
}

/// One packet that was handed to the network.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Where it was sent to.
    pub destination: Destination,
    /// Its size in bytes, headers not counted.
    pub bytes: usize,
    /// What kept it to its interface.
    pub tie: Tie,
}

/// What kept a packet to its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tie {
    /// Nothing: the routing table chose the interface.
    Route,
    /// The operating system: it left by that interface or not at all.
    Interface,
    /// Its source address alone, because this process may not tie it to the interface (before Linux
    /// 5.7 that takes `CAP_NET_RAW`). To the broadcast address of a network it is as good, unless
    /// two interfaces are on that network.
    Address,
}

impl Sent {
    /// A packet of this size, sent to this destination, for those who implement [`Waker`].
    #[must_use]
    pub const fn new(destination: Destination, bytes: usize) -> Self {
        let tie = match destination.interface {
            Some(_) => Tie::Interface,
            None => Tie::Route,
        };
        Self {
            destination,
            bytes,
            tie,
        }
    }

    /// The same, kept to its interface in this way.
    #[must_use]
    pub const fn tied_by(mut self, tie: Tie) -> Self {
        self.tie = tie;
        self
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes to {}", self.bytes, self.destination)?;
        match self.tie {
            Tie::Address => f.write_str(" (by its source address; not tied to the interface)"),
            Tie::Route | Tie::Interface => Ok(()),
        }
    }
}
