//! The seam between asking for a wake-up and the network.

use std::fmt;
use std::fmt::Debug;

use crate::{Destination, MacAddr, WakeError};

/// Sends magic packets.
///
/// # Contract
///
/// - One call sends one packet to each destination, in their order. A destination that fails does
///   not keep the others from being tried.
/// - `Ok` means that at least one packet was handed to the network; which ones, and why the others
///   were not, is in the report.
/// - Sending is not waiting: the call returns as soon as the packets are on their way, and never
///   retries. Whether and when to send again is the caller's choice.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Waker: Debug + Send + Sync + 'static {
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
    /// Where to send the packets; at least one.
    pub destinations: Vec<Destination>,
}

impl WakeRequest {
    /// A request to wake the machine with this address.
    #[must_use]
    pub const fn new(mac: MacAddr, destinations: Vec<Destination>) -> Self {
        Self { mac, destinations }
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
}

impl Sent {
    /// A packet of this size, sent to this destination, for those who implement [`Waker`].
    #[must_use]
    pub const fn new(destination: Destination, bytes: usize) -> Self {
        Self { destination, bytes }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes to {}", self.bytes, self.destination)
    }
}
