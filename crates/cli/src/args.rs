//! Arguments that every command takes.

use std::path::PathBuf;
use std::time::Duration;

use backup_window::config::{DEFAULT_CONFIG_FILE, parse_duration};
use clap::{ArgAction, Args};

/// What the exit codes mean; shown at the end of every `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done, with evidence
  1  failed
  2  bad usage or configuration
  3  a deadline passed
  4  refused, because it would not have been safe
  5  another run holds the lock
  6  done, but something needs attention
  129, 130, 143  ended by a signal, after everything was started again";

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The configuration file.
    #[arg(long, global = true, value_name = "FILE", env = "BACKUP_WINDOW_CONFIG", default_value = DEFAULT_CONFIG_FILE)]
    pub config: PathBuf,

    /// Where the state is kept: the journal, the lock and the history. Overrides the configuration.
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "BACKUP_WINDOW_STATE_DIR"
    )]
    pub state_dir: Option<PathBuf>,

    /// Where systemd puts the credentials of a service; only systemd says that.
    #[arg(long, global = true, hide = true, env = "CREDENTIALS_DIRECTORY")]
    pub credentials_directory: Option<PathBuf>,

    /// Print one JSON document on standard output instead of text.
    #[arg(long, global = true)]
    pub json: bool,

    /// Say more on standard error; twice for everything.
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Say nothing on standard error but errors.
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// Reads a duration argument.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text)
}
