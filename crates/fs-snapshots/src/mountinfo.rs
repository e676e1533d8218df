//! What is mounted where, as the kernel tells it.
//!
//! The format is that of `/proc/PID/mountinfo` in `proc_pid_mountinfo(5)`.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountEntry {
    /// What of the file system is mounted: a path in it, `/` for all of it.
    pub(crate) root: PathBuf,
    pub(crate) mount_point: PathBuf,
    pub(crate) read_only: bool,
    pub(crate) file_system: String,
    /// The device; with ZFS, the dataset.
    pub(crate) source: String,
}

/// All mounts, in the kernel's order: a later one covers an earlier one at the same place. Lines
/// that are not understood are left out.
pub(crate) fn parse(text: &[u8]) -> Vec<MountEntry> {
    text.split(|byte| *byte == b'\n')
        .filter_map(parse_line)
        .collect()
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`, with any number
/// of fields before the hyphen.
fn parse_line(line: &[u8]) -> Option<MountEntry> {
    let mut fields = line.split(|byte| *byte == b' ');
    let root = path(fields.nth(3)?);
    let mount_point = path(fields.next()?);
    let options = fields.next()?;
    fields.find(|field| *field == b"-")?;
    let file_system = text(fields.next()?);
    let source = text(fields.next()?);
    let super_options = fields.next()?;
    let read_only = [options, super_options]
        .iter()
        .any(|options| options.split(|byte| *byte == b',').any(|it| it == b"ro"));
    Some(MountEntry {
        root,
        mount_point,
        read_only,
        file_system,
        source,
    })
}

fn path(field: &[u8]) -> PathBuf {
    OsString::from_vec(unescape(field)).into()
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(&unescape(field)).into_owned()
}

/// Blanks, tabs, newlines and backslashes are written as `\` and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        if let Some(byte) = octal(rest) {
            bytes.push(byte);
            rest = &rest[4..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

fn octal(bytes: &[u8]) -> Option<u8> {
    let [b'\\', digits @ ..] = bytes.get(..4)? else {
        return None;
    };
    digits.iter().try_fold(0_u8, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(digit - b'0'),
        _ => None,
    })
}

/// The mount that a path without links is on.
pub(crate) fn covering<'a>(mounts: &'a [MountEntry], path: &Path) -> Option<&'a MountEntry> {
    mounts
        .iter()
        .filter(|mount| path.starts_with(&mount.mount_point))
        // Of the equally deep ones the last, which covers the others.
        .max_by_key(|mount| mount.mount_point.components().count())
}

/// A mount beneath a path, whose contents no snapshot of what the path is on would have.
pub(crate) fn beneath<'a>(mounts: &'a [MountEntry], path: &Path) -> Option<&'a MountEntry> {
    mounts
        .iter()
        .find(|mount| mount.mount_point != path && mount.mount_point.starts_with(path))
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, test_runner::RngSeed};

    use super::*;

    const LINES: &[u8] =
        br"22 1 0:20 / / rw,relatime shared:1 - btrfs /dev/vda2 rw,subvolid=256,subvol=/@
36 22 0:33 /@home /home rw shared:9 master:2 - btrfs /dev/vda2 rw,subvolid=257,subvol=/@home
40 22 0:41 / /srv/my\040data ro,noatime - zfs tank/my\040data rw,xattr
41 22 0:42 / /srv/my\040data rw - zfs tank/over rw,xattr
nonsense
42 22 8:1 / /srv/a rw - ext4 /dev/sda1 ro";

    #[test]
    fn mounts_are_read_with_their_escapes() {
        let mounts = parse(LINES);
        assert_eq!(mounts.len(), 5);
        assert_eq!(mounts[1].root, Path::new("/@home"));
        assert_eq!(mounts[2].mount_point, Path::new("/srv/my data"));
        assert_eq!(mounts[2].source, "tank/my data");
        let read_only: Vec<bool> = mounts.iter().map(|mount| mount.read_only).collect();
        assert_eq!(read_only, [false, false, true, false, true]);
    }

    #[test]
    fn the_deepest_and_last_mount_covers_a_path() {
        let mounts = parse(LINES);
        let source = |path: &str| covering(&mounts, path.as_ref()).unwrap().source.clone();
        assert_eq!(source("/srv/my data/x"), "tank/over");
        assert_eq!(source("/srv/ab"), "/dev/vda2", "not by the letters");
        assert_eq!(source("/"), "/dev/vda2");
    }

    #[test]
    fn a_mount_beneath_is_found_but_not_the_one_at_the_path() {
        let mounts = parse(LINES);
        assert_eq!(beneath(&mounts, "/srv/a".as_ref()), None);
        let found = beneath(&mounts, "/srv".as_ref()).unwrap();
        assert_eq!(found.mount_point, Path::new("/srv/my data"));
        assert_eq!(beneath(&mounts, "/sr".as_ref()), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(4), ..ProptestConfig::default() })]

        #[test]
        fn any_name_survives_the_kernel_s_escapes(name in prop::collection::vec(any::<u8>(), 1..40)) {
            let escaped: Vec<u8> = name
                .iter()
                .flat_map(|byte| match byte {
                    b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
                    other => vec![*other],
                })
                .collect();
            prop_assert_eq!(unescape(&escaped), name);
        }

        #[test]
        fn nothing_in_a_line_ends_in_a_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            parse(&line);
        }
    }
}
