//! Wake the backup NAS and wait until a service of it answers.

mod all_of;

use std::time::Duration;

use reachability::{Answer, Probe, UpOptions, wait_until_up};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wol::{WakeRequest, Waker};

pub use all_of::AllOf;

use super::{Outcome, Recorder, Step, StepEnd, StepRecord, time_left};
use crate::clock::Clock;
use crate::evidence::Fact;
use crate::sentence;

/// How to wake.
#[derive(Debug, Clone)]
pub struct WakeOptions {
    /// Whom to wake, and where the packets go.
    pub request: WakeRequest,
    /// How long to wait before the packet is sent again.
    pub interval: Duration,
    /// How long the NAS may take to become ready.
    pub deadline: Duration,
    /// How long one probe may take.
    pub probe_timeout: Duration,
    /// How long to wait between two probes.
    pub probe_interval: Duration,
}

impl WakeOptions {
    /// Wakes with the usual times: a packet every ten seconds, ten minutes in all.
    #[must_use]
    pub fn new(request: WakeRequest) -> Self {
        Self {
            request,
            interval: Duration::from_secs(10),
            deadline: Duration::from_mins(10),
            probe_timeout: Duration::from_secs(3),
            probe_interval: Duration::from_secs(1),
        }
    }
}

/// Wakes the host and waits until `probe` gets an answer.
///
/// It looks before it sends: only a host that was silent then counts as woken by this night, and
/// only such a host is switched off at its end (I5). The look is one probe whose TCP connection
/// repeats its first packet, so that one lost packet does not make a running NAS look off.
pub async fn run(
    clock: &dyn Clock,
    waker: &dyn Waker,
    probe: &dyn Probe,
    options: &WakeOptions,
    cancel: &CancellationToken,
) -> StepRecord {
    let mut recorder = Recorder::begin(Step::Wake, clock);
    let target = probe.target();
    let started = Instant::now();
    let first_look = tokio::select! {
        answer = probe.probe(options.probe_timeout) => answer,
        () = cancel.cancelled() => return cancelled(recorder),
    };
    // A look that taught nothing, because the name did not resolve for example, does not make the
    // NAS ours to switch off.
    let found_off = first_look.is_silent();
    let needs_packets = !first_look.is_from_a_running_host();
    recorder.hand_on(Outcome::Wake {
        found_off,
        ready: first_look.is_up(),
    });
    match &first_look {
        Answer::Up { detail } => {
            recorder.saw(
                &target,
                Fact::Answered {
                    detail: detail.clone(),
                },
            );
            return recorder.end(StepEnd::Done, "it was already up, and will be left up");
        }
        answer => recorder.saw(
            &target,
            Fact::NoAnswer {
                detail: answer.to_string(),
            },
        ),
    }

    let mut sender = Sender {
        waker,
        request: &options.request,
        rounds: 0,
        destinations: Vec::new(),
    };
    let mut last_answer = first_look.to_string();
    while let Some(remaining) = time_left(options.deadline, started) {
        // A host that answers at all is up: it needs time, no packet.
        if needs_packets && let Err(why) = sender.send() {
            last_answer = why;
        }
        let slice = UpOptions {
            successes: 1,
            interval: options.probe_interval,
            timeout: options.probe_timeout,
            deadline: options.interval.min(remaining),
        };
        let mut note = |observation: &reachability::Observation| {
            last_answer = observation.answer.to_string();
        };
        let up = tokio::select! {
            result = wait_until_up(probe, &slice, &mut note) => result,
            () = cancel.cancelled() => return cancelled(recorder),
        };
        if let Ok(wait) = up {
            sender.record(&mut recorder);
            let detail = match wait.observations.into_iter().last().map(|seen| seen.answer) {
                Some(Answer::Up { detail }) => detail,
                other => other.map_or_else(String::new, |answer| answer.to_string()),
            };
            recorder.saw(&target, Fact::Answered { detail });
            recorder.hand_on(Outcome::Wake {
                found_off,
                ready: true,
            });
            let summary = if found_off {
                "it was off, was woken, and is ready"
            } else {
                "it is ready, but was not seen to be off before; it will be left up"
            };
            return recorder.end(StepEnd::Done, summary);
        }
    }
    sender.record(&mut recorder);
    recorder.end(
        StepEnd::DeadlinePassed,
        format!(
            "{target} was not ready within {:?}: {last_answer}; look whether the NAS is on, whether \
             Wake-on-LAN is enabled in its BIOS and its network settings, and whether the MAC and \
             broadcast addresses are right",
            options.deadline
        ),
    )
}

/// Sends the packet again and again, and remembers how often and where.
struct Sender<'a> {
    waker: &'a dyn Waker,
    request: &'a WakeRequest,
    rounds: u32,
    destinations: Vec<String>,
}

impl Sender<'_> {
    fn send(&mut self) -> Result<(), String> {
        match self.waker.wake(self.request) {
            Ok(report) => {
                self.rounds += 1;
                self.destinations = report
                    .sent
                    .iter()
                    .map(|sent| sent.destination.to_string())
                    .collect();
                for (destination, error) in &report.failed {
                    tracing::warn!(%destination, "{}", sentence::failed_to(error));
                }
                Ok(())
            }
            Err(error) => {
                let why = format!(
                    "no packet left this machine: {}",
                    sentence::failed_to(&error)
                );
                tracing::warn!("{why}");
                Err(why)
            }
        }
    }

    fn record(self, recorder: &mut Recorder<'_>) {
        if self.rounds > 0 {
            let fact = Fact::PacketsSent {
                rounds: self.rounds,
                destinations: self.destinations,
            };
            recorder.saw("this machine", fact);
        }
    }
}

fn cancelled(recorder: Recorder<'_>) -> StepRecord {
    recorder.end(StepEnd::Cancelled, "ended by a signal")
}
