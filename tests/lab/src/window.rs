//! The window of a night that is tested.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// The start and the end, in UTC, of a window that is open at `now` and will be for two hours,
/// around midnight too: tests run at any time of the day.
#[must_use]
pub fn open_window(now: Timestamp) -> [String; 2] {
    [-1, 2].map(|hours| {
        let now = now.to_zoned_datetime(TimeZone::UTC);
        let at = now.saturating_add(SignedDuration::from_hours(hours));
        at.strftime("%H:%M").to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_go_beyond_midnight() {
        let window = |now: &str| open_window(now.parse().unwrap());
        assert_eq!(window("2026-11-23T12:30:00Z"), ["11:30", "14:30"]);
        assert_eq!(window("2026-11-23T23:59:28Z"), ["22:59", "01:59"]);
        assert_eq!(window("2026-11-24T00:10:00Z"), ["23:10", "02:10"]);
    }
}
