//! Signals that end a run: what is stopped is started again first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use backup_window::exit::Exit;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Tells whether and by which signal the run was asked to end.
#[derive(Debug, Clone)]
pub(crate) struct Signals {
    cancel: CancellationToken,
    received: Arc<AtomicU8>,
}

const NONE: u8 = 0;
const ENDING: [(SignalKind, Exit); 3] = [
    (SignalKind::hangup(), Exit::Hangup),
    (SignalKind::interrupt(), Exit::Interrupted),
    (SignalKind::terminate(), Exit::Terminated),
];

impl Signals {
    /// From now on, the first of SIGHUP, SIGINT and SIGTERM cancels the run instead of killing it.
    /// Later ones do nothing: starting the stacks again must not be cut short.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let cancel = CancellationToken::new();
        let received = Arc::new(AtomicU8::new(NONE));
        for (kind, exit) in ENDING {
            let mut stream = signal(kind)?;
            let (cancel, received) = (cancel.clone(), Arc::clone(&received));
            tokio::spawn(async move {
                while stream.recv().await.is_some() {
                    let first = received.compare_exchange(
                        NONE,
                        exit.code(),
                        Ordering::SeqCst,
                        Ordering::SeqCst,
                    );
                    if first.is_ok() {
                        tracing::warn!("{}: what was stopped is started first", exit.meaning());
                    }
                    cancel.cancel();
                }
            });
        }
        Ok(Self { cancel, received })
    }

    pub(crate) fn cancelled(&self) -> &CancellationToken {
        &self.cancel
    }

    /// How a run ends that a signal has ended.
    pub(crate) fn exit(&self) -> Option<Exit> {
        let received = self.received.load(Ordering::SeqCst);
        ENDING
            .into_iter()
            .map(|(_, exit)| exit)
            .find(|exit| exit.code() == received)
    }
}
