//! `backup-window`: the whole night as one supervised run.

mod check;
mod dry_run;
mod history;
mod init;

use ::backup_window::clock::SystemClock;
use ::backup_window::config::Config;
use ::backup_window::exit::Exit;
use ::backup_window::night::{self, Homelab, NightOptions};
use ::backup_window::setup::{self, ConfiguredHost, SetupError};
use ::backup_window::state::StateDir;
use ::backup_window::step::stacks::Permission;
use clap::{Args, Parser, Subcommand};
use jiff::civil::Date;
use wol::LanWaker;

use super::docker_backup::{self, Watcher};
use crate::args::{EXIT_CODES, Global};
use crate::command::Command;
use crate::failure::Failure;
use crate::session::Session;
use crate::tonight;

/// Keep a homelab's night safe: wake the backup NAS, back up the Docker stacks, wait for the
/// replication, prove it, and switch the NAS off again.
///
/// One supervised run that acts on evidence instead of the clock. Its steps are also there one by
/// one: nas-wake, docker-backup, nas-replication and nas-shutdown.
#[derive(Debug, Parser)]
#[command(name = "backup-window", version, after_help = EXIT_CODES)]
pub struct BackupWindow {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    global: Global,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run the night.
    Run(RunArgs),
    /// Check the configuration and all that it names, without stopping, waking or writing anything.
    Check,
    /// Write a configuration to start from, with what this machine can find out.
    Init(init::InitArgs),
    /// Show what happened in earlier nights.
    History {
        /// The night, by the date on which it began [default: a line for each].
        date: Option<Date>,
    },
    /// Start what a run that was killed left stopped.
    Recover,
    /// Watch a run, and start what it stopped if it is killed. Runs start this by themselves.
    #[command(hide = true)]
    Watch,
    /// Write what a drill wants, confined to its target. Drills start this by themselves.
    #[command(hide = true)]
    RestoreWorker,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Run now, also outside the window.
    #[arg(long)]
    now: bool,

    /// Show what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,

    /// Leave the backup NAS on at the end.
    #[arg(long)]
    keep_up: bool,
}

impl Command for BackupWindow {
    fn global(&self) -> &Global {
        &self.global
    }

    fn alone(&self) -> bool {
        matches!(self.action, Action::RestoreWorker)
    }

    async fn run(self, session: Session) -> Result<Exit, Failure> {
        match self.action {
            Action::Run(args) if args.dry_run => dry_run::run(&session, &args).await,
            Action::Run(args) => run(&session, &args).await,
            Action::Check => check::run(&session).await,
            Action::Init(args) => init::run(&session, args).await,
            Action::History { date } => history::run(&session, date),
            Action::Recover => docker_backup::recover(&session).await,
            Action::Watch => docker_backup::watch(&session).await,
            Action::RestoreWorker => docker_backup::restore_worker(&session).await,
        }
    }
}

async fn run(session: &Session, args: &RunArgs) -> Result<Exit, Failure> {
    let config = session.config()?;
    let night = tonight::night(&config)?;
    let state = session.state(Some(&config))?;
    let (homelab, options) =
        put_together(session, &config, &state, args).map_err(|error| Failure::usage(&error))?;
    let _lock = tonight::lock(&state, "backup-window run")?;
    docker_backup::undo_leftovers(&state).await?;
    let watcher = Watcher::start(session, &state).await?;
    let report = night::run(
        &homelab,
        &options,
        night,
        &state.history(),
        session.cancelled(),
    )
    .await;
    watcher.done().await;
    let mut report = report.map_err(|error| Failure::failed(&error))?;
    // The repository is on the NAS that is always on, so the other need not wait for this.
    if let Some(record) = docker_backup::nightly_drill(session, &config, &state, &night).await? {
        report.append(record);
    }
    let time_zone = tonight::time_zone(Some(&config));
    session
        .output()
        .write(&report, || report.render(&time_zone))?;
    Ok(report.exit)
}

/// Puts everything together before anything is done, so that a mistake in the configuration ends
/// the run before it has begun.
fn put_together(
    session: &Session,
    config: &Config,
    state: &StateDir,
    args: &RunArgs,
) -> Result<(Homelab, NightOptions), SetupError> {
    let (wake, ready) = setup::wake(config)?;
    let (down, _) = setup::confirmation(config)?;
    let permission = if args.now {
        Permission::Now
    } else {
        Permission::WithinWindow
    };
    let homelab = Homelab {
        clock: Box::new(SystemClock),
        waker: Box::new(LanWaker),
        ready,
        docker_host: Box::new(session.docker_host(config, state)?),
        primary: Box::new(setup::primary_nas(config)?),
        backup: setup::backup_nas(config)?
            .map(|nas| Box::new(nas) as Box<dyn truenas_client::TrueNas>),
        shutdown: Box::new(setup::shutdown(config)?),
    };
    let mut replication = setup::replication(config)?;
    replication.progress = session.replication_progress();
    let options = NightOptions {
        wake,
        stacks: ConfiguredHost::options(config, Vec::new(), permission),
        replication,
        upkeep: Some(setup::upkeep(config, state)?),
        down,
        keep_up: args.keep_up,
    };
    Ok((homelab, options))
}
