//! The programs of the machine that the lab uses.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A program that the lab needs is not on this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("find {program:?} (Debian: apt-get install {package})")]
pub struct MissingProgram {
    /// Its name.
    pub program: &'static str,
    /// The Debian package that has it.
    pub package: &'static str,
}

/// Finds a program as a shell would, and in the directories for administrators, which are not
/// always in a user's `PATH`.
pub(crate) fn find_program(
    program: &'static str,
    package: &'static str,
) -> Result<PathBuf, MissingProgram> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
        .ok_or(MissingProgram { program, package })
}

/// What making namespaces takes.
#[derive(Debug)]
pub(super) struct Tools {
    setpriv: PathBuf,
    unshare: PathBuf,
}

impl Tools {
    /// Everything found and tried out, or why it cannot be had.
    pub(super) fn ready() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("namespaces are made by root only".to_owned());
        }
        let find = |program, package| {
            find_program(program, package).map_err(|error| format!("failed to {error}"))
        };
        // Used inside; better missed now.
        find("ip", "iproute2")?;
        let tools = Self {
            setpriv: find("setpriv", "util-linux")?,
            unshare: find("unshare", "util-linux")?,
        };
        tools.try_out()?;
        Ok(tools)
    }

    /// Root of a container often may not make namespaces.
    fn try_out(&self) -> Result<(), String> {
        let output = self
            .unshare_command()
            .arg("true")
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("failed to run unshare: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("unshare fails: {}", said.trim()))
    }

    /// The beginning of a command line that runs a program in namespaces of its own.
    ///
    /// The kernel kills `unshare` when the *thread* that starts it ends (`setpriv --pdeathsig`), and
    /// all inside when `unshare` is killed (`--kill-child`).
    pub(super) fn unshare_command(&self) -> Command {
        let mut command = Command::new(&self.setpriv);
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&self.unshare)
            .args(["--mount", "--net", "--pid", "--fork"])
            .args(["--kill-child", "--mount-proc", "--"]);
        command
    }
}
