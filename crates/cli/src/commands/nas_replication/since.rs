//! `--since`: a time of tonight, or a timestamp.

use backup_window::exit::Exit;
use backup_window::window::Night;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::failure::Failure;

/// Reads a timestamp, or a time of day, which is taken on the night's date, or on the day after it
/// where the window crosses midnight and the time is before its start.
pub(super) fn parse(text: &str, night: &Night, time_zone: &TimeZone) -> Result<Timestamp, Failure> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp);
    }
    let bad = || {
        Failure::text(
            Exit::Usage,
            format!(
                "--since {text}: expected a time of tonight such as 03:00, or a timestamp such as \
                 2026-11-23T03:00:00+01:00"
            ),
        )
    };
    let time: Time = text.parse().map_err(|_| bad())?;
    let on = |date: jiff::civil::Date| {
        date.to_datetime(time)
            .to_zoned_datetime(time_zone.clone())
            .map(|zoned| zoned.timestamp())
            .map_err(|_| bad())
    };
    let ends_on = night.end.to_zoned_datetime(time_zone.clone()).date();
    let tonight = on(night.date)?;
    if tonight < night.start && ends_on > night.date {
        return on(night.date.checked_add(1.day()).map_err(|_| bad())?);
    }
    Ok(tonight)
}

#[cfg(test)]
mod tests {
    use backup_window::window::Window;
    use jiff::civil::{date, time};

    use super::*;

    fn window(start: Time, end: Time) -> (Night, TimeZone) {
        let time_zone = TimeZone::get("Europe/Paris").unwrap();
        let window = Window {
            start,
            end,
            time_zone: time_zone.clone(),
        };
        (window.night_of(date(2026, 11, 23)).unwrap(), time_zone)
    }

    #[test]
    fn a_time_of_day_is_one_of_tonight() {
        let (night, time_zone) = window(time(2, 45, 0, 0), time(5, 0, 0, 0));
        let since = parse("03:00", &night, &time_zone).unwrap();
        assert_eq!(since.to_string(), "2026-11-23T02:00:00Z");
    }

    #[test]
    fn a_time_after_midnight_of_a_window_that_crosses_it_is_one_of_the_next_day() {
        let (night, time_zone) = window(time(23, 0, 0, 0), time(2, 0, 0, 0));
        let since = parse("01:00", &night, &time_zone).unwrap();
        assert_eq!(since.to_string(), "2026-11-24T00:00:00Z");
    }

    #[test]
    fn a_timestamp_is_taken_as_it_is_and_anything_else_is_refused() {
        let (night, time_zone) = window(time(2, 45, 0, 0), time(5, 0, 0, 0));
        let since = parse("2026-11-20T03:00:00+01:00", &night, &time_zone).unwrap();
        assert_eq!(since.to_string(), "2026-11-20T02:00:00Z");
        let refused = parse("yesterday", &night, &time_zone).unwrap_err();
        assert!(
            refused.to_string().contains("expected a time of tonight"),
            "{refused}"
        );
    }
}
