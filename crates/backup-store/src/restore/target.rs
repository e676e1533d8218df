//! The folder that a restore writes to.

use std::{
    fs::DirBuilder,
    io,
    os::{fd::OwnedFd, unix::fs::DirBuilderExt},
    path::Path,
};

use rustix::{
    fs::{Dir, Mode, OFlags},
    process::geteuid,
};

use crate::StoreError;

/// Makes the folder, or looks whether it may be used, and shuts everybody else out of it.
///
/// Nobody but its owner (and root) can then put anything into it, so whatever is met while
/// restoring was made by the restore.
pub(super) fn prepare(path: &Path) -> Result<OwnedFd, StoreError> {
    let failed = |source: io::Error| StoreError::Restore {
        path: path.to_owned(),
        source,
    };
    let refuse = |reason: String| StoreError::TargetNotUsable {
        path: path.to_owned(),
        reason,
    };

    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| match errno {
        rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP => {
            refuse("it is not a folder".to_owned())
        }
        errno => failed(errno.into()),
    })?;
    let owner = rustix::fs::fstat(&folder)
        .map_err(|errno| failed(errno.into()))?
        .st_uid;
    if owner != geteuid().as_raw() {
        return Err(refuse(format!("it belongs to another user (uid {owner})")));
    }
    rustix::fs::fchmod(&folder, Mode::RWXU).map_err(|errno| failed(errno.into()))?;
    for entry in Dir::read_from(&folder).map_err(|errno| failed(errno.into()))? {
        let entry = entry.map_err(|errno| failed(errno.into()))?;
        if ![c".", c".."].contains(&entry.file_name()) {
            return Err(refuse("it is not empty".to_owned()));
        }
    }
    // A default access list of the folder it lies in would be passed on to all that is restored.
    // Not having one, or a file system that knows none, is what is wanted anyway.
    let _ = rustix::fs::fremovexattr(&folder, c"system.posix_acl_default");
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    fn refused(path: &Path) -> String {
        match prepare(path) {
            Err(StoreError::TargetNotUsable { reason, .. }) => reason,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn a_new_or_empty_folder_becomes_private() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        for _ in ["new", "empty"] {
            prepare(&target).unwrap();
            assert_eq!(
                fs::metadata(&target).unwrap().permissions().mode() & 0o7777,
                0o700
            );
            fs::set_permissions(&target, fs::Permissions::from_mode(0o777)).unwrap();
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("empty")).unwrap();
        symlink("empty", dir.path().join("link")).unwrap();
        symlink("nowhere", dir.path().join("dangling")).unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        for name in ["link", "dangling", "file"] {
            assert_eq!(
                refused(&dir.path().join(name)),
                "it is not a folder",
                "{name}"
            );
        }
        assert_eq!(refused(dir.path()), "it is not empty");
        assert!(matches!(
            prepare(&dir.path().join("no/parent")),
            Err(StoreError::Restore { source, .. }) if source.kind() == io::ErrorKind::NotFound
        ));
    }
}
