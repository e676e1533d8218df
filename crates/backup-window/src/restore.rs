//! Getting data back: into the place it came from, onto a machine that lost it, or into a folder.
//!
//! Whoever writes what a repository holds is a process of its own that can write nowhere else
//! (`restore/confinement.rs`); here is what it is told ([`Restorer`]) and what is done around it:
//!
//! - [`in_place`] restores beside the data that is there, holds every byte against the snapshot,
//!   and only then stops the stack, saves what is there in a snapshot of its own, swaps the two and
//!   starts the stack again. What was there is kept until the stack runs well.
//! - [`onto_fresh_host`] makes a stack's volumes again, and puts its data and its Compose files in
//!   their places.
//! - What a restore that was killed left behind is in the [`SwapJournal`], and [`undo`] takes it
//!   away before anything is started.

mod confinement;
mod fresh;
mod job;
mod journal;
mod place;
mod repository;
mod swap;
mod swap_all;
mod targets;
mod whole;

pub use confinement::{ConfinementError, confine};
pub use fresh::{FreshReport, onto_fresh_host};
pub use job::{
    Answer, Job, Name, RestoreCause, RestoreFailure, RestoreJob, Restored, Restorer, restore_here,
};
pub use journal::{Phase, SwapJournal, SwapJournalError, SwapRecord};
pub use place::{How, Swap};
pub use repository::JobRepository;
pub use swap_all::{Leftover, settle, undo};
pub use targets::{Target, Targets, targets};
pub use whole::{InPlace, InPlaceReport, in_place};
