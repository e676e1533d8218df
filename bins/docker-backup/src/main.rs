//! Back up Docker stacks with seconds of downtime: see `docker-backup --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    backup_window_cli::main::<backup_window_cli::DockerBackup>()
}
