//! The clock that the night goes by.
//!
//! Nothing in this workspace reads the machine's clock by itself: it asks a [`Clock`]. Waiting
//! goes through tokio's time. Together this makes a whole night run in no time at all in a test,
//! with the same code.

mod simulated;
mod system;

use std::fmt::Debug;

use jiff::Timestamp;

pub use simulated::SimulatedClock;
pub use system::SystemClock;

/// Tells the time of day.
///
/// # Contract
/// `now` never waits and never fails. It may jump, as the machine's clock does when it is set:
/// durations are measured with `tokio::time::Instant`, never as the difference of two `now`s.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}
