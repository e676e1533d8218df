//! The asynchronous side: starts the exchange on a thread of its own, and
//! bounds each stage of it.

mod control;
mod exchange;

use std::sync::Arc;
use std::thread;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::time::{self, Instant};

use self::control::{CancelOnDrop, Report, Step};
use self::exchange::Job;
use crate::{
    Deadlines, HostKeyPolicy, KeyFile, Outcome, RemoteShutdown, ShutdownError, SshTarget, System,
};

/// Switches a host off over SSH.
///
/// The exchange is libssh2's, which blocks; it runs on a thread of its own,
/// started from the thread that polls the future, so that it inherits that
/// thread's network namespace. The deadlines are kept here, by Tokio's clock:
/// when one passes, the connection is shut down under libssh2's feet, which
/// ends the thread whatever it was waiting for. (Waiting for the thread would
/// not do: closing a channel of a silent server may block for ever, see
/// [ssh2-rs#165](https://github.com/alexcrichton/ssh2-rs/issues/165).) Only the
/// lookup of a host name cannot be ended so: that thread is left to itself,
/// and connects to nothing afterwards.
#[derive(Debug)]
pub struct SshShutdown {
    job: Arc<Job>,
}

impl SshShutdown {
    /// Prepares; neither reads a file nor opens a connection.
    #[must_use]
    pub fn new(
        target: SshTarget,
        key: KeyFile,
        host_key: HostKeyPolicy,
        system: System,
        deadlines: Deadlines,
    ) -> Self {
        let job = Job {
            target,
            key,
            host_key,
            system,
            deadlines,
        };
        Self { job: Arc::new(job) }
    }
}

#[async_trait]
impl RemoteShutdown for SshShutdown {
    fn endpoint(&self) -> String {
        self.job.endpoint()
    }

    async fn shut_down(&self) -> Result<Outcome, ShutdownError> {
        let (progress, cancel, reports) = control::channel();
        let job = Arc::clone(&self.job);
        thread::Builder::new()
            .name("remote-shutdown".into())
            .spawn(move || exchange::run(&job, &progress))
            .map_err(|source| ShutdownError::Protocol {
                endpoint: self.endpoint(),
                step: "start a thread for the connection to",
                source,
            })?;
        supervise(&self.job, &cancel, reports).await
    }
}

/// Follows the thread's reports until it has ended or its time is up.
async fn supervise(
    job: &Job,
    cancel: &CancelOnDrop,
    mut reports: mpsc::UnboundedReceiver<Report>,
) -> Result<Outcome, ShutdownError> {
    let mut stage = Step::Connect.stage();
    let mut deadline = Instant::now() + job.deadlines.of(stage);
    let mut result = None;
    loop {
        match time::timeout_at(deadline, reports.recv()).await {
            Ok(Some(Report::Entered(step))) => {
                tracing::debug!(endpoint = job.endpoint(), ?step, "next step");
                if step.stage() != stage {
                    stage = step.stage();
                    deadline = Instant::now() + job.deadlines.of(stage);
                }
            }
            Ok(Some(Report::Ended(ended))) => result = Some(ended),
            // The thread is gone, as is its end of the channel.
            Ok(None) => return result.unwrap_or_else(|| Err(thread_died(job))),
            Err(_) => {
                let reached = cancel.0.cancel();
                // The end may have come just before the deadline.
                while let Ok(report) = reports.try_recv() {
                    if let Report::Ended(ended) = report {
                        result = Some(ended);
                    }
                }
                return result.unwrap_or_else(|| job.too_late(reached));
            }
        }
    }
}

fn thread_died(job: &Job) -> ShutdownError {
    ShutdownError::Protocol {
        endpoint: job.endpoint(),
        step: "keep up the conversation with",
        source: std::io::Error::other("the thread of the connection died; this is a bug"),
    }
}
