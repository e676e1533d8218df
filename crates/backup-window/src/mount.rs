//! Is the NAS really mounted? (I9: nothing is written to a NAS path that is not the mounted NAS.)
//!
//! A share that is not mounted leaves an empty folder, and a backup written into it fills the root
//! file system while it looks like a success. The kernel's list of mounts tells the two apart; the
//! format is that of `/proc/[pid]/mountinfo` in proc(5).

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A mounted file system, as far as the night needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mounted {
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Its type, as the kernel names it: `nfs4`, `ext4`, …
    pub file_system: String,
    /// What is mounted: `192.0.2.10:/mnt/tank/docker_backup`, `/dev/loop0`, …
    pub source: String,
}

/// Why the NAS path must not be written to.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NotMounted {
    /// Nothing is mounted there.
    #[error(
        "nothing is mounted on {mount}: the path lies on {file_system} mounted on {covered_by}; \
         mount the NAS there (`mount {mount}`) and run again"
    )]
    Nothing {
        /// Where the NAS was expected.
        mount: PathBuf,
        /// The mount point of the file system that would be written to instead.
        covered_by: PathBuf,
        /// The type of that file system.
        file_system: String,
    },
    /// Another file system is mounted between the mount point and the path.
    #[error(
        "{path} does not lie on the file system mounted on {mount}, but on the one mounted on \
         {covered_by}; set repository.mount to the mount point that holds the repository"
    )]
    AnotherBetween {
        /// The path that is to be written to.
        path: PathBuf,
        /// Where the NAS is mounted.
        mount: PathBuf,
        /// The mount point that really holds the path.
        covered_by: PathBuf,
    },
    /// It is mounted, but only to read.
    #[error("{mount} is mounted read-only; mount it read-write (`mount -o remount,rw {mount}`)")]
    ReadOnly {
        /// Where the NAS is mounted.
        mount: PathBuf,
    },
    /// The list of mounts could not be read, so nothing is known.
    #[error("the list of mounts could not be read, so it is not known whether {mount} is mounted")]
    Unknown {
        /// Where the NAS was expected.
        mount: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Checks that a file system is mounted on `mount`, that it holds `path`, and that it may be
/// written to.
///
/// # Errors
/// [`NotMounted`] says what was found instead and what to do.
pub fn check(path: &Path, mount: &Path) -> Result<Mounted, NotMounted> {
    // A look at the path makes an automounter mount it; what comes back does not matter here.
    let _ = std::fs::metadata(path);
    let mount_info =
        std::fs::read("/proc/self/mountinfo").map_err(|source| NotMounted::Unknown {
            mount: mount.to_owned(),
            source,
        })?;
    check_in(&mount_info, path, mount)
}

/// Every mount point of this process's view.
pub(crate) fn points() -> io::Result<Vec<PathBuf>> {
    let mount_info = std::fs::read("/proc/self/mountinfo")?;
    let lines = mount_info.split(|byte| *byte == b'\n');
    let entries = lines.filter_map(Entry::parse);
    Ok(entries.map(|entry| entry.mounted.mount_point).collect())
}

/// The same over the text of a `mountinfo` file.
fn check_in(mount_info: &[u8], path: &Path, mount: &Path) -> Result<Mounted, NotMounted> {
    let entries: Vec<Entry> = mount_info
        .split(|byte| *byte == b'\n')
        .filter_map(Entry::parse)
        .collect();
    let unknown = || NotMounted::Unknown {
        mount: mount.to_owned(),
        source: io::Error::new(io::ErrorKind::InvalidData, "no file system covers the path"),
    };
    let at_mount = covering(&entries, mount).ok_or_else(unknown)?;
    // An automounter's own placeholder is not the file system behind it.
    if at_mount.mounted.mount_point != mount || at_mount.mounted.file_system == "autofs" {
        return Err(NotMounted::Nothing {
            mount: mount.to_owned(),
            covered_by: at_mount.mounted.mount_point.clone(),
            file_system: at_mount.mounted.file_system.clone(),
        });
    }
    let at_path = covering(&entries, path).ok_or_else(unknown)?;
    if at_path.mounted.mount_point != mount {
        return Err(NotMounted::AnotherBetween {
            path: path.to_owned(),
            mount: mount.to_owned(),
            covered_by: at_path.mounted.mount_point.clone(),
        });
    }
    if at_mount.read_only {
        return Err(NotMounted::ReadOnly {
            mount: mount.to_owned(),
        });
    }
    Ok(at_mount.mounted.clone())
}

/// The file system that `path` lies on: the deepest mount point above it, and of several mounts on
/// the same point the last, which hides the others.
fn covering<'a>(entries: &'a [Entry], path: &Path) -> Option<&'a Entry> {
    entries
        .iter()
        .filter(|entry| path.starts_with(&entry.mounted.mount_point))
        .max_by_key(|entry| entry.mounted.mount_point.components().count())
}

struct Entry {
    mounted: Mounted,
    read_only: bool,
}

impl Entry {
    /// Reads a line `ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS [FIELDS…] - TYPE SOURCE SUPER`.
    fn parse(line: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let separator = fields.iter().position(|field| *field == b"-")?;
        let has_read_only =
            |options: &[u8]| options.split(|byte| *byte == b',').any(|o| o == b"ro");
        let text = |field: &[u8]| String::from_utf8_lossy(&unescape(field)).into_owned();
        Some(Self {
            mounted: Mounted {
                mount_point: PathBuf::from(OsString::from_vec(unescape(fields.get(4)?))),
                file_system: text(fields.get(separator + 1)?),
                source: text(fields.get(separator + 2)?),
            },
            read_only: has_read_only(fields.get(5)?) || has_read_only(fields.get(separator + 3)?),
        })
    }
}

/// Undoes the kernel's octal escapes (`\040` for a space).
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|digits| {
            *first == b'\\' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit))
        });
        if let Some(digits) = digits {
            let value = digits
                .iter()
                .fold(0_u32, |value, digit| value * 8 + u32::from(digit - b'0'));
            plain.push(u8::try_from(value).unwrap_or(b'?'));
            rest = &tail[3..];
        } else {
            plain.push(*first);
            rest = tail;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &[u8] = b"\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/nas rw,relatime - nfs4 192.0.2.10:/mnt/tank/docker_backup rw,vers=4.2
31 22 0:41 / /mnt/with\\040space rw - ext4 /dev/loop1 rw
32 22 0:42 / /mnt/locked ro,relatime - nfs4 192.0.2.10:/mnt/tank/media rw
33 22 0:43 / /mnt/auto rw - autofs systemd-1 rw
34 30 0:44 / /mnt/nas/other rw - tmpfs tmpfs rw
";

    #[track_caller]
    fn refused(path: &str, mount: &str) -> String {
        check_in(MOUNTS, Path::new(path), Path::new(mount))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_mounted_nas_is_recognised_and_named() {
        let mounted =
            check_in(MOUNTS, Path::new("/mnt/nas/restic"), Path::new("/mnt/nas")).unwrap();
        assert_eq!(mounted.file_system, "nfs4");
        assert_eq!(mounted.source, "192.0.2.10:/mnt/tank/docker_backup");
    }

    #[test]
    fn a_mount_point_with_a_space_is_recognised() {
        let mount = Path::new("/mnt/with space");
        assert!(check_in(MOUNTS, &mount.join("restic"), mount).is_ok());
    }

    #[test]
    fn an_empty_folder_is_not_the_nas() {
        let why = refused("/mnt/nfs_docker-backup/restic", "/mnt/nfs_docker-backup");
        assert!(
            why.contains("nothing is mounted on /mnt/nfs_docker-backup"),
            "{why}"
        );
        assert!(why.contains("ext4 mounted on /"), "{why}");
    }

    #[test]
    fn an_automounter_that_could_not_mount_is_not_the_nas() {
        assert!(refused("/mnt/auto/restic", "/mnt/auto").contains("nothing is mounted"));
    }

    #[test]
    fn a_file_system_in_between_is_not_the_nas() {
        let why = refused("/mnt/nas/other/restic", "/mnt/nas");
        assert!(why.contains("mounted on /mnt/nas/other"), "{why}");
    }

    #[test]
    fn a_read_only_nas_is_refused() {
        assert!(refused("/mnt/locked/restic", "/mnt/locked").contains("read-only"));
    }

    #[test]
    fn the_file_system_that_this_machine_runs_on_is_found() {
        assert!(check(Path::new("/proc/self"), Path::new("/proc")).is_ok());
    }
}
