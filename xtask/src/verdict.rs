//! What becomes of a suite.

use crate::suite::Need;

/// How a suite ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    /// Passed, but for something that could not be checked here.
    PassedExcept(&'static str),
    Failed,
    LeftOut,
    /// It could not run for want of these.
    Blocked(Vec<Need>),
}

impl Verdict {
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed | Self::Blocked(_))
    }
}
