//! How far a replication has come: a bar of its snapshots on a terminal, a line now and then elsewhere.

use std::fmt::Debug;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use backup_window::evidence::Bytes;
use backup_window::step::replicate::{ReplicationProgress, TaskProgress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use tokio::time::Instant;
use truenas_client::Progress;

use super::bars::{TURN, style};
use super::lines::{EVERY, FIRST_AFTER};

const MEASURED: &str = "{prefix} [{bar:24}] {msg}";
const UNMEASURED: &str = "{prefix} {spinner} {msg}";

/// Snapshots count so much, so that a part of one shows.
const PARTS: u64 = 1000;

/// A bar for each task that runs.
#[derive(Debug)]
pub(super) struct ReplicationBars {
    all: MultiProgress,
}

#[derive(Debug)]
struct Bar(ProgressBar);

impl ReplicationBars {
    pub(super) fn new(all: MultiProgress) -> Self {
        Self { all }
    }
}

impl ReplicationProgress for ReplicationBars {
    fn begin(&self, task: &str) -> Box<dyn TaskProgress> {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_prefix(format!("{task}: replicating"));
        bar.set_style(style(UNMEASURED));
        let bar = self.all.add(bar);
        bar.tick();
        bar.enable_steady_tick(TURN);
        Box::new(Bar(bar))
    }
}

impl TaskProgress for Bar {
    fn is_at(&self, progress: &Progress) {
        if let Some((done, all)) = parts(progress) {
            self.0.set_style(style(MEASURED));
            self.0.set_length(all);
            self.0.set_position(done);
        }
        self.0.set_message(so_far(progress));
        self.0.tick();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A line now and then for each task that runs.
#[derive(Debug)]
pub(super) struct ReplicationLines<W> {
    out: Arc<Mutex<W>>,
}

#[derive(Debug)]
struct LongRun<W> {
    out: Arc<Mutex<W>>,
    task: String,
    next_line: Mutex<Instant>,
}

impl<W> ReplicationLines<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out: Arc::new(Mutex::new(out)),
        }
    }
}

impl<W: Write + Debug + Send + 'static> ReplicationProgress for ReplicationLines<W> {
    fn begin(&self, task: &str) -> Box<dyn TaskProgress> {
        Box::new(LongRun {
            out: Arc::clone(&self.out),
            task: task.to_owned(),
            next_line: Mutex::new(Instant::now() + FIRST_AFTER),
        })
    }
}

impl<W: Write + Debug + Send> TaskProgress for LongRun<W> {
    fn is_at(&self, progress: &Progress) {
        let now = Instant::now();
        {
            let mut next_line = self
                .next_line
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if now < *next_line {
                return;
            }
            *next_line = now + EVERY;
        }
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Who does not read it misses nothing that the result does not say.
        let _ = writeln!(out, "{}: replicating: {}", self.task, so_far(progress));
    }
}

/// Which part of all that is to be sent has been, if that is known.
fn parts(progress: &Progress) -> Option<(u64, u64)> {
    let (sent, total) = progress.snapshots_sent.zip(progress.snapshots_total)?;
    let of_this = progress
        .sent_bytes
        .zip(progress.total_bytes)
        .filter(|(_, total)| *total > 0)
        .map_or(0, |(sent, total)| {
            let parts = u128::from(sent) * u128::from(PARTS) / u128::from(total);
            u64::try_from(parts).unwrap_or(PARTS).min(PARTS)
        });
    let done = sent.saturating_mul(PARTS).saturating_add(of_this);
    let all = total.saturating_mul(PARTS);
    Some((done.min(all), all))
}

/// In words.
fn so_far(progress: &Progress) -> String {
    let mut said = Vec::new();
    if let Some((sent, total)) = progress.snapshots_sent.zip(progress.snapshots_total) {
        said.push(format!("{sent} of {total} snapshots"));
    }
    let bytes = match (progress.sent_bytes, progress.total_bytes) {
        (Some(sent), Some(total)) if total >= sent => {
            Some(format!("{} of {}", Bytes(sent), Bytes(total)))
        }
        (Some(sent), _) => Some(Bytes(sent).to_string()),
        _ => None,
    };
    let of = match (&progress.dataset, &progress.snapshot) {
        (Some(dataset), Some(snapshot)) => format!(" of {dataset}@{snapshot}"),
        _ => String::new(),
    };
    said.extend(bytes.map(|bytes| format!("{bytes}{of}")));
    if said.is_empty() {
        "how far is not known".to_owned()
    } else {
        said.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use indicatif::InMemoryTerm;
    use tokio::time::advance;

    use super::*;

    fn progress() -> Progress {
        let mut progress = Progress::default();
        progress.dataset = Some("tank/docker".to_owned());
        progress.snapshot = Some("auto-2026-11-23_03-15".to_owned());
        (progress.snapshots_sent, progress.snapshots_total) = (Some(1), Some(4));
        (progress.sent_bytes, progress.total_bytes) = (Some(1 << 30), Some(2 << 30));
        progress
    }

    #[test]
    fn a_bar_tells_of_snapshots_and_bytes_and_goes_with_its_task() {
        let terminal = InMemoryTerm::new(5, 150);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        let bars = ReplicationBars::new(MultiProgress::with_draw_target(target));
        let bar = bars.begin("docker");
        bar.is_at(&progress());
        let shown = terminal.contents();
        assert!(
            shown.starts_with("docker: replicating [█████████░"),
            "{shown}"
        );
        assert!(
            shown.ends_with(
                "] 1 of 4 snapshots, 1.0 GiB of 2.0 GiB of tank/docker@auto-2026-11-23_03-15"
            ),
            "{shown}"
        );
        drop(bar);
        assert_eq!(terminal.contents(), "");
    }

    #[tokio::test(start_paused = true)]
    async fn lines_tell_of_it_after_half_a_minute_and_then_every_minute() {
        let lines = ReplicationLines::new(Vec::new());
        let run = lines.begin("docker");
        for _ in 0..100 {
            run.is_at(&progress());
            advance(Duration::from_secs(1)).await;
        }
        drop(run);
        let line = "docker: replicating: 1 of 4 snapshots, 1.0 GiB of 2.0 GiB of \
                    tank/docker@auto-2026-11-23_03-15\n";
        let written = String::from_utf8(lines.out.lock().unwrap().clone()).unwrap();
        assert_eq!(written, line.repeat(2));
    }

    #[test]
    fn what_is_not_known_is_not_said_and_what_cannot_be_does_no_harm() {
        assert_eq!(so_far(&Progress::default()), "how far is not known");
        assert_eq!(parts(&Progress::default()), None);
        assert_eq!(parts(&progress()), Some((1500, 4000)));
        let mut beyond = progress();
        (beyond.snapshots_sent, beyond.snapshots_total) = (Some(u64::MAX), Some(1));
        (beyond.sent_bytes, beyond.total_bytes) = (Some(u64::MAX), Some(1));
        assert_eq!(parts(&beyond), Some((1000, 1000)));
        beyond.total_bytes = Some(0);
        assert_eq!(parts(&beyond), Some((1000, 1000)));
        assert!(so_far(&beyond).ends_with("16.0 EiB") || so_far(&beyond).contains("PiB"));
    }
}
