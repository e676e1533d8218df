//! What keeps a command from being carried out: one sentence and an exit code.

use std::error::Error;
use std::fmt;

use backup_window::exit::Exit;
use backup_window::restore::RestoreFailure;
use backup_window::sentence;

/// Why a command ended before it could give a result.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        Self::text(exit, sentence::of(error))
    }

    pub(crate) fn text(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    /// Bad usage or configuration.
    pub(crate) fn usage(error: &(dyn Error + 'static)) -> Self {
        Self::new(Exit::Usage, error)
    }

    /// It was tried, and failed.
    pub(crate) fn failed(error: &(dyn Error + 'static)) -> Self {
        Self::new(Exit::Failed, error)
    }

    /// The code that the process ends with.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

impl From<RestoreFailure> for Failure {
    fn from(failure: RestoreFailure) -> Self {
        Self::text(failure.exit, failure.message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// An error of one of the library crates: their messages continue "failed to".
pub(crate) fn failed_to(exit: Exit, error: &(dyn Error + 'static)) -> Failure {
    Failure::text(exit, sentence::failed_to(error))
}
