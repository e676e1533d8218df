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
//! login work?" switches the host off. So
//! [`check_account`](SshShutdown::check_account) logs in and opens no session,
//! and nobody should build a check from [`RemoteShutdown::shut_down`].
//!
//! The [`Kit`] prints what makes such an account, and a way out of the trap: its
//! [`dispatcher`] is a forced command that looks at what it is asked for.
//! Behind it, `check_account` also proves that the account can do nothing else.
//!
//! # What it never does
//!
//! It asks for no terminal, forwards no agent and no port, trusts no host key
//! on first use, and reads neither `~/.ssh` nor the environment: all it knows
//! comes in as arguments. It can use a key that an SSH agent holds
//! ([`AgentKey`]), the one that was named and no other.
//!
//! # Other systems than Linux
//!
//! Nothing in it is Linux's own; it has been compiled for FreeBSD and Windows, and is tested on Linux.
//! On Windows, libssh2 encrypts with what the system has, which knows no Ed25519: take a key of
//! another kind there.
//!
//! # Features
//!
//! - `mock`: `MockRemoteShutdown`, a [mockall](https://docs.rs/mockall) mock of
//!   [`RemoteShutdown`].

mod account;
pub mod dispatcher;
mod error;
mod fingerprint;
mod host_key;
mod key;
mod kit;
mod known_hosts;
mod outcome;
mod shutdown;
mod ssh;
mod system;
mod target;

pub use account::{AccountReport, Examined, Finding, Verdict};
pub use error::{ErrorKind, KeyFileProblem, ShutdownError};
pub use fingerprint::{Fingerprint, ParseFingerprintError};
pub use host_key::HostKeyPolicy;
pub use key::{AgentKey, Key, KeyFile};
pub use kit::{Kit, KitError, KitFile, KitOptions, KitStep, PublicKey};
pub use known_hosts::{KnownHost, KnownHosts, Marker, lookup_name};
pub use outcome::Outcome;
#[cfg(feature = "mock")]
pub use shutdown::MockRemoteShutdown;
pub use shutdown::RemoteShutdown;
pub use ssh::SshShutdown;
pub use system::{ParseSystemError, System};
pub use target::{Deadlines, SshTarget, Stage};
