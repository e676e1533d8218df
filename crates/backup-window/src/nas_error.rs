//! What an error of a TrueNAS means for a run: the one place that decides it.

use truenas_client::{ErrorKind, TrueNasError};

use crate::exit::Exit;
use crate::step::StepEnd;

/// What a command ends with that cannot go on because of this error.
///
/// What cannot be trusted is refused rather than failed: going on would not have been safe.
#[must_use]
pub fn exit(error: &TrueNasError) -> Exit {
    match error.kind() {
        ErrorKind::Untrusted => Exit::Refused,
        ErrorKind::Usage => Exit::Usage,
        _ => Exit::Failed,
    }
}

/// What a step ends with that cannot go on because of this error.
pub(crate) fn end(error: &TrueNasError) -> StepEnd {
    match exit(error) {
        Exit::Refused => StepEnd::Refused,
        _ => StepEnd::Failed,
    }
}

/// Whether it may pass by itself: a NAS that restarts answers again in a while.
pub(crate) fn may_pass(error: &TrueNasError) -> bool {
    error.is_retryable() || error.kind() == ErrorKind::Unreachable
}

/// Whether what was asked for was certainly not done: it never got to the one who would do it.
pub(crate) fn never_arrived(error: &TrueNasError) -> bool {
    error.is_retryable()
        && !matches!(
            error,
            TrueNasError::Broken { .. } | TrueNasError::Closed { .. }
        )
}
