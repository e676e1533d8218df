//! `docker-backup watch`, hidden: starts the stacks again when the run that it watches was killed.
//!
//! A run that is killed (SIGKILL, out of memory) can do nothing any more, so another process must
//! do it. That process holds the reading end of a pipe of which the run alone holds the writing
//! end: whatever way the run ends, the kernel closes the pipe, and a run that ended well has said
//! so before.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use backup_window::clock::SystemClock;
use backup_window::config::Config;
use backup_window::exit::Exit;
use backup_window::lock::RunLock;
use backup_window::setup::{engine, outage_options};
use backup_window::state::StateDir;
use backup_window::step::recover;
use docker_stacks::{BollardEngine, FileJournal, Journal};

use super::leftovers::{settle_if_well, undo_leftovers};
use super::recover::{describe, exit};
use crate::failure::{Failure, failed_to};
use crate::session::Session;
use crate::tonight;

/// The name of the command, which no help text shows: only a run has a use for it.
pub(crate) const COMMAND: &str = "watch";

/// What the watching process says when it watches.
const WATCHING: &str = "watching\n";

/// What the run says when it ends by itself, and nothing is left to do.
const DONE: &str = "done\n";

/// How long the watching process may take until it watches. It only reads the configuration.
const START_DEADLINE: Duration = Duration::from_secs(10);

/// How long the run waits for the watching process to end, which has nothing left to do then.
const END_DEADLINE: Duration = Duration::from_secs(2);

/// How often the watching process tries to take a lock that another run holds.
const LOCK_POLL: Duration = Duration::from_millis(50);

/// The process that watches this run. Dropped without [`Watcher::done`] (an error, a panic), it does
/// what it would do if this run had been killed: it starts what the journal names, if it names any.
#[derive(Debug)]
pub(crate) struct Watcher {
    process: Child,
}

impl Watcher {
    /// Starts it, to be called before anything is stopped.
    ///
    /// It has a process group of its own, so that neither Ctrl-C on the terminal nor a kill of the
    /// run's group ends it; and it is the very program that runs now, also if the file on the disk
    /// was replaced since.
    pub(crate) async fn start(session: &Session, state: &StateDir) -> Result<Self, Failure> {
        let global = session.global();
        let mut command = Command::new("/proc/self/exe");
        if let Some(name) = std::env::args_os().next() {
            command.arg0(name);
        }
        command
            .arg(COMMAND)
            .arg("--config")
            .arg(&global.config)
            .arg("--state-dir")
            .arg(state.path())
            .args(global.quiet.then_some("--quiet"))
            .args((0..global.verbose).map(|_| "--verbose"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0);
        let mut process = command.spawn().map_err(|error| refused(&error))?;
        let words = process.stdout.take();
        let watcher = Self { process };
        let heard = tokio::task::spawn_blocking(move || hear(words));
        match tokio::time::timeout(START_DEADLINE, heard).await {
            Ok(Ok(Ok(word))) if word == WATCHING => Ok(watcher),
            Ok(Ok(Err(error))) => Err(refused(&error)),
            Ok(_) => Err(refused(&"it ended at once")),
            Err(_) => Err(refused(&"it did not begin in time")),
        }
    }

    /// Tells it that the run ends by itself, after everything was started again that could be.
    pub(crate) async fn done(mut self) {
        let told = match self.process.stdin.take() {
            Some(mut pipe) => pipe.write_all(DONE.as_bytes()),
            None => Ok(()),
        };
        if let Err(error) = told {
            tracing::warn!("nobody watched this run to its end: {error}");
        }
        let ended = tokio::task::spawn_blocking(move || self.process.wait());
        // Whether it has ended makes no difference to this run.
        let _ = tokio::time::timeout(END_DEADLINE, ended).await;
    }
}

fn hear(words: Option<ChildStdout>) -> io::Result<String> {
    let mut word = String::new();
    if let Some(words) = words {
        BufReader::new(words).read_line(&mut word)?;
    }
    Ok(word)
}

fn refused(why: &dyn std::fmt::Display) -> Failure {
    Failure::text(
        Exit::Failed,
        format!(
            "nothing was stopped, because the process that would start the stacks again if this \
             run were killed could not be started: {why}"
        ),
    )
}

/// Watches the run at the other end of standard input.
///
/// All that it needs is read before it says that it watches: who edits the configuration meanwhile
/// does not keep the stacks down.
pub(crate) async fn watch(session: &Session) -> Result<Exit, Failure> {
    let config = session.config()?;
    let state = session.state(Some(&config))?;
    let engine = engine(&config).map_err(|error| Failure::usage(&error))?;
    io::stdout()
        .write_all(WATCHING.as_bytes())
        .and_then(|()| io::stdout().flush())
        .map_err(|error| Failure::failed(&error))?;
    let heard = tokio::task::spawn_blocking(|| {
        let mut words = Vec::new();
        // A pipe that cannot be read is one without a run at its other end.
        let _ = io::stdin().read_to_end(&mut words);
        words
    });
    if heard.await.is_ok_and(|words| words == DONE.as_bytes()) {
        return Ok(Exit::Done);
    }
    bring_back(&engine, &config, &state).await
}

/// Starts what a run left stopped that did not live to do it.
async fn bring_back(
    engine: &BollardEngine,
    config: &Config,
    state: &StateDir,
) -> Result<Exit, Failure> {
    let journal = FileJournal::new(state.outage_journal());
    let Some(_lock) = lock(state, &journal).await? else {
        return Ok(Exit::Done);
    };
    let leftover = undo_leftovers(state).await?;
    let report = recover::run(&SystemClock, engine, &journal, &outage_options(config))
        .await
        .map_err(|error| failed_to(Exit::Failed, &error))?;
    let Some((report, record)) = report else {
        return Ok(Exit::Done);
    };
    tracing::warn!("{}", describe(Some(&report)));
    if exit(Some(&report)) == Exit::Done {
        settle_if_well(state, engine, leftover.as_ref()).await?;
    }
    tonight::remember_recovery(state, config, &record);
    Ok(exit(Some(&report)))
}

/// Takes the lock, unless there is nothing to do with it.
///
/// The kernel takes a dead run's open files away one after the other, so that its lock may outlive
/// its pipe by a moment. And another run may have come first: it starts what the journal names
/// before all else, unless it is one that does not touch stacks, or is killed too.
async fn lock(state: &StateDir, journal: &FileJournal) -> Result<Option<RunLock>, Failure> {
    loop {
        // A journal that cannot be read is for `recover` to complain of.
        if let Ok(None) = journal.read().await {
            return Ok(None);
        }
        match tonight::lock(state, COMMAND) {
            Ok(lock) => return Ok(Some(lock)),
            Err(held) if held.exit() == Exit::Locked => tokio::time::sleep(LOCK_POLL).await,
            Err(failure) => return Err(failure),
        }
    }
}
