//! What the heartbeats of a service say.

use std::time::Duration;

/// What begins a line that a container writes when it starts.
pub(crate) const START: &str = "S ";

/// How long a service was down: from its last beat before each start to that start, summed up over
/// the starts whose lines begin at or after `from`, a position in bytes.
///
/// Only starts count, so a machine that is too busy for a beat does not look like an outage. A
/// service that was never started was never down, which no contender may claim: that is an error.
pub(crate) fn downtimes(beats: &str, from: usize) -> Result<Duration, String> {
    let mut down = None::<Duration>;
    let mut last = None;
    let mut at = 0;
    for line in beats.split_inclusive('\n') {
        let begins = at;
        at += line.len();
        // A beat that was cut off by the end of its container says nothing.
        let Some(line) = line.strip_suffix('\n') else {
            continue;
        };
        let (started, time) = match line.strip_prefix(START) {
            Some(time) => (true, time),
            None => (false, line),
        };
        let Some(time) = uptime(time) else {
            return Err(format!("{line:?} is no heartbeat"));
        };
        if started && begins >= from {
            let last = last.ok_or("no heartbeat before the first start")?;
            *down.get_or_insert_default() += time.saturating_sub(last);
        }
        last = Some(time);
    }
    down.ok_or_else(|| "it was not stopped".to_owned())
}

/// The first number of `/proc/uptime`: seconds with two decimals, proc(5).
fn uptime(text: &str) -> Option<Duration> {
    let (seconds, hundredths) = text.split_once('.')?;
    if hundredths.len() != 2 {
        return None;
    }
    let hundredths: u64 = hundredths.parse().ok()?;
    let seconds: u64 = seconds.parse().ok()?;
    Some(Duration::from_secs(seconds) + Duration::from_millis(hundredths * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gaps_before_starts_are_summed_up_and_no_others() {
        let beats = "S 1.00\n1.05\n3.00\nS 3.50\n3.55\nS 4.00\n4.05\n";
        assert_eq!(downtimes(beats, 7), Ok(Duration::from_millis(950)));
        let second_start = beats.rfind('S').unwrap();
        assert_eq!(
            downtimes(beats, second_start),
            Ok(Duration::from_millis(450))
        );
    }

    #[test]
    fn what_says_nothing_is_an_error() {
        let never = "S 1.00\n1.05\n";
        assert_eq!(
            downtimes(never, never.len()),
            Err("it was not stopped".to_owned())
        );
        assert!(downtimes("S 1.00\n", 0).is_err(), "nothing before it");
        for bad in ["1\n", "1.5\n", "x.00\n", "S \n", "-1.00\n"] {
            assert!(downtimes(bad, 0).is_err(), "{bad:?}");
        }
        assert_eq!(
            downtimes("1.00\nS 2.00\n2.0", 0),
            Ok(Duration::from_secs(1)),
            "a line that was cut off"
        );
    }
}
