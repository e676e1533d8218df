//! Local times, as the library for schedules wants to see them. It comes with this for a former
//! version of jiff only.

use std::cmp::Ordering;

use croner::errors::CronError;
use croner::{CivilDate, CivilDateTime, CivilTime, CronDateTime, Resolution, Weekday};
use jiff::civil::DateTime;
use jiff::tz::AmbiguousOffset;
use jiff::{SignedDuration, ZonedDateTime};

#[derive(Debug, Clone)]
pub(super) struct Local(pub(super) ZonedDateTime);

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        let local = self.0.datetime();
        let unsigned = i8::unsigned_abs;
        let date = CivilDate::from_ymd_opt(
            local.year().into(),
            unsigned(local.month()).into(),
            unsigned(local.day()).into(),
        );
        let time = CivilTime::from_hms_opt(
            unsigned(local.hour()).into(),
            unsigned(local.minute()).into(),
            unsigned(local.second()).into(),
        );
        CivilDateTime::new(
            date.expect("a date of jiff is one"),
            time.expect("a time of jiff is one"),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        let days = self.0.weekday().to_sunday_zero_offset();
        Weekday::from_days_from_sunday(days.unsigned_abs().into())
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> Result<Resolution<Self>, CronError> {
        let local = from_civil(civil).ok_or(CronError::InvalidDate)?;
        let zoned = self.0.time_zone().to_ambiguous_zoned_datetime(local);
        let invalid = |_| CronError::InvalidTime;
        Ok(match zoned.offset() {
            AmbiguousOffset::Unambiguous { .. } => {
                Resolution::Single(Self(zoned.unambiguous().map_err(invalid)?))
            }
            AmbiguousOffset::Fold { .. } => Resolution::Ambiguous(
                Self(zoned.clone().earlier().map_err(invalid)?),
                Self(zoned.later().map_err(invalid)?),
            ),
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        let duration = SignedDuration::from_secs(seconds);
        self.0.checked_add(duration).ok().map(Self)
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.0.timestamp().cmp(&other.0.timestamp())
    }
}

fn from_civil(civil: CivilDateTime) -> Option<DateTime> {
    let small = |number: u32| i8::try_from(number).ok();
    DateTime::new(
        i16::try_from(civil.year()).ok()?,
        small(civil.month())?,
        small(civil.day())?,
        small(civil.hour())?,
        small(civil.minute())?,
        small(civil.second())?,
        0,
    )
    .ok()
}
