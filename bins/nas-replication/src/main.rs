//! Wait for TrueNAS replication, and judge it by what arrived: see `nas-replication --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    backup_window_cli::main::<backup_window_cli::NasReplication>()
}
