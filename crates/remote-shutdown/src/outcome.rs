//! What is known after the command was sent: pure verdicts on its end.

use crate::ShutdownError;
use crate::dispatcher::{Answer, REFUSED_STATUS};

/// What is known once the command has reached the host.
///
/// Neither variant proves that the host is off: that takes its silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The command ended with status 0.
    Accepted {
        /// Always 0 so far: any other status is an error.
        exit_status: i32,
        /// What the command printed, standard output before standard error,
        /// without control characters and cut after 4000 characters.
        output: String,
    },
    /// The command was sent, and then the connection broke, the command was
    /// ended by a signal, or its deadline passed. A power-off that works looks
    /// like this when the network goes down before the exit status is sent.
    SentUnknown {
        /// What was seen, for people.
        why: String,
    },
}

/// The longest text of a remote command that is kept, in characters.
const KEPT_CHARS: usize = 4000;

/// How a command ended, as the SSH server told it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandEnd {
    pub(crate) exit_status: i32,
    /// The signal's name without `SIG`.
    pub(crate) signal: Option<String>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl CommandEnd {
    /// The verdict. `endpoint` and `command` are only quoted in errors.
    pub(crate) fn verdict(&self, endpoint: &str, command: &str) -> Result<Outcome, ShutdownError> {
        if let Some(signal) = &self.signal {
            // Services are killed while the system goes down, ours among them.
            let why = format!(
                "the command was ended by the signal {}",
                printable(signal.as_bytes())
            );
            return Ok(Outcome::SentUnknown { why });
        }
        if let Some(signal) = signal_in(self.exit_status) {
            let why = format!("the command was ended by the signal {signal}, says its shell");
            return Ok(Outcome::SentUnknown { why });
        }
        let (stdout, stderr) = (printable(&self.stdout), printable(&self.stderr));
        let exit_status = self.exit_status;
        if exit_status == 0 {
            let output = join_lines(&stdout, &stderr);
            return Ok(Outcome::Accepted {
                exit_status,
                output,
            });
        }
        // A forced command may well report its troubles on standard output.
        let said = join_lines(&stderr, &stdout);
        let (endpoint, stderr) = (endpoint.to_owned(), said.clone());
        Err(if says_dispatcher_refused(exit_status, &said) {
            let request = command.to_owned();
            ShutdownError::DispatcherRefused {
                endpoint,
                request,
                stderr,
            }
        } else if says_not_found(exit_status, &said) {
            let command = command.to_owned();
            ShutdownError::CommandNotFound {
                endpoint,
                command,
                exit_status,
                stderr,
            }
        } else if says_sudo_refused(&said) {
            ShutdownError::SudoRefused { endpoint, stderr }
        } else {
            ShutdownError::Refused {
                endpoint,
                exit_status,
                stderr,
            }
        })
    }
}

/// The signal that a status stands for, by the convention of shells: 128 and its
/// number. Only those that a system sends that goes down, or a connection that
/// ends: a command that is asked for a status may well choose a high one.
fn signal_in(exit_status: i32) -> Option<&'static str> {
    match exit_status {
        129 => Some("HUP"),
        137 => Some("KILL"),
        143 => Some("TERM"),
        _ => None,
    }
}

/// The kit's dispatcher, when it was asked for something else than it knows.
fn says_dispatcher_refused(exit_status: i32, said: &str) -> bool {
    exit_status == REFUSED_STATUS && Answer::find(said) == Ok(Answer::Refused)
}

/// POSIX shells end with 127 when there is no such program, and with 126 when
/// it cannot be run; tcsh, the login shell of FreeBSD's root, and sudo end with
/// 1 and say so.
fn says_not_found(exit_status: i32, said: &str) -> bool {
    matches!(exit_status, 126 | 127) || said.to_lowercase().contains("command not found")
}

/// What sudo and sudo-rs say when they do not let the user run the command.
/// Other lines of sudo (`sudo: unable to resolve host`) are mere warnings.
const SUDO_REFUSALS: [&str; 9] = [
    "a password is required",
    "a terminal is required",
    "interactive authentication is required",
    "no tty present",
    "you must have a tty",
    "is not allowed to execute",
    "is not allowed to run sudo",
    "is not in the sudoers file",
    "may not run sudo",
];

fn says_sudo_refused(said: &str) -> bool {
    SUDO_REFUSALS.iter().any(|refusal| said.contains(refusal))
}

fn join_lines(first: &str, second: &str) -> String {
    match (first, second) {
        ("", only) | (only, "") => only.to_owned(),
        (first, second) => format!("{first}\n{second}"),
    }
}

/// Text of a remote command, fit for a log and a terminal: the host is not
/// trusted to leave either alone.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let kept = text
        .trim()
        .chars()
        .filter(|&c| c == '\n' || !c.is_control())
        .take(KEPT_CHARS);
    kept.collect()
}

#[cfg(test)]
mod tests;
