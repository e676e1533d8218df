//! The project's own commands. `cargo xtask test` checks everything that can
//! be checked on this machine, and installs what that takes where it may;
//! `cargo xtask bench` measures.

#![expect(
    clippy::print_stdout,
    reason = "what this program prints is what it is for"
)]

mod bench;
mod cargo;
mod deny;
mod fuzz;
mod machine;
mod plan;
mod suite;
mod test;
mod tool;
mod verdict;

use std::process::ExitCode;

use clap::Parser;

use crate::plan::Request;

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Cli {
    /// Runs the test suites: fmt, clippy, deny, unit, doc, lab, end-to-end,
    /// guest, fuzz.
    ///
    /// Programs that a suite needs are installed when this runs as root on a
    /// Debian machine; their services are not started. Otherwise a suite whose
    /// programs are missing fails, unless `--without` names it.
    Test(Request),
    /// Measures, beside other tools.
    #[command(subcommand)]
    Bench(bench::Request),
}

fn main() -> ExitCode {
    match Cli::parse() {
        Cli::Test(request) => test::run(&request),
        Cli::Bench(request) => bench::run(&request),
    }
}
