//! The trait: what it means to switch another host off.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Outcome, ShutdownError};

/// A way to switch one particular host off.
///
/// # Contract
///
/// - [`shut_down`](Self::shut_down) asks once. It never repeats the command by
///   itself: the host may be going down already, or may have been started
///   again by someone in between.
/// - `Ok` means that the command reached the host. It does not mean that the
///   host is off: the caller watches it until it stays silent.
/// - `Err` means that the command did not run or was refused, so that the host
///   stays on as far as this call is concerned. Whatever may have run, without
///   a known end, is [`Outcome::SentUnknown`] and not an error.
/// - It ends: an implementation bounds each of its stages by a deadline.
/// - Dropping the future is safe. From then on nothing more is sent; a command
///   that was sent before may still take effect.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait RemoteShutdown: Debug + Send + Sync + 'static {
    /// Where the command goes, for people: `shutdown@192.168.0.11:22`.
    fn endpoint(&self) -> String;

    /// Asks the host to switch itself off.
    ///
    /// # Errors
    ///
    /// Fails when the host could not be reached or not be trusted, when it did
    /// not let us in, or when it refused the command; see [`ShutdownError`].
    async fn shut_down(&self) -> Result<Outcome, ShutdownError>;
}
