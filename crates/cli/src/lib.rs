//! What the five binaries are made of: arguments, output, signals and exit codes.
//!
//! Each binary is one call of [`main`] with its [`Command`]. The commands themselves parse their
//! arguments, put the parts together, call the libraries, and show what came of it.

mod args;
mod command;
mod commands;
mod failure;
mod output;
mod progress;
mod session;
mod signals;
mod table;
mod tonight;

pub use command::{Command, main};
pub use commands::{BackupWindow, DockerBackup, NasReplication, NasShutdown, NasWake};
