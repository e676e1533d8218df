//! How far long work has come: bars on a terminal, lines elsewhere, nothing with `--quiet`. All of it
//! goes to standard error, and never into the result.

mod bars;
mod lines;
mod replication;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use backup_store::Progress;
use backup_window::step::replicate::ReplicationProgress;
use indicatif::{MultiProgress, ProgressDrawTarget};
use tracing_subscriber::fmt::MakeWriter;

use self::bars::Bars;
use self::lines::Lines;
use self::replication::{ReplicationBars, ReplicationLines};

/// Standard error, which log lines and bars share.
#[derive(Debug, Clone)]
pub(crate) struct StandardError {
    /// On a terminal: log lines go above the bars.
    bars: Option<MultiProgress>,
}

impl StandardError {
    pub(crate) fn open() -> Self {
        let bars = io::stderr()
            .is_terminal()
            .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { bars }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.bars.is_some()
    }

    /// Who shows how far work has come, if anybody does.
    pub(crate) fn progress(&self, quiet: bool) -> Option<Arc<dyn Progress>> {
        if quiet {
            return None;
        }
        Some(match &self.bars {
            Some(bars) => Arc::new(Bars::new(bars.clone())),
            None => Arc::new(Lines::new(io::stderr())),
        })
    }
}

impl StandardError {
    /// Who shows how far a replication has come, if anybody does.
    pub(crate) fn replication_progress(&self, quiet: bool) -> Option<Arc<dyn ReplicationProgress>> {
        if quiet {
            return None;
        }
        Some(match &self.bars {
            Some(bars) => Arc::new(ReplicationBars::new(bars.clone())),
            None => Arc::new(ReplicationLines::new(io::stderr())),
        })
    }
}

impl Write for StandardError {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match &self.bars {
            Some(bars) => bars.suspend(|| io::stderr().write(text)),
            None => io::stderr().write(text),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for StandardError {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
