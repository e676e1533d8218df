//! Wake-on-LAN: MAC addresses, magic packets and sending them.
//!
//! A sleeping machine's network card keeps listening for one thing: a *magic packet*, six bytes
//! of `0xff` followed by sixteen copies of the card's own address. This crate parses the address,
//! builds the packet, chooses the interfaces, and sends it in UDP datagrams or Ethernet frames.
//!
//! ```no_run
//! use wol::{Aim, LanWaker, WakeRequest, Waker};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Every network that this machine is on by a network card.
//! let targets = Aim::default().take(&LanWaker.interfaces()?)?;
//! for decision in &targets.decisions {
//!     println!("{decision}"); // docker0 is not used: it is a bridge of Docker
//! }
//! let request = WakeRequest::new("d0:94:66:12:34:56".parse()?, targets.destinations);
//! let report = LanWaker.wake(&request)?;
//! for sent in &report.sent {
//!     println!("{sent}"); // 102 bytes to 192.168.0.255:9 on eno1
//! }
//! for (destination, error) in &report.failed {
//!     println!("{destination}: {error}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What to send to
//!
//! The broadcast address of the *subnet* the sleeping machine is on, such as `192.168.0.255`,
//! through the network card that is on it: that is what [`Aim`] finds. `255.255.255.255` leaves by
//! whichever card has the default route, which on a machine with VPNs or Docker bridges is often
//! the wrong one; an `Aim` sends it through each that suits. The sleeping machine's own address
//! does not work for long: nobody answers ARP for it once the neighbours have forgotten it. An
//! address of *this* machine never works, and is refused.
//!
//! ```
//! use wol::{Aim, InterfaceFacts};
//!
//! let machine = [InterfaceFacts::card("eno1", 2).with_address([192, 168, 0, 137], 24)];
//! let error = Aim::at(vec!["192.168.0.137".parse()?]).take(&machine).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "use 192.168.0.137 as a broadcast address: it is this machine's own, on eno1; expected the \
//!      broadcast address of that network, 192.168.0.255"
//! );
//! # Ok::<(), wol::DestinationError>(())
//! ```
//!
//! # What a success means
//!
//! That the packet left this machine, and nothing more: the protocol has no answer. Send it
//! again every few seconds, and ask a service of the machine whether it is up.
//!
//! # What a password is worth
//!
//! [`SecureOn`] is plain text that goes to everybody on the network. Whoever hears it once can wake
//! the machine.
//!
//! # Systems
//!
//! On Linux, everything. Elsewhere, datagrams to addresses that are named; interfaces cannot be
//! chosen, and there are no frames and no neighbours.
//!
//! # Features
//!
//! - `serde`: [`MacAddr`] as a string.
//! - `mock`: `MockWaker`, a [mockall](https://docs.rs/mockall) mock of [`Waker`].
//! - `testing`: a waker in memory, and the checks that every waker must pass.

#![forbid(unsafe_code)]

mod aim;
mod destination;
mod error;
mod interface;
mod lan;
mod mac;
mod neighbour;
mod packet;
mod secure_on;
mod system;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod udp;
mod waker;

pub use aim::{Aim, AimError, Decision, NotUsed, Remark, Targets, Used, Verdict};
pub use destination::{Carrier, DEFAULT_PORT, Destination, DestinationError};
pub use error::{WakeError, WakeErrorKind};
pub use interface::{InterfaceAddress, InterfaceFacts, InterfaceKind};
pub use lan::LanWaker;
pub use mac::{MacAddr, MacAddrError, MacAddrErrorKind};
pub use neighbour::{Neighbour, lookup_neighbour, neighbours};
pub use packet::MagicPacket;
pub use secure_on::{SecureOn, SecureOnError};
pub use udp::UdpWaker;
#[cfg(feature = "mock")]
pub use waker::MockWaker;
pub use waker::{Sent, Tie, WakeReport, WakeRequest, Waker};
