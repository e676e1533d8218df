use serde::Deserialize;

use super::WireTime;
use crate::{Alert, AlertLevel};

/// An entry of `alert.list`.
#[derive(Debug, Deserialize)]
pub(crate) struct WireAlert {
    level: String,
    klass: String,
    /// The text with its arguments put in; `null` if that failed on the NAS.
    formatted: Option<String>,
    text: String,
    #[serde(default)]
    datetime: Option<WireTime>,
    #[serde(default)]
    dismissed: bool,
}

impl From<WireAlert> for Alert {
    fn from(wire: WireAlert) -> Self {
        Self {
            level: AlertLevel::parse(wire.level),
            class: wire.klass,
            text: wire.formatted.unwrap_or(wire.text),
            since: wire.datetime.map(|time| time.0),
            dismissed: wire.dismissed,
        }
    }
}
