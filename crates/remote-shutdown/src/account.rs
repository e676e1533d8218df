//! What was found out about the account that may switch a host off: pure.

use std::fmt;

use serde::Serialize;

use crate::Fingerprint;

/// What was found out about the account, without switching anything off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccountReport {
    /// `user@host:port`.
    pub endpoint: String,
    /// The key that the host showed, and that is trusted.
    pub host_key: Fingerprint,
    /// One finding for each [`Examined`], in their order.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub what: Examined,
    /// What to make of it.
    pub verdict: Verdict,
    /// What was seen, for people.
    pub detail: String,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Examined {
    /// The host is the right one.
    HostKey,
    /// The key lets the user in.
    Key,
    /// The kit's dispatcher is behind the key.
    Dispatcher,
    /// Sudo allows the one command without a password, and no shell.
    SudoRule,
    /// Connections from the host to elsewhere are refused (`ssh -L`).
    LocalForwarding,
    /// Ports opened on the host are refused (`ssh -R`).
    RemoteForwarding,
    /// Forwarding of the SSH agent is refused (`ssh -A`).
    AgentForwarding,
    /// A terminal is refused (`ssh -t`).
    Terminal,
    /// A shell is refused.
    Shell,
    /// Another command is refused.
    OtherCommand,
    /// SFTP is refused.
    Sftp,
}

impl Examined {
    /// All of them, in the order in which they are looked at.
    pub const ALL: [Self; 11] = [
        Self::HostKey,
        Self::Key,
        Self::Dispatcher,
        Self::SudoRule,
        Self::LocalForwarding,
        Self::RemoteForwarding,
        Self::AgentForwarding,
        Self::Terminal,
        Self::Shell,
        Self::OtherCommand,
        Self::Sftp,
    ];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HostKey => "host key",
            Self::Key => "key",
            Self::Dispatcher => "dispatcher",
            Self::SudoRule => "sudo rule",
            Self::LocalForwarding => "forwarding (-L)",
            Self::RemoteForwarding => "forwarding (-R)",
            Self::AgentForwarding => "agent forwarding",
            Self::Terminal => "terminal",
            Self::Shell => "shell",
            Self::OtherCommand => "other commands",
            Self::Sftp => "SFTP",
        }
    }
}

impl fmt::Display for Examined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What to make of a finding; the later, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It is as it should be.
    Proven,
    /// It could not be tried without the risk of switching the host off, or
    /// what was seen says neither.
    Unproven,
    /// The account can do more than switch the host off.
    TooMuch,
    /// The account cannot switch the host off.
    Broken,
}

impl AccountReport {
    /// The worst verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let verdicts = self.findings.iter().map(|finding| finding.verdict);
        verdicts.max().unwrap_or(Verdict::Unproven)
    }
}

/// How the host took an attempt that it should refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Refused(String),
    Allowed(String),
    /// What was seen says neither.
    Unclear(String),
}

impl Attempt {
    pub(crate) fn finding(self, what: Examined) -> Finding {
        let (verdict, detail) = match self {
            Self::Refused(detail) => (Verdict::Proven, detail),
            Self::Allowed(detail) => (Verdict::TooMuch, detail),
            Self::Unclear(detail) => (Verdict::Unproven, detail),
        };
        Finding {
            what,
            verdict,
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Broken, Proven, TooMuch, Unproven};
    use super::*;

    #[test]
    fn the_worst_finding_is_the_verdict() {
        let report = |verdicts: &[Verdict]| AccountReport {
            endpoint: "off@nas:22".into(),
            host_key: Fingerprint::from_digest([0; 32]),
            findings: verdicts
                .iter()
                .map(|&verdict| Finding {
                    what: Examined::Key,
                    verdict,
                    detail: String::new(),
                })
                .collect(),
        };
        assert_eq!(report(&[Proven, Proven]).verdict(), Proven);
        assert_eq!(report(&[Proven, Unproven]).verdict(), Unproven);
        assert_eq!(report(&[TooMuch, Unproven]).verdict(), TooMuch);
        assert_eq!(report(&[TooMuch, Broken, Proven]).verdict(), Broken);
        assert_eq!(report(&[]).verdict(), Unproven, "nothing proves nothing");
    }
}
