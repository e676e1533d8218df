//! Places inside a snapshot.

use std::{
    ffi::OsStr,
    fmt,
    os::unix::ffi::OsStrExt,
    path::{Component, Path, PathBuf},
    str::FromStr,
};

use serde::{Serialize, Serializer};

/// A place inside a snapshot, such as `volumes/wiki_data`: relative, made of plain names only.
///
/// It cannot be empty, cannot start at the root, and holds neither `.` nor `..`, so joining it to
/// a folder never leads out of that folder.
///
/// ```
/// use backup_store::SnapshotPath;
///
/// let volume = SnapshotPath::new("volumes/wiki_data")?;
/// assert_eq!(volume.to_string(), "volumes/wiki_data");
/// assert!(SnapshotPath::new("../etc/passwd").is_err());
/// # Ok::<(), backup_store::InvalidSnapshotPath>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotPath(PathBuf);

/// A text that is no [`SnapshotPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "use {path:?} as a place inside a snapshot: {reason} \
     (expected names joined by \"/\", such as \"volumes/wiki_data\")"
)]
pub struct InvalidSnapshotPath {
    path: PathBuf,
    reason: &'static str,
}

impl SnapshotPath {
    /// Checks a path that is to name a place inside a snapshot.
    ///
    /// # Errors
    ///
    /// If it is empty, absolute, ends in `/`, or holds `.`, `..`, an empty name or a NUL byte.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self, InvalidSnapshotPath> {
        let path = path.into();
        let reason = if path.as_os_str().is_empty() {
            Some("it is empty")
        } else if path.is_absolute() {
            Some("it starts at the root")
        } else if path
            .as_os_str()
            .as_bytes()
            .split(|byte| *byte == b'/')
            .all(is_plain)
        {
            None
        } else {
            Some("a part of it is empty, \".\", \"..\", or holds a NUL byte")
        };
        match reason {
            None => Ok(Self(path)),
            Some(reason) => Err(InvalidSnapshotPath { path, reason }),
        }
    }

    /// The place that stands for a path on disk: `binds` and `/srv/wiki` make `binds/srv/wiki`.
    ///
    /// A leading `/`, doubled slashes and `.` are left out.
    ///
    /// # Errors
    ///
    /// If the path on disk holds `..` (resolve it first) or a NUL byte, or is the root itself.
    pub fn beneath(&self, disk: &Path) -> Result<Self, InvalidSnapshotPath> {
        let mut place = self.0.clone();
        let mut named = false;
        for component in disk.components() {
            match component {
                Component::RootDir | Component::CurDir => {}
                Component::Normal(name) => {
                    named = true;
                    place.push(name);
                }
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(InvalidSnapshotPath {
                        path: disk.to_owned(),
                        reason: "it holds \"..\"",
                    });
                }
            }
        }
        if named {
            Self::new(place)
        } else {
            Err(InvalidSnapshotPath {
                path: disk.to_owned(),
                reason: "it names no file",
            })
        }
    }

    /// This place as a relative path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }

    /// The last name.
    pub(crate) fn last_name(&self) -> &OsStr {
        self.0.file_name().unwrap_or_default()
    }

    /// The directories above this place, outermost first.
    pub(crate) fn parents(&self) -> Vec<&Path> {
        let mut parents: Vec<_> = self
            .0
            .ancestors()
            .skip(1)
            .filter(|path| !path.as_os_str().is_empty())
            .collect();
        parents.reverse();
        parents
    }
}

/// Whether a name is one plain path component: the only kind that stays where it is put.
pub(crate) fn is_plain(name: &[u8]) -> bool {
    !name.is_empty() && name != b"." && name != b".." && !name.contains(&b'/') && !name.contains(&0)
}

impl fmt::Display for SnapshotPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.display())
    }
}

impl FromStr for SnapshotPath {
    type Err = InvalidSnapshotPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl Serialize for SnapshotPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::summary::lossy(&self.0, serializer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_names_are_accepted() {
        for path in ["a", "volumes/wiki_data", "binds/srv/wi ki", "a/...", "-/-"] {
            assert_eq!(SnapshotPath::new(path).unwrap().as_path(), Path::new(path));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for path in [
            "", "/", "/a", "a/", "a//b", ".", "./a", "a/.", "..", "a/../b", "a\0b",
        ] {
            assert!(SnapshotPath::new(path).is_err(), "{path:?} was accepted");
        }
    }

    #[test]
    fn a_path_on_disk_keeps_its_names() {
        let binds = SnapshotPath::new("binds").unwrap();
        let place = binds.beneath(Path::new("/srv//wiki/./conf/")).unwrap();
        assert_eq!(place.as_path(), Path::new("binds/srv/wiki/conf"));
        assert!(binds.beneath(Path::new("/srv/../etc")).is_err());
        assert!(binds.beneath(Path::new("/")).is_err());
    }

    #[test]
    fn parents_come_outermost_first() {
        let place = SnapshotPath::new("a/b/c").unwrap();
        assert_eq!(place.parents(), [Path::new("a"), Path::new("a/b")]);
        assert!(SnapshotPath::new("a").unwrap().parents().is_empty());
    }

    proptest! {
        #[test]
        fn an_accepted_path_never_leaves_its_folder(bytes in "[./a\\x00-]{0,12}") {
            if let Ok(place) = SnapshotPath::new(bytes.as_str()) {
                let plain = place.as_path().components().all(|c| matches!(c, Component::Normal(_)));
                prop_assert!(plain);
                prop_assert!(Path::new("/target").join(place.as_path()).starts_with("/target"));
                prop_assert_eq!(place.as_path().components().count(), bytes.split('/').count());
            }
        }
    }
}
