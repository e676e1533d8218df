//! Calling cargo.

use std::env;
use std::process::Command;

/// The seed of the random tests, so that the same code gives the same verdict each time. Whoever
/// looks for more sets another, or lets `cargo test` choose one.
const SEED: (&str, &str) = ("PROPTEST_RNG_SEED", "20261123");

/// The cargo that runs this program, or the one of the `PATH`.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    if env::var_os(SEED.0).is_none() {
        cargo.env(SEED.0, SEED.1);
    }
    cargo
}
