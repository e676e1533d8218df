//! What an earlier snapshot knows of the files of a source.

use std::{
    collections::HashSet,
    fs,
    hash::{BuildHasherDefault, Hasher},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
};

use jiff::{SignedDuration, Timestamp};
use rustic_core::{jiff::Timestamp as LibraryTimestamp, repofile::Metadata};
use twox_hash::XxHash3_128;

/// How much older than the reading of a file its last change must be for both to be told apart by
/// its time. The kernel's clock for files goes by ticks of up to 10 ms; old file systems keep whole
/// or even seconds.
const MARGIN: SignedDuration = SignedDuration::from_secs(2);

/// The files of an earlier snapshot whose contents are known to be those that the same file has
/// now, if its place, size, times and inode are still the same.
///
/// A file that was changed in the moment in which it was read, or later, is not among them: it may
/// have been changed once more in the same tick of the clock, and nothing would show it.
///
/// Of each file, only a digest of all that is kept: 16 bytes for a file, whatever its name.
#[derive(Debug, Default)]
pub(crate) struct Base {
    known: HashSet<u128, BuildHasherDefault<Digested>>,
    racy_from: Option<Timestamp>,
}

impl Base {
    /// An empty one, of a snapshot whose files were read from `read_at` on.
    pub(crate) fn read_at(read_at: Timestamp) -> Self {
        Self {
            known: HashSet::default(),
            racy_from: Some(read_at.saturating_sub(MARGIN).unwrap_or(Timestamp::MIN)),
        }
    }

    /// Takes up a file of the snapshot.
    pub(crate) fn add(&mut self, place: &Path, file: &Metadata) {
        let (Some(modified), Some(changed)) = (file.mtime, file.ctime) else {
            return;
        };
        let stamp = Stamp {
            size: file.size,
            modified: whole(modified),
            changed: whole(changed),
            inode: file.inode,
        };
        if !self.is_racy(stamp.changed) {
            self.known.insert(stamp.digest(place));
        }
    }

    /// Whether the contents of a file are those in the snapshot.
    pub(crate) fn has(&self, place: &Path, stamp: Stamp) -> bool {
        self.known.contains(&stamp.digest(place))
    }

    /// Whether a file with this change time may have changed again without a sign of it.
    pub(crate) fn is_racy(&self, (second, nanosecond): (i64, i64)) -> bool {
        self.racy_from.is_some_and(|from| {
            (second, nanosecond) >= (from.as_second(), i64::from(from.subsec_nanosecond()))
        })
    }
}

fn whole(time: LibraryTimestamp) -> (i64, i64) {
    // Before 1970, the library counts both parts downwards, and the kernel only the seconds.
    let nanosecond = time.as_nanosecond();
    let second = nanosecond.div_euclid(1_000_000_000);
    let rest = nanosecond.rem_euclid(1_000_000_000);
    (
        i64::try_from(second).unwrap_or(i64::MAX),
        i64::try_from(rest).unwrap_or_default(),
    )
}

/// What tells one version of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    pub(crate) modified: (i64, i64),
    pub(crate) changed: (i64, i64),
    pub(crate) inode: u64,
}

impl Stamp {
    pub(crate) fn of(file: &fs::Metadata) -> Self {
        Self {
            size: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
            changed: (file.ctime(), file.ctime_nsec()),
            inode: file.ino(),
        }
    }

    /// The chance that two files of a hundred million share one is less than one in 10^22.
    fn digest(self, place: &Path) -> u128 {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(self.size.to_le_bytes());
        let (modified, changed) = (self.modified, self.changed);
        for part in [modified.0, modified.1, changed.0, changed.1] {
            bytes.extend(part.to_le_bytes());
        }
        bytes.extend(self.inode.to_le_bytes());
        bytes.extend(place.as_os_str().as_bytes());
        XxHash3_128::oneshot(&bytes)
    }
}

/// Passes digests through: they are spread evenly already.
#[derive(Debug, Default)]
pub(crate) struct Digested(u64);

impl Hasher for Digested {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "either half of a digest is a digest"
    )]
    fn write_u128(&mut self, digest: u128) {
        self.0 = digest as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::node::{Described, FileKind};

    type Change = fn(&mut Described);

    fn described(changed: (i64, i64)) -> Described {
        Described {
            kind: FileKind::File,
            mode: 0o100_644,
            modified: (-5, 250),
            changed,
            user: 0,
            group: 0,
            inode: 7,
            device: 1,
            size: 3,
            links: 1,
            attributes: Vec::new(),
        }
    }

    fn base_of(place: &str, file: &Described) -> Base {
        let mut base = Base::read_at(Timestamp::from_second(1000).unwrap());
        let node = file.to_node("x".as_ref());
        base.add(place.as_ref(), &node.meta);
        base
    }

    #[test]
    fn a_file_is_known_if_everything_is_as_it_was() {
        let file = described((900, 1));
        let base = base_of("volumes/x", &file);
        assert!(base.has("volumes/x".as_ref(), file.stamp()));
        assert!(!base.has("volumes/y".as_ref(), file.stamp()));
        let changes: [Change; 4] = [
            |file| file.size = 4,
            |file| file.modified.1 = 251,
            |file| file.changed.0 = 901,
            |file| file.inode = 8,
        ];
        for change in changes {
            let mut file = file.clone();
            change(&mut file);
            assert!(!base.has("volumes/x".as_ref(), file.stamp()), "{file:?}");
        }
    }

    #[test]
    fn a_file_that_changed_when_it_was_read_is_not_known() {
        for (changed, known) in [
            ((997, 999_999_999), true),
            ((998, 0), false),
            ((1000, 0), false),
            ((2000, 0), false),
        ] {
            let file = described(changed);
            let base = base_of("x", &file);
            assert_eq!(base.has("x".as_ref(), file.stamp()), known, "{changed:?}");
        }
    }
}
