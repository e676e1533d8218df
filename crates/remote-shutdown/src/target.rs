//! Where to connect, as whom, and how long each stage may take.

use std::fmt;
use std::time::Duration;

/// The port that SSH servers listen on unless told otherwise.
const SSH_PORT: u16 = 22;

/// The host to switch off and the user who may do so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshTarget {
    /// A host name or an address, without brackets.
    pub host: String,
    /// The port of the SSH server.
    pub port: u16,
    /// The user to log in as.
    pub user: String,
}

impl SshTarget {
    /// A target on SSH's usual port, 22.
    pub fn new(host: impl Into<String>, user: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: SSH_PORT,
            user: user.into(),
        }
    }

    /// The same target on another port.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }
}

/// Writes `user@host:port`, with brackets around an IPv6 address.
impl fmt::Display for SshTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, user } = self;
        if host.contains(':') {
            write!(f, "{user}@[{host}]:{port}")
        } else {
            write!(f, "{user}@{host}:{port}")
        }
    }
}

/// How long each stage of the exchange may take.
///
/// Each deadline counts from the start of its stage, so that their sum is the
/// longest that a call can last. (The connection may be made more than once,
/// where a host has keys of several types; all of that is one stage.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Resolving the name, connecting, agreeing on keys and checking the host
    /// key; 10 s by default.
    pub connect: Duration,
    /// Logging in; 10 s by default.
    pub authenticate: Duration,
    /// Finding out one thing that the account may do; 10 s by default. Passing
    /// it says nothing about the others.
    pub examine: Duration,
    /// From the request to run the command to its exit status; 30 s by
    /// default. `midclt` on a busy NAS takes several seconds.
    pub execute: Duration,
    /// Saying goodbye after the outcome is known; 5 s by default. Passing it
    /// changes nothing about the outcome.
    pub close: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            authenticate: Duration::from_secs(10),
            examine: Duration::from_secs(10),
            execute: Duration::from_secs(30),
            close: Duration::from_secs(5),
        }
    }
}

/// A stage of the exchange that a deadline bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// See [`Deadlines::connect`].
    Connect,
    /// See [`Deadlines::authenticate`].
    Authenticate,
    /// See [`Deadlines::examine`].
    Examine,
    /// See [`Deadlines::execute`].
    Execute,
    /// See [`Deadlines::close`].
    Close,
}

impl Deadlines {
    /// The deadline of one stage.
    #[must_use]
    pub fn of(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Connect => self.connect,
            Stage::Authenticate => self.authenticate,
            Stage::Examine => self.examine,
            Stage::Execute => self.execute,
            Stage::Close => self.close,
        }
    }
}

/// Writes what was going on, as in "failed to *connect to* …".
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect to",
            Self::Authenticate => "log in at",
            Self::Examine => "find out what the account may do at",
            Self::Execute => "start the command at",
            Self::Close => "close the connection to",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_prints_like_an_ssh_destination() {
        let target = SshTarget::new("nas.lan", "shutdown");
        assert_eq!(target.to_string(), "shutdown@nas.lan:22");
        assert_eq!(
            SshTarget::new("fd00::11", "off")
                .with_port(2222)
                .to_string(),
            "off@[fd00::11]:2222"
        );
    }

    #[test]
    fn every_stage_has_its_own_deadline() {
        let deadlines = Deadlines {
            connect: Duration::from_secs(1),
            authenticate: Duration::from_secs(2),
            examine: Duration::from_secs(3),
            execute: Duration::from_secs(4),
            close: Duration::from_secs(5),
        };
        let stages = [
            Stage::Connect,
            Stage::Authenticate,
            Stage::Examine,
            Stage::Execute,
            Stage::Close,
        ];
        let seconds: Vec<u64> = stages
            .iter()
            .map(|&stage| deadlines.of(stage).as_secs())
            .collect();
        assert_eq!(seconds, [1, 2, 3, 4, 5]);
    }
}
