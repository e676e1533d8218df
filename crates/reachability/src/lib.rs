//! Is a host up, down, and does it stay so: probes with deadlines.
//!
//! A [`Probe`] asks one service once and gives an [`Answer`] within its timeout, whatever happens.
//! [`wait_until_up`] and [`wait_until_down`] ask again and again until the answers prove
//! something, and hand back what they saw as evidence.
//!
//! ```no_run
//! use std::time::Duration;
//! use reachability::{DownOptions, ProbeSpec, UpOptions, wait_until_down, wait_until_up};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let probe = "ssh:192.168.0.11".parse::<ProbeSpec>()?.build()?;
//!
//! let options = UpOptions {
//!     deadline: Duration::from_mins(10),
//!     ..UpOptions::default()
//! };
//! let up = wait_until_up(&*probe, &options, &mut |seen| println!("{seen}")).await?;
//! println!("up after {:?}", up.took);
//!
//! // … the host is told to switch itself off …
//! let down = wait_until_down(&*probe, &DownOptions::default(), &mut |_| ()).await?;
//! println!("down, and stayed so: {:?}", down.took);
//! # Ok(())
//! # }
//! ```
//!
//! # What counts as up, and what as down
//!
//! | answer | the host | for `wait_until_up` | for `wait_until_down` |
//! |---|---|---|---|
//! | [`Up`](Answer::Up) | runs, and so does the service | a success | it is not down |
//! | [`Refused`](Answer::Refused) | runs: it answered that nobody listens | not yet | it is not down |
//! | [`Mute`](Answer::Mute) | runs: it took the connection | not yet | it is not down |
//! | [`NotReady`](Answer::NotReady) | runs: the service says that it is not ready | not yet | it is not down |
//! | [`Silent`](Answer::Silent) | unknown; nothing came back | not yet | silence, if it lasts |
//! | [`Failed`](Answer::Failed) | unknown; the question could not be asked | not yet | no evidence: silence starts over |
//!
//! A host that is off cannot be told from one whose cable is cut. A host that is off can be told
//! from one that reboots, by waiting longer than a boot takes: see [`DownOptions::silence`].
//!
//! All waiting uses tokio's clock: under `tokio::time::pause` a wait of minutes takes no time.
//!
//! What a host's *neighbours* know is no evidence: an ARP entry outlives the host, and some network
//! cards answer ARP while the host sleeps. Nothing here looks at it.
//!
//! # Features
//!
//! - `https`: `HttpsProbe`, with rustls. Without it, a [`ProbeSpec`] of a web server is still read.
//! - `mock`: `MockProbe`, a [mockall](https://docs.rs/mockall) mock of [`Probe`].
//! - `testing`: [`testing`], what every probe is held to.

#![forbid(unsafe_code)]

mod answer;
mod probe;
mod spec;
#[cfg(feature = "testing")]
pub mod testing;
mod wait;

pub use answer::Answer;
#[cfg(feature = "https")]
pub use probe::HttpsProbe;
#[cfg(feature = "mock")]
pub use probe::MockProbe;
pub use probe::{IcmpProbe, IcmpUnavailable, Probe, SshProbe, TcpProbe};
pub use spec::{BuildError, ProbeSpec, ProbeSpecError, SSH_PORT};
pub use tls_trust::{CertificateFingerprint, Trust};
pub use wait::{
    DeadlinePassed, DownOptions, History, NotDown, Observation, UpOptions, Wait, wait_until_down,
    wait_until_up,
};
