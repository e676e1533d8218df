//! The names that snapshot tasks give.

use std::fmt;

use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// How snapshots are named: the fields of `strftime`, filled in by the NAS's local time, such as
/// `auto-%Y-%m-%d_%H-%M`.
///
/// A name tells the minute (or second) for which a snapshot was planned, and so a time at which, or
/// shortly after which, it was taken. When clocks are set back, the names of an hour come twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct NamingSchema(String);

/// The time in the name of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedTime {
    /// The time, or the first of two.
    pub earliest: Timestamp,
    /// The second one, where clocks were set back and the name stands for both.
    pub latest: Timestamp,
}

/// How long before its creation a name may say that a snapshot was taken: it was planned earlier,
/// or clocks were set back in between.
const NAMES_LAG: SignedDuration = SignedDuration::from_hours(24);

impl NamingSchema {
    /// A schema as TrueNAS has it.
    #[must_use]
    pub fn new(schema: impl Into<String>) -> Self {
        Self(schema.into())
    }

    /// The schema as TrueNAS has it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The time that a name tells, or `None` if the name is not of this schema, or tells a local
    /// time that does not exist, because clocks were set forward over it.
    #[must_use]
    pub fn time_of(&self, name: &str, time_zone: &TimeZone) -> Option<NamedTime> {
        let parsed = BrokenDownTime::parse(&self.0, name).ok()?;
        // Without date and time there is nothing to tell; jiff would take midnight.
        parsed.hour()?;
        let local = parsed.to_datetime().ok()?;
        if let Some(offset) = parsed.offset() {
            let exact = offset.to_timestamp(local).ok()?;
            let written = exact
                .to_zoned_datetime(TimeZone::fixed(offset))
                .strftime(&self.0);
            return (written.to_string() == name).then_some(NamedTime {
                earliest: exact,
                latest: exact,
            });
        }
        // Parsing is more lenient than writing: a schema writes each time in one way only.
        (write(&self.0, local)? == name).then_some(())?;
        let ambiguous = time_zone.to_ambiguous_timestamp(local);
        let (earliest, latest) = match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => {
                let exact = ambiguous.unambiguous().ok()?;
                (exact, exact)
            }
            AmbiguousOffset::Fold { .. } => (ambiguous.earlier().ok()?, ambiguous.later().ok()?),
            AmbiguousOffset::Gap { .. } => return None,
        };
        Some(NamedTime { earliest, latest })
    }

    /// A text that comes, in the order of characters, before the names of all snapshots taken at
    /// `since` or later, and after those of most that are older; `None` if the names of this schema
    /// do not sort by time.
    #[must_use]
    pub fn names_since(&self, since: Timestamp, time_zone: &TimeZone) -> Option<String> {
        let mut fields = self.0.split('%').skip(1).map(|part| part.chars().next());
        let sorted = ['Y', 'm', 'd', 'H', 'M', 'S'];
        let in_order = sorted.iter().all(|&wanted| match fields.next() {
            Some(found) => found == Some(wanted),
            // Names may end early, with the day at the earliest.
            None => ['H', 'M', 'S'].contains(&wanted),
        });
        if !in_order || fields.next().is_some() {
            return None;
        }
        let from = since.checked_sub(NAMES_LAG).ok()?;
        write(&self.0, time_zone.to_datetime(from))
    }
}

impl fmt::Display for NamingSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Fills a schema in. `None` for one that asks for what a local time does not have.
fn write(schema: &str, local: DateTime) -> Option<String> {
    BrokenDownTime::from(local).to_string(schema).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTES: &str = "auto-%Y-%m-%d_%H-%M";

    fn paris() -> TimeZone {
        TimeZone::get("Europe/Paris").unwrap()
    }

    fn times(schema: &str, name: &str) -> Option<(String, String)> {
        let NamedTime { earliest, latest } = NamingSchema::new(schema).time_of(name, &paris())?;
        Some((earliest.to_string(), latest.to_string()))
    }

    fn once(time: &str) -> (String, String) {
        (time.to_owned(), time.to_owned())
    }

    #[test]
    fn names_are_in_the_local_time_of_the_nas() {
        assert_eq!(
            times(MINUTES, "auto-2026-11-23_03-15"),
            Some(once("2026-11-23T02:15:00Z"))
        );
        assert_eq!(
            times(MINUTES, "auto-2026-07-23_03-15"),
            Some(once("2026-07-23T01:15:00Z"))
        );
        assert_eq!(
            times("%Y%m%d-%H%M%S-x", "20261123-031542-x"),
            Some(once("2026-11-23T02:15:42Z"))
        );
        assert_eq!(
            times("auto-%Y-%m-%d_%H-%M%z", "auto-2026-11-23_03-15+0500"),
            Some(once("2026-11-22T22:15:00Z"))
        );
    }

    #[test]
    fn through_both_changes_of_summer_time() {
        // Set forward on 29 March at 02:00, and back on 25 October at 03:00.
        assert_eq!(
            times(MINUTES, "auto-2026-03-29_01-59"),
            Some(once("2026-03-29T00:59:00Z"))
        );
        assert_eq!(times(MINUTES, "auto-2026-03-29_02-30"), None);
        assert_eq!(
            times(MINUTES, "auto-2026-03-29_03-00"),
            Some(once("2026-03-29T01:00:00Z"))
        );
        assert_eq!(
            times(MINUTES, "auto-2026-10-25_01-59"),
            Some(once("2026-10-24T23:59:00Z"))
        );
        assert_eq!(
            times(MINUTES, "auto-2026-10-25_02-30"),
            Some((
                "2026-10-25T00:30:00Z".to_owned(),
                "2026-10-25T01:30:00Z".to_owned()
            ))
        );
        assert_eq!(
            times(MINUTES, "auto-2026-10-25_03-00"),
            Some(once("2026-10-25T02:00:00Z"))
        );
    }

    #[test]
    fn other_names_tell_nothing() {
        for name in [
            "",
            "auto-",
            "manual-2026-11-23_03-15",
            "auto-2026-11-23_03-15-weekly",
            "auto-2026-11-23_3-15",
            "auto-2026-02-30_03-15",
            "auto-2026-11-23_25-15",
            " auto-2026-11-23_03-15",
        ] {
            assert_eq!(times(MINUTES, name), None, "{name}");
        }
        for schema in ["auto", "auto-%Y-%m-%d", "auto-%H-%M", "%", "auto-%Q"] {
            assert_eq!(times(schema, "auto-2026-11-23"), None, "{schema}");
        }
    }

    #[test]
    fn names_sort_by_time_only_if_the_date_comes_first() {
        let since = "2026-11-23T02:15:00Z".parse().unwrap();
        let from = |schema: &str| NamingSchema::new(schema).names_since(since, &paris());
        assert_eq!(from(MINUTES).as_deref(), Some("auto-2026-11-22_03-15"));
        assert_eq!(from("%Y%m%d").as_deref(), Some("20261122"));
        for schema in [
            "auto-%d-%m-%Y_%H-%M",
            "auto-%H-%M_%Y-%m-%d",
            "auto",
            MINUTES_AND_ZONE,
        ] {
            assert_eq!(from(schema), None, "{schema}");
        }
    }

    const MINUTES_AND_ZONE: &str = "auto-%Y-%m-%d_%H-%M_%z";

    proptest! {
        #[test]
        fn any_name_and_schema_tell_a_time_or_nothing(schema in ".{0,30}", name in ".{0,30}") {
            let schema = NamingSchema::new(schema);
            let _ = schema.time_of(&name, &paris());
            let _ = schema.names_since(Timestamp::UNIX_EPOCH, &paris());
        }

        #[test]
        fn a_name_tells_the_time_it_was_given_at(second in 0_i64..4_000_000_000, since in 0_i64..4_000_000_000) {
            let taken = Timestamp::from_second(second).unwrap();
            let since = Timestamp::from_second(since).unwrap();
            let schema = NamingSchema::new(MINUTES);
            let name = taken.to_zoned_datetime(paris()).strftime(MINUTES).to_string();
            let told = schema.time_of(&name, &paris()).unwrap();
            let minute = SignedDuration::from_mins(1);
            let fits = |time: Timestamp| {
                let after = taken.duration_since(time);
                SignedDuration::ZERO <= after && after < minute
            };
            prop_assert!(fits(told.earliest) || fits(told.latest));
            if taken >= since {
                prop_assert!(name >= schema.names_since(since, &paris()).unwrap());
            }
        }
    }
}
