//! Wake-on-LAN: MAC addresses, magic packets and sending them.
//!
//! A sleeping machine's network card keeps listening for one thing: a *magic packet*, six bytes
//! of `0xff` followed by sixteen copies of the card's own address. This crate parses the address,
//! builds the packet and sends it in UDP datagrams to one or several places.
//!
//! ```no_run
//! use wol::{Destination, UdpWaker, WakeRequest, Waker};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let lan: Destination = "192.168.0.255".parse()?; // port 9 unless it is given
//! let request = WakeRequest::new(
//!     "d0:94:66:12:34:56".parse()?,
//!     vec![lan.clone(), lan.on_interface("eno1")],
//! );
//!
//! let report = UdpWaker.wake(&request)?;
//! for sent in &report.sent {
//!     println!("{sent}"); // 102 bytes to 192.168.0.255:9
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
//! The broadcast address of the *subnet* the sleeping machine is on, such as `192.168.0.255`:
//! the routing table then picks the right network card. `255.255.255.255` leaves by whichever card
//! has the default route, which on a machine with VPNs or Docker bridges is often the wrong one;
//! [`Destination::on_interface`] pins the card. The sleeping machine's own address does not work
//! for long: nobody answers ARP for it once the neighbours have forgotten it.
//!
//! # What a success means
//!
//! That the packet left this machine, and nothing more: the protocol has no answer. Send it
//! again every few seconds, and ask a service of the machine whether it is up.
//!
//! # Features
//!
//! - `serde`: [`MacAddr`] as a string.
//! - `mock`: `MockWaker`, a [mockall](https://docs.rs/mockall) mock of [`Waker`].

#![forbid(unsafe_code)]

mod destination;
mod error;
mod mac;
mod packet;
mod udp;
mod waker;

pub use destination::{DEFAULT_PORT, Destination, DestinationError};
pub use error::{WakeError, WakeErrorKind};
pub use mac::{MacAddr, MacAddrError, MacAddrErrorKind};
pub use packet::MagicPacket;
pub use udp::UdpWaker;
#[cfg(feature = "mock")]
pub use waker::MockWaker;
pub use waker::{Sent, WakeReport, WakeRequest, Waker};
