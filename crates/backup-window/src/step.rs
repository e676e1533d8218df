//! The steps of a night, and the record that each leaves.

pub mod confirm;
pub mod drill;
pub mod guard;
pub mod prove;
pub mod recover;
pub mod replicate;
pub mod retain;
pub mod shut_down;
pub mod stacks;
pub mod upkeep;
pub mod verify;
pub mod wake;

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reachability::Observation;
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::evidence::{Evidence, Fact, Watched};
use crate::exit::Exit;

/// A step of the night.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Wake the backup NAS and wait until it is ready.
    Wake,
    /// Back up the stacks.
    Stacks,
    /// Wait until the replication has brought tonight's backup over.
    Replicate,
    /// Find tonight's snapshot on both NAS.
    Evidence,
    /// Verify the repository.
    Verify,
    /// Forget what the rules do not keep.
    Retain,
    /// Decide whether the backup NAS may be switched off.
    Guard,
    /// Switch it off.
    ShutDown,
    /// Make sure that it is off.
    Confirm,
    /// Start what a run left stopped that did not live to do it: no step of any plan.
    Recover,
    /// Try out what was saved of a stack: no step of every night.
    Drill,
}

impl Step {
    /// The steps of a night, in their order.
    pub const ALL: [Self; 9] = [
        Self::Wake,
        Self::Stacks,
        Self::Replicate,
        Self::Evidence,
        Self::Verify,
        Self::Retain,
        Self::Guard,
        Self::ShutDown,
        Self::Confirm,
    ];

    /// The name of the step in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Wake => "wake",
            Self::Stacks => "stacks",
            Self::Replicate => "replicate",
            Self::Evidence => "evidence",
            Self::Verify => "verify",
            Self::Retain => "retain",
            Self::Guard => "guard",
            Self::ShutDown => "shut down",
            Self::Confirm => "confirm",
            Self::Recover => "recover",
            Self::Drill => "drill",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepEnd {
    /// Done, and proven.
    Done,
    /// Done, but something needs attention.
    Attention,
    /// Failed.
    Failed,
    /// Its deadline passed.
    DeadlinePassed,
    /// Refused, because it would not have been safe.
    Refused,
    /// Not begun, by intention: there was nothing that it should have done.
    NotNeeded,
    /// Not begun, because a step before it did not succeed.
    NotReached,
    /// Ended by a signal.
    Cancelled,
}

impl StepEnd {
    /// What the step contributes to the exit code. A step that was not reached contributes nothing:
    /// the step that kept it from being reached does.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Self::Done | Self::NotNeeded | Self::NotReached => Exit::Done,
            Self::Attention => Exit::Attention,
            // Which signal it was is known to the process alone, and decides its exit code.
            Self::Failed | Self::Cancelled => Exit::Failed,
            Self::DeadlinePassed => Exit::DeadlinePassed,
            Self::Refused => Exit::Refused,
        }
    }
}

/// What a step leaves behind: in the report, and in the history for the steps after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Which step.
    pub step: Step,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended.
    pub end: StepEnd,
    /// What came of it, in one sentence.
    pub summary: String,
    /// What proves it.
    pub evidence: Vec<Evidence>,
    /// What somebody should look at.
    pub attention: Vec<String>,
    /// What later steps need to know, as values.
    pub outcome: Outcome,
}

impl StepRecord {
    /// How long the step took, by the wall clock.
    #[must_use]
    pub fn took(&self) -> SignedDuration {
        self.ended.duration_since(self.began)
    }
}

/// What a step hands on to later steps and to other commands of the same night.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing.
    None,
    /// Of the wake.
    Wake {
        /// Whether the NAS was seen to be off before the first packet was sent.
        found_off: bool,
        /// Whether its service answers now.
        ready: bool,
    },
    /// Of the stacks.
    Stacks {
        /// When the last snapshot was complete in the repository, if there is any. What was saved
        /// is worth bringing over even when another stack failed.
        backup_ended: Option<Timestamp>,
        /// What was saved.
        saved: Vec<SavedStack>,
    },
    /// Of the guard.
    Guard {
        /// Whether the NAS is to be switched off now.
        switch_off: bool,
    },
    /// Of the confirmation.
    Confirm {
        /// Whether the NAS is off.
        off: bool,
    },
}

/// A stack that was saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedStack {
    /// The stack.
    pub stack: String,
    /// Its snapshot in the repository.
    pub snapshot: String,
    /// How long its group was down, in milliseconds; absent where nothing had to be stopped.
    pub outage_milliseconds: Option<u64>,
    /// What the repository grew by.
    pub added_bytes: u64,
    /// Whether so much had changed that it was copied into the repository before the stop.
    #[serde(default)]
    pub copied_live: bool,
    /// What was copied to the local disk while it was down.
    #[serde(default)]
    pub spooled_bytes: u64,
    /// What did not fit there, and was read into the repository while it was down.
    #[serde(default)]
    pub read_while_down_bytes: u64,
    /// Whether its data was read through the engine, all of it while it was down.
    #[serde(default)]
    pub through_engine: bool,
}

/// Collects a step's record while the step goes on.
#[derive(Debug)]
pub struct Recorder<'a> {
    clock: &'a dyn Clock,
    step: Step,
    began: Timestamp,
    evidence: Vec<Evidence>,
    attention: Vec<String>,
    outcome: Outcome,
}

impl<'a> Recorder<'a> {
    /// Begins the record of `step`, now.
    #[must_use]
    pub fn begin(step: Step, clock: &'a dyn Clock) -> Self {
        tracing::info!(%step, "begins");
        Self {
            clock,
            step,
            began: clock.now(),
            evidence: Vec::new(),
            attention: Vec::new(),
            outcome: Outcome::None,
        }
    }

    /// When the step began.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// Adds an observation that was made now.
    pub fn saw(&mut self, source: impl Into<String>, fact: Fact) {
        let now = self.clock.now();
        self.saw_at(now, source, fact);
    }

    /// Adds an observation that was made at `at`.
    pub fn saw_at(&mut self, at: Timestamp, source: impl Into<String>, fact: Fact) {
        let evidence = Evidence {
            at,
            source: source.into(),
            fact,
        };
        tracing::info!(step = %self.step, "{evidence}");
        self.evidence.push(evidence);
    }

    /// Adds what the answers to a probe were in the course of this step, each at its time.
    pub fn watched(&mut self, observations: &[Observation]) {
        for seen in observations {
            let fact = Fact::Watched(Watched {
                answer: seen.answer.to_string(),
                times: seen.times,
                until: self.after(seen.until),
            });
            self.saw_at(self.after(seen.after), &seen.target, fact);
        }
    }

    /// The time so long after the beginning of the step.
    #[must_use]
    pub fn after(&self, after: Duration) -> Timestamp {
        SignedDuration::try_from(after)
            .ok()
            .and_then(|after| self.began.checked_add(after).ok())
            .unwrap_or(self.began)
    }

    /// Adds something that somebody should look at.
    pub fn needs_attention(&mut self, what: impl Into<String>) {
        let what = what.into();
        tracing::warn!(step = %self.step, "{what}");
        self.attention.push(what);
    }

    /// Sets what later steps need to know.
    pub fn hand_on(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    /// Ends the record. A step that would be done but has something that needs attention ends as
    /// that; a step that claims to be done without any evidence has failed (I3).
    #[must_use]
    pub fn end(self, end: StepEnd, summary: impl Into<String>) -> StepRecord {
        let mut summary = summary.into();
        let end = match end {
            StepEnd::Done if self.evidence.is_empty() => {
                summary = format!("{summary}, but nothing proves it");
                StepEnd::Failed
            }
            StepEnd::Done if !self.attention.is_empty() => StepEnd::Attention,
            end => end,
        };
        tracing::info!(step = %self.step, ?end, "{summary}");
        StepRecord {
            step: self.step,
            began: self.began,
            ended: self.clock.now(),
            end,
            summary,
            evidence: self.evidence,
            attention: self.attention,
            outcome: self.outcome,
        }
    }
}

/// The record of a step that was not begun because one before it did not succeed.
pub(crate) fn not_reached(clock: &dyn Clock, step: Step, why: &str) -> StepRecord {
    Recorder::begin(step, clock).end(StepEnd::NotReached, format!("not begun: {why}"))
}

/// The record of a step that was not begun because there was nothing for it to do.
pub(crate) fn not_needed(clock: &dyn Clock, step: Step, why: &str) -> StepRecord {
    Recorder::begin(step, clock).end(StepEnd::NotNeeded, why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimulatedClock;

    #[tokio::test(start_paused = true)]
    async fn a_step_that_claims_to_be_done_without_evidence_has_failed() {
        let clock = SimulatedClock::starting_at(Timestamp::UNIX_EPOCH);
        let record = Recorder::begin(Step::Wake, &clock).end(StepEnd::Done, "woken");
        assert_eq!(record.end, StepEnd::Failed);
        assert_eq!(record.summary, "woken, but nothing proves it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_is_done_with_a_remark_needs_attention() {
        let clock = SimulatedClock::starting_at(Timestamp::UNIX_EPOCH);
        let mut recorder = Recorder::begin(Step::Wake, &clock);
        recorder.saw(
            "ssh:nas",
            Fact::Answered {
                detail: "SSH-2.0".into(),
            },
        );
        recorder.needs_attention("it took very long");
        assert_eq!(recorder.end(StepEnd::Done, "woken").end, StepEnd::Attention);
    }
}
