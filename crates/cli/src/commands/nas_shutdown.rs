//! `nas-shutdown`: switch the backup NAS off, if and only if that is safe.

mod check;
mod kit;
mod run;

use backup_window::exit::Exit;
use clap::{Parser, Subcommand};

use crate::args::{EXIT_CODES, Global};
use crate::command::Command;
use crate::failure::Failure;
use crate::session::Session;

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
    Run(run::RunArgs),
    /// Prove, without switching anything off, that the account is right and can do nothing else.
    #[command(after_help = check::EXIT_CODES)]
    Check,
    /// Print what to install on the NAS, and where, so that a key may switch it off and nothing else.
    Kit(kit::KitArgs),
}

impl Command for NasShutdown {
    fn global(&self) -> &Global {
        &self.global
    }

    async fn run(self, session: Session) -> Result<Exit, Failure> {
        match self.action {
            Action::Run(args) => run::run(&session, &args).await,
            Action::Check => check::run(&session).await,
            Action::Kit(args) => kit::run(&session, &args),
        }
    }
}
