//! Make sure that the backup NAS is off: silent, and for longer than a restart takes.

use reachability::{DownOptions, NotDown, Probe, wait_until_down};
use tokio_util::sync::CancellationToken;

use super::{Outcome, Recorder, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::evidence::Fact;
use crate::sentence;

/// Waits until the host is down and stays so.
pub async fn run(
    clock: &dyn Clock,
    probe: &dyn Probe,
    options: &DownOptions,
    cancel: &CancellationToken,
) -> StepRecord {
    let mut recorder = Recorder::begin(Step::Confirm, clock);
    let target = probe.target();
    recorder.hand_on(Outcome::Confirm { off: false });
    let mut ignore = |_: &reachability::Observation| {};
    let result = tokio::select! {
        result = wait_until_down(probe, options, &mut ignore) => result,
        () = cancel.cancelled() => {
            recorder.needs_attention("whether the backup NAS is off is not known");
            return recorder.end(StepEnd::Cancelled, "ended by a signal");
        }
    };
    match result {
        Ok(_) => {
            recorder.hand_on(Outcome::Confirm { off: true });
            recorder.saw(
                &target,
                Fact::Silent {
                    seconds: options.silence.as_secs(),
                },
            );
            recorder.end(StepEnd::Done, "the backup NAS is off")
        }
        Err(error) => {
            let why = sentence::failed_to(&error);
            recorder.needs_attention(format!("the backup NAS is not off: {why}"));
            let end = match error {
                NotDown::CameBack { .. } => StepEnd::Failed,
                _ => StepEnd::DeadlinePassed,
            };
            recorder.end(end, format!("the backup NAS is not off: {why}"))
        }
    }
}
