//! A folder with everything that a copy can get wrong.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, chown, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

/// The size of the sparse file.
pub const SPARSE_FILE_BYTES: u64 = 1 << 30;

/// `user::rwx,user:1000:r-x,group::r--,mask::r-x,other::---`, as the kernel keeps it.
const ACCESS_LIST: &[u8] = b"\x02\0\0\0\
    \x01\0\x07\0\xff\xff\xff\xff\
    \x02\0\x05\0\xe8\x03\0\0\
    \x04\0\x04\0\xff\xff\xff\xff\
    \x10\0\x05\0\xff\xff\xff\xff\
    \x20\0\0\0\xff\xff\xff\xff";

/// `cap_net_bind_service=ep`, as capabilities(7) lays it out.
const CAPABILITY: &[u8] = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Fills a folder, as root: hard links, links to nowhere, a FIFO, a socket, devices, set-user-ID
/// bits, other owners, times to the nanosecond, extended attributes, access lists, file
/// capabilities, names that are not UTF-8 or hold newlines, paths of 300 characters, a sparse file of
/// 1 GiB, empty folders, and a top of mode 0700 that belongs to 70:70.
///
/// # Errors
/// When the file system cannot hold one of these.
pub fn fill(root: &Path) -> io::Result<()> {
    let write = |name: &[u8], mode: u32| -> io::Result<_> {
        let path = root.join(OsStr::from_bytes(name));
        fs::write(&path, name)?;
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
        Ok(path)
    };
    write(b"plain", 0o644)?;
    write(b"set-user-ID", 0o6755)?;
    write(b"caf\xe9 \xff", 0o600)?;
    write(b"two\nlines\n", 0o640)?;
    write(b"-rf \"quoted\" $(true) \\x2f", 0o604)?;
    let owned = write(b"owned", 0o440)?;
    let attributed = write(b"attributed", 0o644)?;
    let listed = write(b"with an access list", 0o640)?;
    let capable = write(b"capable", 0o755)?;

    fs::create_dir_all(root.join("deep/er/still"))?;
    fs::create_dir(root.join("nothing inside"))?;
    fs::hard_link(root.join("plain"), root.join("deep/another name"))?;
    fs::hard_link(root.join("plain"), root.join("a first name"))?;
    let long = "n".repeat(150);
    fs::create_dir_all(root.join(&long).join(&long))?;
    fs::write(root.join(&long).join(&long).join("a path of 300"), "deep")?;
    symlink("/nonexistent/\u{e9}", root.join("link to nowhere"))?;
    symlink(
        OsStr::from_bytes(b"\xff/.."),
        root.join("link that is not UTF-8"),
    )?;
    symlink("deep", root.join("link to a folder"))?;
    let node = |name: &str, kind, device| -> io::Result<()> {
        let mode = Mode::RUSR | Mode::WGRP;
        Ok(mknodat(CWD, root.join(name), kind, mode, device)?)
    };
    node("fifo", FileType::Fifo, 0)?;
    node("block device", FileType::BlockDevice, makedev(7, 200))?;
    node("character device", FileType::CharacterDevice, makedev(1, 3))?;
    // A socket's address has room for 108 characters only, and the folder's path may be longer.
    let short = tempfile::tempdir_in("/tmp")?;
    drop(UnixListener::bind(short.path().join("s"))?);
    let socket = short.path().join("s");
    if fs::rename(&socket, root.join("socket")).is_err() {
        node("socket", FileType::Socket, 0)?;
    }
    let sparse = File::create(root.join("sparse"))?;
    sparse.write_all_at(b"start", 0)?;
    sparse.write_all_at(b"middle", SPARSE_FILE_BYTES / 2 + 7)?;
    sparse.set_len(SPARSE_FILE_BYTES)?;

    chown(&owned, Some(70), Some(71))?;
    chown(root.join("deep/er"), Some(33), Some(100_000))?;
    lchown(
        root.join("link to nowhere"),
        Some(1234),
        Some(4_000_000_000),
    )?;
    chown(root.join("set-user-ID"), Some(99), Some(99))?;
    // Changing the owner has just cleared them.
    let mode =
        |name: &str, mode| fs::set_permissions(root.join(name), Permissions::from_mode(mode));
    mode("set-user-ID", 0o6755)?;
    mode("deep/er/still", 0o1777)?;
    mode("deep", 0o2750)?;
    xattr::set(&attributed, "user.binary", b"\x00\xff")?;
    xattr::set(&attributed, "user.empty", b"")?;
    xattr::set(&attributed, "trusted.by-root", b"yes")?;
    xattr::set(&listed, "system.posix_acl_access", ACCESS_LIST)?;
    xattr::set(
        root.join("nothing inside"),
        "system.posix_acl_default",
        ACCESS_LIST,
    )?;
    xattr::set(&capable, "security.capability", CAPABILITY)?;
    xattr::set(root, "user.top", b"kept")?;
    chown(root, Some(70), Some(70))?;
    fs::set_permissions(root, Permissions::from_mode(0o700))?;

    let fine = SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_789);
    let old = SystemTime::UNIX_EPOCH + Duration::new(1, 1);
    for (name, time) in [
        ("plain", fine),
        ("owned", old),
        ("deep/er/still", fine),
        ("deep/er", old),
        ("deep", fine),
        ("", fine),
    ] {
        let times = FileTimes::new().set_accessed(time).set_modified(time);
        File::open(root.join(name))?.set_times(times)?;
    }
    Ok(())
}
