//! What is said to the dispatcher, the small program that the kit puts behind
//! the restricted key, and what it answers: pure.
//!
//! # The protocol, version 1
//!
//! A session of the key runs the dispatcher, whatever the client asks for, and
//! the dispatcher looks at what that was (`SSH_ORIGINAL_COMMAND`). It knows three
//! requests, each of them one word and nothing around it:
//!
//! | request | what it does | standard output | status |
//! |---|---|---|---|
//! | `status` | nothing | `backup-window-dispatch 1 ready` | 0 |
//! | `check-sudo` | tries whether sudo allows a shell, and asks `sudo -n -l` whether the one command is allowed | `backup-window-dispatch 1 sudo-allowed`, or `… sudo-allows-more`, or `… sudo-refused` | 0, or 1 |
//! | `poweroff` | runs the one command, in its own place | the command's | the command's |
//!
//! To anything else, a shell and SFTP included, it says `backup-window-dispatch 1
//! refused` on standard error and ends with status 126. What it answers begins
//! with its name and the version of the protocol, so that no other program's
//! output is taken for it.

/// The name that every answer begins with.
pub const NAME: &str = "backup-window-dispatch";

/// The version of the protocol that this crate speaks.
pub const VERSION: u32 = 1;

/// The status that a refused request ends with.
pub(crate) const REFUSED_STATUS: i32 = 126;

/// A request that the dispatcher knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Say that you are there.
    Status,
    /// Ask sudo whether the one command is allowed, and nothing else.
    CheckSudo,
    /// Run the one command.
    PowerOff,
}

impl Request {
    /// The word that is sent.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::CheckSudo => "check-sudo",
            Self::PowerOff => "poweroff",
        }
    }
}

/// What the dispatcher said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It is there.
    Ready,
    /// Sudo allows the one command without a password.
    SudoAllowed,
    /// Sudo allows a shell without a password, which is everything.
    SudoAllowsMore,
    /// Sudo does not allow the one command without a password.
    SudoRefused,
    /// The request was none that it knows.
    Refused,
}

/// Why a text is no answer of the dispatcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// It comes from another program.
    #[error("it is not the dispatcher that answered, but said {said:?}")]
    Stranger {
        /// Its first line.
        said: String,
    },
    /// It comes from another version.
    #[error(
        "the dispatcher speaks version {found} of the protocol, and this program {VERSION}: install the kit anew"
    )]
    Version {
        /// The version that it named.
        found: String,
    },
}

impl Answer {
    /// Finds the answer in what a session printed. Lines before it, of a login
    /// shell's start-up files, say, are passed over.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn find(printed: &str) -> Result<Self, NoAnswer> {
        let mut stranger = None;
        for line in printed
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
        {
            let mut words = line.split_whitespace();
            if words.next() != Some(NAME) {
                stranger.get_or_insert(line);
                continue;
            }
            let version = words.next().unwrap_or_default();
            if version != VERSION.to_string() {
                let found = version.to_owned();
                return Err(NoAnswer::Version { found });
            }
            let word = (words.next(), words.next());
            match word {
                (Some("ready"), None) => return Ok(Self::Ready),
                (Some("sudo-allowed"), None) => return Ok(Self::SudoAllowed),
                (Some("sudo-allows-more"), None) => return Ok(Self::SudoAllowsMore),
                (Some("sudo-refused"), None) => return Ok(Self::SudoRefused),
                (Some("refused"), None) => return Ok(Self::Refused),
                _ => {
                    stranger.get_or_insert(line);
                }
            }
        }
        let said = stranger.unwrap_or_default().to_owned();
        Err(NoAnswer::Stranger { said })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn answers_are_found_among_other_lines_and_not_guessed() {
        let ready = "backup-window-dispatch 1 ready\n";
        assert_eq!(Answer::find(ready), Ok(Answer::Ready));
        assert_eq!(
            Answer::find(&format!("Welcome!\r\n\n{ready}")),
            Ok(Answer::Ready)
        );
        let refused = "backup-window-dispatch 1 refused\r\n";
        assert_eq!(Answer::find(refused), Ok(Answer::Refused));
        for other in [
            "",
            "ready",
            "backup-window-dispatch",
            "backup-window-dispatch 1 ready now",
        ] {
            assert!(Answer::find(other).is_err(), "{other}");
        }
        let error = Answer::find("Shutdown NOW!\nbye").unwrap_err();
        insta::assert_snapshot!(error, @r#"it is not the dispatcher that answered, but said "Shutdown NOW!""#);
        let error = Answer::find("backup-window-dispatch 2 ready").unwrap_err();
        insta::assert_snapshot!(error, @"the dispatcher speaks version 2 of the protocol, and this program 1: install the kit anew");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,200}") {
            prop_assert!(Answer::find(&text).is_err());
            let _ = Answer::find(&format!("{NAME} {text}"));
        }
    }
}
