//! Trying a copy out: whether what was saved of a stack is enough to run it again.
//!
//! A drill restores a snapshot into volumes of its own, holds every attribute and every byte
//! against what was recorded, starts copies of the stack's containers on them
//! ([`docker_stacks::Blueprint`] says what of them), waits for their health checks, runs the check
//! that its owner asked for, and takes all of it away again. What is left is a [`Verdict`] with its
//! reason. What was seen and what it means are apart: [`judge`] is a function from values to values.

mod blueprints;
mod journal;
mod places;
mod records;
mod run;
mod trial;
mod verdict;

pub use journal::DrillJournal;
pub use records::{DrillRecord, DrillRecords, RecordsError};
pub use run::{DrillOptions, DrillReport, drill};
pub use verdict::{CheckEnd, ContainerEnd, Findings, Life, Verdict, judge};
