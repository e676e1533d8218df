//! Alerts: what a NAS wants somebody to know.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

/// An alert that is active on the NAS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Alert {
    /// How much it matters.
    pub level: AlertLevel,
    /// Its class, such as `ReplicationFailed`, which does not change with the language.
    pub class: String,
    /// What is the matter, in the NAS's words.
    pub text: String,
    /// Since when, by the NAS's clock.
    pub since: Option<Timestamp>,
    /// Whether somebody has put it aside on the NAS.
    pub dismissed: bool,
}

impl Alert {
    /// An alert of which nothing more is known. For those who stand in for a NAS.
    #[must_use]
    pub fn new(level: AlertLevel, class: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            level,
            class: class.into(),
            text: text.into(),
            since: None,
            dismissed: false,
        }
    }

    /// Whether somebody should look: it is a warning or worse, or of a level that is not known
    /// here, and nobody has dismissed it.
    #[must_use]
    pub fn needs_attention(&self) -> bool {
        !self.dismissed && !matches!(self.level, AlertLevel::Info | AlertLevel::Notice)
    }
}

/// How much an [`Alert`] matters, the least first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AlertLevel {
    /// Good to know.
    Info,
    /// Worth a look some day.
    Notice,
    /// Something is not as it should be.
    Warning,
    /// Something does not work.
    Error,
    /// Something important does not work.
    Critical,
    /// Somebody must act.
    Alert,
    /// The NAS is of no use.
    Emergency,
    /// A word that is not known here.
    Other(String),
}

impl AlertLevel {
    pub(crate) fn parse(word: String) -> Self {
        match word.as_str() {
            "INFO" => Self::Info,
            "NOTICE" => Self::Notice,
            "WARNING" => Self::Warning,
            "ERROR" => Self::Error,
            "CRITICAL" => Self::Critical,
            "ALERT" => Self::Alert,
            "EMERGENCY" => Self::Emergency,
            _ => Self::Other(word),
        }
    }
}

impl fmt::Display for AlertLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
            Self::Other(word) => word,
        })
    }
}
