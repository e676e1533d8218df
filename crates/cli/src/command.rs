//! A binary's way from its arguments to its exit code.

use std::process::ExitCode;

use backup_window::exit::Exit;
use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::args::Global;
use crate::failure::Failure;
use crate::output::Output;
use crate::progress::StandardError;
use crate::session::Session;

/// A binary's command line, and what it does.
///
/// The binaries are the only callers; it is public so that each can be one call of [`main`].
pub trait Command: Parser {
    /// The options that every command takes.
    fn global(&self) -> &Global;

    /// Whether the command must begin without other threads beside its own.
    fn alone(&self) -> bool {
        false
    }

    /// Carries the command out.
    fn run(self, session: Session) -> impl Future<Output = Result<Exit, Failure>>;
}

/// Parses the arguments, carries the command out, and gives the exit code.
///
/// Wrong arguments end the process with code 2, as clap does it.
#[must_use]
pub fn main<C: Command>() -> ExitCode {
    let command = C::parse();
    let standard_error = StandardError::open();
    start_talking(command.global(), &standard_error);
    let output = Output::new(command.global().json);
    let mut runtime = if command.alone() {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let result = runtime
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(&error))
        .and_then(|runtime| {
            let result = runtime.block_on(async {
                let session = Session::begin(command.global().clone(), &standard_error)?;
                let signals = session.signals().clone();
                let exit = command.run(session).await?;
                Ok(signals.exit().unwrap_or(exit))
            });
            // A thread that is stuck in a system call must not keep a finished run from ending.
            runtime.shutdown_background();
            result
        });
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => {
            tracing::error!("{failure}");
            output.write_failure(&failure);
            failure.exit().into()
        }
    }
}

/// Talks on standard error, so that standard output holds nothing but the result.
fn start_talking(global: &Global, standard_error: &StandardError) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "warn,backup_window=info,backup_window_cli=info",
        (false, 2) => "info",
        (false, _) => "debug",
    };
    let filter =
        EnvFilter::try_from_env("BACKUP_WINDOW_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(standard_error.is_terminal())
        .with_writer(standard_error.clone())
        .with_target(false)
        .without_time()
        // It would tell of a standard error that is gone on standard error, and panic: a broken
        // pipe must not end a run in the middle of an outage.
        .log_internal_errors(false)
        .init();
}
