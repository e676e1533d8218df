//! Why a host could not be asked, or refused, to switch itself off.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Fingerprint, Stage};

/// Why a host stays on: it was not asked, or it refused.
///
/// Every message completes "failed to …". Causes are in
/// [`source`](std::error::Error::source), not in the message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShutdownError {
    /// No connection: the name has no address, or no address answers.
    #[error("connect to {endpoint}")]
    Connect {
        /// `user@host:port`.
        endpoint: String,
        /// What the operating system said.
        source: io::Error,
    },

    /// A deadline passed before the command was sent.
    #[error("{stage} {endpoint} within {limit:?}")]
    Deadline {
        /// `user@host:port`.
        endpoint: String,
        /// The stage that took too long.
        stage: Stage,
        /// How long it may take.
        limit: Duration,
    },

    /// The `known_hosts` file has no line for this host.
    #[error(
        "trust {endpoint}: {} has no line for it; its host key is {found}; if the host itself \
         shows that fingerprint too, add the line that `ssh-keyscan` prints",
        known_hosts.display()
    )]
    HostKeyUnknown {
        /// `user@host:port`.
        endpoint: String,
        /// The file that was searched.
        known_hosts: PathBuf,
        /// The key that the host showed.
        found: Fingerprint,
    },

    /// The host shows another key than expected: it was installed anew, or
    /// another machine answers in its place.
    #[error(
        "trust {endpoint}: expected the host key {}, found {}; was it installed anew, or does \
         another machine answer?",
        list(expected),
        list(found)
    )]
    HostKeyChanged {
        /// `user@host:port`.
        endpoint: String,
        /// The keys that would have been accepted.
        expected: Vec<Fingerprint>,
        /// The keys that the host showed, one of each type it has.
        found: Vec<Fingerprint>,
    },

    /// The host shows a key that a line `@revoked` of the `known_hosts` file
    /// names.
    #[error("trust {endpoint}: its host key {found} is revoked in {}", known_hosts.display())]
    HostKeyRevoked {
        /// `user@host:port`.
        endpoint: String,
        /// The file with the line.
        known_hosts: PathBuf,
        /// The key that the host showed.
        found: Fingerprint,
    },

    /// The `known_hosts` file has keys of other types for this host only.
    #[error(
        "trust {endpoint}: {} has only keys of the type {known} for it, and it shows one of the \
         type {found_type}, {found}; if the host itself shows that fingerprint too, add the line \
         that `ssh-keyscan` prints",
        known_hosts.display()
    )]
    HostKeyOtherType {
        /// `user@host:port`.
        endpoint: String,
        /// The file that was searched.
        known_hosts: PathBuf,
        /// The types that it has, separated by commas.
        known: String,
        /// The type of the key that the host showed.
        found_type: &'static str,
        /// The key that the host showed.
        found: Fingerprint,
    },

    /// The `known_hosts` file has nothing but an authority for this host.
    #[error(
        "trust {endpoint}: line {line} of {} names an authority for its certificates \
         (@cert-authority), which is not supported; its host key is {found}; if the host itself \
         shows that fingerprint too, add the line that `ssh-keyscan` prints",
        known_hosts.display()
    )]
    HostKeyAuthority {
        /// `user@host:port`.
        endpoint: String,
        /// The file with the line.
        known_hosts: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// The key that the host showed.
        found: Fingerprint,
    },

    /// The `known_hosts` file cannot be read.
    #[error("read the known hosts {}", path.display())]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// The private key cannot be used. Nothing was sent to the host with it.
    #[error("use the private key {}", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: KeyFileProblem,
    },

    /// The SSH agent cannot be used. Nothing was sent to the host.
    #[error("use the SSH agent at {}: {problem}", socket.display())]
    Agent {
        /// Its socket.
        socket: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },

    /// The host does not accept the key for this user.
    #[error(
        "log in at {endpoint}: the key is not accepted for the user {user} (the host offers: \
         {methods}); is its public half in that user's authorized_keys?"
    )]
    KeyRefused {
        /// `user@host:port`.
        endpoint: String,
        /// The user who was to be logged in.
        user: String,
        /// The methods that the host offers, separated by commas.
        methods: String,
    },

    /// The user may not run the command by sudo without a password.
    #[error(
        "switch off {endpoint}: sudo refuses it without a password: {stderr}; the user's \
         sudo rule on the host must have NOPASSWD and exactly this command with its arguments"
    )]
    SudoRefused {
        /// `user@host:port`.
        endpoint: String,
        /// What sudo said.
        stderr: String,
    },

    /// The program behind the key, the dispatcher of the kit, does not do what
    /// it was asked for.
    #[error(
        "switch off {endpoint}: its dispatcher refuses the request {request:?}: {stderr}; is it \
         the one that the kit prints?"
    )]
    DispatcherRefused {
        /// `user@host:port`.
        endpoint: String,
        /// What was asked for.
        request: String,
        /// What it said.
        stderr: String,
    },

    /// The command does not exist on the host, or cannot be run there.
    #[error(
        "switch off {endpoint}: the host cannot run the command: {command} (status \
         {exit_status}): {stderr}; is this the right kind of system?"
    )]
    CommandNotFound {
        /// `user@host:port`.
        endpoint: String,
        /// The command that was sent; a forced command runs in its place.
        command: String,
        /// Its exit status.
        exit_status: i32,
        /// What the shell said.
        stderr: String,
    },

    /// The command ran and reported a failure.
    #[error("switch off {endpoint}: the command ended with status {exit_status}: {stderr}")]
    Refused {
        /// `user@host:port`.
        endpoint: String,
        /// Its exit status.
        exit_status: i32,
        /// What it said, on standard error before standard output.
        stderr: String,
    },

    /// The conversation failed before the command was sent: the connection
    /// broke, no common algorithm, not an SSH server.
    #[error("{step} {endpoint}")]
    Protocol {
        /// `user@host:port`.
        endpoint: String,
        /// What was tried, as in "failed to *open a session at* …".
        step: &'static str,
        /// What the SSH library said.
        source: io::Error,
    },
}

/// What is wrong with a private key's file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileProblem {
    /// It cannot be read.
    #[error("read it")]
    Unreadable(#[source] io::Error),
    /// Others than its owner may read or write it.
    #[error("keep it secret: its mode is {mode:04o}, so others can get at it; run chmod 600 on it")]
    Exposed {
        /// The permission bits.
        mode: u32,
    },
    /// It is encrypted, and there is no passphrase.
    #[error("decrypt it: it is encrypted, and no passphrase was given; name the file that has it")]
    PassphraseMissing,
    /// It is encrypted, and not with this passphrase.
    #[error("decrypt it: the passphrase is wrong")]
    PassphraseWrong,
    /// It is not a private key.
    #[error("understand it ({detail}): expected a private key in OpenSSH's or PEM format")]
    Invalid {
        /// What the SSH library said.
        detail: String,
    },
}

/// Who can help with a [`ShutdownError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The host could not be reached. Trying again may help.
    Unreachable,
    /// A deadline passed. Trying again may help.
    Deadline,
    /// The host is not the expected one. Never try again.
    HostKey,
    /// Our own files or the login are at fault.
    Credentials,
    /// The host ran the command, and the command refused.
    Refused,
    /// The conversation failed.
    Protocol,
}

impl ShutdownError {
    /// The kind of this error, for decisions.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect { .. } => ErrorKind::Unreachable,
            Self::Deadline { .. } => ErrorKind::Deadline,
            Self::HostKeyUnknown { .. }
            | Self::HostKeyChanged { .. }
            | Self::HostKeyOtherType { .. }
            | Self::HostKeyAuthority { .. }
            | Self::HostKeyRevoked { .. } => ErrorKind::HostKey,
            Self::KnownHosts { .. }
            | Self::KeyFile { .. }
            | Self::Agent { .. }
            | Self::KeyRefused { .. } => ErrorKind::Credentials,
            Self::SudoRefused { .. }
            | Self::DispatcherRefused { .. }
            | Self::CommandNotFound { .. }
            | Self::Refused { .. } => ErrorKind::Refused,
            Self::Protocol { .. } => ErrorKind::Protocol,
        }
    }
}

fn list(fingerprints: &[Fingerprint]) -> String {
    let texts: Vec<String> = fingerprints.iter().map(Fingerprint::to_string).collect();
    texts.join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_key_shows_both_fingerprints() {
        let error = ShutdownError::HostKeyChanged {
            endpoint: "off@nas:22".into(),
            expected: vec![Fingerprint::from_digest([1; 32])],
            found: vec![
                Fingerprint::from_digest([2; 32]),
                Fingerprint::from_digest([3; 32]),
            ],
        };
        insta::assert_snapshot!(error, @"trust off@nas:22: expected the host key SHA256:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE, found SHA256:AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI or SHA256:AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM; was it installed anew, or does another machine answer?");
        assert_eq!(error.kind(), ErrorKind::HostKey);
    }

    #[test]
    fn messages_complete_failed_to() {
        let endpoint = || "off@nas:22".to_owned();
        let errors = [
            ShutdownError::Connect {
                endpoint: endpoint(),
                source: io::ErrorKind::ConnectionRefused.into(),
            },
            ShutdownError::Deadline {
                endpoint: endpoint(),
                stage: Stage::Authenticate,
                limit: Duration::from_secs(10),
            },
            ShutdownError::KeyFile {
                path: "/etc/key".into(),
                problem: KeyFileProblem::Exposed { mode: 0o644 },
            },
            ShutdownError::SudoRefused {
                endpoint: endpoint(),
                stderr: "sudo: a password is required".into(),
            },
            ShutdownError::Refused {
                endpoint: endpoint(),
                exit_status: 3,
                stderr: "a scrub is running".into(),
            },
        ];
        let texts: Vec<String> = errors
            .iter()
            .map(|error| format!("failed to {error}"))
            .collect();
        insta::assert_snapshot!(texts.join("\n"), @r"
        failed to connect to off@nas:22
        failed to log in at off@nas:22 within 10s
        failed to use the private key /etc/key
        failed to switch off off@nas:22: sudo refuses it without a password: sudo: a password is required; the user's sudo rule on the host must have NOPASSWD and exactly this command with its arguments
        failed to switch off off@nas:22: the command ended with status 3: a scrub is running
        ");
    }

    #[test]
    fn the_cause_is_the_source_and_not_in_the_message() {
        use std::error::Error as _;
        let error = ShutdownError::KeyFile {
            path: "/etc/key".into(),
            problem: KeyFileProblem::Exposed { mode: 0o644 },
        };
        let source = error.source().unwrap().to_string();
        assert!(
            source.contains("0644") && source.contains("chmod 600"),
            "{source}"
        );
        assert!(!error.to_string().contains("0644"));
    }
}
