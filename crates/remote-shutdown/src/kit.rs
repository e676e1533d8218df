//! What to install on a host, and where, so that one key may switch it off and
//! do nothing else: pure, options in, texts out.

mod command;
mod files;
mod public_key;
mod steps;

use std::fmt;

use serde::Serialize;

use self::command::SudoCommand;
pub use self::public_key::PublicKey;
use crate::System;

/// How the account is to be.
#[derive(Clone, Debug)]
pub struct KitOptions {
    /// The kind of system. A command of one's own must be of the form
    /// `sudo -n /PATH ARGUMENT…`, without quotes.
    pub system: System,
    /// The name of the account; `shutdown` unless something else is said.
    pub user: String,
    /// Where the key may be used from: addresses, networks or names, separated
    /// by commas; from everywhere unless something is said.
    pub from: Option<String>,
    /// The public half of the key, once there is one.
    pub public_key: Option<PublicKey>,
    /// The folder on the host for the kit's programs, which only root may write
    /// to and which upgrades leave alone; chosen by the system unless something
    /// is said.
    pub directory: Option<String>,
    /// Whether the key's forced command is the dispatcher. Otherwise it is the
    /// command itself: less to install, but then every session switches the
    /// host off, and little can be checked.
    pub dispatcher: bool,
}

impl KitOptions {
    /// A kit with the dispatcher, for a key that may be used from everywhere.
    #[must_use]
    pub fn new(system: System) -> Self {
        Self {
            system,
            user: "shutdown".into(),
            from: None,
            public_key: None,
            directory: None,
            dispatcher: true,
        }
    }
}

/// What to install, step by step.
///
/// ```
/// use remote_shutdown::{Kit, KitOptions, System};
///
/// let kit = Kit::new(&KitOptions::new(System::LinuxSystemd))?;
/// let rule = kit.files().find(|file| file.path.starts_with("/etc/sudoers.d/")).unwrap();
/// assert_eq!(rule.content, "shutdown ALL=(root) NOPASSWD: /usr/bin/systemctl poweroff\n");
/// # Ok::<(), remote_shutdown::KitError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kit {
    /// The name of the kind of system.
    pub system: String,
    /// The account.
    pub user: String,
    /// The one command that sudo allows, as it runs.
    pub command: String,
    /// The line of `authorized_keys`.
    pub authorized_key: String,
    /// The line of the sudoers.
    pub sudoers: String,
    /// What to do, in order.
    pub steps: Vec<KitStep>,
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KitStep {
    /// What, in a line.
    pub title: String,
    /// How, and what to mind; one line each.
    pub notes: Vec<String>,
    /// What to run, one command a line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// A file to write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<KitFile>,
}

/// A file to write on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KitFile {
    /// Where.
    pub path: String,
    /// Its mode, in octal.
    pub mode: String,
    /// Whom it belongs to.
    pub owner: String,
    /// What is in it.
    pub content: String,
}

/// Why there is no kit for these options.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KitError {
    /// The name of the account would be misread somewhere.
    #[error(
        "use {found:?} as the name of an account: expected small letters, digits, - and _, such as shutdown"
    )]
    User {
        /// The name.
        found: String,
    },
    /// The addresses would be misread in `authorized_keys`.
    #[error(
        "use {found:?} as where the key may be used from: expected addresses, networks or names, separated by commas, such as 192.168.0.137"
    )]
    From {
        /// The addresses.
        found: String,
    },
    /// The folder would be misread in a shell.
    #[error(
        "use {found:?} as the folder of the kit: expected an absolute path of letters, digits, . _ - and /, such as /usr/local/libexec"
    )]
    Directory {
        /// The folder.
        found: String,
    },
    /// The command is none that a sudo rule can name exactly.
    #[error(
        "allow {found:?} by a sudo rule: {why}; expected sudo -n /PATH ARGUMENT…, without quotes"
    )]
    Command {
        /// The command.
        found: String,
        /// What is in the way.
        why: &'static str,
    },
    /// The text is no public key.
    #[error(
        "read the public key: {why}; expected the one line that ssh-keygen writes to a .pub file"
    )]
    PublicKey {
        /// What is wrong with it.
        why: &'static str,
    },
}

impl Kit {
    /// Makes the kit.
    ///
    /// # Errors
    ///
    /// When something in the options would be misread where it is installed.
    pub fn new(options: &KitOptions) -> Result<Self, KitError> {
        let command = SudoCommand::of(&options.system)?;
        check_user(&options.user)?;
        if let Some(from) = &options.from {
            check_from(from)?;
        }
        let directory = match &options.directory {
            Some(directory) => directory.trim_end_matches('/').to_owned(),
            None => steps::directory(&options.system).to_owned(),
        };
        check_directory(&directory)?;
        let sudoers = files::sudoers(&options.user, &command);
        let dispatcher = format!("{directory}/{}", crate::dispatcher::NAME);
        let forced = if options.dispatcher {
            format!("/bin/sh {dispatcher}")
        } else {
            command.line()
        };
        let authorized_key = files::authorized_key(
            &forced,
            options.from.as_deref(),
            options.public_key.as_ref(),
        );
        let mut kit = Self {
            system: system_name(&options.system).to_owned(),
            user: options.user.clone(),
            command: command.line(),
            authorized_key,
            sudoers,
            steps: Vec::new(),
        };
        kit.steps = steps::steps(&kit, options, &command, &directory);
        Ok(kit)
    }

    /// The files to write on the host.
    pub fn files(&self) -> impl Iterator<Item = &KitFile> {
        self.steps.iter().filter_map(|step| step.file.as_ref())
    }
}

fn system_name(system: &System) -> &'static str {
    let named = System::NAMED.iter().find(|(known, _)| known == system);
    named.map_or("command", |(_, name)| name)
}

/// The name stands in sudoers, in paths and on command lines.
fn check_user(user: &str) -> Result<(), KitError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let begins = user.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if begins && user.len() <= 32 && user.chars().all(fits) {
        return Ok(());
    }
    let found = user.to_owned();
    Err(KitError::User { found })
}

/// The addresses stand between quotation marks in `authorized_keys`.
fn check_from(from: &str) -> Result<(), KitError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "./:*?!,_-".contains(c);
    let whole = from.split(',').all(|part| !part.is_empty() && part != "!");
    if whole && from.chars().all(fits) {
        return Ok(());
    }
    let found = from.to_owned();
    Err(KitError::From { found })
}

/// The folder stands in a forced command, which a shell reads.
fn check_directory(directory: &str) -> Result<(), KitError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "./_-".contains(c);
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    let whole = directory
        .strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(part));
    if whole && directory.chars().all(fits) {
        return Ok(());
    }
    let found = directory.to_owned();
    Err(KitError::Directory { found })
}

/// Writes it for people, to be read and copied from.
impl fmt::Display for Kit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "An account on the host ({}) whose key can run one command and nothing else:\n\n    {}",
            self.system, self.command
        )?;
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "\n{number}. {}", step.title)?;
            for note in &step.notes {
                writeln!(f, "   {note}")?;
            }
            if !step.commands.is_empty() {
                writeln!(f)?;
            }
            for command in &step.commands {
                writeln!(f, "       {command}")?;
            }
            if let Some(file) = &step.file {
                let KitFile {
                    path, mode, owner, ..
                } = file;
                writeln!(f, "   {path} (owner {owner}, mode {mode}):\n")?;
                for line in file.content.lines() {
                    writeln!(f, "{}", format!("       {line}").trim_end())?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
