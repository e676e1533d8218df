//! Wake the backup NAS and wait until a service of it answers.

mod advice;
mod asking;
mod sender;

use std::time::Duration;

use reachability::{Answer, Probe};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use wol::{Aim, MacAddr, SecureOn, Waker};

use self::asking::{Asking, Look};
use self::sender::Sender;
use super::{Outcome, Recorder, Step, StepEnd, StepRecord};
use crate::clock::Clock;
use crate::evidence::Fact;

/// How long the first look may take. A TCP connection repeats its first packet within it, so that
/// one lost packet does not make a running NAS look off; and no machine boots within it, so that
/// whatever answers by then was running before the first magic packet.
const FIRST_LOOK: Duration = Duration::from_millis(1500);

/// How to wake.
#[derive(Debug, Clone)]
pub struct WakeOptions {
    /// The network card of the machine to wake.
    pub mac: MacAddr,
    /// The password that the network card wants, if it does.
    pub secure_on: Option<SecureOn>,
    /// Where the packets go.
    pub aim: Aim,
    /// How long to wait before the packet is sent again.
    pub interval: Duration,
    /// How long the NAS may take to become ready.
    pub deadline: Duration,
    /// How long one probe may take.
    pub probe_timeout: Duration,
    /// How long to wait between two probes. They are asked at this pace whether or not the ones
    /// before have ended, so that a NAS is seen to be ready no later than this after it is.
    pub probe_interval: Duration,
}

impl WakeOptions {
    /// Wakes with the usual times: a packet every ten seconds, ten minutes in all.
    #[must_use]
    pub fn new(mac: MacAddr, aim: Aim) -> Self {
        Self {
            mac,
            secure_on: None,
            aim,
            interval: Duration::from_secs(10),
            deadline: Duration::from_mins(10),
            probe_timeout: Duration::from_secs(3),
            probe_interval: Duration::from_secs(1),
        }
    }
}

/// Wakes the host and waits until all `probes` get an answer; at least one is expected.
///
/// The first look and the first packet leave together. Only a host that is silent for as long as
/// the look takes counts as woken by this night, and only such a host is switched off at its end
/// (I5). To a host that answers, whatever it says, no further packet is sent: it needs time.
pub async fn run(
    clock: &dyn Clock,
    waker: &dyn Waker,
    probes: &[Box<dyn Probe>],
    options: &WakeOptions,
    cancel: &CancellationToken,
) -> StepRecord {
    let mut waking = Waking {
        recorder: Recorder::begin(Step::Wake, clock),
        sender: Sender::new(waker, options),
        asking: Asking::new(probes),
        found_off: None,
    };
    let begun = Instant::now();
    let deadline = begun + options.deadline;
    let mut next_look = begun;
    let mut next_packet = begun;
    loop {
        tokio::select! {
            // What has been asked goes before what is sent: the first look leaves first.
            biased;
            () = cancel.cancelled() => {
                return waking.end_cancelled();
            }
            Some(look) = waking.asking.next() => {
                waking.learn(&look);
                if look.is_up() {
                    return waking.end_ready(&look);
                }
                if waking.found_off.is_some() && waking.sender.is_mistaken() {
                    return waking.end_mistaken();
                }
            }
            () = sleep_until(next_look), if next_look < deadline => {
                waking.asking.ask(if next_look == begun {
                    FIRST_LOOK.min(options.probe_timeout)
                } else {
                    options.probe_timeout
                });
                next_look += options.probe_interval.max(SHORTEST_INTERVAL);
            }
            () = sleep_until(next_packet), if next_packet < deadline => {
                if !waking.asking.hears_a_running_host() {
                    waking.sender.send(&mut waking.recorder);
                }
                next_packet += options.interval.max(SHORTEST_INTERVAL);
            }
            () = sleep_until(deadline) => return waking.end_too_late(options),
        }
    }
}

/// A pause this long keeps a probe that answers at once from taking a whole processor.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

/// The step while it goes on.
struct Waking<'a> {
    recorder: Recorder<'a>,
    sender: Sender<'a>,
    asking: Asking<'a>,
    /// Whether the host was off before the first packet, once that is known.
    found_off: Option<bool>,
}

impl Waking<'_> {
    /// Learns from a look whether the host was off.
    fn learn(&mut self, look: &Look) {
        if self.found_off.is_some() {
            return;
        }
        let found_off = match look {
            // It answered sooner than any machine boots.
            look if look.hears_a_running_host() => false,
            // A look that taught nothing, because the name did not resolve for example, does not
            // make the NAS ours to switch off.
            look if look.is_first => look.is_silent(),
            _ => return,
        };
        self.found_off = Some(found_off);
        self.recorder.hand_on(Outcome::Wake {
            found_off,
            ready: false,
        });
        if !look.is_up() {
            self.recorder.saw(
                self.asking.target(),
                Fact::NoAnswer {
                    detail: look.shown(),
                },
            );
        }
    }

    fn end_ready(mut self, look: &Look) -> StepRecord {
        self.tell_what_was();
        for (target, answer) in self.asking.targets().zip(&look.answers) {
            if let Answer::Up { detail } = answer {
                let detail = detail.clone();
                self.recorder.saw(target, Fact::Answered { detail });
            }
        }
        let found_off = self.found_off == Some(true);
        self.recorder.hand_on(Outcome::Wake {
            found_off,
            ready: true,
        });
        let summary = if found_off {
            "it was off, was woken, and is ready"
        } else if look.is_first {
            "it was already up, and will be left up"
        } else {
            "it is ready, but was not seen to be off before; it will be left up"
        };
        self.recorder.end(StepEnd::Done, summary)
    }

    /// Writes down what was sent, and what was answered meanwhile. What was answered last, each end
    /// tells in its own words.
    fn tell_what_was(&mut self) {
        self.sender.record(&mut self.recorder);
        for history in self.asking.histories() {
            if let [before @ .., _] = history.observations() {
                self.recorder.watched(before);
            }
        }
    }

    fn tell_last_answers(&mut self) -> Vec<(String, Duration, Answer)> {
        let last = self.asking.last_answers();
        for (target, after, answer) in &last {
            self.recorder.saw(
                target,
                Fact::LastAnswer {
                    detail: answer.to_string(),
                    after_seconds: after.as_secs(),
                },
            );
        }
        last
    }

    fn end_cancelled(mut self) -> StepRecord {
        self.tell_what_was();
        self.tell_last_answers();
        self.recorder.end(StepEnd::Cancelled, "ended by a signal")
    }

    /// Somebody has to say it otherwise: waiting does not help.
    fn end_mistaken(self) -> StepRecord {
        let why = self.sender.trouble().unwrap_or_default().to_owned();
        self.recorder.end(
            StepEnd::Failed,
            format!("no packet left this machine: {why}"),
        )
    }

    fn end_too_late(mut self, options: &WakeOptions) -> StepRecord {
        self.tell_what_was();
        let last = self.tell_last_answers();
        self.recorder.hand_on(Outcome::Wake {
            found_off: self.found_off == Some(true),
            ready: false,
        });
        let missing: Vec<String> = last
            .iter()
            .filter(|(_, _, answer)| !answer.is_up())
            .map(|(target, _, answer)| format!("{target}: {answer}"))
            .collect();
        for what in advice::on(&last, &self.sender, options) {
            self.recorder.needs_attention(what);
        }
        self.recorder.end(
            StepEnd::DeadlinePassed,
            format!(
                "it was not ready within {:?}, {} ({})",
                options.deadline,
                self.sender.count(),
                missing.join("; ")
            ),
        )
    }
}

#[cfg(test)]
mod tests;
