//! The exchange itself, on its own thread, through libssh2, which blocks.

use std::io::{self, Read};

use ssh2::{Channel, ErrorCode, Listener, Session};

use super::control::{Progress, Step};
use super::job::{GRACE, Job, Stop, code, millis};
use super::login::Credential;
use crate::host_key::Trust;
use crate::outcome::CommandEnd;
use crate::{Outcome, ShutdownError, Stage};

/// More output than this is read and forgotten, so that a talkative command
/// can neither fill the memory nor block on a full window.
const MOST_OUTPUT_BYTES: u64 = 64 * 1024;

/// What must be closed at the end, after the outcome was reported: closing may
/// block on a host that is gone.
#[derive(Default)]
pub(super) struct Held {
    pub(super) channels: Vec<Channel>,
    pub(super) listener: Option<Listener>,
    pub(super) session: Option<Session>,
}

/// The thread's body: what it does, and then saying goodbye.
pub(super) fn run<T>(
    job: &Job,
    progress: &Progress<T>,
    work: fn(&Job, &Progress<T>, &mut Held) -> Result<T, Stop>,
) {
    let mut held = Held::default();
    match work(job, progress, &mut held) {
        Ok(outcome) => progress.end(Ok(outcome)),
        Err(Stop::Failed(error)) => progress.end(Err(error)),
        Err(Stop::Cancelled) => {}
    }
    // After a cancellation the connection is shut down and none of this waits.
    let _ = progress.enter(Step::Close);
    if let Some(session) = &held.session {
        session.set_timeout(millis(job.deadlines.close));
        for channel in &mut held.channels {
            let _ = channel.close();
        }
        let _ = session.disconnect(None, "done", None);
    }
    drop(held);
}

impl Job {
    /// Connects to the host that is trusted, and logs in.
    pub(super) fn log_in<T>(&self, progress: &Progress<T>) -> Result<Session, Stop> {
        // Our own files come first: no connection is opened for nothing.
        let credential = Credential::prepare(&self.key)?;
        let trust = Trust::new(&self.host_key, &self.target)?;
        let session = self.trusted_session(progress, &trust)?;
        progress.enter(Step::Authenticate)?;
        session.set_timeout(millis(self.deadlines.authenticate + GRACE));
        self.authenticate(&session, &credential)?;
        Ok(session)
    }

    /// Has the host switch itself off.
    pub(super) fn shut_down(
        &self,
        progress: &Progress<Outcome>,
        held: &mut Held,
    ) -> Result<Outcome, Stop> {
        let session = held.session.insert(self.log_in(progress)?);

        progress.enter(Step::Open)?;
        session.set_timeout(millis(self.deadlines.execute + GRACE));
        let channel = session
            .channel_session()
            .map_err(|error| self.failed(Stage::Execute, "open a session at", error))?;
        held.channels.push(channel);
        let Some(channel) = held.channels.last_mut() else {
            return Err(Stop::Cancelled);
        };

        let request = self.request();
        progress.enter(Step::Command)?;
        if let Err(error) = channel.exec(&request) {
            if error.code() == ErrorCode::Session(code::CHANNEL_REQUEST_DENIED) {
                return Err(self
                    .failed(Stage::Execute, "have a command run at", error)
                    .into());
            }
            return Ok(lost(&error.into()));
        }
        match command_end(channel) {
            Ok(end) => Ok(end.verdict(&self.endpoint(), &request)?),
            Err(error) => Ok(lost(&error)),
        }
    }

    /// What is known when a deadline passed at this step of a shutdown.
    pub(super) fn shut_down_too_late(&self, reached: Step) -> Result<Outcome, ShutdownError> {
        if reached < Step::Command {
            return Err(self.too_late(reached));
        }
        let limit = self.deadlines.of(reached.stage());
        let why = format!("the command was sent, but did not end within {limit:?}");
        Ok(Outcome::SentUnknown { why })
    }
}

/// Reads the command's output to its end, and then how it ended.
///
/// libssh2 reports status 0 for a server that closes the channel without any
/// status, and offers the `ssh2` crate no way to tell. OpenSSH always sends a
/// status or a signal.
pub(super) fn command_end(channel: &mut Channel) -> io::Result<CommandEnd> {
    let stdout = read_some(channel)?;
    let stderr = read_some(&mut channel.stderr())?;
    channel.wait_close()?;
    let signal = channel.exit_signal()?.exit_signal;
    Ok(CommandEnd {
        exit_status: channel.exit_status()?,
        signal,
        stdout,
        stderr,
    })
}

fn read_some(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    stream
        .by_ref()
        .take(MOST_OUTPUT_BYTES)
        .read_to_end(&mut kept)?;
    io::copy(stream, &mut io::sink())?;
    Ok(kept)
}

fn lost(error: &io::Error) -> Outcome {
    let why = format!("the connection was lost after the command was sent: {error}");
    Outcome::SentUnknown { why }
}
