//! Copies that share their extents with what they are copied from, until one of the two is written.
//!
//! Linux calls it `FICLONE`, see `ioctl_ficlone(2)`. XFS (made with `reflink=1`, which `mkfs.xfs`
//! does by itself since xfsprogs 5.1), btrfs, bcachefs and ZFS from 2.2 on have it; ext4 has not.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
};

use rustix::{fs::ioctl_ficlone, io::Errno};

/// A block of every file system that shares extents: what is shorter may lie in the inode.
const PROBE_BYTES: usize = 64 << 10;

/// Makes `to` hold what `from` holds, without copying it.
///
/// `true` if it does now; `false` if the file system cannot do so, or not for these two files (they
/// are on different file systems, say), and nothing has changed: copy the bytes. Takes as long for
/// a file of 100 GiB as it takes to write down where its extents are. The holes of a sparse file
/// stay holes; owner, mode, times and extended attributes of `to` are its own.
///
/// `from` must be open for reading and `to` for writing, and `to` be empty: what it holds beyond the
/// end of `from` would stay. What a program wrote to `from` before the call is in the copy, also if
/// it was not synced yet.
///
/// # Errors
///
/// What the system says, where a copy would fare no better: the disk is full or broken, the file is
/// not open as it must be.
///
/// ```
/// use std::fs::File;
///
/// # fn main() -> std::io::Result<()> {
/// # let folder = tempfile::tempdir()?;
/// # std::fs::write(folder.path().join("wiki.db"), "a page")?;
/// let mut from = File::open(folder.path().join("wiki.db"))?;
/// let mut to = File::create(folder.path().join("copy"))?;
/// if !fs_snapshots::reflink(&from, &to)? {
///     std::io::copy(&mut from, &mut to)?;
/// }
/// # assert_eq!(std::fs::read(folder.path().join("copy"))?, b"a page");
/// # Ok(())
/// # }
/// ```
pub fn reflink(from: &File, to: &File) -> io::Result<bool> {
    match ioctl_ficlone(to, from) {
        Ok(()) => Ok(true),
        Err(errno) if is_not_for_these(errno) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Does the file system that `folder` is on share extents? Tried with two files without names, of
/// which nothing is left whatever happens.
///
/// `false` also where nothing can be written. That the file system does so in one folder does not
/// mean that it does so from any other file system: [`reflink`] says that for two files.
///
/// ```
/// # let folder = tempfile::tempdir().unwrap();
/// if fs_snapshots::probe_reflink(folder.path()) {
///     println!("copies cost no space here");
/// }
/// assert!(!fs_snapshots::probe_reflink("/proc".as_ref()), "nothing can be written there");
/// ```
#[must_use]
pub fn probe_reflink(folder: &Path) -> bool {
    match probe(folder) {
        Ok(shares) => shares,
        Err(error) => {
            tracing::debug!(folder = %folder.display(), %error, "cannot try whether extents are shared");
            false
        }
    }
}

fn probe(folder: &Path) -> io::Result<bool> {
    let mut from = tempfile::tempfile_in(folder)?;
    from.write_all(&vec![1; PROBE_BYTES])?;
    let to = tempfile::tempfile_in(folder)?;
    reflink(&from, &to)
}

/// What the system says when another way of copying may do. `ioctl_ficlone(2)`: no support
/// (`EOPNOTSUPP`; `ENOTTY` and `ENOSYS` from file systems in user space and old kernels), two file
/// systems (`EXDEV`), ranges or kinds of files that cannot be shared (`EINVAL`), immutable or
/// without copy-on-write (`EPERM`, and `EINVAL` again), a swap file (`ETXTBSY`).
fn is_not_for_these(errno: Errno) -> bool {
    [
        Errno::OPNOTSUPP,
        Errno::NOTTY,
        Errno::NOSYS,
        Errno::XDEV,
        Errno::INVAL,
        Errno::PERM,
        Errno::TXTBSY,
    ]
    .contains(&errno)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_full_disk_is_an_error_and_a_foreign_one_is_not() {
        assert!(is_not_for_these(Errno::XDEV));
        assert!(!is_not_for_these(Errno::NOSPC));
        assert!(!is_not_for_these(Errno::IO));
    }

    #[test]
    fn a_file_that_is_not_open_for_writing_is_an_error_or_no_matter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "a page").unwrap();
        let file = File::open(&path).unwrap();
        // Which of the two depends on the file system; it is never taken for a copy.
        assert!(!matches!(reflink(&file, &file), Ok(true)));
    }

    #[test]
    fn memory_does_not_share_extents_and_leaves_the_target_as_it_was() {
        // `/dev/shm` is a tmpfs wherever there is glibc.
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        assert!(!probe_reflink(folder.path()));
        fs::write(folder.path().join("from"), "new").unwrap();
        fs::write(folder.path().join("to"), "old").unwrap();
        let from = File::open(folder.path().join("from")).unwrap();
        let to = File::options()
            .write(true)
            .open(folder.path().join("to"))
            .unwrap();
        assert!(!reflink(&from, &to).unwrap());
        assert_eq!(fs::read(folder.path().join("to")).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
