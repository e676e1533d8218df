//! Whom to trust: which host keys are the right ones, decided before the first
//! connection, and the pure verdict on the key that a host shows.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use ssh2::{CheckResult, KnownHostFileKind, Session};

use crate::fingerprint::decode_public_key;
use crate::{Fingerprint, ShutdownError, SshTarget};

/// How the host proves that it is the right one. There is no trust on first
/// use: an unknown key and a changed key are errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostKeyPolicy {
    /// It shows the key with this fingerprint, of whatever type.
    Sha256(Fingerprint),
    /// It shows a key that this file has for it, in the format of OpenSSH's
    /// `known_hosts`, with plain and hashed names.
    ///
    /// A line `@revoked` is honoured. A line `@cert-authority` and a name with
    /// a wildcard are not understood and trust nobody.
    KnownHosts(PathBuf),
}

/// A type of host key, with SSH's names of the algorithms that use it.
///
/// A server shows one key in each connection, of the type that the client
/// prefers. A pin says nothing about the type, so types are tried in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyFamily {
    Ed25519,
    Ecdsa,
    Rsa,
}

impl KeyFamily {
    pub(crate) const ALL: [Self; 3] = [Self::Ed25519, Self::Ecdsa, Self::Rsa];

    /// What to offer to the server. RSA with SHA-1 is left out: OpenSSH has
    /// had better since 7.2, of 2016.
    pub(crate) fn algorithms(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::Ecdsa => "ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521",
            Self::Rsa => "rsa-sha2-512,rsa-sha2-256",
        }
    }
}

/// The keys to accept and to refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trust {
    accepted: Vec<Fingerprint>,
    revoked: Vec<Fingerprint>,
    /// Where it comes from, unless it is a pinned fingerprint.
    known_hosts: Option<PathBuf>,
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
                Self::read(path, target).map_err(|source| ShutdownError::KnownHosts {
                    path: path.clone(),
                    source,
                })
            }
        }
    }

    fn read(path: &Path, target: &SshTarget) -> io::Result<Self> {
        let lines = fs::read_to_string(path)?;
        Self::from_lines(&lines, target, path)
    }

    /// Sorts the lines that are about the target. libssh2 decides whether a
    /// line is, one line at a time: asked about a whole file, it would not say
    /// which keys it had expected.
    fn from_lines(lines: &str, target: &SshTarget, path: &Path) -> io::Result<Self> {
        let session = Session::new()?;
        let mut trust = Self {
            accepted: Vec::new(),
            revoked: Vec::new(),
            known_hosts: Some(path.to_owned()),
        };
        for line in lines.lines().map(str::trim) {
            let (marker, entry) = match line.split_once(char::is_whitespace) {
                Some((marker, entry)) if marker.starts_with('@') => (marker, entry.trim_start()),
                _ => ("", line),
            };
            let keys = match marker {
                "" => &mut trust.accepted,
                "@revoked" => &mut trust.revoked,
                marker => {
                    tracing::debug!(marker, path = %path.display(), "line not understood, skipped");
                    continue;
                }
            };
            if let Some(fingerprint) = fingerprint_for(&session, entry, target)? {
                keys.push(fingerprint);
            }
        }
        Ok(trust)
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

    /// The error for a host whose keys, of every type, are `found`: at least
    /// one, and none of them accepted.
    pub(crate) fn refusal(&self, endpoint: &str, found: Vec<Fingerprint>) -> ShutdownError {
        let endpoint = endpoint.to_owned();
        let revoked = found.iter().find(|key| self.revoked.contains(key));
        match (&self.known_hosts, revoked, found.first()) {
            (Some(known_hosts), Some(&found), _) => ShutdownError::HostKeyRevoked {
                endpoint,
                known_hosts: known_hosts.clone(),
                found,
            },
            (Some(known_hosts), None, Some(&found)) if self.accepted.is_empty() => {
                ShutdownError::HostKeyUnknown {
                    endpoint,
                    known_hosts: known_hosts.clone(),
                    found,
                }
            }
            _ => ShutdownError::HostKeyChanged {
                endpoint,
                expected: self.accepted.clone(),
                found,
            },
        }
    }
}

/// The fingerprint of the key in this line, if the line is about the target.
fn fingerprint_for(
    session: &Session,
    entry: &str,
    target: &SshTarget,
) -> io::Result<Option<Fingerprint>> {
    // libssh2 takes a NUL, in a name or a line, for a fault of the caller.
    if entry.is_empty() || entry.contains('\0') || target.host.contains('\0') {
        return Ok(None);
    }
    let mut known_hosts = session.known_hosts()?;
    if known_hosts
        .read_str(entry, KnownHostFileKind::OpenSSH)
        .is_err()
    {
        tracing::debug!("line of the known hosts not understood, skipped");
        return Ok(None);
    }
    let Some(host) = known_hosts.hosts()?.into_iter().next() else {
        return Ok(None);
    };
    let Some(key) = decode_public_key(host.key()) else {
        return Ok(None);
    };
    let about_target = matches!(
        known_hosts.check_port(&target.host, target.port, &key),
        CheckResult::Match
    );
    Ok(about_target.then(|| Fingerprint::of_public_key(&key)))
}

#[cfg(test)]
mod tests;
