//! What snapshots are called, so that ours are known from everybody else's.

use std::fmt;

use jiff::Timestamp;

/// What the names of all of this crate's snapshots begin with.
const PREFIX: &str = "backup-window";

/// Longer ones are cut, so that a dataset's name has room in ZFS's 255 bytes.
const LONGEST_OWNER: usize = 40;

/// `20260301T030000Z`
const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// Who makes snapshots: part of their names, so that two who share a pool leave each other's alone.
///
/// ```
/// use fs_snapshots::Owner;
///
/// assert_eq!(Owner::new("docker01.home.example").to_string(), "docker01-home-example");
/// assert_eq!(Owner::new("").to_string(), "unnamed");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(String);

impl Owner {
    /// An owner of this name. What is neither a letter nor a digit of ASCII becomes a hyphen, and
    /// what is longer than 40 characters is cut.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let name: String = name
            .chars()
            .take(LONGEST_OWNER)
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        if name.is_empty() {
            Self("unnamed".to_owned())
        } else {
            Self(name)
        }
    }

    /// The name of this owner's snapshot, made at this time; `number` tells apart those of one
    /// second.
    #[must_use]
    pub fn name(&self, at: Timestamp, number: usize) -> SnapshotName {
        let stamp = at.strftime(STAMP);
        SnapshotName(format!("{PREFIX}-{self}-{stamp}-{number}"))
    }

    /// The name again, if it is one that [`Owner::name`] gave.
    #[must_use]
    pub fn recognise(&self, name: &str) -> Option<SnapshotName> {
        let rest = name.strip_prefix(&format!("{PREFIX}-{self}-"))?;
        let (stamp, number) = rest.split_once('-')?;
        ends_like_ours(stamp, number).then(|| SnapshotName(name.to_owned()))
    }
}

/// Is this a name that some owner's [`Owner::name`] may have given? What is written down with an
/// owner that has another name since is still ours to remove.
pub(crate) fn is_anybodys(name: &str) -> bool {
    let parts = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|rest| rest.rsplit_once('-'))
        .and_then(|(rest, number)| Some((rest.rsplit_once('-')?, number)));
    parts.is_some_and(|((owner, stamp), number)| {
        Owner::new(owner).0 == owner && ends_like_ours(stamp, number)
    })
}

fn ends_like_ours(stamp: &str, number: &str) -> bool {
    let like_a_stamp = stamp.len() == 16
        && stamp.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    let a_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    like_a_stamp && a_number
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A snapshot's name: `backup-window-docker01-20260301T030000Z-0`.
///
/// ```
/// use fs_snapshots::Owner;
///
/// let owner = Owner::new("docker01");
/// let name = owner.name("2026-03-01T03:00:00Z".parse()?, 0);
/// assert_eq!(name.as_str(), "backup-window-docker01-20260301T030000Z-0");
/// assert_eq!(owner.recognise(name.as_str()), Some(name));
/// assert_eq!(owner.recognise("autosnap_2026-03-01_03:00:00_daily"), None);
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotName(String);

impl SnapshotName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_s_own_names_are_recognised() {
        let owner = Owner::new("nas");
        for name in [
            "backup-window-nas-20260301T030000Z-",
            "backup-window-nas-20260301T030000Z",
            "backup-window-nas-20260301T030000Z-0@x",
            "backup-window-nas-2-20260301T030000Z-0",
            "backup-window-nas2-20260301T030000Z-0",
            "backup-window-nas-20260301t030000Z-0",
            "backup-window-nas-../../../../etc",
            "",
        ] {
            assert_eq!(owner.recognise(name), None, "{name}");
        }
        for (name, is_ours) in [
            ("backup-window-nas-2-20260301T030000Z-0", true),
            ("backup-window-nas/x-20260301T030000Z-0", false),
            ("backup-window--20260301T030000Z-0", false),
            ("backup-window-20260301T030000Z-0", false),
            ("backup-window-nas-latest-0", false),
        ] {
            assert_eq!(is_anybodys(name), is_ours, "{name}");
        }
        let other = Owner::new("nas-2").name(Timestamp::UNIX_EPOCH, 0);
        assert_eq!(owner.recognise(other.as_str()), None);
        assert!(Owner::new("nas-2").recognise(other.as_str()).is_some());
    }

    #[test]
    fn a_name_has_nothing_that_zfs_refuses() {
        let name = Owner::new("dä tank/x@y").name(Timestamp::UNIX_EPOCH, 17);
        assert_eq!(
            name.as_str(),
            "backup-window-d--tank-x-y-19700101T000000Z-17"
        );
    }
}
