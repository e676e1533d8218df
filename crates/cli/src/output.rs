//! Standard output: the result, as text or as one JSON document.

use std::io::{self, Write};

use backup_window::exit::Exit;
use backup_window::night::render_step;
use backup_window::step::StepRecord;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::failure::Failure;

/// Writes results in the form that was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

/// The records of the steps that a command ran.
#[derive(Debug, Serialize)]
struct Document<'a> {
    exit: Exit,
    code: u8,
    steps: &'a [StepRecord],
}

/// Why a command gave no result.
#[derive(Debug, Serialize)]
struct FailureDocument {
    exit: Exit,
    code: u8,
    error: String,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Writes `value` as JSON, or as what `text` makes of it.
    pub(crate) fn write<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        let document = if self.json {
            serde_json::to_string_pretty(value).map_err(|error| Failure::failed(&error))?
        } else {
            text()
        };
        let mut out = io::stdout().lock();
        let written = writeln!(out, "{}", document.trim_end()).and_then(|()| out.flush());
        match written {
            // Who reads the result has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::failed(&error)),
            Ok(()) => Ok(()),
        }
    }

    /// Writes why a command gave no result, for those who read JSON; people read standard error.
    pub(crate) fn write_failure(self, failure: &Failure) {
        if self.json {
            let document = FailureDocument {
                exit: failure.exit(),
                code: failure.exit().code(),
                error: failure.to_string(),
            };
            // If even this cannot be written, the exit code still tells.
            let _ = self.write(&document, String::new);
        }
    }

    /// Writes what steps left behind, and gives the exit code that they add up to.
    pub(crate) fn write_steps(
        self,
        steps: &[StepRecord],
        time_zone: &TimeZone,
    ) -> Result<Exit, Failure> {
        let exit = steps
            .iter()
            .map(|record| record.end.exit())
            .fold(Exit::Done, Exit::worse);
        let document = Document {
            exit,
            code: exit.code(),
            steps,
        };
        self.write(&document, || {
            steps
                .iter()
                .map(|record| render_step(record, time_zone))
                .collect::<Vec<_>>()
                .join("\n")
        })?;
        Ok(exit)
    }
}
