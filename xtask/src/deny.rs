//! The suite `deny`: the dependencies, by cargo-deny and `deny.toml`.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::machine;
use crate::test::{Verdict, cargo};

/// Pinned: a new version may find new faults, on its own day.
const VERSION: &str = "0.20.2";

/// What cargo-deny says when it cannot get at the database of advisories.
const NO_DATABASE: &str = "failed to fetch advisory database";

/// Runs it, after installing cargo-deny where it is missing.
pub(crate) fn run() -> io::Result<Verdict> {
    let program = match installed() {
        Some(program) => program,
        None => install()?,
    };
    let tree = check(&program, &["licenses", "bans", "sources"])?;
    show(&tree);
    let advisories = check(&program, &["advisories"])?;
    let verdict = judge(tree.status.success(), &advisories);
    // An unreachable database is told in the table, in one line.
    if verdict != Verdict::PassedExcept(NOT_CHECKED) {
        show(&advisories);
    }
    Ok(verdict)
}

const NOT_CHECKED: &str = "advisories not checked: their database cannot be reached";

/// A database that cannot be fetched is no fault of the tree. Anything else is.
fn judge(tree_passed: bool, advisories: &Output) -> Verdict {
    let unreachable = String::from_utf8_lossy(&advisories.stderr).contains(NO_DATABASE);
    match (tree_passed, advisories.status.success()) {
        (true, true) => Verdict::Passed,
        (true, false) if unreachable => Verdict::PassedExcept(NOT_CHECKED),
        _ => Verdict::Failed,
    }
}

fn check(program: &Path, what: &[&str]) -> io::Result<Output> {
    println!("$ cargo deny check {}", what.join(" "));
    Command::new(program)
        .args(["--color", "never", "check"])
        .args(what)
        .output()
}

fn show(output: &Output) {
    print!("{}", String::from_utf8_lossy(&output.stdout));
    print!("{}", String::from_utf8_lossy(&output.stderr));
}

/// A cargo-deny of our version, our own or the user's.
fn installed() -> Option<PathBuf> {
    let ours = tools().join("bin/cargo-deny");
    [Some(ours), machine::find("cargo-deny")]
        .into_iter()
        .flatten()
        .find(|program| {
            let version = Command::new(program).arg("--version").output();
            version.is_ok_and(|output| {
                String::from_utf8_lossy(&output.stdout).trim() == format!("cargo-deny {VERSION}")
            })
        })
}

/// Builds it, which takes some minutes, once.
fn install() -> io::Result<PathBuf> {
    let tools = tools();
    let build = tools.join("build");
    println!(
        "$ cargo install cargo-deny --version {VERSION} --root {}",
        tools.display()
    );
    let status = cargo()
        .args([
            "install",
            "cargo-deny",
            "--locked",
            "--version",
            VERSION,
            "--root",
        ])
        .arg(&tools)
        .env("CARGO_TARGET_DIR", &build)
        .status()?;
    // Hundreds of megabytes that nobody needs again; they may also stay.
    let _ = std::fs::remove_dir_all(&build);
    if status.success() {
        Ok(tools.join("bin/cargo-deny"))
    } else {
        Err(io::Error::other(format!(
            "cargo install cargo-deny ended with {status}"
        )))
    }
}

/// Where our own tools live: with what is built, so that whoever keeps the one
/// between runs keeps the other.
fn tools() -> PathBuf {
    tools_beside(env::var_os("CARGO_TARGET_DIR"))
}

fn tools_beside(target_dir: Option<OsString>) -> PathBuf {
    match target_dir.map(PathBuf::from) {
        Some(target) => target.parent().unwrap_or(&target).join("tools"),
        None => PathBuf::from("target/tools"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    fn ended(status: i32, stderr: &str) -> Output {
        Output {
            status: ExitStatus::from_raw(status << 8),
            stdout: Vec::new(),
            stderr: stderr.into(),
        }
    }

    #[test]
    fn only_an_unreachable_database_is_forgiven() {
        let offline = ended(1, "[ERROR] failed to fetch advisory database https://…");
        assert_eq!(judge(true, &offline), Verdict::PassedExcept(NOT_CHECKED));
        assert_eq!(judge(false, &offline), Verdict::Failed);
        assert_eq!(
            judge(true, &ended(1, "error[vulnerability]: …")),
            Verdict::Failed
        );
        assert_eq!(judge(true, &ended(0, "")), Verdict::Passed);
        assert_eq!(judge(false, &ended(0, "")), Verdict::Failed);
    }

    #[test]
    fn tools_live_with_what_is_built() {
        assert_eq!(tools_beside(None), Path::new("target/tools"));
        let tools = tools_beside(Some("/var/cache/ci/target".into()));
        assert_eq!(tools, Path::new("/var/cache/ci/tools"));
    }
}
