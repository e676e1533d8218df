//! What tests of a waker, and tests on a waker, are made of (feature `testing`).
//!
//! [`MemoryWaker`] keeps what it is told to send. [`conformance`] is the contract of
//! [`Waker`](crate::Waker) as checks, which it and every real waker pass.
//!
//! ```
//! use wol::testing::MemoryWaker;
//! use wol::{Aim, InterfaceFacts, WakeRequest, Waker};
//!
//! let lan = InterfaceFacts::card("eno1", 2).with_address([192, 0, 2, 7], 24);
//! let waker = MemoryWaker::on(vec![lan]);
//! let targets = Aim::default().take(&waker.interfaces()?)?;
//! waker.wake(&WakeRequest::new("d0:94:66:12:34:56".parse()?, targets.destinations))?;
//! assert_eq!(waker.sent()[0].0.to_string(), "192.0.2.255:9 on eno1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod conformance;
mod memory;

pub use conformance::{Fixture, conformance};
pub use memory::MemoryWaker;
