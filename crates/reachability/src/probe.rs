//! The seam between waiting for a host and the network.

mod connect;
#[cfg(feature = "https")]
mod https;
mod icmp;
mod identification;
mod ssh;
mod tcp;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

#[cfg(feature = "https")]
pub use https::HttpsProbe;
pub use icmp::{IcmpProbe, IcmpUnavailable};
pub use ssh::SshProbe;
pub use tcp::TcpProbe;

use crate::Answer;

/// Asks one service of one host, once.
///
/// # Contract
///
/// - `probe` never fails and never panics: whatever goes wrong is an [`Answer`].
/// - It ends within its timeout, measured with tokio's clock.
/// - [`Answer::Silent`] means that the whole timeout passed (or that the network said early that
///   nobody has the address) and *nothing* came back. Anything that came back from the host, even
///   half an answer, is another variant: silence is what proves that a host is off.
/// - It leaves nothing behind on the host: no session, no login attempt, no lasting connection.
/// - A dropped future stops asking at once.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Probe: Debug + Send + Sync + 'static {
    /// What is asked, in the notation of [`ProbeSpec`](crate::ProbeSpec) where it has one, such as
    /// `ssh:192.168.0.11:22`.
    fn target(&self) -> String;

    /// Asks once, for no longer than `timeout`.
    async fn probe(&self, timeout: Duration) -> Answer;
}
