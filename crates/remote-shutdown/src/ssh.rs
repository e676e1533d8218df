//! The asynchronous side: starts the exchange on a thread of its own, and
//! bounds each stage of it.

mod connection;
mod control;
mod examine;
mod exchange;
mod job;
mod login;

use std::sync::Arc;
use std::thread;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio::time::{self, Instant};

use self::control::{CancelOnDrop, Progress, Report, Step};
use self::exchange::Held;
use self::job::{Job, Stop};
use crate::{
    AccountReport, Deadlines, HostKeyPolicy, Key, Outcome, RemoteShutdown, ShutdownError,
    SshTarget, System,
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
        key: impl Into<Key>,
        host_key: HostKeyPolicy,
        system: System,
        deadlines: Deadlines,
    ) -> Self {
        let job = Job {
            target,
            key: key.into(),
            host_key,
            system,
            dispatcher: false,
            deadlines,
        };
        Self { job: Arc::new(job) }
    }

    /// The same host, where the dispatcher of the [`Kit`](crate::Kit) is behind
    /// the key: it is asked by its own words, and
    /// [`check_account`](Self::check_account) can ask it what it is.
    ///
    /// Say so only where it is installed: behind a key with any other forced
    /// command, a question switches the host off.
    #[must_use]
    pub fn with_dispatcher(self) -> Self {
        let job = Job {
            dispatcher: true,
            ..Arc::unwrap_or_clone(self.job)
        };
        Self { job: Arc::new(job) }
    }

    /// What is sent to have the host switched off.
    #[must_use]
    pub fn request(&self) -> String {
        self.job.request()
    }

    /// Finds out, without switching anything off, whether the host, the key and
    /// the account are the right ones, and whether the account can do nothing
    /// else.
    ///
    /// Without [`with_dispatcher`](Self::with_dispatcher) no session is opened,
    /// because a forced command would run in it: what remains unproven then is
    /// said. With it, the first session asks the dispatcher whether it is there,
    /// and unless it is, there is no second one.
    ///
    /// # Errors
    ///
    /// Fails when the host could not be reached or not be trusted, or when it
    /// did not let us in. What the account may do is no error, but in the
    /// [`AccountReport`].
    pub async fn check_account(&self) -> Result<AccountReport, ShutdownError> {
        let job = Arc::clone(&self.job);
        self.exchange(Job::examine, move |reached| Err(job.too_late(reached)))
            .await
    }

    /// Does this on a thread of its own, within its deadlines.
    async fn exchange<T: Send + 'static>(
        &self,
        work: fn(&Job, &Progress<T>, &mut Held) -> Result<T, Stop>,
        too_late: impl Fn(Step) -> Result<T, ShutdownError> + Send,
    ) -> Result<T, ShutdownError> {
        let (progress, cancel, reports) = control::channel();
        let job = Arc::clone(&self.job);
        thread::Builder::new()
            .name("remote-shutdown".into())
            .spawn(move || exchange::run(&job, &progress, work))
            .map_err(|source| ShutdownError::Protocol {
                endpoint: self.job.endpoint(),
                step: "start a thread for the connection to",
                source,
            })?;
        supervise(&self.job, &cancel, reports, too_late).await
    }
}

#[async_trait]
impl RemoteShutdown for SshShutdown {
    fn endpoint(&self) -> String {
        self.job.endpoint()
    }

    async fn shut_down(&self) -> Result<Outcome, ShutdownError> {
        let job = Arc::clone(&self.job);
        self.exchange(Job::shut_down, move |reached| {
            job.shut_down_too_late(reached)
        })
        .await
    }
}

/// Follows the thread's reports until it has ended or its time is up.
async fn supervise<T>(
    job: &Job,
    cancel: &CancelOnDrop,
    mut reports: mpsc::UnboundedReceiver<Report<T>>,
    too_late: impl Fn(Step) -> Result<T, ShutdownError>,
) -> Result<T, ShutdownError> {
    let mut stage = Step::Connect.stage();
    let mut deadline = Instant::now() + job.deadlines.of(stage);
    let mut result = None;
    loop {
        match time::timeout_at(deadline, reports.recv()).await {
            Ok(Some(Report::Entered(step))) => {
                tracing::debug!(endpoint = job.endpoint(), ?step, "next step");
                if step.stage() != stage || step == Step::Try {
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
                return result.unwrap_or_else(|| too_late(reached));
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
