//! All that an exchange needs to know, and how its failures are told.

use std::time::Duration;

use ssh2::ErrorCode;

use super::control::{Cancelled, Step};
use crate::dispatcher::Request;
use crate::{Deadlines, HostKeyPolicy, Key, ShutdownError, SshTarget, Stage, System};

/// Error codes of libssh2 (`libssh2.h`), which the `ssh2` crate does not name.
pub(super) mod code {
    pub(in crate::ssh) const KEX_FAILURE: i32 = -5;
    pub(in crate::ssh) const KEY_EXCHANGE_FAILURE: i32 = -8;
    pub(in crate::ssh) const TIMEOUT: i32 = -9;
    pub(in crate::ssh) const FILE: i32 = -16;
    pub(in crate::ssh) const METHOD_NONE: i32 = -17;
    pub(in crate::ssh) const AUTHENTICATION_FAILED: i32 = -18;
    pub(in crate::ssh) const PUBLICKEY_UNVERIFIED: i32 = -19;
    pub(in crate::ssh) const CHANNEL_FAILURE: i32 = -21;
    pub(in crate::ssh) const CHANNEL_REQUEST_DENIED: i32 = -22;
    pub(in crate::ssh) const REQUEST_DENIED: i32 = -32;
    pub(in crate::ssh) const KEYFILE_AUTH_FAILED: i32 = -48;
}

/// libssh2 counts its time-outs in whole seconds. Ours come first; its own are
/// there for the case that nobody is left to keep ours.
pub(super) const GRACE: Duration = Duration::from_secs(2);

/// All that one exchange needs to know.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) target: SshTarget,
    pub(super) key: Key,
    pub(super) host_key: HostKeyPolicy,
    pub(super) system: System,
    /// Whether the kit's dispatcher is behind the key.
    pub(super) dispatcher: bool,
    pub(super) deadlines: Deadlines,
}

/// Why an exchange ended early: it failed, or nobody waits for it any more.
pub(super) enum Stop {
    Failed(ShutdownError),
    Cancelled,
}

impl From<ShutdownError> for Stop {
    fn from(error: ShutdownError) -> Self {
        Self::Failed(error)
    }
}

impl From<Cancelled> for Stop {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}

impl Job {
    pub(super) fn endpoint(&self) -> String {
        self.target.to_string()
    }

    /// What is sent to have the host switched off.
    pub(super) fn request(&self) -> String {
        if self.dispatcher {
            Request::PowerOff.word().to_owned()
        } else {
            self.system.command()
        }
    }

    /// The error when a deadline passed at this step.
    pub(super) fn too_late(&self, reached: Step) -> ShutdownError {
        self.deadline(reached.stage())
    }

    pub(super) fn failed(
        &self,
        stage: Stage,
        step: &'static str,
        error: ssh2::Error,
    ) -> ShutdownError {
        if error.code() == ErrorCode::Session(code::TIMEOUT) {
            return self.deadline(stage);
        }
        let source = error.into();
        ShutdownError::Protocol {
            endpoint: self.endpoint(),
            step,
            source,
        }
    }

    pub(super) fn deadline(&self, stage: Stage) -> ShutdownError {
        let limit = self.deadlines.of(stage);
        ShutdownError::Deadline {
            endpoint: self.endpoint(),
            stage,
            limit,
        }
    }
}

/// For libssh2, to which 0 would mean "no time-out".
pub(super) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis())
        .unwrap_or(u32::MAX)
        .max(1)
}
