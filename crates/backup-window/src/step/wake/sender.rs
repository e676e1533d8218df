//! Sends the packet again and again, and remembers how often, through what and where to.

use wol::{AimError, Decision, Targets, Verdict, WakeErrorKind, WakeRequest, Waker};

use super::WakeOptions;
use crate::evidence::{Fact, InterfaceReason};
use crate::sentence;
use crate::step::Recorder;

/// Sends magic packets, each time by the interfaces that are there then.
pub(super) struct Sender<'a> {
    waker: &'a dyn Waker,
    options: &'a WakeOptions,
    rounds: u32,
    packets: u32,
    destinations: Vec<String>,
    decisions: Vec<Decision>,
    remarks: Vec<String>,
    trouble: Option<String>,
    is_mistaken: bool,
}

impl<'a> Sender<'a> {
    pub(super) fn new(waker: &'a dyn Waker, options: &'a WakeOptions) -> Self {
        Self {
            waker,
            options,
            rounds: 0,
            packets: 0,
            destinations: Vec::new(),
            decisions: Vec::new(),
            remarks: Vec::new(),
            trouble: None,
            is_mistaken: false,
        }
    }

    /// Sends one packet to each destination.
    pub(super) fn send(&mut self, recorder: &mut Recorder<'_>) {
        let targets = match self.aim() {
            Ok(targets) => {
                self.is_mistaken = false;
                self.chose(targets.decisions.clone(), recorder);
                targets
            }
            Err(error) => {
                self.is_mistaken = error.is_a_mistake();
                self.chose(error.decisions().to_vec(), recorder);
                return self.failed(sentence::failed_to(&error));
            }
        };
        for remark in &targets.remarks {
            let remark = remark.to_string();
            if !self.remarks.contains(&remark) {
                tracing::warn!("{remark}");
                self.remarks.push(remark);
            }
        }
        let request = WakeRequest::new(self.options.mac, targets.destinations)
            .with_password(self.options.secure_on.clone());
        match self.waker.wake(&request) {
            Ok(report) => {
                self.trouble = None;
                self.rounds += 1;
                let count = u32::try_from(report.sent.len()).unwrap_or(u32::MAX);
                self.packets = self.packets.saturating_add(count);
                self.destinations = report.sent.iter().map(described).collect();
                for (destination, error) in &report.failed {
                    tracing::warn!(%destination, "{}", sentence::failed_to(error));
                }
            }
            Err(error) => {
                self.is_mistaken = error.kind() == WakeErrorKind::Permission;
                self.failed(sentence::failed_to(&error));
            }
        }
    }

    fn aim(&self) -> Result<Targets, AimError> {
        match self.waker.interfaces() {
            Ok(machine) => self.options.aim.take(&machine),
            Err(error) => {
                tracing::debug!("{}", sentence::failed_to(&error));
                self.options.aim.take_blindly()
            }
        }
    }

    fn failed(&mut self, why: String) {
        if self.trouble.as_ref() != Some(&why) {
            tracing::warn!("no packet left this machine: {why}");
        }
        self.trouble = Some(why);
    }

    /// Records which interfaces are used and why, when that is not what it was before.
    fn chose(&mut self, decisions: Vec<Decision>, recorder: &mut Recorder<'_>) {
        if self.decisions == decisions {
            return;
        }
        let reasons = |used: bool| -> Vec<InterfaceReason> {
            decisions
                .iter()
                .filter(|decision| matches!(decision.verdict, Verdict::Used(_)) == used)
                .map(|decision| InterfaceReason {
                    name: decision.interface.clone(),
                    why: match &decision.verdict {
                        Verdict::Used(why) => why.to_string(),
                        Verdict::NotUsed(why) => why.to_string(),
                    },
                })
                .collect()
        };
        let fact = Fact::InterfacesChosen {
            used: reasons(true),
            not_used: reasons(false),
        };
        recorder.saw("this machine", fact);
        self.decisions = decisions;
    }

    /// Whether what is wrong does not pass by itself.
    pub(super) fn is_mistaken(&self) -> bool {
        self.is_mistaken
    }

    /// Why the last packet did not leave, if it did not.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// How many packets were sent, as the end of a sentence.
    pub(super) fn count(&self) -> String {
        match (self.packets, self.trouble()) {
            (0, None) => "without a packet, as it is up".to_owned(),
            (0, Some(_)) => "and no packet left this machine".to_owned(),
            (1, _) => "after 1 packet".to_owned(),
            (packets, _) => format!("after {packets} packets"),
        }
    }

    pub(super) fn record(&self, recorder: &mut Recorder<'_>) {
        if self.rounds > 0 {
            let fact = Fact::PacketsSent {
                rounds: self.rounds,
                packets: self.packets,
                destinations: self.destinations.clone(),
            };
            recorder.saw("this machine", fact);
        }
    }
}

fn described(sent: &wol::Sent) -> String {
    match sent.tie {
        wol::Tie::Address => format!(
            "{} (by its source address; not tied to the interface)",
            sent.destination
        ),
        _ => sent.destination.to_string(),
    }
}
