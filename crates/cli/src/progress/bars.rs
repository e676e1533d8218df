//! Bars on a terminal.

use std::time::Duration;

use backup_store::{Progress, Work, WorkProgress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

const MEASURED: &str = "{prefix} [{bar:24}] {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}, {eta} left";
const UNMEASURED: &str = "{prefix} {spinner} {binary_bytes}, {binary_bytes_per_sec}";

/// How often a spinner turns where nothing else tells that the program lives.
pub(super) const TURN: Duration = Duration::from_millis(200);

/// A bar for each piece of work, as long as it lasts.
#[derive(Debug)]
pub(super) struct Bars {
    all: MultiProgress,
}

#[derive(Debug)]
struct Bar(ProgressBar);

impl Bars {
    pub(super) fn new(all: MultiProgress) -> Self {
        Self { all }
    }
}

impl Progress for Bars {
    fn begin(&self, work: &Work) -> Box<dyn WorkProgress> {
        // Hidden until it is complete: it is drawn as soon as it is added.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_prefix(work.to_string());
        match work.total_bytes {
            Some(total) => measure(&bar, total),
            None => bar.set_style(style(UNMEASURED)),
        }
        let bar = self.all.add(bar);
        bar.tick();
        bar.enable_steady_tick(TURN);
        Box::new(Bar(bar))
    }
}

impl WorkProgress for Bar {
    fn is_to_be(&self, total_bytes: u64) {
        measure(&self.0, total_bytes);
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn measure(bar: &ProgressBar, total_bytes: u64) {
    bar.set_style(style(MEASURED));
    bar.set_length(total_bytes);
}

/// A template that cannot be read would show as the library's own.
pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use backup_store::WorkKind;
    use indicatif::InMemoryTerm;

    use super::*;

    fn on_a_terminal() -> (InMemoryTerm, Bars) {
        let terminal = InMemoryTerm::new(5, 100);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
        (terminal, Bars::new(MultiProgress::with_draw_target(target)))
    }

    #[test]
    fn a_bar_tells_sizes_rate_and_time_left_and_goes_with_its_work() {
        let (terminal, bars) = on_a_terminal();
        let bar = bars.begin(&Work {
            kind: WorkKind::CopyLive,
            stack: Some("shop".to_owned()),
            total_bytes: Some(4 << 20),
        });
        bar.advance(1 << 20);
        bar.is_to_be(8 << 20);
        let shown = terminal.contents();
        assert!(
            shown.starts_with("shop: copying before the stop ["),
            "{shown}"
        );
        assert!(shown.contains("1.00 MiB of "), "{shown}");
        assert!(shown.contains("/s, "), "{shown}");
        assert!(shown.ends_with(" left"), "{shown}");
        drop(bar);
        assert_eq!(terminal.contents(), "");
    }

    #[test]
    fn without_a_size_there_is_a_rate_only() {
        let (terminal, bars) = on_a_terminal();
        let bar = bars.begin(&Work {
            kind: WorkKind::Check,
            stack: None,
            total_bytes: None,
        });
        let shown = terminal.contents();
        assert!(
            shown.starts_with("reading the repository's data "),
            "{shown}"
        );
        assert!(!shown.contains("left"), "{shown}");
        bar.is_to_be(1 << 20);
        assert!(
            terminal.contents().contains("of 1.00 MiB"),
            "{}",
            terminal.contents()
        );
    }
}
