//! How large files are cut into the chunks that are stored once each.

use std::{fmt, str::FromStr};

use bytesize::ByteSize;
use rustic_core::{ConfigOptions, repofile::Chunker};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How large files are cut into chunks: chosen when a repository is made, and kept by it.
///
/// A chunk is what is stored anew when one byte of it changes. So small chunks save space where
/// databases write single pages all over a large file, and cost a little more of everything else:
/// each has an entry in the index. Stock `restic` restores and checks repositories with any of
/// these, and adds to them with chunks of its own kind.
///
/// ```
/// use backup_store::Chunks;
///
/// let chunks: Chunks = "fixed-128KiB".parse()?;
/// assert_eq!(chunks, Chunks::Fixed { kibibytes: 128 });
/// assert_eq!("content-1024KiB".parse(), Ok(Chunks::RESTIC));
/// # Ok::<(), backup_store::InvalidChunks>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Chunks {
    /// Cut where the content says so (Rabin fingerprints, as `restic` does): what is inserted into
    /// a file moves the cuts along, and the rest of the file is known again.
    ByContent {
        /// The mean size in KiB, a power of two from 64 to 4096. Chunks are between a half and
        /// eight times of it.
        kibibytes: u32,
    },
    /// Cut at fixed places: fastest, and best for files that are changed in their places, as
    /// databases and disk images are. An insertion makes all that follows it new.
    Fixed {
        /// The size in KiB, from 64 to 4096.
        kibibytes: u32,
    },
}

/// A text that says no way to cut files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "read {text:?} as a kind of chunks (expected fixed-128KiB, or content-1024KiB as restic has \
     them; sizes from 64KiB to 4096KiB, by content only powers of two)"
)]
pub struct InvalidChunks {
    text: String,
}

impl Chunks {
    /// What `restic` does: by content, 1 MiB in the mean.
    pub const RESTIC: Self = Self::ByContent { kibibytes: 1024 };

    /// Whether these sizes can be had.
    pub(crate) fn is_possible(self) -> bool {
        match self {
            Self::ByContent { kibibytes } => {
                SIZES.contains(&kibibytes) && kibibytes.is_power_of_two()
            }
            Self::Fixed { kibibytes } => SIZES.contains(&kibibytes),
        }
    }

    pub(crate) fn apply(self, config: ConfigOptions) -> ConfigOptions {
        let size = |kibibytes: u32| ByteSize::kib(kibibytes.into());
        match self {
            // The library's own values, unsaid: any version of any tool knows what that means.
            Self::RESTIC => config,
            Self::ByContent { kibibytes } => config
                .set_chunker(Chunker::Rabin)
                .set_chunk_size(size(kibibytes))
                .set_chunk_min_size(size(kibibytes / 2))
                .set_chunk_max_size(size(kibibytes * 8)),
            Self::Fixed { kibibytes } => config
                .set_chunker(Chunker::FixedSize)
                .set_chunk_size(size(kibibytes)),
        }
    }
}

const SIZES: std::ops::RangeInclusive<u32> = 64..=4096;

impl Default for Chunks {
    /// What measured best for the data of containers (`benches/README.md`): a fifth of the bytes
    /// of [`Self::RESTIC`] in a second night, and no slower.
    fn default() -> Self {
        Self::Fixed { kibibytes: 128 }
    }
}

impl fmt::Display for Chunks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByContent { kibibytes } => write!(formatter, "content-{kibibytes}KiB"),
            Self::Fixed { kibibytes } => write!(formatter, "fixed-{kibibytes}KiB"),
        }
    }
}

impl FromStr for Chunks {
    type Err = InvalidChunks;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (kind, size) = text.split_once('-')?;
            let kibibytes = size.strip_suffix("KiB")?.parse().ok()?;
            match kind {
                "content" => Some(Self::ByContent { kibibytes }),
                "fixed" => Some(Self::Fixed { kibibytes }),
                _ => None,
            }
        };
        read()
            .filter(|chunks| chunks.is_possible())
            .ok_or_else(|| InvalidChunks {
                text: text.to_owned(),
            })
    }
}

impl Serialize for Chunks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Chunks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            "fixed-128KiB",
            "fixed-100KiB",
            "content-64KiB",
            "content-4096KiB",
        ] {
            assert_eq!(text.parse::<Chunks>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn sizes_that_cannot_be_had_are_refused() {
        for text in [
            "",
            "fixed",
            "fixed-128",
            "fixed-63KiB",
            "fixed-4097KiB",
            "content-100KiB",
            "rabin-128KiB",
            "fixed--1KiB",
        ] {
            assert!(text.parse::<Chunks>().is_err(), "{text:?} was accepted");
        }
    }
}
