//! File modes, as the kernel has them and as the repository format has them.
//!
//! The format stores Go's [`io/fs.FileMode`](https://pkg.go.dev/io/fs#FileMode): the permission
//! bits as POSIX has them, everything else in bits of its own.

/// Go's type bits and the three special bits beside POSIX's, which `inode(7)` lists.
const SETUID: (u32, u32) = (0o4000, 1 << 23);
const SETGID: (u32, u32) = (0o2000, 1 << 22);
const STICKY: (u32, u32) = (0o1000, 1 << 20);
const TYPES: [(u32, u32); 7] = [
    (0o100_000, 0),                   // regular file
    (0o040_000, 1 << 31),             // directory
    (0o120_000, 1 << 27),             // symbolic link
    (0o060_000, 1 << 26),             // block device
    (0o020_000, (1 << 26) | 1 << 21), // character device: Go calls it a device as well
    (0o010_000, 1 << 25),             // FIFO
    (0o140_000, 1 << 24),             // socket
];
const TYPE_MASK: u32 = 0o170_000;
const IRREGULAR: u32 = 1 << 19;

/// What the format stores for a `st_mode`.
pub(crate) fn to_stored(mode: u32) -> u32 {
    let kind = TYPES.iter().find(|(posix, _)| *posix == mode & TYPE_MASK);
    let special: u32 = [SETUID, SETGID, STICKY]
        .iter()
        .filter(|bit| mode & bit.0 != 0)
        .map(|bit| bit.1)
        .sum();
    (mode & 0o777) | special | kind.map_or(IRREGULAR, |kind| kind.1)
}

/// The twelve permission bits of a stored mode. Its type is in the node, which says it better.
pub(crate) fn permissions(stored: u32) -> u32 {
    let special: u32 = [SETUID, SETGID, STICKY]
        .iter()
        .filter(|bit| stored & bit.1 != 0)
        .map(|bit| bit.0)
        .sum();
    (stored & 0o777) | special
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn modes_are_stored_as_go_has_them() {
        // From Go's documentation: ModeDir is bit 31, ModeSetuid bit 23, ModeDevice bit 26,
        // ModeCharDevice bit 21, ModeSticky bit 20.
        assert_eq!(to_stored(0o100_644), 0o644);
        assert_eq!(to_stored(0o104_755), 0o755 | 1 << 23);
        assert_eq!(to_stored(0o041_777), 0o777 | 1 << 31 | 1 << 20);
        assert_eq!(to_stored(0o020_600), 0o600 | 1 << 26 | 1 << 21);
        assert_eq!(to_stored(0o060_600), 0o600 | 1 << 26);
        assert_eq!(to_stored(0o150_600), 0o600 | IRREGULAR);
    }

    proptest! {
        #[test]
        fn permissions_survive_storing(bits in 0_u32..=0o7777, kind in 0_usize..7) {
            prop_assert_eq!(permissions(to_stored(TYPES[kind].0 | bits)), bits);
        }
    }
}
