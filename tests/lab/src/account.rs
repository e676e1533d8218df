//! A machine for accounts: an `/etc` of its own, with accounts and sudo rules that the real `sshd`
//! and the real `sudo` go by, and nothing of which reaches the machine that the lab runs on.
//!
//! Only inside the lab's namespaces: a copy of `/etc` is mounted over it there, and empty file
//! systems over where programs that make accounts write besides.

use std::ffi::CString;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::mount::{MountFlags, mount, mount_bind};

use crate::isolation::{self, Isolation};
use crate::ssh_server::SshServerError;
use crate::sshd::{choose, generate_key_of, kill_tree, spawn, wait_until_listening};

/// Where programs write that make accounts, or that accounts use.
const EMPTIED: [&str; 4] = ["/home", "/var/mail", "/var/log", "/var/lib/sudo"];

/// The machine's own files for accounts, in the lab's mount namespace alone.
#[derive(Debug)]
pub struct AccountHost {
    dir: PathBuf,
}

/// Why there is none, or why something on it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The program is not inside the lab's namespaces: the machine's own files would be changed.
    #[error("have an /etc of the lab's own: {why}")]
    NotIsolated {
        /// What is missing.
        why: String,
    },
    /// A file or a mount could not be made.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A program failed.
    #[error("run {program}: {said}")]
    Program {
        /// The command line.
        program: String,
        /// What it said.
        said: String,
    },
}

fn failed(doing: impl Into<String>) -> impl FnOnce(io::Error) -> AccountError {
    let doing = doing.into();
    move |source| AccountError::Io { doing, source }
}

impl AccountHost {
    /// Gives the lab an `/etc` of its own. To be called once, inside.
    ///
    /// # Errors
    ///
    /// See [`AccountError`].
    pub fn begin(dir: &Path) -> Result<Self, AccountError> {
        if let Isolation::None { why } = isolation::current() {
            return Err(AccountError::NotIsolated { why });
        }
        let etc = dir.join("etc");
        run(Command::new("cp").args(["-a", "/etc"]).arg(&etc))?;
        mount_bind(&etc, "/etc").map_err(|error| failed("mount an /etc")(error.into()))?;
        for place in EMPTIED {
            if Path::new(place).is_dir() {
                let options = CString::from(c"mode=755");
                mount("tmpfs", place, "tmpfs", MountFlags::empty(), &*options)
                    .map_err(|error| failed(format!("empty {place}"))(error.into()))?;
            }
        }
        // Where sshd locks its unprivileged part in; the lab's /run is empty.
        fs::create_dir_all("/run/sshd").map_err(failed("make /run/sshd"))?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    /// Writes a file as its installer would: root's or an account's, with this mode.
    ///
    /// # Errors
    ///
    /// See [`AccountError`].
    pub fn install(
        &self,
        path: &Path,
        owner: &str,
        mode: u32,
        content: &str,
    ) -> Result<(), AccountError> {
        if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
            fs::create_dir_all(parent).map_err(failed(format!("make {}", parent.display())))?;
            run(Command::new("chown").arg(owner).arg(parent))?;
            if owner != "root" {
                fs::set_permissions(parent, Permissions::from_mode(0o700))
                    .map_err(failed("keep others out of it"))?;
            }
        }
        let doing = || format!("write {}", path.display());
        let _ = fs::remove_file(path);
        fs::write(path, content).map_err(failed(doing()))?;
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed(doing()))?;
        run(Command::new("chown").arg(owner).arg(path))?;
        Ok(())
    }

    /// Runs a command line of a person at this machine.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn shell(&self, line: &str) -> Result<String, AccountError> {
        let output = run(Command::new("/bin/sh").args(["-c", line]))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What comes of a command that somebody runs who got hold of the account.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn as_account(&self, user: &str, arguments: &[&str]) -> Result<Output, AccountError> {
        let ids = |flag| self.shell(&format!("id {flag} {user}"));
        let (uid, gid) = (ids("-u")?, ids("-g")?);
        Command::new("setpriv")
            .args(["--reuid", uid.trim(), "--regid", gid.trim()])
            .args(["--init-groups", "--reset-env", "--"])
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .map_err(failed("run setpriv"))
    }

    /// Starts an `sshd` that lets everybody in whom this machine's files let in, with a host key of
    /// each of these types (`ed25519`, `ecdsa`, `rsa`). Nothing is forbidden in its configuration
    /// that a key may forbid.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn sshd(&self, name: &str, types: &[&str]) -> Result<AccountSshd, SshServerError> {
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir).map_err(SshServerError::io("make a folder for sshd"))?;
        let wanted = SocketAddr::from(([127, 0, 0, 1], 0));
        let address = choose(wanted).map_err(SshServerError::io("choose a port"))?;
        let mut config = format!(
            "ListenAddress {address}\nPidFile none\nUsePAM no\nUseDNS no\nPrintMotd no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             LogLevel DEBUG1\nMaxStartups 100\nSubsystem sftp internal-sftp\n"
        );
        for key_type in types {
            let key = dir.join(format!("host_{key_type}"));
            generate_key_of(&key, key_type)?;
            let _ = writeln!(config, "HostKey {}", key.display());
        }
        let file = dir.join("sshd_config");
        fs::write(&file, config).map_err(SshServerError::io("write the files of sshd"))?;
        let log = dir.join("sshd.log");
        let mut child = spawn(&file).map_err(SshServerError::io("start sshd"))?;
        if let Err(log) = wait_until_listening(&mut child, &log) {
            kill_tree(&mut child);
            return Err(SshServerError::DidNotStart { log });
        }
        Ok(AccountSshd {
            child,
            address,
            dir,
            log,
        })
    }
}

/// A running `sshd`; it ends when dropped.
#[derive(Debug)]
pub struct AccountSshd {
    child: Child,
    address: SocketAddr,
    dir: PathBuf,
    log: PathBuf,
}

impl AccountSshd {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The public half of its host key of this type, without a comment.
    ///
    /// # Errors
    ///
    /// When it has none.
    pub fn host_key(&self, key_type: &str) -> io::Result<String> {
        let file = self.dir.join(format!("host_{key_type}.pub"));
        let text = fs::read_to_string(file)?;
        let words: Vec<&str> = text.split_whitespace().take(2).collect();
        Ok(words.join(" "))
    }

    /// What it wrote down so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for AccountSshd {
    fn drop(&mut self) {
        kill_tree(&mut self.child);
    }
}

fn run(command: &mut Command) -> Result<Output, AccountError> {
    let program = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(failed(program.clone()))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(AccountError::Program { program, said })
}
