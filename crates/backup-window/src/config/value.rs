//! How single values are written: durations, times of day, time zones, URLs.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::SignedDuration;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use url::Url;

use crate::window::Window;

/// Reads a duration as people write it: `90s`, `10m`, `1h 30m`.
///
/// # Errors
/// With a sentence that says what was expected.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|signed| Duration::try_from(signed).ok())
        .ok_or_else(|| {
            format!(
                "`{text}` is no duration: expected a number with its unit, such as 90s, 10m or 2h"
            )
        })
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A number of bytes with its unit, as people write it: `500 MB`, `4GiB`.
pub(super) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let read = text.parse::<ByteSize>().ok();
    // A bare number more likely lacks its unit than means single bytes.
    let read = read.filter(|_| text.contains(|c: char| c.is_ascii_alphabetic()));
    read.map(|size| size.as_u64()).ok_or_else(|| {
        D::Error::custom(format!(
            "`{text}` is no size: expected a number with its unit, such as 500MB or 4GiB"
        ))
    })
}

pub(super) fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    match u8::deserialize(deserializer)? {
        percent @ 0..=100 => Ok(percent),
        more => Err(D::Error::custom(format!(
            "{more} is no share: expected a number from 0 to 100"
        ))),
    }
}

pub(super) fn https_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    let expected = "expected https://HOST, without a path";
    let url: Url = text
        .parse()
        .map_err(|error| D::Error::custom(format!("`{text}` is no URL ({error}): {expected}")))?;
    if url.scheme() != "https" {
        return Err(D::Error::custom(format!(
            "`{text}` is not encrypted, and TrueNAS revokes an API key that it sees in clear: {expected}"
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(D::Error::custom(format!(
            "the URL holds a user or password, which would appear in logs: {expected}"
        )));
    }
    Ok(url)
}

pub(super) fn optional_https_url<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Url>, D::Error> {
    https_url(deserializer).map(Some)
}

/// The name of a user, which an empty text is not.
pub(super) fn optional_user<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    if name.trim().is_empty() {
        return Err(D::Error::custom(
            "it is empty: expected the name of the user that the API key belongs to, as TrueNAS \
             shows it beside the key; or no such line for a key without a user",
        ));
    }
    Ok(Some(name))
}

/// A value that is written as a string and has its own reading of it.
pub(super) fn list_from_str<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    Vec::<String>::deserialize(deserializer)?
        .iter()
        .map(|text| text.parse().map_err(D::Error::custom))
        .collect()
}

/// The same for a list that may be left out.
pub(super) fn optional_list_from_str<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    list_from_str(deserializer).map(Some)
}

/// The same for a single value.
pub(super) fn from_str<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Written {
            start: TimeOfDay,
            end: TimeOfDay,
            time_zone: Zone,
        }
        let written = Written::deserialize(deserializer)?;
        if written.start.0 == written.end.0 {
            return Err(D::Error::custom(
                "start and end are the same time: expected a window such as 02:45 to 05:00",
            ));
        }
        Ok(Self {
            start: written.start.0,
            end: written.end.0,
            time_zone: written.time_zone.0,
        })
    }
}

struct TimeOfDay(Time);

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| {
            D::Error::custom(format!(
                "`{text}` is no time of day: expected hours and minutes, such as \"02:45\""
            ))
        })
    }
}

struct Zone(TimeZone);

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        TimeZone::get(&text).map(Self).map_err(|_| {
            D::Error::custom(format!(
                "`{text}` is no known time zone: expected a name such as \"Europe/Paris\" or \"UTC\""
            ))
        })
    }
}
