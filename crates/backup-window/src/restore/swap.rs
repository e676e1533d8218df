//! Putting restored data in the place of what is there, and back, by renaming alone.
//!
//! Each function can be cut short by a kill and called again: what has been done is seen on the
//! disk, by the inode of the restored data or by what lies in the folder beside it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use backup_store::ExcludePattern;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::place::{How, Swap};

impl Swap {
    /// What is taken out of the way meanwhile.
    fn old(&self) -> PathBuf {
        self.staging.join("old")
    }

    /// Is there while the place is filled with the restored data ([`How::Children`]).
    fn filling(&self) -> PathBuf {
        self.staging.join("filling")
    }

    /// Puts the restored data in its place, and what was there in the other.
    pub(crate) fn swap(&self) -> io::Result<()> {
        match self.how {
            How::Move => rename_new(&self.other, &self.path)?,
            How::Exchange => {
                self.exchange()?;
                self.take_over(&self.other, &self.path)?;
            }
            How::Children => {
                let old = self.old();
                fs::create_dir(&old)?;
                copy_attributes(&self.path, &old)?;
                self.move_children(&self.path, &old)?;
                File::create(self.filling())?.sync_all()?;
                sync(&self.staging)?;
                self.move_children(&self.other, &self.path)?;
                self.take_over(&old, &self.path)?;
                copy_attributes(&self.other, &self.path)?;
            }
        }
        sync(self.path.parent().unwrap_or(&self.path))?;
        sync(&self.staging)
    }

    /// Puts back what was there, whether the swap was made, half made or not begun.
    pub(crate) fn undo(&self) -> io::Result<()> {
        match self.how {
            How::Move => {
                if self.is_restored(&self.path) {
                    fs::rename(&self.path, &self.other)?;
                }
            }
            How::Exchange => {
                let old = self.old();
                if exists(&old) {
                    // The kernel could not exchange them, and it was cut short in between.
                    if self.is_restored(&self.path) {
                        rename_new(&self.path, &self.other)?;
                    }
                    rename_new(&old, &self.path)?;
                } else if self.is_restored(&self.path) {
                    self.exchange()?;
                }
                if exists(&self.other) {
                    self.take_over(&self.other, &self.path)?;
                }
            }
            How::Children => {
                let (old, new) = (self.old(), self.staging.join("undone"));
                if exists(&self.filling()) {
                    if !exists(&new) {
                        fs::create_dir(&new)?;
                    }
                    self.move_children(&self.path, &new)?;
                    fs::remove_file(self.filling())?;
                    sync(&self.staging)?;
                }
                if exists(&old) {
                    self.move_children(&old, &self.path)?;
                    if exists(&new) {
                        self.take_over(&new, &self.path)?;
                    }
                    copy_attributes(&old, &self.path)?;
                }
            }
        }
        if let Some(parent) = self.path.parent().filter(|parent| parent.exists()) {
            sync(parent)?;
        }
        Ok(())
    }

    /// Removes the folder that was written to, with all that is in it.
    pub(crate) fn clear(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn is_restored(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|it| self.inode != 0 && it.ino() == self.inode)
    }

    /// Exchanges the two. Where the file system cannot do that in one step, in three.
    fn exchange(&self) -> io::Result<()> {
        use rustix::io::Errno;
        match renameat_with(CWD, &self.other, CWD, &self.path, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(()),
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                let old = self.old();
                fs::rename(&self.path, &old)?;
                fs::rename(&self.other, &self.path)?;
                fs::rename(&old, &self.other)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Moves all that is in a directory but the folder that was written to.
    fn move_children(&self, from: &Path, to: &Path) -> io::Result<()> {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            if entry.path() != self.staging {
                fs::rename(entry.path(), to.join(entry.file_name()))?;
            }
        }
        sync(from)?;
        sync(to)
    }

    /// Moves what backups leave out (a cache, films) to where the data is now.
    fn take_over(&self, from: &Path, to: &Path) -> io::Result<()> {
        let patterns = self.patterns();
        if patterns.is_empty() || !fs::symlink_metadata(from)?.is_dir() {
            return Ok(());
        }
        take_over(&patterns, &self.within, Path::new(""), from, to)
    }
}

fn take_over(
    patterns: &[ExcludePattern],
    within: &Path,
    beneath: &Path,
    from: &Path,
    to: &Path,
) -> io::Result<()> {
    for entry in fs::read_dir(from.join(beneath))? {
        let entry = entry?;
        let beneath = beneath.join(entry.file_name());
        let (source, target) = (from.join(&beneath), to.join(&beneath));
        let is_kept = |pattern: &ExcludePattern| pattern.leaves_out(&within.join(&beneath));
        if patterns.iter().any(is_kept) {
            if !exists(&target) {
                make_parents(from, to, &beneath)?;
                fs::rename(source, target)?;
            }
        } else if entry.file_type()?.is_dir() {
            take_over(patterns, within, &beneath, from, to)?;
        }
    }
    Ok(())
}

/// Makes the directories above a path like those that it comes from, where they are missing.
fn make_parents(from: &Path, to: &Path, beneath: &Path) -> io::Result<()> {
    let mut parents: Vec<&Path> = beneath.ancestors().skip(1).collect();
    parents.reverse();
    for parent in parents.into_iter().filter(|it| !it.as_os_str().is_empty()) {
        let made = to.join(parent);
        if !exists(&made) {
            fs::create_dir(&made)?;
            copy_attributes(&from.join(parent), &made)?;
        }
    }
    Ok(())
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    if exists(to) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

/// What was renamed in a directory is on the disk after this.
pub(crate) fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Gives a file or directory the owner, mode, extended attributes and time of another.
pub(crate) fn copy_attributes(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::metadata(from)?;
    chown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(metadata.mode() & 0o7777))?;
    let wanted: Vec<_> = names(from)?;
    for name in names(to)? {
        if !wanted.contains(&name) {
            xattr::remove(to, name)?;
        }
    }
    for name in wanted {
        if let Some(value) = xattr::get(from, &name)? {
            xattr::set(to, name, &value)?;
        }
    }
    File::open(to)?.set_modified(metadata.modified()?)
}

fn names(path: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    match xattr::list(path) {
        Ok(names) => Ok(names.collect()),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
