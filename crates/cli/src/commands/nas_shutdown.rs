//! `nas-shutdown`: switch the backup NAS off, if and only if that is safe.

use backup_window::clock::SystemClock;
use backup_window::exit::Exit;
use backup_window::night::{SwitchOff, no_backup_api, switch_off};
use backup_window::setup;
use backup_window::step::{StepEnd, guard};
use clap::{Args, Parser, Subcommand};
use truenas_client::TrueNas;

use crate::args::{EXIT_CODES, Global};
use crate::command::Command;
use crate::failure::Failure;
use crate::session::Session;
use crate::tonight;

/// Switch the backup NAS off, if and only if that is safe.
///
/// It is switched off only if this night woke it, no replication runs or waits, no scrub or resilver
/// runs, and all of that is known. Otherwise it stays on, and the exit code is 4. There is no option
/// that skips this guard.
#[derive(Debug, Parser)]
#[command(name = "nas-shutdown", version, after_help = EXIT_CODES)]
pub struct NasShutdown {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    global: Global,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Decide whether it is safe, switch the NAS off, and make sure that it is off.
    Run(RunArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Decide only, and say what would be done.
    #[arg(long)]
    dry_run: bool,
}

impl Command for NasShutdown {
    fn global(&self) -> &Global {
        &self.global
    }

    async fn run(self, session: Session) -> Result<Exit, Failure> {
        let Action::Run(args) = self.action;
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
        let backup = backup
            .as_ref()
            .map(|nas| nas as &dyn TrueNas)
            .ok_or_else(no_backup_api);
        let time_zone = tonight::time_zone(Some(&config));
        if args.dry_run {
            let record = guard::run(&clock, woken, false, Ok(&primary), backup).await;
            let exit = session
                .output()
                .write_steps(std::slice::from_ref(&record), &time_zone)?;
            return Ok(left_up(record.end, exit));
        }
        let parts = SwitchOff {
            clock: &clock,
            ready: ready.as_ref(),
            primary: Ok(&primary),
            backup,
            shutdown: shutdown.as_ref(),
            down: &down,
        };
        let records = switch_off(parts, woken, false, session.cancelled()).await;
        for record in &records {
            tonight::remember(&state, &night, record)?;
        }
        let exit = session.output().write_steps(&records, &time_zone)?;
        let last = records
            .last()
            .map_or(StepEnd::NotReached, |record| record.end);
        Ok(left_up(last, exit))
    }
}

/// Who asks for a NAS to be switched off that is left up was refused, even where leaving it up is
/// what a night wants.
fn left_up(end: StepEnd, exit: Exit) -> Exit {
    match end {
        StepEnd::NotNeeded => exit.worse(Exit::Refused),
        _ => exit,
    }
}
