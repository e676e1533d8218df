//! `docker-backup`: back up Docker stacks, and get them back.

mod drill;
mod export;
mod leftovers;
mod recover;
mod repository;
mod restore;
mod retain;
mod run;
mod show_plan;
mod watch;

use std::path::PathBuf;

use backup_window::exit::Exit;
use clap::{Args, Parser, Subcommand};

use crate::args::{EXIT_CODES, Global};
use crate::command::Command;
use crate::failure::Failure;
use crate::session::Session;

pub(super) use drill::nightly as nightly_drill;
pub(crate) use leftovers::undo_leftovers;
pub(super) use recover::recover;
pub(super) use restore::work as restore_worker;
pub(super) use show_plan::{
    Reads, connected as connected_engine, describe as describe_plan, reads as reads_of_plan,
};
pub(super) use watch::{Watcher, watch};

/// Back up Docker stacks, and get them back.
///
/// Stacks are found by themselves: Compose projects, and containers that belong to none. They are
/// stopped group by group, saved into an encrypted repository in restic's format on the NAS, and
/// started again, whatever happens in between.
#[derive(Debug, Parser)]
#[command(name = "docker-backup", version, after_help = EXIT_CODES)]
pub struct DockerBackup {
    #[command(subcommand)]
    action: Action,

    #[command(flatten)]
    global: Global,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create the repository, and its password where there is none yet.
    Init,
    /// Show what would be stopped and copied, and why, without touching anything.
    Plan(Stacks),
    /// Back up the stacks.
    Run(RunArgs),
    /// List what is in the repository.
    Snapshots {
        /// Only the snapshots of this stack.
        stack: Option<String>,
    },
    /// Bring a stack's data back: in place, or into a directory.
    ///
    /// In place, the data is written beside what is there and checked, the stack is stopped, what is
    /// there is saved as a snapshot of its own, the two are swapped, and the stack is started again.
    /// If anything fails on the way, everything is as it was before.
    Restore(RestoreArgs),
    /// Write a snapshot into a tar archive, compressed with zstd, that GNU tar can extract.
    Export(ExportArgs),
    /// Try out what was saved of a stack: restore it into volumes of its own, start copies of its
    /// containers on them, check them, and take everything away again.
    #[command(after_help = DRILL_CODES)]
    Drill {
        /// The stack [default: the one whose last drill is the longest ago].
        stack: Option<String>,
    },
    /// Check the repository.
    Verify {
        /// How much of the data to read and check, besides the structure.
        #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
        read_data: u8,
    },
    /// Forget the snapshots that the rules in the configuration do not keep. Runs do this by
    /// themselves.
    Retain(RetainArgs),
    /// Start what a run that was killed left stopped.
    Recover,
    /// Watch a run, and start what it stopped if it is killed. Runs start this by themselves.
    #[command(hide = true)]
    Watch,
    /// Write what a restore wants, confined to its target. Restores start this by themselves.
    #[command(hide = true)]
    RestoreWorker,
}

const DRILL_CODES: &str = "\
Exit codes:
  0  PASS: the stack runs on what was restored
  1  UNUSABLE: it does not, and nothing but the data is to blame
  6  INCONCLUSIVE: it could not be told";

#[derive(Debug, Args)]
struct Stacks {
    /// Only these stacks, and those that share data with them.
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    only: Stacks,

    /// Back up now, also outside the window.
    #[arg(long)]
    now: bool,

    /// Show what would be done, as `plan` does, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct RetainArgs {
    /// Show what would be kept and why, and forget nothing.
    #[arg(long)]
    dry_run: bool,

    /// Also take away the data that no snapshot needs any more.
    #[arg(long, conflicts_with = "dry_run")]
    prune: bool,

    /// It is as it should be that the backups of this stack shrank.
    #[arg(long, value_name = "STACK", conflicts_with = "dry_run")]
    accept: Vec<String>,
}

#[derive(Debug, Args)]
struct RestoreArgs {
    /// The stack.
    stack: String,

    /// The directory to write into, instead of the places that the data came from: a new or an empty
    /// one. Everything lies beneath it as it does in the snapshot: volumes/NAME, binds/PATH,
    /// compose/PATH, containers/NAME.json.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,

    /// The snapshot, by its identifier or the beginning of it [default: the newest of the stack].
    #[arg(long, value_name = "ID")]
    snapshot: Option<String>,

    /// Only this volume, or this path in the snapshot.
    #[arg(long, value_name = "VOLUME|PATH")]
    only: Option<String>,

    /// Show what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,

    /// On a machine that does not have the stack: create its volumes, and put its data and its
    /// Compose files in their places.
    #[arg(long, conflicts_with = "to")]
    recreate: bool,

    /// With --recreate: replace Compose files that are there and different; a copy is kept.
    #[arg(long, requires = "recreate")]
    force: bool,
}

#[derive(Debug, Args)]
struct ExportArgs {
    /// The stack.
    stack: String,

    /// The archive to write, such as wiki.tar.zst. Nothing may be there yet.
    file: PathBuf,

    /// The snapshot, by its identifier or the beginning of it [default: the newest of the stack].
    #[arg(long, value_name = "ID")]
    snapshot: Option<String>,

    /// Only this volume, or this path in the snapshot.
    #[arg(long, value_name = "VOLUME|PATH")]
    only: Option<String>,
}

impl Command for DockerBackup {
    fn global(&self) -> &Global {
        &self.global
    }

    fn alone(&self) -> bool {
        matches!(self.action, Action::RestoreWorker)
    }

    async fn run(self, session: Session) -> Result<Exit, Failure> {
        match self.action {
            Action::Init => repository::init(&session).await,
            Action::Plan(only) => show_plan::run(&session, only.stacks).await,
            Action::Run(args) if args.dry_run => show_plan::run(&session, args.only.stacks).await,
            Action::Run(args) => run::run(&session, args.only.stacks, args.now).await,
            Action::Snapshots { stack } => repository::snapshots(&session, stack).await,
            Action::Restore(args) => restore::run(&session, args).await,
            Action::Export(args) => export::run(&session, args).await,
            Action::Drill { stack } => drill::run(&session, stack).await,
            Action::Verify { read_data } => repository::verify(&session, read_data).await,
            Action::Retain(args) => retain::run(&session, args).await,
            Action::Recover => recover::recover(&session).await,
            Action::Watch => watch(&session).await,
            Action::RestoreWorker => restore::work(&session).await,
        }
    }
}
