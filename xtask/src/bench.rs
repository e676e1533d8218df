//! `cargo xtask bench`: what takes more than `cargo bench` to be measured.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Subcommand;

use crate::cargo::cargo;
use crate::machine;
use crate::suite::FOR_THE_BENCH;

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Request {
    /// How long services are down, with this and with other tools: takes minutes, and 30 GB of disk.
    ///
    /// As root, as it makes a Docker engine of its own. Prints a table, and leaves nothing behind.
    #[command(disable_help_flag = true)]
    Downtime {
        /// Options of the benchmark; `--help` shows them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// Measures.
pub(crate) fn run(request: &Request) -> ExitCode {
    let Request::Downtime { arguments } = request;
    match downtime(arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("failed to measure: {error}");
            ExitCode::FAILURE
        }
    }
}

fn downtime(arguments: &[OsString]) -> io::Result<bool> {
    install()?;
    // What is measured is built as it is released, and what measures as the tests are: that is
    // there already, mostly.
    for build in [
        "build --locked --release --package docker-backup",
        "build --locked --workspace --bins",
    ] {
        println!("$ cargo {build}");
        let status = cargo().args(build.split_whitespace()).status()?;
        if !status.success() {
            return Ok(false);
        }
    }
    let target = target_folder()?;
    let scratch = Scratch::new(&target)?;
    let status = Command::new(target.join("debug/downtime"))
        .arg("--program")
        .arg(target.join("release/docker-backup"))
        .arg("--dir")
        .arg(&scratch.0)
        .args(arguments)
        .status()?;
    Ok(status.success())
}

fn install() -> io::Result<()> {
    let lacking = || {
        let needs = FOR_THE_BENCH.iter();
        let lacking = needs.filter(|need| machine::is_missing(need));
        let mut packages: Vec<_> = lacking.map(|need| need.package).collect();
        packages.dedup();
        packages
    };
    let packages = lacking();
    if packages.is_empty() {
        return Ok(());
    }
    if machine::look().can_install {
        machine::install(&packages)?;
    }
    let packages = lacking();
    if packages.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "install {} first",
        packages.join(" ")
    )))
}

/// Where cargo builds: this program lies in `TARGET/debug`.
fn target_folder() -> io::Result<PathBuf> {
    let own = env::current_exe()?;
    let target = own.parent().and_then(Path::parent);
    target
        .map(Path::to_owned)
        .ok_or_else(|| io::Error::other(format!("{} is not in a target folder", own.display())))
}

/// A folder on a disk, removed with all that is in it.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new(target: &Path) -> io::Result<Self> {
        let folder = target.join(format!("bench-downtime-{}", std::process::id()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            println!("{} is left behind: {error}", self.0.display());
        }
    }
}
