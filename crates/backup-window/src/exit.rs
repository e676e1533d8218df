//! Exit codes: the same for every binary, and part of its interface.

use serde::{Deserialize, Serialize};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Done, with evidence.
    Done,
    /// Failed.
    Failed,
    /// Bad usage or configuration.
    Usage,
    /// A deadline passed.
    DeadlinePassed,
    /// Refused, because it would not have been safe.
    Refused,
    /// Another run holds the lock.
    Locked,
    /// Done, but something needs attention.
    Attention,
    /// Ended by SIGHUP, after everything was started again.
    Hangup,
    /// Ended by SIGINT, after everything was started again.
    Interrupted,
    /// Ended by SIGTERM, after everything was started again.
    Terminated,
}

impl Exit {
    /// The number that the process ends with.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::DeadlinePassed => 3,
            Self::Refused => 4,
            Self::Locked => 5,
            Self::Attention => 6,
            Self::Hangup => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// What the code means, for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, with evidence",
            Self::Failed => "failed",
            Self::Usage => "bad usage or configuration",
            Self::DeadlinePassed => "a deadline passed",
            Self::Refused => "refused, because it would not have been safe",
            Self::Locked => "another run holds the lock",
            Self::Attention => "done, but something needs attention",
            Self::Hangup => "ended by SIGHUP, after everything was started again",
            Self::Interrupted => "ended by SIGINT, after everything was started again",
            Self::Terminated => "ended by SIGTERM, after everything was started again",
        }
    }

    /// Of two ends of parts of one run, the one that the whole run ends with: what failed outweighs
    /// what came late, that outweighs what was refused, and that outweighs what needs attention.
    #[must_use]
    pub fn worse(self, other: Self) -> Self {
        if self.severity() >= other.severity() {
            self
        } else {
            other
        }
    }

    fn severity(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Attention => 1,
            Self::Refused => 2,
            Self::DeadlinePassed => 3,
            Self::Failed => 4,
            Self::Locked => 5,
            Self::Usage => 6,
            Self::Hangup | Self::Interrupted | Self::Terminated => 7,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_outweighs_everything_that_a_run_can_end_with_otherwise() {
        for lesser in [
            Exit::Done,
            Exit::Attention,
            Exit::Refused,
            Exit::DeadlinePassed,
        ] {
            assert_eq!(Exit::Failed.worse(lesser), Exit::Failed);
            assert_eq!(lesser.worse(Exit::Failed), Exit::Failed);
        }
        assert_eq!(Exit::Done.worse(Exit::Attention), Exit::Attention);
    }
}
