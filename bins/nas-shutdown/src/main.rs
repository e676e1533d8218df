//! Switch the backup NAS off, if and only if that is safe: see `nas-shutdown --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    backup_window_cli::main::<backup_window_cli::NasShutdown>()
}
