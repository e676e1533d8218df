//! PID 1 of the lab's namespaces.

use std::ffi::CString;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

use rustix::mount::{MountFlags, mount};
use rustix::process::{Pid, WaitOptions, wait};

use super::{SCRATCH_SIZE, mark, programs};

/// Variables that lead a client out of the lab, to a daemon of the machine.
const WAYS_OUT: [&str; 6] = [
    "DBUS_SESSION_BUS_ADDRESS",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "SSH_AUTH_SOCK",
    "XDG_RUNTIME_DIR",
];

/// Sets the lab up, runs the program in it, and ends with the program's exit code; with it ends
/// everything else inside.
pub(super) fn be_init() -> ! {
    let code = match run() {
        Ok(code) => code,
        Err(error) => {
            say(&format!("failed to set the lab up: {error}\n"));
            1
        }
    };
    std::process::exit(code)
}

/// Prints to standard error, past the test harness.
pub(super) fn say(text: &str) {
    // Nobody is left to be told of an error.
    let _ = io::stderr().write_all(text.as_bytes());
}

fn run() -> Result<i32, String> {
    if std::process::id() != 1 {
        return Err("this program is not PID 1 of its namespace".to_owned());
    }
    let scratch = mark::scratch().ok_or("no directory is named for its file system")?;
    // `/run` first: the directory might lie beneath it, and would not be found any more.
    mount_tmpfs(Path::new("/run"), "mode=755")?;
    // On some systems this is not a link to `/run`, and the machine's sockets are there.
    if fs::canonicalize("/var/run").is_ok_and(|path| path != Path::new("/run")) {
        mount_tmpfs(Path::new("/var/run"), "mode=755")?;
    }
    mount_tmpfs(&scratch, &format!("mode=755,size={SCRATCH_SIZE}"))?;
    bring_loopback_up()?;

    let program = std::env::current_exe()
        .map_err(|error| format!("failed to find the program itself: {error}"))?;
    let mut command = Command::new(&program);
    command
        .args(std::env::args_os().skip(1))
        .env("TMPDIR", &scratch)
        .env(mark::FOR_INSIDE.0, mark::FOR_INSIDE.1);
    for variable in WAYS_OUT {
        command.env_remove(variable);
    }
    let child = command
        .spawn()
        .map_err(|error| format!("failed to run {}: {error}", program.display()))?;
    collect_until(child.id())
}

fn mount_tmpfs(target: &Path, options: &str) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| {
        format!("failed to mount a tmpfs on {}: {error}", target.display())
    };
    let options = CString::new(options).map_err(|error| failed(&error))?;
    mount("tmpfs", target, "tmpfs", MountFlags::empty(), &*options).map_err(|error| failed(&error))
}

fn bring_loopback_up() -> Result<(), String> {
    let ip =
        programs::find_program("ip", "iproute2").map_err(|error| format!("failed to {error}"))?;
    let output = Command::new(ip)
        .args(["link", "set", "dev", "lo", "up"])
        .output()
        .map_err(|error| format!("failed to run ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("failed to bring lo up: {}", said.trim()))
}

/// Collects the children that end, until the program does: PID 1 inherits every orphan inside, and
/// a daemon that was killed would otherwise look alive for ever to those that check its PID.
fn collect_until(program: u32) -> Result<i32, String> {
    let program = i32::try_from(program).ok().and_then(Pid::from_raw);
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if Some(pid) == program => {
                let killed_by = status.terminating_signal().map(|signal| 128 + signal);
                return Ok(status.exit_status().or(killed_by).unwrap_or(1));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(format!("failed to wait for the program: {error}")),
        }
    }
}
