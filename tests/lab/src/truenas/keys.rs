//! The key of a simulated NAS: whose it is, what it is good for, and how often it may be tried.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::options::{KeyRole, RateLimit};

/// What has become of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// It is accepted.
    Valid,
    /// Its time is over.
    Expired,
    /// It is not accepted any more, for this reason if the version remembers one.
    Revoked(Option<String>),
}

/// After what time the record of logins is cleared.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(10);

#[derive(Debug)]
pub(super) struct Keys {
    pub(super) role: KeyRole,
    pub(super) state: KeyState,
    limit: RateLimit,
    logins: HashMap<String, (Timestamp, u32)>,
    cleared: Option<Timestamp>,
}

impl Keys {
    pub(super) fn new(role: KeyRole, limit: RateLimit) -> Self {
        Self {
            role,
            state: KeyState::Valid,
            limit,
            logins: HashMap::new(),
            cleared: None,
        }
    }

    pub(super) fn is_valid(&self) -> bool {
        self.state == KeyState::Valid
    }

    /// Counts a call that anybody may make; returns how long to think before refusing it, if it is
    /// one too many.
    ///
    /// The original counts by address, too. Here everybody has the same.
    pub(super) fn one_more(&mut self, method: &str, now: Timestamp) -> Option<Duration> {
        let cleared = *self.cleared.get_or_insert(now);
        if since(cleared, now) >= FORGOTTEN_AFTER {
            self.logins.clear();
            self.cleared = Some(now);
        }
        let (began, calls) = self.logins.entry(method.to_owned()).or_insert((now, 0));
        if since(*began, now) >= self.limit.period {
            (*began, *calls) = (now, 0);
        }
        *calls += 1;
        (*calls > self.limit.calls).then_some(self.limit.pause)
    }

    pub(super) fn forget_logins(&mut self) {
        self.logins.clear();
        self.cleared = None;
    }
}

fn since(then: Timestamp, now: Timestamp) -> Duration {
    now.duration_since(then).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_twenty_first_login_of_a_minute_is_one_too_many() {
        let mut keys = Keys::new(KeyRole::FullAdmin, RateLimit::default());
        let at = |second: i64| Timestamp::from_second(1_735_700_400 + second).unwrap();
        for _ in 0..20 {
            assert_eq!(keys.one_more("auth.login_ex", at(0)), None);
        }
        assert!(keys.one_more("auth.login_ex", at(59)).is_some());
        assert_eq!(keys.one_more("auth.login_with_api_key", at(59)), None);
        assert_eq!(keys.one_more("auth.login_ex", at(60)), None, "a new minute");
    }
}
