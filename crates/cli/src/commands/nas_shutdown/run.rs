//! `nas-shutdown run`: guard, shutdown, confirmation.

use backup_window::clock::SystemClock;
use backup_window::exit::Exit;
use backup_window::night::{SwitchOff, no_backup_api, switch_off, would_switch_off};
use backup_window::setup;
use backup_window::step::StepEnd;
use clap::Args;
use truenas_client::TrueNas;

use crate::failure::Failure;
use crate::session::Session;
use crate::tonight;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Decide only, and say what would be done.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(session: &Session, args: &RunArgs) -> Result<Exit, Failure> {
    let config = session.config()?;
    let night = tonight::night(&config)?;
    let usage = |error: setup::SetupError| Failure::usage(&error);
    let primary = setup::primary_nas(&config).map_err(usage)?;
    let backup = setup::backup_nas(&config).map_err(usage)?;
    let shutdown = setup::shutdown(&config).map_err(usage)?;
    let (down, ready) = setup::confirmation(&config).map_err(usage)?;
    let state = session.state(Some(&config))?;
    let _lock = tonight::lock(&state, "nas-shutdown run")?;
    let woken = tonight::known(&state, &night)?.and_then(|known| known.found_off_and_woke());
    let clock = SystemClock;
    let parts = SwitchOff {
        clock: &clock,
        ready: ready.as_ref(),
        primary: Ok(&primary),
        backup: backup
            .as_ref()
            .map(|nas| nas as &dyn TrueNas)
            .ok_or_else(no_backup_api),
        shutdown: &shutdown,
        down: &down,
    };
    let records = if args.dry_run {
        would_switch_off(parts, woken, &shutdown.request()).await
    } else {
        let records = switch_off(parts, woken, false, session.cancelled()).await;
        for record in &records {
            tonight::remember(&state, &night, record)?;
        }
        records
    };
    let exit = session
        .output()
        .write_steps(&records, &tonight::time_zone(Some(&config)))?;
    let last = records
        .last()
        .map_or(StepEnd::NotReached, |record| record.end);
    Ok(left_up(last, exit))
}

/// Who asks for a NAS to be switched off that is left up was refused, even where leaving it up is
/// what a night wants.
fn left_up(end: StepEnd, exit: Exit) -> Exit {
    match end {
        StepEnd::NotNeeded => exit.worse(Exit::Refused),
        _ => exit,
    }
}
