//! Make sure that the backup NAS is off: silent, and for longer than a restart takes.

use reachability::{DownOptions, History, NotDown, Observation, Probe, wait_until_down};
use tokio_util::sync::CancellationToken;

use super::{Outcome, Recorder, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::evidence::{Fact, Reboot};
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
    let mut history = History::default();
    let mut keep = |seen: &Observation| history.add(seen);
    let result = tokio::select! {
        result = wait_until_down(probe, options, &mut keep) => Some(result),
        () = cancel.cancelled() => None,
    };
    recorder.watched(history.observations());
    match result {
        None => {
            recorder.needs_attention("whether the backup NAS is off is not known");
            recorder.end(StepEnd::Cancelled, "ended by a signal")
        }
        Some(Ok(_)) => {
            recorder.hand_on(Outcome::Confirm { off: true });
            recorder.saw(
                &target,
                Fact::Silent {
                    seconds: options.silence.as_secs(),
                },
            );
            recorder.end(StepEnd::Done, "the backup NAS is off")
        }
        Some(Err(error)) => {
            if let NotDown::Rebooted {
                silent_after,
                answered_after,
                answer,
                ..
            } = &error
            {
                let fact = Fact::Rebooted(Reboot {
                    silent_from: recorder.after(*silent_after),
                    answered_at: recorder.after(*answered_after),
                    answer: answer.to_string(),
                });
                recorder.saw(&target, fact);
            }
            let why = sentence::failed_to(&error);
            recorder.needs_attention(format!("the backup NAS is not off: {why}"));
            let end = match error {
                NotDown::Rebooted { .. } => StepEnd::Failed,
                _ => StepEnd::DeadlinePassed,
            };
            recorder.end(end, format!("the backup NAS is not off: {why}"))
        }
    }
}
