//! What is left of a night: for people, and as JSON.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::history::{History, HistoryError};
use crate::step::{StepEnd, StepRecord};
use crate::window::Night;

/// The report of a night.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NightReport {
    /// The night.
    pub night: Night,
    /// When the run began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// How it ended.
    pub exit: Exit,
    /// Its steps, in their order.
    pub steps: Vec<StepRecord>,
}

impl NightReport {
    pub(super) fn begin(night: Night, now: Timestamp) -> Self {
        Self {
            night,
            began: now,
            ended: now,
            exit: Exit::Done,
            steps: Vec::new(),
        }
    }

    pub(super) fn add(
        &mut self,
        history: &History,
        record: StepRecord,
    ) -> Result<(), HistoryError> {
        history.append(&self.night, &record)?;
        self.exit = self.exit.worse(record.end.exit());
        self.steps.push(record);
        Ok(())
    }

    /// Adds what was done after the night's own steps, and is in the history already.
    pub fn append(&mut self, record: StepRecord) {
        self.exit = self.exit.worse(record.end.exit());
        self.ended = self.ended.max(record.ended);
        self.steps.push(record);
    }

    pub(super) fn finish(&mut self, now: Timestamp) {
        self.ended = now;
    }

    /// The report as text, with times of day in `time_zone`.
    #[must_use]
    pub fn render(&self, time_zone: &TimeZone) -> String {
        let mut text = format!("Night of {}: {}\n", self.night.date, self.exit.meaning());
        for record in &self.steps {
            text.push('\n');
            text.push_str(&render_step(record, time_zone));
        }
        text
    }
}

/// A step's record as text, with times of day in `time_zone`.
#[must_use]
pub fn render_step(record: &StepRecord, time_zone: &TimeZone) -> String {
    let time = |at: Timestamp| {
        at.to_zoned_datetime(time_zone.clone())
            .strftime("%H:%M:%S")
            .to_string()
    };
    let mut text = format!(
        "{} {:<10} {} to {}  {}\n",
        mark(record.end),
        record.step,
        time(record.began),
        time(record.ended),
        record.summary
    );
    for evidence in &record.evidence {
        let _ = writeln!(text, "    {}  {evidence}", time(evidence.at));
    }
    for what in &record.attention {
        let _ = writeln!(text, "    attention: {what}");
    }
    text
}

/// A word, so that colour is never the only signal.
fn mark(end: StepEnd) -> &'static str {
    match end {
        StepEnd::Done => "[done]     ",
        StepEnd::Attention => "[attention]",
        StepEnd::Failed => "[FAILED]   ",
        StepEnd::DeadlinePassed => "[TOO LATE] ",
        StepEnd::Refused => "[REFUSED]  ",
        StepEnd::NotNeeded => "[no need]  ",
        StepEnd::NotReached => "[not begun]",
        StepEnd::Cancelled => "[cancelled]",
    }
}
