//! Whom to trust: which host keys are the right ones, decided before the first
//! connection, and the pure verdict on the key that a host shows.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::known_hosts::{KnownHosts, Marker, lookup_name};
use crate::{Fingerprint, ShutdownError, SshTarget};

/// How the host proves that it is the right one. There is no trust on first
/// use: an unknown key and a changed key are errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostKeyPolicy {
    /// It shows the key with this fingerprint, of whatever type.
    Sha256(Fingerprint),
    /// It shows a key that this file has for it, in the format of OpenSSH's
    /// `known_hosts`: with plain and hashed names, patterns, ports, several
    /// keys for a host, and lines `@revoked`. The types of key that the file
    /// has are asked for first, as OpenSSH does it.
    ///
    /// Certificates of hosts are not supported: where nothing but a line
    /// `@cert-authority` is about the host, that is an error of its own.
    KnownHosts(PathBuf),
}

/// The algorithms to ask for, where any type of key will do, in turn. A server
/// shows one key in each connection, of the type that the client prefers. RSA
/// with SHA-1 is left out: OpenSSH has had better since 7.2, of 2016.
const FAMILIES: [&str; 3] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521",
    "rsa-sha2-512,rsa-sha2-256",
];

/// The algorithms by which a key of this type proves itself; `None` where there
/// are none that libssh2 knows.
fn algorithms(key_type: &str) -> Option<&'static str> {
    match key_type {
        "ssh-ed25519" => Some(FAMILIES[0]),
        "ecdsa-sha2-nistp256" => Some("ecdsa-sha2-nistp256"),
        "ecdsa-sha2-nistp384" => Some("ecdsa-sha2-nistp384"),
        "ecdsa-sha2-nistp521" => Some("ecdsa-sha2-nistp521"),
        "ssh-rsa" => Some(FAMILIES[2]),
        _ => None,
    }
}

/// The keys to accept and to refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trust {
    accepted: Vec<Fingerprint>,
    revoked: Vec<Fingerprint>,
    /// Where it comes from, unless it is a pinned fingerprint.
    known_hosts: Option<KnownFrom>,
}

/// What a `known_hosts` file has besides the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KnownFrom {
    path: PathBuf,
    /// The types of the accepted keys, in the order of their lines.
    types: Vec<String>,
    /// The number of a line `@cert-authority` that is about the host.
    authority: Option<usize>,
}

/// What to make of a key that the host shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyVerdict {
    Trusted,
    Revoked,
    /// Not this one; a key of another type may be.
    Other,
}

impl Trust {
    pub(crate) fn new(policy: &HostKeyPolicy, target: &SshTarget) -> Result<Self, ShutdownError> {
        match policy {
            HostKeyPolicy::Sha256(fingerprint) => Ok(Self {
                accepted: vec![*fingerprint],
                revoked: Vec::new(),
                known_hosts: None,
            }),
            HostKeyPolicy::KnownHosts(path) => {
                let text = fs::read(path).map_err(|source| ShutdownError::KnownHosts {
                    path: path.clone(),
                    source,
                })?;
                Ok(Self::from_text(
                    &String::from_utf8_lossy(&text),
                    target,
                    path,
                ))
            }
        }
    }

    /// Sorts the lines that are about the target. As OpenSSH does, a host on
    /// another port is also looked up without it, if it has no line with it.
    /// What is revoked is so under either name.
    fn from_text(text: &str, target: &SshTarget, path: &Path) -> Self {
        let known_hosts = KnownHosts::parse(text);
        let with_port = lookup_name(&target.host, target.port);
        let without = target.host.to_ascii_lowercase();
        let mut trust = Self {
            accepted: Vec::new(),
            revoked: Vec::new(),
            known_hosts: None,
        };
        let mut types = Vec::new();
        let mut authority = None;
        for name in [&with_port, &without] {
            let fresh = trust.accepted.is_empty();
            for known in known_hosts.matching(name) {
                match known.marker {
                    Marker::None if fresh => {
                        trust.accepted.push(known.fingerprint);
                        types.push(known.key_type.clone());
                    }
                    Marker::None => {}
                    Marker::Revoked => trust.revoked.push(known.fingerprint),
                    Marker::CertAuthority => {
                        authority.get_or_insert(known.line);
                    }
                }
            }
        }
        if let Some(line) = authority {
            tracing::warn!(
                path = %path.display(),
                line,
                "@cert-authority is not supported: only the keys of hosts themselves count"
            );
        }
        trust.known_hosts = Some(KnownFrom {
            path: path.to_owned(),
            types,
            authority,
        });
        trust
    }

    /// The algorithms of the types that are known, as far as libssh2 has them:
    /// one list for one connection. A key of another type is not even asked
    /// for, so that a host that has several shows one that is known.
    pub(crate) fn known_algorithms(&self) -> Option<String> {
        let known = self.known_hosts.as_ref()?;
        let mut algorithms: Vec<&str> = known
            .types
            .iter()
            .filter_map(|key_type| algorithms(key_type))
            .collect();
        let mut seen = Vec::new();
        algorithms.retain(|&algorithm| {
            let new = !seen.contains(&algorithm);
            seen.push(algorithm);
            new
        });
        (!algorithms.is_empty()).then(|| algorithms.join(","))
    }

    /// What to ask for in turn, until a key is trusted: first, in one
    /// connection each, the types that may be the right ones.
    pub(crate) fn offers(&self) -> Vec<String> {
        self.known_algorithms()
            .map_or_else(|| FAMILIES.map(str::to_owned).into(), |known| vec![known])
    }

    /// What to ask for where the host has no key of the offered types, to see
    /// what it shows instead.
    pub(crate) fn other_offers(&self) -> &'static [&'static str] {
        match self.known_algorithms() {
            Some(_) => &FAMILIES,
            None => &[],
        }
    }

    /// Whether one key that is not trusted is enough to know that none will be.
    pub(crate) fn is_settled_by_one(&self) -> bool {
        self.known_hosts.is_some()
    }

    pub(crate) fn verdict(&self, shown: &Fingerprint) -> KeyVerdict {
        if self.revoked.contains(shown) {
            KeyVerdict::Revoked
        } else if self.accepted.contains(shown) {
            KeyVerdict::Trusted
        } else {
            KeyVerdict::Other
        }
    }

    /// The error for a host whose keys are `found`: at least one, and none of
    /// them accepted.
    pub(crate) fn refusal(&self, endpoint: &str, found: Vec<Fingerprint>) -> ShutdownError {
        let endpoint = endpoint.to_owned();
        let revoked = found.iter().find(|key| self.revoked.contains(key));
        match (&self.known_hosts, revoked, found.first()) {
            (Some(known), Some(&found), _) => ShutdownError::HostKeyRevoked {
                endpoint,
                known_hosts: known.path.clone(),
                found,
            },
            (Some(known), None, Some(&found)) if self.accepted.is_empty() => {
                let known_hosts = known.path.clone();
                match known.authority {
                    Some(line) => ShutdownError::HostKeyAuthority {
                        endpoint,
                        known_hosts,
                        line,
                        found,
                    },
                    None => ShutdownError::HostKeyUnknown {
                        endpoint,
                        known_hosts,
                        found,
                    },
                }
            }
            _ => ShutdownError::HostKeyChanged {
                endpoint,
                expected: self.accepted.clone(),
                found,
            },
        }
    }

    /// The error for a host that has no key of a type that is known, and showed
    /// one of another type.
    pub(crate) fn other_type(
        &self,
        endpoint: &str,
        found_type: &'static str,
        found: Fingerprint,
    ) -> ShutdownError {
        match &self.known_hosts {
            Some(known) if !self.revoked.contains(&found) => ShutdownError::HostKeyOtherType {
                endpoint: endpoint.to_owned(),
                known_hosts: known.path.clone(),
                known: known.types.join(", "),
                found_type,
                found,
            },
            _ => self.refusal(endpoint, vec![found]),
        }
    }
}

#[cfg(test)]
mod tests;
