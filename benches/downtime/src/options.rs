//! What was asked for.

use std::{num::NonZeroU32, path::PathBuf};

use clap::{Parser, ValueEnum};

use crate::{
    contender::Contender,
    data::Sizes,
    ours::Ours,
    scripts::{Scope, Script, Tool},
};

/// Measures how long services are down while they are backed up.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench downtime")]
pub(crate) struct Options {
    /// Stacks; the first four have two services each, the others one
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub(crate) stacks: u8,

    /// Small files, of 1 to 21 KiB, in as many volumes as there are stacks
    #[arg(long, default_value_t = 100_000)]
    files: u64,

    /// How many of them are written anew before each night that is measured
    #[arg(long, default_value_t = 1_000)]
    changed: u64,

    /// MiB in each of the four big files
    #[arg(long, default_value_t = 256, value_name = "MIB")]
    big: u64,

    /// Pages of 8 KiB that change in one of the big files
    #[arg(long, default_value_t = 200)]
    pages: u64,

    /// How many nights are measured; the table has medians
    #[arg(long, default_value = "1")]
    pub(crate) repeat: NonZeroU32,

    /// Drop the page cache before each night that is measured (the machine's, not only the lab's)
    #[arg(long)]
    pub(crate) cold: bool,

    /// Only these, and the bare stop and start
    #[arg(long, value_delimiter = ',')]
    only: Vec<Who>,

    /// The `docker-backup` to measure; otherwise the one beside this program
    #[arg(long)]
    program: Option<PathBuf>,

    /// Show what `docker-backup` logs, with `-vv`
    #[arg(long)]
    log: bool,

    /// An empty folder on the disk to measure; otherwise in memory
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Who {
    Ours,
    Restic,
    Borg,
    Rsync,
    Tar,
}

impl Options {
    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            small_files: self.files,
            changed_files: self.changed.min(self.files),
            big_mib: self.big,
            changed_pages: self.pages.min(self.big * 128),
        }
    }

    /// Enough for two copies that do not compress at all, and for the tables of an ext4.
    pub(crate) fn destination_bytes(&self) -> u64 {
        (1 << 30) + 3 * (self.files * 16 * 1024 + 4 * self.big * (1 << 20))
    }

    pub(crate) fn contenders(&self) -> Vec<Box<dyn Contender>> {
        let wants = |who| self.only.is_empty() || self.only.contains(&who);
        let mut all: Vec<Box<dyn Contender>> =
            vec![Box::new(Script::new(Tool::Nothing, Scope::PerStack))];
        if wants(Who::Ours) {
            all.push(Box::new(Ours::new(self.program.clone(), self.log)));
        }
        for (who, tool) in [
            (Who::Restic, Tool::Restic),
            (Who::Borg, Tool::Borg),
            (Who::Rsync, Tool::Rsync),
            (Who::Tar, Tool::Tar),
        ] {
            if wants(who) {
                all.push(Box::new(Script::new(tool, Scope::PerStack)));
                all.push(Box::new(Script::new(tool, Scope::AllStopped)));
            }
        }
        all
    }

    /// What was measured, for people.
    pub(crate) fn load(&self) -> String {
        format!(
            "{} stacks of {} services, {} files of 1 to 21 KiB, {} of {} MiB; changed: {} files, \
             {} pages of 8 KiB; {} page cache; {} night(s)",
            self.stacks,
            self.stacks + self.stacks.min(4),
            self.files,
            self.stacks.min(4),
            self.big,
            self.changed,
            self.pages,
            if self.cold { "cold" } else { "warm" },
            self.repeat
        )
    }
}
