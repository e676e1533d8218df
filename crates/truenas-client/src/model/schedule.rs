//! When tasks run.

mod local;

use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use local::Local;

/// When a task runs: the fields of `crontab(5)`, and the hours of the day between which
/// they count, by the NAS's time zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Schedule {
    /// Minutes, such as `0` or `*/15`.
    pub minute: String,
    /// Hours.
    pub hour: String,
    /// Days of the month.
    pub dom: String,
    /// Months.
    pub month: String,
    /// Days of the week.
    pub dow: String,
    /// The first time of the day, such as `00:00`.
    pub begin: String,
    /// The last time of the day, such as `23:59`.
    pub end: String,
}

impl Default for Schedule {
    /// What TrueNAS takes for absent fields: every full hour.
    fn default() -> Self {
        let every = || "*".to_owned();
        Self {
            minute: "00".to_owned(),
            hour: every(),
            dom: every(),
            month: every(),
            dow: every(),
            begin: "00:00".to_owned(),
            end: "23:59".to_owned(),
        }
    }
}

impl Schedule {
    /// The first time after `after` at which the task runs, or `None` if there is none, or the
    /// schedule cannot be read.
    #[must_use]
    pub fn next_after(&self, after: Timestamp, time_zone: &TimeZone) -> Option<Timestamp> {
        self.find(after, time_zone, Direction::Forward)
    }

    /// The last time before `before` at which the task ran, or should have.
    #[must_use]
    pub fn last_before(&self, before: Timestamp, time_zone: &TimeZone) -> Option<Timestamp> {
        self.find(before, time_zone, Direction::Backward)
    }

    fn find(
        &self,
        from: Timestamp,
        time_zone: &TimeZone,
        direction: Direction,
    ) -> Option<Timestamp> {
        let Self {
            minute,
            hour,
            dom,
            month,
            dow,
            begin,
            end,
        } = self;
        let pattern = format!("{minute} {hour} {dom} {month} {dow}");
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(&pattern)
            .ok()?;
        let (begin, end): (Time, Time) = (begin.parse().ok()?, end.parse().ok()?);
        let counts = |time: Time| {
            if begin <= end {
                (begin..=end).contains(&time)
            } else {
                // Over midnight.
                time >= begin || time <= end
            }
        };
        let from = Local(from.to_zoned_datetime(time_zone.clone()));
        let mut times = match direction {
            Direction::Forward => cron.iter_after(from),
            Direction::Backward => cron.iter_before(from),
        };
        times
            .by_ref()
            .take(ATTEMPTS)
            .find(|Local(time)| counts(time.time()))
            .map(|Local(time)| time.timestamp())
    }
}

/// More than a day has minutes, so that a day whose times do not count is passed over.
const ATTEMPTS: usize = 2 * 24 * 60;

#[derive(Debug, Clone, Copy)]
enum Direction {
    Forward,
    Backward,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paris() -> TimeZone {
        TimeZone::get("Europe/Paris").unwrap()
    }

    fn schedule(fields: &str, hours: (&str, &str)) -> Schedule {
        let fields: Vec<&str> = fields.split(' ').collect();
        let field = |index: usize| fields[index].to_owned();
        Schedule {
            minute: field(0),
            hour: field(1),
            dom: field(2),
            month: field(3),
            dow: field(4),
            begin: hours.0.to_owned(),
            end: hours.1.to_owned(),
        }
    }

    const ALL_DAY: (&str, &str) = ("00:00", "23:59");

    fn around(schedule: &Schedule, time: &str) -> (Option<String>, Option<String>) {
        let time: Timestamp = time.parse().unwrap();
        let shown = |time: Option<Timestamp>| time.map(|time| time.to_string());
        (
            shown(schedule.last_before(time, &paris())),
            shown(schedule.next_after(time, &paris())),
        )
    }

    fn some(last: &str, next: &str) -> (Option<String>, Option<String>) {
        (Some(last.to_owned()), Some(next.to_owned()))
    }

    #[test]
    fn runs_are_at_local_times() {
        let nightly = schedule("15 3 * * *", ALL_DAY);
        assert_eq!(
            around(&nightly, "2026-11-23T12:00:00Z"),
            some("2026-11-23T02:15:00Z", "2026-11-24T02:15:00Z")
        );
        assert_eq!(
            around(&nightly, "2026-10-24T12:00:00Z"),
            some("2026-10-24T01:15:00Z", "2026-10-25T02:15:00Z")
        );
        let mondays = schedule("00 4 * * 1", ALL_DAY);
        assert_eq!(
            around(&mondays, "2026-11-25T12:00:00Z"),
            some("2026-11-23T03:00:00Z", "2026-11-30T03:00:00Z")
        );
        assert_eq!(
            around(&Schedule::default(), "2026-11-25T12:30:00Z"),
            some("2026-11-25T12:00:00Z", "2026-11-25T13:00:00Z")
        );
    }

    #[test]
    fn only_some_hours_may_count() {
        let office = schedule("*/30 * * * *", ("09:00", "17:00"));
        assert_eq!(
            around(&office, "2026-11-25T19:10:00Z"),
            some("2026-11-25T16:00:00Z", "2026-11-26T08:00:00Z")
        );
        let night = schedule("0 * * * *", ("22:00", "02:00"));
        assert_eq!(
            around(&night, "2026-11-25T12:00:00Z"),
            some("2026-11-25T01:00:00Z", "2026-11-25T21:00:00Z")
        );
        let never = schedule("15 3 * * *", ("10:00", "11:00"));
        assert_eq!(around(&never, "2026-11-25T12:00:00Z"), (None, None));
    }

    #[test]
    fn what_cannot_be_read_has_no_times() {
        for fields in ["a b c d e", "61 3 * * *", "0 0 31 2 *", "    "] {
            let unreadable = schedule(fields, ALL_DAY);
            assert_eq!(
                around(&unreadable, "2026-11-25T12:00:00Z"),
                (None, None),
                "{fields}"
            );
        }
        let times = schedule("0 3 * * *", ("soon", "later"));
        assert_eq!(around(&times, "2026-11-25T12:00:00Z"), (None, None));
    }
}
