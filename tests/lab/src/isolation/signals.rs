//! Signals to the program outside: they end its labs first, then the program.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// How long the labs may take to end before the program ends all the same.
const PATIENCE: Duration = Duration::from_secs(20);

/// The labs that still have something to clean up.
static OPEN_LABS: AtomicUsize = AtomicUsize::new(0);

/// A lab that is open until it is dropped.
#[derive(Debug)]
pub(super) struct OpenLab {
    interrupted: watch::Receiver<Option<i32>>,
}

impl OpenLab {
    /// Counts a lab, and starts to listen for signals if nobody did.
    ///
    /// The thread that listens stays for as long as the program runs: a signal whose handling was
    /// once taken over would otherwise do nothing afterwards.
    pub(super) fn new() -> Self {
        static INTERRUPTED: OnceLock<watch::Receiver<Option<i32>>> = OnceLock::new();

        let interrupted = INTERRUPTED
            .get_or_init(|| {
                let (sender, receiver) = watch::channel(None);
                let (is_listening, listens) = mpsc::channel();
                std::thread::spawn(move || listen(&sender, &is_listening));
                // An error means that the thread could not listen: then a signal ends the program
                // as it does without a lab, and the kernel ends the lab.
                let _ = listens.recv();
                receiver
            })
            .clone();
        OPEN_LABS.fetch_add(1, Ordering::SeqCst);
        Self { interrupted }
    }

    /// Waits for a signal that asks the program to end, and gives its number. Without one, for
    /// ever.
    pub(super) async fn interrupted(&mut self) -> i32 {
        let signal = self.interrupted.wait_for(Option::is_some).await;
        match signal.ok().and_then(|signal| *signal) {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

impl Drop for OpenLab {
    fn drop(&mut self) {
        OPEN_LABS.fetch_sub(1, Ordering::SeqCst);
    }
}

fn listen(sender: &watch::Sender<Option<i32>>, is_listening: &mpsc::Sender<()>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return;
    };
    runtime.block_on(async {
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
        ) else {
            return;
        };
        if is_listening.send(()).is_err() {
            return;
        }
        let kind = tokio::select! {
            _ = interrupt.recv() => SignalKind::interrupt(),
            _ = terminate.recv() => SignalKind::terminate(),
            _ = hangup.recv() => SignalKind::hangup(),
        };
        let number = kind.as_raw_value();
        sender.send_replace(Some(number));

        let all_closed = async {
            while OPEN_LABS.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        // Elapsed or not, the program ends.
        let _ = tokio::time::timeout(PATIENCE, all_closed).await;
        std::process::exit(128 + number);
    });
}
