//! `nas-replication`, the real binary, against two simulated TrueNAS of each version.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

mod house;
mod status;
mod trust;
mod waiting;
