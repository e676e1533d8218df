//! What the asynchronous side and the exchange's thread share: how far the
//! exchange has come, and the means to end it.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::{ShutdownError, Stage};

/// How far the exchange has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Connect,
    Authenticate,
    /// Trying what the account may do, one thing after the other: the deadline
    /// counts anew for each. No command that switches off is sent.
    Try,
    /// Opening a channel for the command.
    Open,
    /// From here on the command may have reached the host.
    Command,
    Close,
}

impl Step {
    pub(super) fn stage(self) -> Stage {
        match self {
            Self::Connect => Stage::Connect,
            Self::Authenticate => Stage::Authenticate,
            Self::Try => Stage::Examine,
            Self::Open | Self::Command => Stage::Execute,
            Self::Close => Stage::Close,
        }
    }
}

/// What the thread tells.
#[derive(Debug)]
pub(super) enum Report<T> {
    Entered(Step),
    Ended(Result<T, ShutdownError>),
}

/// The exchange was cancelled: nobody waits for its result any more.
#[derive(Debug)]
pub(super) struct Cancelled;

/// Shared by both sides. Its one lock makes "cancel" and "go on to the next
/// step" exclude each other: once [`Control::cancel`] has returned a step
/// before [`Step::Command`], the command will never be sent.
#[derive(Debug)]
pub(super) struct Control {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    step: Step,
    cancelled: bool,
    /// A second handle on the connection, to shut it down by.
    connection: Option<TcpStream>,
}

impl Control {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is a single assignment, so that a panic leaves no state
        // half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the exchange and tells how far it had come.
    pub(super) fn cancel(&self) -> Step {
        let mut state = self.state();
        state.cancelled = true;
        if let Some(connection) = state.connection.take() {
            // It may be closed already, which is as good.
            let _ = connection.shutdown(Shutdown::Both);
        }
        state.step
    }
}

/// The thread's end. Dropping it tells the other side that the thread is done.
#[derive(Debug)]
pub(super) struct Progress<T> {
    control: Arc<Control>,
    reports: mpsc::UnboundedSender<Report<T>>,
}

/// Both ends of an exchange.
pub(super) type Ends<T> = (
    Progress<T>,
    CancelOnDrop,
    mpsc::UnboundedReceiver<Report<T>>,
);

/// Makes both ends of an exchange that has not begun.
pub(super) fn channel<T>() -> Ends<T> {
    let state = State {
        step: Step::Connect,
        cancelled: false,
        connection: None,
    };
    let control = Arc::new(Control {
        state: Mutex::new(state),
    });
    let (reports, incoming) = mpsc::unbounded_channel();
    let cancel = CancelOnDrop(Arc::clone(&control));
    (Progress { control, reports }, cancel, incoming)
}

impl<T> Progress<T> {
    /// The thread goes on to a step, unless it was told to stop.
    pub(super) fn enter(&self, step: Step) -> Result<(), Cancelled> {
        let mut state = self.control.state();
        if state.cancelled {
            return Err(Cancelled);
        }
        state.step = step;
        self.report(Report::Entered(step));
        Ok(())
    }

    /// The thread has a connection, which a cancellation will shut down.
    pub(super) fn attach(&self, connection: TcpStream) -> Result<(), Cancelled> {
        let mut state = self.control.state();
        if state.cancelled {
            return Err(Cancelled);
        }
        state.connection = Some(connection);
        Ok(())
    }

    /// The thread has a result, and goes on to close the connection.
    ///
    /// A result that comes after the cancellation is one of the cancellation:
    /// the connection broke because it was shut down. It tells nothing.
    pub(super) fn end(&self, result: Result<T, ShutdownError>) {
        let state = self.control.state();
        if !state.cancelled {
            self.report(Report::Ended(result));
        }
    }

    fn report(&self, report: Report<T>) {
        // Nobody listens after a cancellation, and nobody needs to.
        let _ = self.reports.send(report);
    }
}

/// Ends the exchange when the future that waits for it is dropped.
#[derive(Debug)]
pub(super) struct CancelOnDrop(pub(super) Arc<Control>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;
    use crate::Outcome;

    #[test]
    fn after_a_cancellation_no_step_is_entered() {
        let (progress, cancel, _incoming) = channel::<Outcome>();
        progress.enter(Step::Authenticate).unwrap();
        assert_eq!(cancel.0.cancel(), Step::Authenticate);
        assert!(progress.enter(Step::Command).is_err());
        assert_eq!(cancel.0.cancel(), Step::Authenticate);
    }

    #[test]
    fn a_cancellation_ends_a_blocked_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (progress, cancel, _incoming) = channel::<Outcome>();
        progress.attach(connection.try_clone().unwrap()).unwrap();
        let reader = std::thread::spawn(move || connection.read(&mut [0; 1]).unwrap());
        drop(cancel);
        assert_eq!(reader.join().unwrap(), 0);
    }

    #[test]
    fn a_connection_that_comes_too_late_is_not_kept() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (progress, cancel, _incoming) = channel::<Outcome>();
        cancel.0.cancel();
        assert!(progress.attach(connection).is_err());
    }

    #[test]
    fn a_result_counts_only_before_the_cancellation() {
        let unknown = || {
            let why = String::new();
            Ok(Outcome::SentUnknown { why })
        };
        let (progress, cancel, mut incoming) = channel::<Outcome>();
        progress.end(unknown());
        cancel.0.cancel();
        progress.end(unknown());
        assert!(matches!(incoming.try_recv(), Ok(Report::Ended(_))));
        assert!(incoming.try_recv().is_err());
    }

    #[test]
    fn the_end_of_the_thread_is_the_end_of_the_reports() {
        let (progress, _cancel, mut incoming) = channel::<Outcome>();
        drop(progress);
        assert!(incoming.blocking_recv().is_none());
    }

    #[test]
    fn only_the_command_is_a_point_of_no_return() {
        let steps = [
            Step::Connect,
            Step::Authenticate,
            Step::Try,
            Step::Open,
            Step::Command,
            Step::Close,
        ];
        assert!(steps.is_sorted());
        assert_eq!(Step::Open.stage(), Step::Command.stage());
    }
}
