//! Switching the backup NAS off, with a real `sshd` and a real `sudo`: the account that the kit makes
//! and what it cannot do, the check that switches nothing off, and everything that can go wrong.
//!
//! Nothing is powered off here: what the account may run is a program of the lab's that writes a file.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

mod account;
mod check;
mod commands;
mod hosts;
mod matrix;
mod nas;
mod wire;
