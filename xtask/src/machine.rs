//! This machine: which programs it has, and installing those it lacks.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::plan::Machine;
use crate::suite::{Need, NeedKind, Suite};

/// Where system programs lie that the `PATH` of an ordinary user leaves out.
const SYSTEM_DIRS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Debian asks this program before it starts a service of a new package.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Looks for everything that any suite needs.
pub(crate) fn look() -> Machine {
    let needs = Suite::ALL.into_iter().flat_map(Suite::needs).copied();
    Machine {
        missing: needs.filter(|need| !is_met(need)).collect(),
        can_install: is_root() && find("apt-get").is_some(),
    }
}

fn is_met(need: &Need) -> bool {
    match need.kind {
        NeedKind::Program => find(need.name).is_some(),
        NeedKind::Library => Command::new("pkg-config")
            .args(["--exists", need.name])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success()),
    }
}

/// Whether the machine lacks something.
pub(crate) fn is_missing(need: &Need) -> bool {
    !is_met(need)
}

/// The full path of a program.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    find_in(&env::var_os("PATH").unwrap_or_default(), program)
}

fn find_in(path: &OsStr, program: &str) -> Option<PathBuf> {
    env::split_paths(path)
        .chain(SYSTEM_DIRS.iter().map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0)
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}

/// Installs Debian packages, without starting their services: the lab starts
/// its own, in namespaces of its own.
pub(crate) fn install(packages: &[&str]) -> io::Result<()> {
    let _policy = NoServices::declare()?;
    apt_get(&["update"])?;
    let options = ["install", "--yes", "--no-install-recommends"];
    apt_get(&[&options[..], packages].concat())
}

fn apt_get(args: &[&str]) -> io::Result<()> {
    println!("$ apt-get {}", args.join(" "));
    let status = Command::new("apt-get")
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "apt-get {} ended with {status}",
            args.join(" ")
        )))
    }
}

/// Keeps new services from being started while it lives. A policy that the
/// machine has already is its owner's, and stays.
#[derive(Debug)]
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn declare() -> io::Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { ours: false });
        }
        fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
        let policy = Self { ours: true };
        fs::set_permissions(POLICY, Permissions::from_mode(0o755))?;
        Ok(policy)
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = fs::remove_file(POLICY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_beside_the_path_too() {
        let shell = find_in(OsStr::new("/bin:/usr/bin"), "sh").unwrap();
        assert!(shell.is_absolute());
        assert_eq!(find_in(OsStr::new(""), "no-such-program"), None);
        // A directory is no program.
        assert_eq!(find_in(OsStr::new("/"), "usr"), None);
    }

    #[test]
    fn what_is_missing_is_something_that_a_suite_needs() {
        let known: Vec<Need> = Suite::ALL
            .into_iter()
            .flat_map(Suite::needs)
            .copied()
            .collect();
        assert!(look().missing.iter().all(|need| known.contains(need)));
    }
}
