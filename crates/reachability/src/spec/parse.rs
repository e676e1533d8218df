//! Reading a [`ProbeSpec`].

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use url::Url;

use super::{ProbeSpec, SSH_PORT, fragment};
use crate::Trust;

impl FromStr for ProbeSpec {
    type Err = ProbeSpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|problem| ProbeSpecError {
            input: without_password(text),
            problem,
        })
    }
}

fn parse(text: &str) -> Result<ProbeSpec, Problem> {
    let (scheme, rest) = text.split_once(':').ok_or(Problem::Scheme)?;
    match scheme {
        "icmp" => match host_and_port(rest)? {
            (host, None) => Ok(ProbeSpec::Icmp { host }),
            (_, Some(_)) => Err(Problem::PortOfIcmp),
        },
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
        "https" => {
            let (url, trust) = server(text)?;
            Ok(ProbeSpec::Https { url, trust })
        }
        "truenas" => {
            let (url, trust) = server(rest)?;
            Ok(ProbeSpec::TrueNas { url, trust })
        }
        _ => Err(Problem::Scheme),
    }
}

/// An address, and what stands after its `#`.
fn server(text: &str) -> Result<(Url, Trust), Problem> {
    let (address, fragment) = match text.split_once('#') {
        Some((address, fragment)) => (address, Some(fragment)),
        None => (text, None),
    };
    if !address.starts_with("https://") {
        return Err(Problem::Url);
    }
    let url: Url = address.parse().map_err(|_| Problem::Url)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Problem::User);
    }
    let trust = match fragment {
        None => Trust::default(),
        Some(end) => fragment::read(end).ok_or(Problem::Trust)?,
    };
    Ok((url, trust))
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

/// The text for an error, in which a password must not appear.
fn without_password(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://…{}", &text[..scheme], &text[at..])
        }
        _ => text.to_owned(),
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
    PortOfIcmp,
    Url,
    User,
    Trust,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => {
                "expected icmp:HOST, tcp:HOST:PORT, ssh:HOST[:PORT], https://HOST[:PORT]/PATH or \
                 truenas:https://HOST"
            }
            Self::Host => "expected a host name or an IP address after the first colon",
            Self::Brackets => "expected an IPv6 address in brackets, such as [fd00::11]",
            Self::NoPort => "expected a port too, such as tcp:HOST:443",
            Self::Port => "expected a port from 1 to 65535 after the host",
            Self::PortOfIcmp => "expected no port: echo requests have none",
            Self::Url => "expected an address such as https://192.168.0.11/",
            Self::User => "expected no user and no password in the address: none is sent",
            Self::Trust => {
                "expected #sha256= with the certificate's fingerprint, or #ca= with a file, after \
                 the address"
            }
        })
    }
}
