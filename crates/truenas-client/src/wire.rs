//! What stands in the answers of a TrueNAS, and its translation into the model.
//!
//! Fields that are not needed are not read, so that a version may add and change them. A field
//! that is needed must be there and be right: a default for an absent `enabled` or `scan` would be
//! a guess about the very thing in question. The exceptions are the task states, which are read
//! leniently and may be [`TaskState::Unknown`](crate::TaskState::Unknown).

mod alert;
mod job;
mod pool;
mod replication;
mod snapshot;
mod snapshot_task;
mod system;

use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

pub(crate) use alert::WireAlert;
pub(crate) use job::WireJob;
pub(crate) use pool::WirePool;
pub(crate) use replication::WireReplicationTask;
pub(crate) use snapshot::WireSnapshot;
pub(crate) use snapshot_task::WireSnapshotTask;
pub(crate) use system::WireSystem;

/// Why a document could not be read, and where in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) at: String,
    pub(crate) what: String,
}

/// Reads a document.
pub(crate) fn read<T: DeserializeOwned>(document: &[u8]) -> Result<T, Misfit> {
    let mut deserializer = serde_json::Deserializer::from_slice(document);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        misfit(&path, error.inner())
    })?;
    deserializer.end().map_err(|error| misfit(".", &error))?;
    Ok(value)
}

/// Reads a value that has been taken out of a document.
pub(crate) fn read_value<T: DeserializeOwned>(value: serde_json::Value) -> Result<T, Misfit> {
    serde_path_to_error::deserialize(value).map_err(|error| Misfit {
        at: error.path().to_string(),
        what: error.inner().to_string(),
    })
}

fn misfit(path: &str, error: &serde_json::Error) -> Misfit {
    let position = format!("line {} column {}", error.line(), error.column());
    let text = error.to_string();
    // serde_json ends its message with the position, which belongs into `at`.
    let what = text
        .strip_suffix(&format!(" at {position}"))
        .unwrap_or(&text)
        .to_owned();
    // Where the text is no JSON at all, its place in the text says more than that in the document.
    let at = if error.is_data() && path != "." {
        path.to_owned()
    } else {
        position
    };
    Misfit { at, what }
}

/// A time as TrueNAS writes it: `{"$date": MILLISECONDS}`, since 1970 in UTC.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WireTime(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for WireTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Date {
            #[serde(rename = "$date")]
            milliseconds: i64,
        }
        let Date { milliseconds } = Date::deserialize(deserializer)?;
        Timestamp::from_millisecond(milliseconds)
            .map(Self)
            .map_err(|_| D::Error::custom(format_args!("{milliseconds} ms after 1970 is no time")))
    }
}

/// A field that must be there, even if it is `null`. (Serde takes an absent `Option` for `None`.)
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

#[cfg(test)]
mod tests;
