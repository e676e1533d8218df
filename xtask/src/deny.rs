//! The suite `deny`: the dependencies, by cargo-deny and `deny.toml`.

use std::io;
use std::path::Path;
use std::process::{Command, Output};

use crate::tool::Tool;
use crate::verdict::Verdict;

/// Pinned: a new version may find new faults, on its own day.
const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
};

/// What cargo-deny says when it cannot get at the database of advisories.
const NO_DATABASE: &str = "failed to fetch advisory database";

/// Runs it, after installing cargo-deny where it is missing.
pub(crate) fn run() -> io::Result<Verdict> {
    let program = CARGO_DENY.get()?;
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
}
