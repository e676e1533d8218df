//! A connection to a host that has proved to be the right one.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};

use ssh2::{ErrorCode, HashType, HostKeyType, MethodType, Session};

use super::control::Progress;
use super::job::{GRACE, Job, Stop, code, millis};
use crate::host_key::{KeyVerdict, Trust};
use crate::{Fingerprint, ShutdownError, Stage};

/// What came of a connection.
enum Shown {
    Trusted(Session),
    /// A key that is not trusted, and its type.
    Other(Fingerprint, &'static str),
    /// The host has no key of the types that were asked for.
    NoneOfThese(ssh2::Error),
}

impl Job {
    /// Connects, once for each type of host key that may be the right one,
    /// until the host has shown one that is trusted.
    pub(super) fn trusted_session<T>(
        &self,
        progress: &Progress<T>,
        trust: &Trust,
    ) -> Result<Session, Stop> {
        let mut found: Vec<Fingerprint> = Vec::new();
        let mut no_such_key = None;
        for algorithms in trust.offers() {
            match self.try_offer(progress, trust, &algorithms)? {
                Shown::Trusted(session) => return Ok(session),
                Shown::Other(key, _) => found.push(key),
                Shown::NoneOfThese(error) => no_such_key = Some(error),
            }
            if trust.is_settled_by_one() && !found.is_empty() {
                break;
            }
        }
        if !found.is_empty() {
            return Err(trust.refusal(&self.endpoint(), found).into());
        }
        // Only to say what the host shows instead.
        for algorithms in trust.other_offers() {
            match self.try_offer(progress, trust, algorithms)? {
                Shown::Trusted(session) => return Ok(session),
                Shown::Other(key, key_type) => {
                    return Err(trust.other_type(&self.endpoint(), key_type, key).into());
                }
                Shown::NoneOfThese(error) => no_such_key = Some(error),
            }
        }
        let error = no_such_key.unwrap_or_else(ssh2::Error::unknown);
        Err(self
            .failed(Stage::Connect, "agree on a host key with", error)
            .into())
    }

    fn try_offer<T>(
        &self,
        progress: &Progress<T>,
        trust: &Trust,
        algorithms: &str,
    ) -> Result<Shown, Stop> {
        let connection = self.connect()?;
        let second_handle = connection
            .try_clone()
            .map_err(|source| self.unreachable(source))?;
        progress.attach(second_handle)?;
        let session = match self.handshake(connection, algorithms) {
            Ok(session) => session,
            Err(error) if is_about_algorithms(&error) => return Ok(Shown::NoneOfThese(error)),
            Err(error) => {
                return Err(self.failed(Stage::Connect, "speak SSH with", error).into());
            }
        };
        let Some(shown) = fingerprint(&session) else {
            return Ok(Shown::NoneOfThese(ssh2::Error::unknown()));
        };
        match trust.verdict(&shown) {
            KeyVerdict::Trusted => Ok(Shown::Trusted(session)),
            KeyVerdict::Revoked => Err(trust.refusal(&self.endpoint(), vec![shown]).into()),
            KeyVerdict::Other => Ok(Shown::Other(shown, key_type(&session))),
        }
    }

    fn connect(&self) -> Result<TcpStream, ShutdownError> {
        let addresses: Vec<_> = (self.target.host.as_str(), self.target.port)
            .to_socket_addrs()
            .map_err(|source| self.unreachable(source))?
            .collect();
        // A name may have an address that swallows packets before one that
        // answers: each gets its share of the time.
        let shares = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
        let share = (self.deadlines.connect / shares).max(std::time::Duration::from_millis(1));
        let mut last = io::Error::other("the name has no address");
        for address in addresses {
            match TcpStream::connect_timeout(&address, share) {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
        if last.kind() == io::ErrorKind::TimedOut {
            return Err(self.deadline(Stage::Connect));
        }
        Err(self.unreachable(last))
    }

    fn unreachable(&self, source: io::Error) -> ShutdownError {
        ShutdownError::Connect {
            endpoint: self.endpoint(),
            source,
        }
    }

    fn handshake(&self, connection: TcpStream, algorithms: &str) -> Result<Session, ssh2::Error> {
        let mut session = Session::new()?;
        session.set_timeout(millis(self.deadlines.connect + GRACE));
        // A white list: what is not on it is not accepted.
        session.method_pref(MethodType::HostKey, algorithms)?;
        session.set_tcp_stream(connection);
        session.handshake()?;
        Ok(session)
    }
}

/// Whether there may be no host key of the type that was asked for.
fn is_about_algorithms(error: &ssh2::Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::Session(code::KEX_FAILURE | code::KEY_EXCHANGE_FAILURE | code::METHOD_NONE)
    )
}

pub(super) fn fingerprint(session: &Session) -> Option<Fingerprint> {
    let digest = session.host_key_hash(HashType::Sha256)?;
    digest.try_into().ok().map(Fingerprint::from_digest)
}

fn key_type(session: &Session) -> &'static str {
    match session.host_key().map(|(_, key_type)| key_type) {
        Some(HostKeyType::Rsa) => "ssh-rsa",
        Some(HostKeyType::Ecdsa256) => "ecdsa-sha2-nistp256",
        Some(HostKeyType::Ecdsa384) => "ecdsa-sha2-nistp384",
        Some(HostKeyType::Ecdsa521) => "ecdsa-sha2-nistp521",
        Some(HostKeyType::Ed25519) => "ssh-ed25519",
        _ => "unknown",
    }
}
