//! Switch the backup NAS off.

use remote_shutdown::{ErrorKind, Outcome as ShutdownOutcome, RemoteShutdown};

use super::{Recorder, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::evidence::Fact;
use crate::sentence;

/// Sends the command. Whether it worked is for the next step to find out: a connection that breaks
/// during a power-off proves neither.
pub async fn run(clock: &dyn Clock, shutdown: &dyn RemoteShutdown) -> StepRecord {
    let mut recorder = Recorder::begin(Step::ShutDown, clock);
    let endpoint = shutdown.endpoint();
    match shutdown.shut_down().await {
        Ok(ShutdownOutcome::Accepted { exit_status, .. }) => {
            recorder.saw(
                &endpoint,
                Fact::ShutdownAccepted {
                    detail: format!("the command ended with status {exit_status}"),
                },
            );
            recorder.end(
                StepEnd::Done,
                "the backup NAS took the command to switch itself off",
            )
        }
        Ok(ShutdownOutcome::SentUnknown { why }) => {
            recorder.saw(&endpoint, Fact::ShutdownSent { detail: why });
            recorder.end(
                StepEnd::Done,
                "the command was sent; whether it worked is seen in the next step",
            )
        }
        Err(error) => {
            let why = sentence::failed_to(&error);
            recorder.needs_attention(format!("the backup NAS is still on: {why}"));
            let end = match error.kind() {
                ErrorKind::Deadline => StepEnd::DeadlinePassed,
                // Another machine may have answered: it was sent nothing.
                ErrorKind::HostKey => StepEnd::Refused,
                _ => StepEnd::Failed,
            };
            recorder.end(
                end,
                format!("the backup NAS could not be switched off and is still on: {why}"),
            )
        }
    }
}
