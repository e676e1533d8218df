//! What came of a drill: pure.
//!
//! The rules, of which the first that fits decides:
//!
//! 1. Data that cannot be read back, or is not what was recorded, is unusable.
//! 2. A stack that could not be tried (an image that is not here, definitions that are missing, an
//!    engine that refuses) leaves the verdict open, and so does one of which nothing ran.
//! 3. A container that says itself that it does not work (its health check fails, it ends with an
//!    error, its owner's check fails) makes the copy unusable, unless something that it may need was
//!    withheld from it or not copied. Then that may be the cause, and the verdict is open.
//! 4. What says nothing (not healthy in time, killed at the limit of its memory, a check that takes
//!    too long or cannot be run) leaves the verdict open.
//! 5. A check that passes on empty volumes as well says nothing about the data.
//! 6. Otherwise the copy has passed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::exit::Exit;

/// What SIGKILL makes of an exit code: what the kernel sends at the limit of the memory.
const KILLED: i64 = 137;

/// What a shell ends with when there is no such program, or it may not be run.
const NO_PROGRAM: [i64; 2] = [126, 127];

/// What came of a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The stack runs on what was restored.
    Pass,
    /// It does not, and nothing but the data is to blame.
    Unusable,
    /// It could not be told.
    Inconclusive,
}

impl Verdict {
    /// What a command ends with.
    #[must_use]
    pub fn exit(self) -> Exit {
        match self {
            Self::Pass => Exit::Done,
            Self::Unusable => Exit::Failed,
            Self::Inconclusive => Exit::Attention,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::Unusable => "UNUSABLE",
            Self::Inconclusive => "INCONCLUSIVE",
        })
    }
}

/// What was seen in a drill.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Why the data could not be read back.
    pub unreadable: Option<String>,
    /// In what the restored data is not what was recorded.
    pub differences: Vec<String>,
    /// Why nothing could be tried.
    pub untried: Option<String>,
    /// What may be the reason that something does not work, besides the data.
    pub handicaps: Vec<String>,
    /// What became of the containers.
    pub containers: Vec<ContainerEnd>,
    /// What became of the owner's checks.
    pub checks: Vec<CheckEnd>,
}

/// What became of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerEnd {
    /// The name of the original.
    pub container: String,
    /// What became of its copy.
    pub life: Life,
}

/// What became of the copy of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Life {
    /// Its health check passes.
    Healthy,
    /// It runs, and has no health check.
    Runs,
    /// It ended with code 0, and somebody waited for that.
    Completed,
    /// Its health check fails.
    Unhealthy,
    /// It ended.
    Ended {
        /// What it ended with.
        code: i64,
    },
    /// It was neither well nor ill when the time was over.
    NotInTime,
    /// It was not started.
    NotStarted {
        /// Why.
        why: String,
    },
}

/// What became of a check that the owner of a container asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckEnd {
    /// The name of the container.
    pub container: String,
    /// The command.
    pub command: String,
    /// What it ended with; nothing if it did not.
    pub code: Option<i64>,
    /// The end of what it printed, or why it could not be run.
    pub said: String,
    /// Whether it passes on empty volumes as well; nothing where that was not tried.
    pub passes_on_empty: Option<bool>,
}

impl CheckEnd {
    /// It ended with code 0.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.code == Some(0)
    }
}

impl Life {
    fn is_well(&self) -> bool {
        matches!(self, Self::Healthy | Self::Runs | Self::Completed)
    }

    /// The container says so itself.
    fn is_ill(&self) -> bool {
        match self {
            Self::Unhealthy => true,
            Self::Ended { code } => ![0, KILLED].contains(code),
            _ => false,
        }
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy => f.write_str("is healthy"),
            Self::Runs => f.write_str("runs"),
            Self::Completed => f.write_str("did its work"),
            Self::Unhealthy => f.write_str("is unhealthy"),
            Self::Ended { code: KILLED } => f.write_str(
                "was killed, perhaps at the limit of its memory ([drill] memory in the configuration)",
            ),
            Self::Ended { code } => write!(f, "ended with code {code}"),
            Self::NotInTime => f.write_str("was not well in time"),
            Self::NotStarted { why } => write!(f, "was not started: {why}"),
        }
    }
}

/// Judges what was seen, with the reason for people.
#[must_use]
pub fn judge(findings: &Findings) -> (Verdict, String) {
    let unusable = |why: String| (Verdict::Unusable, why);
    let open = |why: String| (Verdict::Inconclusive, why);
    // What may be somebody else's fault is not held against the data.
    let blame = |why: String| {
        if findings.handicaps.is_empty() {
            unusable(why)
        } else {
            let handicaps = findings.handicaps.join("; ");
            open(format!(
                "{why}, which may be for another reason than its data: {handicaps}"
            ))
        }
    };
    if let Some(why) = &findings.unreadable {
        return unusable(format!("the data cannot be read back: {why}"));
    }
    if let Some(first) = findings.differences.first() {
        let more = findings.differences.len() - 1;
        let more = if more == 0 {
            String::new()
        } else {
            format!(", and {more} more")
        };
        return unusable(format!(
            "what was restored is not what was recorded: {first}{more}"
        ));
    }
    if let Some(why) = &findings.untried {
        return open(format!(
            "the data is as it was recorded, but could not be tried: {why}"
        ));
    }
    if findings.containers.is_empty() {
        return open(
            "the data is as it was recorded, but nothing of the stack ran when it was copied, so nothing was tried"
                .to_owned(),
        );
    }
    let lives = || findings.containers.iter();
    let sentence = |end: &ContainerEnd| format!("{} {}", end.container, end.life);
    if let Some(ill) = lives().find(|end| end.life.is_ill()) {
        return blame(sentence(ill));
    }
    if let Some(end) = lives().find(|end| !end.life.is_well()) {
        return open(sentence(end));
    }
    if let Some(check) = findings.checks.iter().find(|check| !check.passed()) {
        let CheckEnd {
            container,
            command,
            said,
            ..
        } = check;
        let of = format!("the check of {container} ({command})");
        return match check.code {
            Some(code) if !NO_PROGRAM.contains(&code) => {
                blame(format!("{of} failed with code {code}: {said}"))
            }
            Some(_) => open(format!("{of} has no such program: {said}")),
            None => open(format!("{of} came to no end: {said}")),
        };
    }
    let worthless = |check: &&CheckEnd| check.passes_on_empty == Some(true);
    if let Some(check) = findings.checks.iter().find(worthless) {
        return open(format!(
            "the check of {} ({}) is worth nothing: it passes on empty volumes as well",
            check.container, check.command
        ));
    }
    let containers = findings.containers.len();
    let checks = findings.checks.len();
    let healthy = lives().filter(|end| end.life == Life::Healthy).count();
    (
        Verdict::Pass,
        format!(
            "the data is as it was recorded, {containers} of {containers} containers run on it ({healthy} with a health check), {checks} checks passed"
        ),
    )
}

#[cfg(test)]
mod tests;
