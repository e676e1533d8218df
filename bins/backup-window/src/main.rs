//! The homelab's whole night as one supervised run: see `backup-window --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    backup_window_cli::main::<backup_window_cli::BackupWindow>()
}
