//! What a probe can learn.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What one probe learned.
///
/// In JSON: an object whose `answer` names the variant, such as
/// `{"answer":"up","detail":"SSH-2.0-OpenSSH_9.2"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// The service answered as it should.
    Up {
        /// What it said, fit for a log: printable characters only.
        detail: String,
    },
    /// The host is up and said so by refusing or closing the connection; the service is not.
    Refused,
    /// The host is up and accepted the connection, but then the service said nothing. A machine
    /// whose programs hang, or that is stuck while it shuts down, does that.
    Mute,
    /// The host is up, and the service said that it is not ready, or not well.
    NotReady {
        /// What it said, fit for a log: printable characters only.
        detail: String,
    },
    /// Nothing came back: the packets were lost, or no neighbour has the host's address.
    Silent,
    /// Nothing was learned: the name does not resolve, this machine has no way to the host, or
    /// what answered is not the service that was expected.
    Failed {
        /// What went wrong.
        reason: String,
    },
}

impl Answer {
    /// Whether the service answered as it should.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }

    /// Whether the answer proves that the host runs, whatever its services do.
    #[must_use]
    pub const fn is_from_a_running_host(&self) -> bool {
        matches!(
            self,
            Self::Up { .. } | Self::Refused | Self::Mute | Self::NotReady { .. }
        )
    }

    /// Whether nothing came back.
    #[must_use]
    pub const fn is_silent(&self) -> bool {
        matches!(self, Self::Silent)
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up { detail } => write!(f, "up ({detail})"),
            Self::Refused => f.write_str("refused (the host is up, the service is not)"),
            Self::Mute => f.write_str("mute (the host is up, the service says nothing)"),
            Self::NotReady { detail } => write!(f, "not ready ({detail})"),
            Self::Silent => f.write_str("silent"),
            Self::Failed { reason } => write!(f, "nothing learned ({reason})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Answer;

    #[test]
    fn an_answer_survives_json() {
        let answers = [
            (
                Answer::Up {
                    detail: "SSH-2.0-x".to_owned(),
                },
                r#"{"answer":"up","detail":"SSH-2.0-x"}"#,
            ),
            (Answer::Refused, r#"{"answer":"refused"}"#),
            (Answer::Mute, r#"{"answer":"mute"}"#),
            (
                Answer::NotReady {
                    detail: "status 503".to_owned(),
                },
                r#"{"answer":"not_ready","detail":"status 503"}"#,
            ),
            (Answer::Silent, r#"{"answer":"silent"}"#),
            (
                Answer::Failed {
                    reason: "no".to_owned(),
                },
                r#"{"answer":"failed","reason":"no"}"#,
            ),
        ];
        for (answer, json) in answers {
            assert_eq!(serde_json::to_string(&answer).unwrap(), json);
            assert_eq!(serde_json::from_str::<Answer>(json).unwrap(), answer);
        }
    }
}
