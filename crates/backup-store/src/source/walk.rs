//! Going through a folder, without opening what is left out.
//!
//! `walkdir` opens a folder before anybody can say that it is not wanted; what is left out may be
//! the place of a dead mount, at which everybody hangs who opens it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{account::Account, exclude::Exclusions};

/// Something that a walk came to.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where it is on disk.
    pub(crate) path: PathBuf,
    /// Where it is within the source; empty for the source itself.
    pub(crate) beneath: PathBuf,
}

/// Every entry of a source: a directory before what is in it, names in order.
#[derive(Debug)]
pub(crate) struct Walk {
    /// What is still to come of each of the directories that were entered; the next one last.
    to_come: Vec<Vec<Found>>,
    exclusions: Exclusions,
    account: Arc<Account>,
}

impl Walk {
    pub(crate) fn new(root: PathBuf, exclusions: Exclusions, account: Arc<Account>) -> Self {
        let root = Found {
            path: root,
            beneath: PathBuf::new(),
        };
        Self {
            to_come: vec![vec![root]],
            exclusions,
            account,
        }
    }

    /// What is in a directory and is not left out, the first name last.
    fn list(&self, directory: &Found) -> io::Result<Vec<Found>> {
        let mut listed = Vec::new();
        for entry in fs::read_dir(&directory.path)? {
            let name = match entry {
                Ok(entry) => entry.file_name(),
                Err(error) => {
                    self.account.note(&directory.path, super::reason(&error));
                    continue;
                }
            };
            let beneath = directory.beneath.join(&name);
            if self.exclusions.match_exactly(&beneath) {
                self.account.count_left_out();
                continue;
            }
            listed.push(Found {
                path: directory.path.join(&name),
                beneath,
            });
        }
        listed.sort_by(|a, b| b.path.file_name().cmp(&a.path.file_name()));
        Ok(listed)
    }
}

impl Iterator for Walk {
    type Item = (Found, io::Result<fs::Metadata>);

    fn next(&mut self) -> Option<Self::Item> {
        let found = loop {
            match self.to_come.last_mut()?.pop() {
                Some(found) => break found,
                None => self.to_come.pop(),
            };
        };
        let metadata = fs::symlink_metadata(&found.path);
        if metadata.as_ref().is_ok_and(fs::Metadata::is_dir) {
            match self.list(&found) {
                Ok(listed) => self.to_come.push(listed),
                Err(error) => note(&self.account, &found.path, &error),
            }
        }
        Some((found, metadata))
    }
}

fn note(account: &Account, path: &Path, error: &io::Error) {
    account.note(path, super::reason(error));
}
