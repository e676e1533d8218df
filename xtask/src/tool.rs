//! Cargo's subcommands that the suites use, each of one version.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::cargo::cargo;
use crate::machine;

/// A subcommand of cargo, by the name of its package and program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

impl Tool {
    /// The program, built first where this machine has none of this version.
    pub(crate) fn get(self) -> io::Result<PathBuf> {
        match self.installed() {
            Some(program) => Ok(program),
            None => self.install(),
        }
    }

    /// One of our version, our own or the user's.
    fn installed(self) -> Option<PathBuf> {
        let Self { name, version } = self;
        let ours = tools().join("bin").join(name);
        [Some(ours), machine::find(name)]
            .into_iter()
            .flatten()
            .find(|program| {
                let output = Command::new(program).arg("--version").output();
                output.is_ok_and(|output| {
                    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                    said == format!("{name} {version}")
                })
            })
    }

    /// Builds it, which takes some minutes, once.
    fn install(self) -> io::Result<PathBuf> {
        let Self { name, version } = self;
        let tools = tools();
        let build = tools.join("build");
        println!(
            "$ cargo install {name} --version {version} --root {}",
            tools.display()
        );
        let status = cargo()
            .args(["install", name, "--locked", "--version", version, "--root"])
            .arg(&tools)
            .env("CARGO_TARGET_DIR", &build)
            .status()?;
        // Hundreds of megabytes that nobody needs again; they may also stay.
        let _ = std::fs::remove_dir_all(&build);
        if status.success() {
            Ok(tools.join("bin").join(name))
        } else {
            Err(io::Error::other(format!(
                "cargo install {name} ended with {status}"
            )))
        }
    }
}

/// Where our own tools live: with what is built, so that whoever keeps the one
/// between runs keeps the other.
fn tools() -> PathBuf {
    beside(env::var_os("CARGO_TARGET_DIR"), "tools")
}

/// A folder of ours that is kept with what is built.
pub(crate) fn beside(target_dir: Option<OsString>, folder: &str) -> PathBuf {
    match target_dir.map(PathBuf::from) {
        Some(target) => target.parent().unwrap_or(&target).join(folder),
        None => PathBuf::from("target").join(folder),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn tools_live_with_what_is_built() {
        assert_eq!(beside(None, "tools"), Path::new("target/tools"));
        let tools = beside(Some("/var/cache/ci/target".into()), "tools");
        assert_eq!(tools, Path::new("/var/cache/ci/tools"));
    }
}
