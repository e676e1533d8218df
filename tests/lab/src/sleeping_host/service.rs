//! What a host offers while it is up.

use std::error::Error;
use std::net::SocketAddr;

use async_trait::async_trait;

use super::PowerSwitch;

/// Why a service did not start.
pub type ServiceError = Box<dyn Error + Send + Sync>;

/// Something that a [`SleepingHost`](super::SleepingHost) starts at every boot.
///
/// # Contract
///
/// - `start` is called on the host's own thread, which is in the host's network namespace:
///   sockets opened and processes started *there* are on the host. Threads inherit that; so do
///   tasks spawned on the current runtime.
/// - When `start` returns, the service accepts connections at `address`.
/// - It can be started again after it was stopped, at the same address.
#[async_trait]
pub trait Service: Send + 'static {
    /// A short name, such as `ssh`.
    fn name(&self) -> &'static str;

    /// The TCP port that it is to have; 0 to be given a free one, the same at every boot.
    fn port(&self) -> u16;

    /// Starts it. The switch is that of the host it runs on.
    async fn start(
        &mut self,
        address: SocketAddr,
        power: PowerSwitch,
    ) -> Result<Box<dyn Running>, ServiceError>;
}

/// A service that has been started.
#[async_trait]
pub trait Running: Send + 'static {
    /// Stops it: closes its listener and its connections, ends its processes.
    async fn stop(self: Box<Self>);
}
