//! Switch a host off over SSH, as a user who can do nothing else.
//!
//! The host has an account whose key may run one command: the one that
//! switches it off. This crate logs in as that user, strictly checks whom it
//! talks to, runs the command and tells what is known afterwards: either the
//! host *accepted* the command, or it was *sent* and the connection broke,
//! which is what a power-off looks like as often as not. Neither proves that
//! the host is off; only its silence does, and watching that silence is left
//! to the caller.
//!
//! ```no_run
//! use remote_shutdown::{
//!     Deadlines, HostKeyPolicy, KeyFile, Outcome, RemoteShutdown, SshShutdown, SshTarget, System,
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let nas = SshShutdown::new(
//!     SshTarget::new("192.168.0.11", "shutdown"),
//!     KeyFile::new("/etc/backup-window/shutdown_ed25519"),
//!     HostKeyPolicy::Sha256("SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU".parse()?),
//!     System::TrueNasCore,
//!     Deadlines::default(),
//! );
//! match nas.shut_down().await? {
//!     Outcome::Accepted { output, .. } => println!("{} accepted: {output}", nas.endpoint()),
//!     Outcome::SentUnknown { why } => println!("sent, but unknown: {why}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The trap of a key with a forced command
//!
//! With `command="…"` in `authorized_keys`, *every* session of that key runs
//! the command, whatever the client asks for: a harmless-looking "does the
//! login work?" switches the host off. So this crate has no such check, and
//! nobody should build one from [`RemoteShutdown::shut_down`]. That the port
//! answers and shows the expected host key can be learnt without logging in.
//!
//! # What it never does
//!
//! It asks for no terminal, forwards no agent and no port, trusts no host key
//! on first use, and reads no `~/.ssh`: all it knows comes in as arguments.
//!
//! # Features
//!
//! - `mock`: `MockRemoteShutdown`, a [mockall](https://docs.rs/mockall) mock of
//!   [`RemoteShutdown`].

mod error;
mod fingerprint;
mod host_key;
mod key_file;
mod outcome;
mod shutdown;
mod ssh;
mod system;
mod target;

pub use error::{ErrorKind, KeyFileProblem, ShutdownError};
pub use fingerprint::{Fingerprint, ParseFingerprintError};
pub use host_key::HostKeyPolicy;
pub use key_file::KeyFile;
pub use outcome::Outcome;
#[cfg(feature = "mock")]
pub use shutdown::MockRemoteShutdown;
pub use shutdown::RemoteShutdown;
pub use ssh::SshShutdown;
pub use system::{ParseSystemError, System};
pub use target::{Deadlines, SshTarget, Stage};
