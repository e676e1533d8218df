//! The suite `fuzz`: answers of a NAS that nobody has thought of, for a minute.

use std::env;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cargo::cargo;
use crate::tool::{Tool, beside};
use crate::verdict::Verdict;

/// Pinned, as all tools.
const CARGO_FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
};

/// Where the targets are.
const PACKAGE: &str = "crates/truenas-client/fuzz";
const TARGET: &str = "wire";

/// How long each target is fuzzed.
const SECONDS: u32 = 60;

const NO_NIGHTLY: &str = "not fuzzed: there is no nightly toolchain";

/// Runs it, where there is a nightly toolchain: cargo-fuzz instruments code by flags that no other
/// has.
pub(crate) fn run() -> io::Result<Verdict> {
    if !has_nightly() {
        return Ok(Verdict::PassedExcept(NO_NIGHTLY));
    }
    // cargo-fuzz itself would bring the lock file up to date, and nobody would know.
    let is_locked = cargo()
        .args(["metadata", "--locked", "--format-version", "1"])
        .current_dir(PACKAGE)
        .stdout(Stdio::null())
        .status()?
        .success();
    if !is_locked {
        return Ok(Verdict::Failed);
    }
    let program = CARGO_FUZZ.get()?;
    // Kept between runs, in a folder of its own: instrumented, nothing of it is of other use.
    let target_dir = beside(env::var_os("CARGO_TARGET_DIR"), "fuzz");
    let corpus = target_dir.join("corpus").join(TARGET);
    std::fs::create_dir_all(&corpus)?;
    let target_dir = std::path::absolute(target_dir)?;
    let corpus = std::path::absolute(corpus)?;
    println!("$ cargo +nightly fuzz run {TARGET} -- -max_total_time={SECONDS}");
    let status = Command::new(program)
        .args(["fuzz", "run", TARGET, "--fuzz-dir", "."])
        .arg("--target-dir")
        .arg(&target_dir)
        .arg(&corpus)
        .arg(Path::new("seeds").join(TARGET))
        .arg("--")
        .arg(format!("-max_total_time={SECONDS}"))
        .args(["-timeout=10", "-verbosity=0", "-print_final_stats=1"])
        .current_dir(PACKAGE)
        // It calls cargo by its name, and that is to be the nightly one.
        .env("RUSTUP_TOOLCHAIN", "nightly")
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .status()?;
    Ok(if status.success() {
        Verdict::Passed
    } else {
        Verdict::Failed
    })
}

fn has_nightly() -> bool {
    Command::new("rustc")
        .arg("--version")
        .env("RUSTUP_TOOLCHAIN", "nightly")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
