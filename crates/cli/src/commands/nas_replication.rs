//! `nas-replication`: look at TrueNAS's replication, and wait for it.

mod since;
mod status;
mod trust;

use std::time::Duration;

use backup_window::clock::{Clock as _, SystemClock};
use backup_window::exit::Exit;
use backup_window::setup;
use backup_window::step::replicate::{self, ReplicateOptions};
use backup_window::step::{StepEnd, prove};
use clap::{Args, Parser, Subcommand};
use truenas_client::TrueNas;
use url::Url;

use crate::args::{EXIT_CODES, Global, duration};
use crate::command::Command;
use crate::failure::Failure;
use crate::session::Session;
use crate::tonight;

/// Look at TrueNAS's replication tasks, and wait for them.
///
/// A replication is judged by the snapshot that arrived, not by the word FINISHED: TrueNAS says
/// FINISHED as well when it had nothing to send, and after a restart it shows yesterday's.
#[derive(Debug, Parser)]
#[command(name = "nas-replication", version, after_help = EXIT_CODES)]
pub struct NasReplication {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    global: Global,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what the replication tasks and snapshot tasks of every configured NAS are worth, its
    /// alerts, and the health of its pools.
    Status,
    /// Wait until the configured tasks have brought over a snapshot that is new enough, and find it
    /// on both NAS.
    Wait(WaitArgs),
    /// Show a NAS's certificate, and its fingerprint for the configuration.
    Trust {
        /// The NAS, as `https://HOST`.
        url: Url,
    },
}

#[derive(Debug, Args)]
struct WaitArgs {
    /// The snapshot must have been taken after this: a time of tonight such as 03:00, or a timestamp
    /// such as 2026-11-23T03:00:00+01:00 [default: the end of tonight's docker-backup].
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// How long to wait at most [default: until the window closes].
    #[arg(long, value_parser = duration)]
    deadline: Option<Duration>,

    /// Run the snapshot tasks that the replication is bound to, and then the replication, rather than
    /// wait for their time [default: as the configuration says].
    #[arg(long)]
    trigger: bool,
}

impl Command for NasReplication {
    fn global(&self) -> &Global {
        &self.global
    }

    async fn run(self, session: Session) -> Result<Exit, Failure> {
        match self.action {
            Action::Status => status::run(&session).await,
            Action::Wait(args) => wait(&session, args).await,
            Action::Trust { url } => trust::run(&session, url).await,
        }
    }
}

async fn wait(session: &Session, args: WaitArgs) -> Result<Exit, Failure> {
    let config = session.config()?;
    let night = tonight::night(&config)?;
    let usage = |error: setup::SetupError| Failure::usage(&error);
    let primary = setup::primary_nas(&config).map_err(usage)?;
    let backup = match config.backup_nas() {
        Ok(_) => setup::backup_nas(&config).map_err(usage)?,
        Err(_) => None,
    };
    let mut replication = setup::replication(&config).map_err(usage)?;
    replication.trigger |= args.trigger;
    replication.progress = session.replication_progress();
    let state = session.state(Some(&config))?;
    let since = match &args.since {
        Some(text) => since::parse(text, &night, &tonight::time_zone(Some(&config)))?,
        None => tonight::known(&state, &night)?
            .and_then(|known| known.backup_ended())
            .ok_or_else(|| {
                Failure::text(
                    Exit::Usage,
                    "no docker-backup has ended tonight: expected --since, to say from when on a \
                     snapshot counts",
                )
            })?,
    };
    let clock = SystemClock;
    let options = ReplicateOptions {
        replication,
        since,
        deadline: args
            .deadline
            .unwrap_or_else(|| night.time_left(clock.now())),
    };
    let replicated = replicate::run(&clock, &primary, &options, session.cancelled()).await;
    let arrived = matches!(replicated.end, StepEnd::Done | StepEnd::Attention);
    let mut records = vec![replicated];
    if arrived {
        let backup = backup.as_ref().map(|nas| nas as &dyn TrueNas);
        let tasks = &options.replication.tasks;
        records.push(prove::run(&clock, &primary, backup, tasks, since).await);
    }
    for record in &records {
        tonight::remember(&state, &night, record)?;
    }
    session
        .output()
        .write_steps(&records, &tonight::time_zone(Some(&config)))
}
