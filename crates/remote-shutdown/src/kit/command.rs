//! The one command that sudo allows: taken apart, and written for a shell and
//! for the sudoers.

use super::KitError;
use crate::System;

/// A program with its arguments, which sudo runs as root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SudoCommand {
    /// By absolute path.
    program: String,
    arguments: Vec<String>,
}

impl SudoCommand {
    /// The command of a system, without `sudo -n`.
    pub(super) fn of(system: &System) -> Result<Self, KitError> {
        let line = system.command();
        let fault = |why| KitError::Command {
            found: line.clone(),
            why,
        };
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        if (words.next(), words.next()) != (Some("sudo"), Some("-n")) {
            return Err(fault("it does not begin with sudo -n"));
        }
        let program = words.next().unwrap_or_default().to_owned();
        if !program.starts_with('/') || program.ends_with('/') {
            return Err(fault("its program is not named by its absolute path"));
        }
        let command = Self {
            program,
            arguments: words.map(str::to_owned).collect(),
        };
        // What a shell would read otherwise than it is written. Sudo takes an
        // argument from ^ to $ for a regular expression.
        let strange =
            |c: char| c.is_control() || !c.is_ascii() || "\"'`$\\|&;<>()*?[]{}!#~^".contains(c);
        if command.words().any(|word| word.contains(strange)) {
            return Err(fault(
                "it has characters that a shell or sudo would read otherwise",
            ));
        }
        Ok(command)
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.program.as_str()).chain(self.arguments.iter().map(String::as_str))
    }

    /// The program and its arguments, as a shell takes them.
    pub(super) fn without_sudo(&self) -> String {
        self.words().collect::<Vec<_>>().join(" ")
    }

    /// The whole line.
    pub(super) fn line(&self) -> String {
        format!("sudo -n {}", self.without_sudo())
    }

    /// As it stands in the sudoers: `\ , : =` have a meaning there, and `""`
    /// says that there are no arguments. Without it, any would be allowed.
    pub(super) fn for_sudoers(&self) -> String {
        let escaped: Vec<String> = self.words().map(escape).collect();
        if self.arguments.is_empty() {
            format!("{} \"\"", escaped[0])
        } else {
            escaped.join(" ")
        }
    }
}

fn escape(word: &str) -> String {
    let mut escaped = String::with_capacity(word.len());
    for c in word.chars() {
        if matches!(c, ',' | ':' | '=' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
