//! The night that it is: its window, its lock, and what is known of it.

use backup_window::clock::{Clock as _, SystemClock};
use backup_window::config::Config;
use backup_window::exit::Exit;
use backup_window::history::NightHistory;
use backup_window::lock::{LockError, RunLock};
use backup_window::state::StateDir;
use backup_window::step::StepRecord;
use backup_window::window::Night;
use jiff::tz::TimeZone;

use crate::failure::Failure;

/// The night that it is.
pub(crate) fn night(config: &Config) -> Result<Night, Failure> {
    config
        .window()
        .map_err(|error| Failure::usage(&error))?
        .night_at(SystemClock.now())
        .map_err(|error| Failure::failed(&error))
}

/// The time zone in which times of day are shown.
pub(crate) fn time_zone(config: Option<&Config>) -> TimeZone {
    config
        .and_then(|config| config.window().ok())
        .map_or(TimeZone::UTC, |window| window.time_zone.clone())
}

/// Takes the lock of runs that may stop stacks or switch the NAS off (I7).
pub(crate) fn lock(state: &StateDir, command: &str) -> Result<RunLock, Failure> {
    RunLock::take(&state.lock(), command, SystemClock.now()).map_err(|error| {
        let exit = match error {
            LockError::Held { .. } => Exit::Locked,
            _ => Exit::Failed,
        };
        Failure::new(exit, &error)
    })
}

/// Writes a step's record into the history of the night.
pub(crate) fn remember(
    state: &StateDir,
    night: &Night,
    record: &StepRecord,
) -> Result<(), Failure> {
    state
        .history()
        .append(night, record)
        .map_err(|error| Failure::failed(&error))
}

/// What is known of the night so far.
pub(crate) fn known(state: &StateDir, night: &Night) -> Result<Option<NightHistory>, Failure> {
    state
        .history()
        .read(night.date)
        .map_err(|error| Failure::failed(&error))
}

/// Writes the record of a recovery into the history, where the configuration says what a night is.
pub(crate) fn remember_recovery(state: &StateDir, config: &Config, record: &StepRecord) {
    let remembered = night(config).and_then(|night| remember(state, &night, record));
    if let Err(error) = remembered {
        tracing::warn!("the recovery is not in the history: {error}");
    }
}
