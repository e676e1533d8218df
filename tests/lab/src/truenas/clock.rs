//! The clock of a simulated NAS: the machine's, perhaps some time ahead or behind.

use jiff::{SignedDuration, Timestamp};

#[derive(Debug, Clone, Copy)]
pub(super) struct NasClock {
    ahead: SignedDuration,
}

impl NasClock {
    pub(super) fn ahead_by(ahead: SignedDuration) -> Self {
        Self { ahead }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a simulated NAS goes on by itself, as a real one does, and nobody can hand it the time"
    )]
    pub(super) fn now(self) -> Timestamp {
        let now = Timestamp::now();
        // Beyond the end of time there is nothing to simulate.
        now.checked_add(self.ahead).unwrap_or(now)
    }
}
