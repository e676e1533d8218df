//! Make sure that the backup NAS is off: silent, and for longer than a restart takes.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reachability::{DownOptions, NotDown, Observation, Probe, wait_until_down};
use tokio_util::sync::CancellationToken;

use super::{Outcome, Recorder, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::evidence::{Fact, Reboot, Watched};
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
    let mut ignore = |_: &Observation| {};
    let result = tokio::select! {
        result = wait_until_down(probe, options, &mut ignore) => result,
        () = cancel.cancelled() => {
            recorder.needs_attention("whether the backup NAS is off is not known");
            return recorder.end(StepEnd::Cancelled, "ended by a signal");
        }
    };
    match result {
        Ok(wait) => {
            watched(&mut recorder, &wait.observations);
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
            watched(&mut recorder, error.observations());
            if let NotDown::Rebooted {
                silent_after,
                answered_after,
                answer,
                ..
            } = &error
            {
                let began = recorder.began();
                let fact = Fact::Rebooted(Reboot {
                    silent_from: later(began, *silent_after),
                    answered_at: later(began, *answered_after),
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

/// Writes down all that was seen, each at its time.
fn watched(recorder: &mut Recorder<'_>, observations: &[Observation]) {
    let began = recorder.began();
    for seen in observations {
        let fact = Fact::Watched(Watched {
            answer: seen.answer.to_string(),
            times: seen.times,
            until: later(began, seen.until),
        });
        recorder.saw_at(later(began, seen.after), &seen.target, fact);
    }
}

fn later(began: Timestamp, after: Duration) -> Timestamp {
    SignedDuration::try_from(after)
        .ok()
        .and_then(|after| began.checked_add(after).ok())
        .unwrap_or(began)
}
