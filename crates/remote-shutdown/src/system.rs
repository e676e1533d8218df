//! What to run, on which kind of system.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kind of system to switch off, which decides on the command.
///
/// All commands name their programs by absolute path, because a session
/// without a login shell has a short `PATH`, and run through `sudo -n`, which
/// fails at once where it would have asked for a password. They work with the
/// account's sudo rule naming exactly the part after `sudo -n `; where a
/// forced command is installed for the key, the server runs that one instead
/// and ignores this.
///
/// In a configuration file it is one of the names below, or
/// `{ command = "…" }`:
///
/// ```
/// use remote_shutdown::System;
///
/// let system: System = "truenas-core".parse()?;
/// assert_eq!(system.command(), "sudo -n /sbin/shutdown -p now");
/// # Ok::<(), remote_shutdown::ParseSystemError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum System {
    /// `truenas-core`: TrueNAS CORE, and FreeBSD. `-p` cuts the power, where
    /// `-h` would only halt the system and leave the machine running.
    #[serde(rename = "truenas-core")]
    TrueNasCore,
    /// `truenas-scale`: TrueNAS SCALE and Community Edition from 25.04 on,
    /// whose `system.shutdown` requires a reason. Going through the
    /// middleware stops apps and virtual machines cleanly.
    #[serde(rename = "truenas-scale")]
    TrueNasScale,
    /// `truenas-scale-24.10`: TrueNAS SCALE up to 24.10, whose
    /// `system.shutdown` takes no reason.
    #[serde(rename = "truenas-scale-24.10")]
    TrueNasScale2410,
    /// `linux-systemd`: any Linux that systemd runs.
    #[serde(rename = "linux-systemd")]
    LinuxSystemd,
    /// `synology`: Synology's DSM, with its own program for the purpose.
    #[serde(rename = "synology")]
    Synology,
    /// A command of one's own, sent as it is.
    #[serde(rename = "command")]
    Command(String),
}

/// The reason that TrueNAS logs. One word, so that the sudo rule needs neither
/// quotes nor escapes, which TrueNAS would rewrite.
const REASON: &str = "backup-window-ended";

impl System {
    /// The kinds that have a name, in the order of their documentation.
    pub(crate) const NAMED: [(Self, &'static str); 5] = [
        (Self::TrueNasCore, "truenas-core"),
        (Self::TrueNasScale, "truenas-scale"),
        (Self::TrueNasScale2410, "truenas-scale-24.10"),
        (Self::LinuxSystemd, "linux-systemd"),
        (Self::Synology, "synology"),
    ];

    /// The command line that is sent to the host.
    #[must_use]
    pub fn command(&self) -> String {
        match self {
            Self::TrueNasCore => "sudo -n /sbin/shutdown -p now".into(),
            Self::TrueNasScale => format!("sudo -n /usr/bin/midclt call system.shutdown {REASON}"),
            Self::TrueNasScale2410 => "sudo -n /usr/bin/midclt call system.shutdown".into(),
            Self::LinuxSystemd => "sudo -n /usr/bin/systemctl poweroff".into(),
            Self::Synology => "sudo -n /usr/syno/sbin/synoshutdown -s".into(),
            Self::Command(command) => command.clone(),
        }
    }
}

/// Writes the name, or the command itself for [`System::Command`].
impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Command(command) = self {
            return f.write_str(command);
        }
        let named = Self::NAMED.iter().find(|(system, _)| system == self);
        f.write_str(named.map_or("", |(_, name)| name))
    }
}

/// The text is not the name of a kind of system.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "recognise the system {found:?}: expected truenas-core, truenas-scale, truenas-scale-24.10, \
     linux-systemd or synology"
)]
pub struct ParseSystemError {
    found: String,
}

/// Reads a name. A command of one's own has no textual form of this kind, so
/// that a typing error in a name never becomes a command.
impl FromStr for System {
    type Err = ParseSystemError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::NAMED
            .into_iter()
            .find_map(|(system, name)| (name == text).then_some(system))
            .ok_or_else(|| ParseSystemError { found: text.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_text_and_serde() {
        for (system, name) in System::NAMED {
            assert_eq!(name.parse::<System>().unwrap(), system);
            assert_eq!(system.to_string(), name);
            let json = serde_json::to_string(&system).unwrap();
            assert_eq!(json, format!("{name:?}"));
            assert_eq!(serde_json::from_str::<System>(&json).unwrap(), system);
        }
    }

    #[test]
    fn a_command_of_ones_own_is_sent_as_it_is() {
        let system: System = serde_json::from_str(r#"{"command": "doas poweroff"}"#).unwrap();
        assert_eq!(system, System::Command("doas poweroff".into()));
        assert_eq!(system.command(), "doas poweroff");
        assert_eq!(system.to_string(), "doas poweroff");
    }

    #[test]
    fn a_typing_error_is_no_command() {
        let error = "truenas-coer".parse::<System>().unwrap_err();
        assert!(error.to_string().contains("\"truenas-coer\""), "{error}");
        assert!(serde_json::from_str::<System>("\"doas poweroff\"").is_err());
    }

    #[test]
    fn commands_never_ask_for_a_password() {
        for (system, _) in System::NAMED {
            assert!(system.command().starts_with("sudo -n /"), "{system}");
        }
        assert!(System::TrueNasScale.command().ends_with(REASON));
        assert!(
            System::TrueNasScale2410
                .command()
                .ends_with("system.shutdown")
        );
    }
}
