//! The window: the hours in which the night may run, on the wall clock of the house.
//!
//! Written as two times of day and a time zone, because that is how people think of it ("from
//! 02:45 to 05:00"). Summer time makes this delicate: in most of Europe 02:45 does not exist on
//! one night of the year and exists twice on another.

use std::time::Duration;

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// The hours in which the night may run.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// The first moment at which anything may be stopped.
    pub start: Time,
    /// The moment from which on nothing may be stopped any more. Earlier in the day than `start`
    /// when the window crosses midnight.
    pub end: Time,
    /// The time zone of both.
    pub time_zone: TimeZone,
}

/// One occurrence of the window: a night, named by the date on which it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Night {
    /// The date on which the window opens, in the window's time zone.
    pub date: Date,
    /// When the window opens.
    pub start: Timestamp,
    /// When the window closes.
    pub end: Timestamp,
}

impl Window {
    /// The night that starts on `date`.
    ///
    /// A start that the change to summer time skips becomes the moment of the change (when Debian's
    /// cron runs the job that it would have missed); a start that occurs twice becomes the first,
    /// an end that occurs twice the second.
    ///
    /// # Errors
    /// When the date lies at the very end of what timestamps can express.
    pub fn night_of(&self, date: Date) -> Result<Night, jiff::Error> {
        let start = self.instant(date, self.start, Twice::First)?;
        let end_date = if self.end > self.start {
            date
        } else {
            date.checked_add(1.day())?
        };
        let end = self.instant(end_date, self.end, Twice::Second)?;
        Ok(Night { date, start, end })
    }

    /// The night that `now` belongs to: the one whose window is open, or else the one whose window
    /// is nearest. So a wake a little before the window and a switching off a little after it
    /// belong to the night between them.
    ///
    /// # Errors
    /// When `now` lies at the very end of what timestamps can express.
    pub fn night_at(&self, now: Timestamp) -> Result<Night, jiff::Error> {
        let today = now.to_zoned_datetime(self.time_zone.clone()).date();
        let mut nearest = self.night_of(today)?;
        for neighbour in [today.checked_sub(1.day())?, today.checked_add(1.day())?] {
            let night = self.night_of(neighbour)?;
            if night.distance_milliseconds(now) < nearest.distance_milliseconds(now) {
                nearest = night;
            }
        }
        Ok(nearest)
    }

    fn instant(&self, date: Date, time: Time, twice: Twice) -> Result<Timestamp, jiff::Error> {
        let ambiguous = self
            .time_zone
            .to_ambiguous_timestamp(date.to_datetime(time));
        match (ambiguous.offset(), twice) {
            (AmbiguousOffset::Gap { .. }, _) => {
                let before_the_jump = ambiguous.earlier()?;
                Ok(self
                    .time_zone
                    .following(before_the_jump)
                    .next()
                    .map_or(before_the_jump, |transition| transition.timestamp()))
            }
            (_, Twice::First) => ambiguous.earlier(),
            (_, Twice::Second) => ambiguous.later(),
        }
    }
}

impl Night {
    /// Whether the window is open at `now`: from its start on, until just before its end.
    #[must_use]
    pub fn is_open_at(&self, now: Timestamp) -> bool {
        self.start <= now && now < self.end
    }

    /// What is left of the window at `now`; of a night that was begun outside it, a whole window.
    #[must_use]
    pub fn time_left(&self, now: Timestamp) -> Duration {
        let from = if self.is_open_at(now) {
            now
        } else {
            self.start
        };
        Duration::try_from(self.end.duration_since(from)).unwrap_or_default()
    }

    fn distance_milliseconds(&self, now: Timestamp) -> i64 {
        let now = now.as_millisecond();
        (self.start.as_millisecond() - now)
            .max(now - self.end.as_millisecond())
            .max(0)
    }
}

/// Which of two occurrences of the same time of day is meant.
#[derive(Clone, Copy)]
enum Twice {
    First,
    Second,
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};

    use super::*;

    fn paris() -> Window {
        Window {
            start: time(2, 45, 0, 0),
            end: time(5, 0, 0, 0),
            time_zone: TimeZone::get("Europe/Paris").unwrap(),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_ordinary_night_is_open_from_its_start_until_just_before_its_end() {
        let night = paris().night_of(date(2026, 11, 23)).unwrap();
        assert_eq!(night.start, at("2026-11-23T01:45:00Z"));
        assert_eq!(night.end, at("2026-11-23T04:00:00Z"));
        assert!(!night.is_open_at(at("2026-11-23T01:44:59Z")));
        assert!(night.is_open_at(at("2026-11-23T01:45:00Z")));
        assert!(night.is_open_at(at("2026-11-23T03:59:59Z")));
        assert!(!night.is_open_at(at("2026-11-23T04:00:00Z")));
    }

    #[test]
    fn a_start_that_summer_time_skips_is_the_moment_of_the_change() {
        let night = paris().night_of(date(2026, 3, 29)).unwrap();
        assert_eq!(night.start, at("2026-03-29T01:00:00Z"));
        assert_eq!(night.end, at("2026-03-29T03:00:00Z"));
    }

    #[test]
    fn a_start_that_occurs_twice_is_the_first_and_such_an_end_the_second() {
        let night = paris().night_of(date(2026, 10, 25)).unwrap();
        assert_eq!(night.start, at("2026-10-25T00:45:00Z"));
        let ends_twice = Window {
            start: time(1, 0, 0, 0),
            end: time(2, 30, 0, 0),
            ..paris()
        };
        let night = ends_twice.night_of(date(2026, 10, 25)).unwrap();
        assert_eq!(night.end, at("2026-10-25T01:30:00Z"));
    }

    #[test]
    fn a_window_may_cross_midnight() {
        let window = Window {
            start: time(23, 30, 0, 0),
            end: time(1, 0, 0, 0),
            ..paris()
        };
        let after_midnight = at("2026-11-23T23:10:00Z"); // 00:10 on the 24th in Paris
        let night = window.night_at(after_midnight).unwrap();
        assert_eq!(night.date, date(2026, 11, 23));
        assert!(night.is_open_at(after_midnight));
    }

    #[test]
    fn a_wake_before_and_a_switching_off_after_the_window_belong_to_the_same_night() {
        let window = paris();
        let wake = window.night_at(at("2026-11-23T01:30:00Z")).unwrap();
        let switch_off = window.night_at(at("2026-11-23T04:00:05Z")).unwrap();
        assert_eq!(wake, switch_off);
        let next_evening = window.night_at(at("2026-11-23T21:00:00Z")).unwrap();
        assert_eq!(next_evening.date, date(2026, 11, 24));
    }
}
