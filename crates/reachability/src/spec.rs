//! Probes as text, for command lines and configurations.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Probe, SshProbe, TcpProbe};

/// The port of SSH (RFC 4253, section 4.1).
pub const SSH_PORT: u16 = 22;

/// Which probe to use, as written on a command line or in a configuration.
///
/// | text | probe |
/// |---|---|
/// | `tcp:HOST:PORT` | [`TcpProbe`] |
/// | `ssh:HOST[:PORT]` | [`SshProbe`], port [22](SSH_PORT) unless it is given |
///
/// `HOST` is a name, an IPv4 address, or an IPv6 address in brackets. Serialized as that text.
///
/// ```
/// use reachability::{Probe, ProbeSpec};
///
/// let spec: ProbeSpec = "ssh:192.168.0.11".parse()?;
/// assert_eq!(spec.to_string(), "ssh:192.168.0.11:22");
/// assert_eq!(spec.build().target(), "ssh:192.168.0.11:22");
/// # Ok::<(), reachability::ProbeSpecError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
#[non_exhaustive]
pub enum ProbeSpec {
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
}

impl ProbeSpec {
    /// The probe itself. Nothing is asked yet, not even a name service.
    #[must_use]
    pub fn build(&self) -> Box<dyn Probe> {
        match self {
            Self::Tcp { host, port } => Box::new(TcpProbe::new(host, *port)),
            Self::Ssh { host, port } => Box::new(SshProbe::new(host, *port)),
        }
    }
}

impl fmt::Display for ProbeSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Tcp { host, port } => ("tcp", host, port),
            Self::Ssh { host, port } => ("ssh", host, port),
        };
        if host.contains(':') {
            write!(f, "{scheme}:[{host}]:{port}")
        } else {
            write!(f, "{scheme}:{host}:{port}")
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

impl FromStr for ProbeSpec {
    type Err = ProbeSpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|problem| ProbeSpecError {
            input: text.to_owned(),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<ProbeSpec, Problem> {
    let (scheme, rest) = text.split_once(':').ok_or(Problem::Scheme)?;
    match scheme {
        "tcp" => {
            let (host, port) = host_and_port(rest)?;
            let port = port.ok_or(Problem::NoPort)?;
            Ok(ProbeSpec::Tcp { host, port })
        }
        "ssh" => {
            let (host, port) = host_and_port(rest)?;
            let port = port.unwrap_or(SSH_PORT);
            Ok(ProbeSpec::Ssh { host, port })
        }
        _ => Err(Problem::Scheme),
    }
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), Problem> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or(Problem::Brackets)?;
        let address: Ipv6Addr = host.parse().map_err(|_| Problem::Brackets)?;
        let port = match rest {
            "" => None,
            _ => Some(rest.strip_prefix(':').ok_or(Problem::Port)?),
        };
        (address.to_string(), port)
    } else {
        let (host, port) = match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        if text.parse::<Ipv6Addr>().is_ok() || port.is_some_and(|port| port.contains(':')) {
            return Err(Problem::Brackets);
        }
        let is_part_of_a_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
        if host.is_empty() || !host.chars().all(is_part_of_a_name) {
            return Err(Problem::Host);
        }
        (host.to_owned(), port)
    };
    let port = port.map(parse_port).transpose()?;
    Ok((host, port))
}

fn parse_port(text: &str) -> Result<u16, Problem> {
    match text.parse() {
        // `u16::from_str` alone would take "+22".
        Ok(port) if port != 0 && !text.starts_with('+') => Ok(port),
        _ => Err(Problem::Port),
    }
}

/// Why a text is not a [`ProbeSpec`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("use {input:?} as a probe: {problem}")]
pub struct ProbeSpecError {
    input: String,
    problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    Scheme,
    Host,
    Brackets,
    NoPort,
    Port,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "expected tcp:HOST:PORT or ssh:HOST[:PORT]",
            Self::Host => "expected a host name or an IP address after the first colon",
            Self::Brackets => "expected an IPv6 address in brackets, such as [fd00::11]",
            Self::NoPort => "expected a port too, such as tcp:HOST:443",
            Self::Port => "expected a port from 1 to 65535 after the host",
        })
    }
}

#[cfg(test)]
mod tests;
