//! Lines, for logs and for mail from cron: only of work that takes long, and not many.

use std::fmt::Debug;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backup_store::{Progress, Work, WorkProgress};
use backup_window::evidence::Bytes;
use tokio::time::Instant;

/// How long work may take before it is worth a line.
pub(super) const FIRST_AFTER: Duration = Duration::from_secs(30);

/// How long it is from one line to the next.
pub(super) const EVERY: Duration = Duration::from_mins(1);

/// A line now and then for each piece of work.
#[derive(Debug)]
pub(super) struct Lines<W> {
    out: Arc<Mutex<W>>,
}

#[derive(Debug)]
struct LongWork<W: Write> {
    out: Arc<Mutex<W>>,
    work: String,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    begun: Instant,
    next_line: Instant,
    total_bytes: Option<u64>,
    done_bytes: u64,
    wrote_any: bool,
}

impl<W> Lines<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out: Arc::new(Mutex::new(out)),
        }
    }
}

impl<W: Write + Debug + Send + 'static> Progress for Lines<W> {
    fn begin(&self, work: &Work) -> Box<dyn WorkProgress> {
        let begun = Instant::now();
        Box::new(LongWork {
            out: Arc::clone(&self.out),
            work: work.to_string(),
            state: Mutex::new(State {
                begun,
                next_line: begun + FIRST_AFTER,
                total_bytes: work.total_bytes,
                done_bytes: 0,
                wrote_any: false,
            }),
        })
    }
}

impl<W: Write> LongWork<W> {
    fn write(&self, line: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // Who does not read it misses nothing that the result does not say.
        let _ = writeln!(out, "{}: {line}", self.work);
    }
}

impl<W: Write + Debug + Send> WorkProgress for LongWork<W> {
    fn is_to_be(&self, total_bytes: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.total_bytes = Some(total_bytes);
    }

    fn advance(&self, bytes: u64) {
        let line = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.done_bytes += bytes;
            let now = Instant::now();
            if now < state.next_line {
                return;
            }
            state.next_line = now + EVERY;
            state.wrote_any = true;
            so_far(state.done_bytes, state.total_bytes, now - state.begun)
        };
        self.write(&line);
    }
}

impl<W: Write> Drop for LongWork<W> {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.wrote_any {
            let line = ended(state.done_bytes, state.begun.elapsed());
            self.write(&line);
        }
    }
}

/// In the middle of it.
fn so_far(done: u64, total: Option<u64>, elapsed: Duration) -> String {
    let rate = rate(done, elapsed);
    // A file that grew while it was read must not count as more than everything.
    let Some(total) = total.filter(|total| *total >= done && *total > 0) else {
        return format!("{}, {}/s", Bytes(done), Bytes(rate));
    };
    let percent = u128::from(done) * 100 / u128::from(total);
    let left = match rate {
        0 => "time left unknown".to_owned(),
        rate => format!(
            "{} left",
            in_words(Duration::from_secs((total - done).div_ceil(rate)))
        ),
    };
    format!(
        "{} of {} ({percent} %), {}/s, {left}",
        Bytes(done),
        Bytes(total),
        Bytes(rate)
    )
}

fn ended(done: u64, elapsed: Duration) -> String {
    let rate = rate(done, elapsed);
    format!(
        "ended after {}, {}, {}/s",
        in_words(elapsed),
        Bytes(done),
        Bytes(rate)
    )
}

/// In bytes per second.
fn rate(bytes: u64, elapsed: Duration) -> u64 {
    let per_second = u128::from(bytes) * 1000 / elapsed.as_millis().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}

/// To the second, and above an hour to the minute.
fn in_words(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use backup_store::WorkKind;
    use tokio::time::advance;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn work(total_bytes: Option<u64>) -> Work {
        Work {
            kind: WorkKind::Archive,
            stack: Some("wiki".to_owned()),
            total_bytes,
        }
    }

    fn written(lines: &Lines<Vec<u8>>) -> String {
        String::from_utf8(lines.out.lock().unwrap().clone()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_quickly_done_is_not_worth_a_line() {
        let lines = Lines::new(Vec::new());
        let work = lines.begin(&work(Some(10 * MIB)));
        for _ in 0..10 {
            advance(Duration::from_secs(2)).await;
            work.advance(MIB);
        }
        drop(work);
        assert_eq!(written(&lines), "");
    }

    #[tokio::test(start_paused = true)]
    async fn long_work_is_told_of_now_and_then_and_at_its_end() {
        let lines = Lines::new(Vec::new());
        let work = lines.begin(&work(Some(2000 * MIB)));
        for _ in 0..100 {
            advance(Duration::from_secs(1)).await;
            work.advance(10 * MIB);
        }
        drop(work);
        assert_eq!(
            written(&lines),
            "wiki: writing the snapshot: 300.0 MiB of 2.0 GiB (15 %), 10.0 MiB/s, 2 min 50 s left\n\
             wiki: writing the snapshot: 900.0 MiB of 2.0 GiB (45 %), 10.0 MiB/s, 1 min 50 s left\n\
             wiki: writing the snapshot: ended after 1 min 40 s, 1000.0 MiB, 10.0 MiB/s\n"
        );
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let minute = Duration::from_mins(1);
        assert_eq!(so_far(60 * MIB, None, minute), "60.0 MiB, 1.0 MiB/s");
        // It grew.
        assert_eq!(
            so_far(60 * MIB, Some(50 * MIB), minute),
            "60.0 MiB, 1.0 MiB/s"
        );
        assert_eq!(
            so_far(0, Some(MIB), minute),
            "0 B of 1.0 MiB (0 %), 0 B/s, time left unknown"
        );
        assert_eq!(
            so_far(MIB, Some(7201 * MIB), Duration::from_secs(1)),
            "1.0 MiB of 7.0 GiB (0 %), 1.0 MiB/s, 2 h 0 min left"
        );
        assert_eq!(
            so_far(u64::MAX, Some(u64::MAX), Duration::ZERO)
                .matches("(100 %)")
                .count(),
            1
        );
    }
}
