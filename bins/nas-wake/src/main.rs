//! Wake the backup NAS and wait until it is ready: see `nas-wake --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    backup_window_cli::main::<backup_window_cli::NasWake>()
}
