//! How much has changed, before anything is stopped for it.

use std::{os::unix::fs::MetadataExt, path::PathBuf, sync::Arc};

use super::{Base, Walk, base::Stamp, place_of};
use crate::{Source, account::Account, exclude::Exclusions};

/// From this size on, a changed file is worth a copy ahead of the stop.
const LARGE_BYTES: u64 = 4 << 20;

/// What a copy would take now.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// Entries of all kinds.
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    /// Files whose contents no snapshot has.
    pub(crate) changed_files: u64,
    pub(crate) changed_bytes: u64,
    /// The large ones among them.
    pub(crate) large: Vec<LargeFile>,
}

/// A large file that has changed.
#[derive(Debug, Clone)]
pub(crate) struct LargeFile {
    pub(crate) path: PathBuf,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) bytes: u64,
}

/// Walks the sources while everything is at work. What vanishes meanwhile, or cannot be read, is the
/// business of the walk that counts.
pub(crate) fn survey(ordered: &[Source], base: &Base, run: &Account) -> Survey {
    let mut survey = Survey::default();
    for source in ordered {
        let Source::Path {
            name,
            path,
            exclude,
        } = source
        else {
            continue;
        };
        let quiet = Arc::new(Account::quiet());
        let walk = Walk::new(path.clone(), Exclusions::new(exclude), quiet);
        for (found, metadata) in walk.take_while(|_| run.may_go_on()) {
            survey.entries += 1;
            let Ok(metadata) = metadata else { continue };
            if !metadata.is_file() {
                continue;
            }
            survey.bytes += metadata.len();
            if base.has(&place_of(name, &found.beneath), Stamp::of(&metadata)) {
                continue;
            }
            survey.changed_files += 1;
            survey.changed_bytes += metadata.len();
            if metadata.len() >= LARGE_BYTES {
                survey.large.push(LargeFile {
                    path: found.path,
                    device: metadata.dev(),
                    inode: metadata.ino(),
                    bytes: metadata.len(),
                });
            }
        }
    }
    survey
}
