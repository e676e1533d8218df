//! Probes as text, for command lines and configurations.

mod build;
mod fragment;
mod parse;

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

pub use build::BuildError;
pub use parse::ProbeSpecError;

use crate::Trust;

/// The port of SSH (RFC 4253, section 4.1).
pub const SSH_PORT: u16 = 22;

/// Which probe to use, as written on a command line or in a configuration.
///
/// | text | probe |
/// |---|---|
/// | `icmp:HOST` | [`IcmpProbe`](crate::IcmpProbe) |
/// | `tcp:HOST:PORT` | [`TcpProbe`](crate::TcpProbe) |
/// | `ssh:HOST[:PORT]` | [`SshProbe`](crate::SshProbe), port [22](SSH_PORT) unless it is given |
/// | `https://HOST[:PORT]/PATH` | `HttpsProbe`, of the feature `https` |
/// | `truenas:https://HOST[:PORT]` | none of this crate's: see [`BuildError::NeedsBuilder`] |
///
/// `HOST` is a name, an IPv4 address, or an IPv6 address in brackets. Serialized as that text.
///
/// The last two may end in which certificate is believed:
///
/// | end | [`Trust`] |
/// |---|---|
/// | nothing | [`Trust::SystemRoots`] |
/// | `#ca=FILE` | [`Trust::CaFile`] |
/// | `#sha256=AB:CD:…` | [`Trust::Certificate`] |
///
/// ```
/// use reachability::{Probe, ProbeSpec};
///
/// let spec: ProbeSpec = "ssh:192.168.0.11".parse()?;
/// assert_eq!(spec.to_string(), "ssh:192.168.0.11:22");
/// assert_eq!(spec.build()?.target(), "ssh:192.168.0.11:22");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum ProbeSpec {
    /// Does the host answer an echo request?
    Icmp {
        /// A name or an address, IPv6 without brackets.
        host: String,
    },
    /// Does anything accept connections on a TCP port?
    Tcp {
        /// A name or an address, IPv6 without brackets.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// Does an SSH server identify itself?
    Ssh {
        /// A name or an address, IPv6 without brackets.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// Does a web server answer?
    Https {
        /// What is asked for: `https`, without a user and without a fragment.
        url: Url,
        /// Which certificate is believed.
        trust: Trust,
    },
    /// Does a TrueNAS say that it is ready?
    TrueNas {
        /// Where its web interface is: `https`, without a user and without a fragment.
        url: Url,
        /// Which certificate is believed.
        trust: Trust,
    },
}

impl fmt::Display for ProbeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icmp { host } => write!(f, "icmp:{}", Host(host)),
            Self::Tcp { host, port } => write!(f, "tcp:{}:{port}", Host(host)),
            Self::Ssh { host, port } => write!(f, "ssh:{}:{port}", Host(host)),
            Self::Https { url, trust } => write!(f, "{url}{}", fragment::write(trust)),
            Self::TrueNas { url, trust } => write!(f, "truenas:{url}{}", fragment::write(trust)),
        }
    }
}

/// A host as it is written: an IPv6 address in brackets.
struct Host<'a>(&'a str);

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') {
            write!(f, "[{}]", self.0)
        } else {
            f.write_str(self.0)
        }
    }
}

impl From<ProbeSpec> for String {
    fn from(spec: ProbeSpec) -> Self {
        spec.to_string()
    }
}

impl TryFrom<String> for ProbeSpec {
    type Error = ProbeSpecError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests;
