//! The last three steps: guard, shut down, confirm. `nas-shutdown run` is these three alone.

use jiff::Timestamp;
use reachability::{Answer, DownOptions, Probe};
use remote_shutdown::RemoteShutdown;
use tokio_util::sync::CancellationToken;
use truenas_client::TrueNas;

use crate::clock::Clock;
use crate::evidence::Fact;
use crate::step::{
    Outcome, Recorder, Step, StepEnd, StepRecord, confirm, guard, not_needed, not_reached,
    shut_down,
};

/// What the last three steps work with.
#[derive(Debug)]
pub struct SwitchOff<'a> {
    /// The time.
    pub clock: &'a dyn Clock,
    /// What is silent when the backup NAS is off.
    pub ready: &'a dyn Probe,
    /// The API of the primary NAS, or why there is none.
    pub primary: Result<&'a dyn TrueNas, String>,
    /// The API of the backup NAS, or why there is none.
    pub backup: Result<&'a dyn TrueNas, String>,
    /// What switches the backup NAS off.
    pub shutdown: &'a dyn RemoteShutdown,
    /// How it is made sure that it is off.
    pub down: &'a DownOptions,
}

/// Decides whether the backup NAS may be switched off, does it, and makes sure.
///
/// There is no way around the guard.
pub async fn switch_off(
    parts: SwitchOff<'_>,
    woken: Option<Timestamp>,
    keep_up: bool,
    cancel: &CancellationToken,
) -> Vec<StepRecord> {
    let clock = parts.clock;
    if cancel.is_cancelled() {
        let why = "the night was ended by a signal";
        return [Step::Guard, Step::ShutDown, Step::Confirm]
            .map(|step| not_reached(clock, step, why))
            .into();
    }
    if let Some(silent) = look_whether_it_is_off(&parts).await {
        let shut_down = not_needed(clock, Step::ShutDown, "there is nothing to switch off");
        let confirmed = confirm::run(clock, parts.ready, parts.down, cancel).await;
        return vec![silent, shut_down, confirmed];
    }
    let decided = guard::run(clock, woken, keep_up, parts.primary, parts.backup).await;
    if !matches!(decided.outcome, Outcome::Guard { switch_off: true }) {
        let (end, why) = match decided.end {
            StepEnd::NotNeeded => (StepEnd::NotNeeded, "the backup NAS is left up"),
            _ => (StepEnd::NotReached, "the guard refused"),
        };
        let skip = |step| match end {
            StepEnd::NotNeeded => not_needed(clock, step, why),
            _ => not_reached(clock, step, why),
        };
        return vec![decided, skip(Step::ShutDown), skip(Step::Confirm)];
    }
    let sent = shut_down::run(clock, parts.shutdown).await;
    let confirmed = if sent.end == StepEnd::Done {
        confirm::run(clock, parts.ready, parts.down, cancel).await
    } else {
        not_reached(clock, Step::Confirm, "the command was not accepted")
    };
    vec![decided, sent, confirmed]
}

/// What [`switch_off`] would do now: it looks and decides, and sends nothing. `request` is what would
/// be sent.
pub async fn would_switch_off(
    parts: SwitchOff<'_>,
    woken: Option<Timestamp>,
    request: &str,
) -> Vec<StepRecord> {
    let clock = parts.clock;
    if let Some(silent) = look_whether_it_is_off(&parts).await {
        return vec![silent];
    }
    let decided = guard::run(clock, woken, false, parts.primary, parts.backup).await;
    if !matches!(decided.outcome, Outcome::Guard { switch_off: true }) {
        return vec![decided];
    }
    let sent = format!(
        "dry run: {} would be sent `{request}`",
        parts.shutdown.endpoint()
    );
    let confirmed = format!(
        "dry run: it would count as off when {} has been silent for {} s, and an alarm would be \
         raised after {} s",
        parts.ready.target(),
        parts.down.silence.as_secs(),
        parts.down.deadline.as_secs()
    );
    vec![
        decided,
        not_reached(clock, Step::ShutDown, &sent),
        not_reached(clock, Step::Confirm, &confirmed),
    ]
}

/// A NAS that does not answer cannot be asked what it does; nor is there anything to switch off,
/// if it stays silent.
async fn look_whether_it_is_off(parts: &SwitchOff<'_>) -> Option<StepRecord> {
    let answer = parts.ready.probe(parts.down.timeout).await;
    if !matches!(answer, Answer::Silent) {
        return None;
    }
    let mut recorder = Recorder::begin(Step::Guard, parts.clock);
    recorder.saw(
        parts.ready.target(),
        Fact::NoAnswer {
            detail: answer.to_string(),
        },
    );
    recorder.hand_on(Outcome::Guard { switch_off: false });
    Some(recorder.end(
        StepEnd::NotNeeded,
        "the backup NAS does not answer: there is nothing to switch off",
    ))
}
