//! What was seen of a host that was watched going down.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A probe was answered so, once or several times in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// What was answered, or that nothing was.
    pub answer: String,
    /// How many times in a row.
    pub times: u64,
    /// When it was so for the last time, by this machine's clock.
    pub until: Timestamp,
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            answer,
            times,
            until,
        } = self;
        f.write_str(answer)?;
        if *times > 1 {
            write!(f, ", {times} times until {until:.0}")?;
        }
        Ok(())
    }
}

/// A silence that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reboot {
    /// When it began, by this machine's clock.
    pub silent_from: Timestamp,
    /// When the host answered again, by the same clock.
    pub answered_at: Timestamp,
    /// What it answered then.
    pub answer: String,
}

impl fmt::Display for Reboot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            silent_from,
            answered_at,
            answer,
        } = self;
        write!(
            f,
            "rebooted: silent from {silent_from:.0}, answered again at {answered_at:.0}: {answer}"
        )
    }
}
