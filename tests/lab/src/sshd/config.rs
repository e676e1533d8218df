//! The files of an `sshd` of its own, as text. By `sshd_config(5)` and `sshd(8)`.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::SSHD;
use crate::ssh_server::SshServerError;

/// What a line of the FIFO begins with when the power-off was asked for.
pub(super) const POWER_OFF: &str = "power-off ";

/// Where everything lies.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    pub(super) host_key: PathBuf,
    pub(super) client_key: PathBuf,
    pub(super) authorized_keys: PathBuf,
    pub(super) forced_command: PathBuf,
    /// The forced command asks here.
    pub(super) request: PathBuf,
    /// The lab answers here.
    pub(super) answer: PathBuf,
    pub(super) config: PathBuf,
    pub(super) log: PathBuf,
    pid: PathBuf,
}

impl Paths {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            host_key: dir.join("host_ed25519"),
            client_key: dir.join("client_ed25519"),
            authorized_keys: dir.join("authorized_keys"),
            forced_command: dir.join("power-off"),
            request: dir.join("power-off.request"),
            answer: dir.join("power-off.answer"),
            config: dir.join("sshd_config"),
            log: dir.join("sshd.log"),
            pid: dir.join("sshd.pid"),
        }
    }

    /// The line that lets the client's key in: for this command and nothing
    /// else.
    pub(super) fn authorized_key(&self, public_key: &str) -> String {
        let command = format!("/bin/sh {}", shell_quoted(&self.forced_command));
        let command = command.replace('"', "\\\"");
        format!("restrict,command=\"{command}\" {}\n", public_key.trim())
    }

    /// The forced command: tells the lab, waits until that has been noted, and
    /// tells the client. One line a request, whatever the client asked for.
    pub(super) fn script(&self) -> String {
        format!(
            "#!/bin/sh\n\
             # The only command of the restricted account: has the lab cut the power.\n\
             asked=$(printf '%s' \"$SSH_ORIGINAL_COMMAND\" | tr '\\n' ' ')\n\
             printf '{POWER_OFF}%s\\n' \"$asked\" > {}\n\
             read -r noted < {}\n\
             echo 'Shutdown NOW!'\n",
            shell_quoted(&self.request),
            shell_quoted(&self.answer)
        )
    }

    pub(super) fn sshd_config(&self, address: SocketAddr, user: &str, version: Version) -> String {
        let mut config = format!(
            "ListenAddress {address}\n\
             HostKey {host_key}\n\
             AuthorizedKeysFile {authorized_keys}\n\
             PidFile {pid}\n\
             AllowUsers {user}\n\
             AuthenticationMethods publickey\n\
             PasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n\
             UsePAM no\n\
             UseDNS no\n\
             PrintMotd no\n\
             LogLevel VERBOSE\n\
             # A temporary directory's parents belong to everybody.\n\
             StrictModes no\n\
             PermitRootLogin forced-commands-only\n",
            host_key = quoted(&self.host_key),
            authorized_keys = quoted(&self.authorized_keys),
            pid = quoted(&self.pid),
        );
        if version >= Version::WITH_PENALTIES {
            // Tests fail to log in on purpose, all from one address.
            config.push_str("PerSourcePenalties no\n");
        }
        config
    }
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

fn shell_quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

/// The version of OpenSSH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    major: u32,
    minor: u32,
}

impl Version {
    /// The first that punishes addresses for failed logins.
    const WITH_PENALTIES: Self = Self { major: 9, minor: 8 };

    /// Asks the installed `sshd`. Before 9.3 it takes `-V` for a mistake, and
    /// still prints its version above the usage.
    pub(super) fn installed() -> Result<Self, SshServerError> {
        let output = Command::new(SSHD)
            .arg("-V")
            .stdin(Stdio::null())
            .output()
            .map_err(SshServerError::io("run sshd"))?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Self::find(&text).ok_or(SshServerError::DidNotStart { log: text })
    }

    fn find(text: &str) -> Option<Self> {
        let (_, version) = text.split_once("OpenSSH_")?;
        let (major, rest) = version.split_once('.')?;
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        Some(Self {
            major: major.parse().ok()?,
            minor: rest[..digits].parse().ok()?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenSSH {}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_sshd_prints() {
        let old = "unknown option -- V\nOpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15\nusage: …";
        assert_eq!(Version::find(old).unwrap().to_string(), "OpenSSH 9.2");
        let new = "OpenSSH_10.0p2, OpenSSL 3.5.1";
        assert_eq!(
            Version::find(new).unwrap(),
            Version {
                major: 10,
                minor: 0
            }
        );
        assert!(Version::find(new).unwrap() > Version::WITH_PENALTIES);
        assert_eq!(Version::find("dropbear 2022.83"), None);
        assert_eq!(Version::find("OpenSSH_x.y"), None);
    }

    #[test]
    fn the_key_may_do_nothing_but_the_forced_command() {
        let paths = Paths::new(Path::new("/tmp/it's here"));
        let line = paths.authorized_key("ssh-ed25519 AAAA lab\n");
        let expected = "restrict,command=\"/bin/sh '/tmp/it'\\''s here/power-off'\" \
                        ssh-ed25519 AAAA lab\n";
        assert_eq!(line, expected);
    }

    #[test]
    fn options_that_a_version_does_not_know_are_left_out() {
        let paths = Paths::new(Path::new("/tmp/lab"));
        let config = |minor| {
            let version = Version { major: 9, minor };
            paths.sshd_config("127.0.0.1:2222".parse().unwrap(), "root", version)
        };
        assert!(!config(2).contains("PerSourcePenalties"));
        assert!(config(8).contains("PerSourcePenalties no\n"));
        assert!(config(2).contains("ListenAddress 127.0.0.1:2222\n"));
    }
}
