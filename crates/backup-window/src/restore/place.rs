//! Where a restore in place writes, so that the swap is a matter of renaming.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use backup_store::{ExcludePattern, SnapshotPath};
use serde::{Deserialize, Serialize};

use super::targets::Target;
use crate::exit::Exit;
use crate::mount;
use crate::restore::RestoreFailure;

/// The beginning of the names of the folders that a restore writes to.
const FOLDER: &str = ".backup-window-restore-";

/// How the restored data takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Nothing is there: it is moved there.
    Move,
    /// The kernel exchanges the two in one step.
    Exchange,
    /// The place itself must stay (something is mounted there, or it is a subvolume): what is in
    /// it is exchanged, one after the other.
    Children,
}

/// One directory or file that is swapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
    /// Where the data lies that is in use.
    pub path: PathBuf,
    /// The folder that was written to: on the same file system, of mode 0700.
    pub staging: PathBuf,
    /// The restored data, beneath `staging` until the swap; afterwards, what was there before.
    pub other: PathBuf,
    /// How.
    pub how: How,
    /// The inode of the restored data, by which the two are told apart.
    pub inode: u64,
    /// What the snapshot has nothing to say about, and is taken over from what was there.
    pub keep: Vec<String>,
    /// Where in what the patterns are about this lies.
    pub within: PathBuf,
}

impl Swap {
    /// Finds out how a target can be swapped, and where to write meanwhile.
    ///
    /// # Errors
    /// When it cannot be done safely in place.
    pub(crate) fn plan(target: &Target, number: usize) -> Result<Self, RestoreFailure> {
        let refuse = |why: String| {
            RestoreFailure::new(
                Exit::Refused,
                format!(
                    "{} cannot be restored in place: {why}; restore it with --to DIR",
                    target.path.display()
                ),
            )
        };
        let unusable = |error: io::Error| refuse(error.to_string());
        // A container gets what a link leads to, and so does the restore.
        let path = match fs::canonicalize(&target.path) {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => target.path.clone(),
            Err(error) => return Err(unusable(error)),
        };
        let points = mount::points().map_err(unusable)?;
        if let Some(inside) = points
            .iter()
            .find(|point| **point != path && point.starts_with(&path))
        {
            return Err(refuse(format!(
                "another file system is mounted within it, on {}",
                inside.display()
            )));
        }
        let is_mounted_on = points.contains(&path);
        let Some(parent) = path.parent().map(Path::to_owned) else {
            return Err(refuse("it is the root".to_owned()));
        };
        let folder = format!("{FOLDER}{number}");
        let (how, staging) = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (How::Move, parent.join(folder))
            }
            Err(error) => return Err(unusable(error)),
            Ok(there) => {
                let above = fs::metadata(&parent).map_err(unusable)?;
                let must_stay = is_mounted_on || there.dev() != above.dev();
                if must_stay && !there.is_dir() {
                    return Err(refuse("something is mounted on this very file".to_owned()));
                }
                if must_stay {
                    (How::Children, path.join(folder))
                } else {
                    (How::Exchange, parent.join(folder))
                }
            }
        };
        if fs::symlink_metadata(&staging).is_ok() {
            return Err(refuse(format!(
                "{} is in the way; look what it is, and remove it",
                staging.display()
            )));
        }
        let other = staging.join(target.place.as_path());
        for path in [&path, &staging, &other] {
            if path.to_str().is_none() {
                return Err(refuse("its name is not Unicode".to_owned()));
            }
        }
        Ok(Self {
            path,
            staging,
            other,
            how,
            inode: 0,
            keep: target
                .exclude
                .iter()
                .map(|it| it.as_str().to_owned())
                .collect(),
            within: target.within.clone(),
        })
    }

    /// The patterns of what is taken over.
    pub(crate) fn patterns(&self) -> Vec<ExcludePattern> {
        // They were patterns when they were written.
        self.keep
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect()
    }

    /// Where it was restored to, as a restore counts it.
    pub(crate) fn place_in(&self, place: &SnapshotPath) -> PathBuf {
        self.staging.join(place.as_path())
    }
}
