//! What a backup reads: the request's sources as one tree, for the library to archive.
//!
//! The library can walk a directory by itself, but drops the metadata of its top (a data folder of
//! 0700 70:70 comes back as 0755 root, and `PostgreSQL` refuses to start) and passes over what it
//! cannot read without a word. So the walk is ours, and keeps an [`Account`].

mod archived;
mod base;
mod capture;
mod node;
mod reader;
mod record;
mod recorded;
mod survey;
mod walk;

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use rustic_core::{ReadSource, ReadSourceEntry, RusticResult};

use self::walk::Found;
pub(crate) use self::{
    base::Base,
    capture::{Ahead, Captured, capture},
    node::{Described, FileKind, node_of, to_library_time},
    reader::Opener,
    recorded::Recorded,
    survey::{Survey, survey},
    walk::Walk,
};
use crate::{
    ExcludePattern, SharedArchive, SnapshotPath, Source, StoreError,
    account::{Account, Kind},
    exclude::Exclusions,
};

pub(crate) type Entry = ReadSourceEntry<Opener>;
type Entries = Box<dyn Iterator<Item = Entry> + Send>;

/// The sources of one backup, in the order of the tree.
#[derive(Debug)]
pub(crate) struct Sources {
    ordered: Vec<Source>,
    started_at: Timestamp,
    account: Arc<Account>,
    /// What the parent of the snapshot knows.
    base: Arc<Base>,
}

impl Sources {
    /// Looks whether the sources, which must be in order, are there, and follows a link at the top
    /// of any of them.
    pub(crate) fn find(
        mut sources: Vec<Source>,
        started_at: Timestamp,
        account: Arc<Account>,
    ) -> Result<Self, StoreError> {
        for source in &mut sources {
            if let Source::Path { name, path, .. } = source {
                let found = find(path).map_err(|source| StoreError::SourceMissing {
                    name: name.clone(),
                    path: path.clone(),
                    source,
                })?;
                *path = found;
            }
        }
        Ok(Self {
            ordered: sources,
            started_at,
            account,
            base: Arc::default(),
        })
    }

    /// With an earlier snapshot for a parent: what it cannot be trusted with is read again.
    pub(crate) fn since(mut self, base: Arc<Base>) -> Self {
        self.base = base;
        self
    }

    /// The sources, found.
    pub(crate) fn ordered(&self) -> &[Source] {
        &self.ordered
    }

    /// The places of the sources, as they are recorded in the snapshot.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        places(&self.ordered)
    }
}

fn places(ordered: &[Source]) -> Vec<PathBuf> {
    // The format stores paths as JSON texts, which cannot hold names that are not Unicode.
    let place = |source: &Source| format!("/{}", source.name().as_path().to_string_lossy());
    ordered.iter().map(place).map(PathBuf::from).collect()
}

/// Follows a link at the top of a source.
pub(crate) fn find(path: &Path) -> io::Result<PathBuf> {
    let found = fs::canonicalize(path)?;
    // A folder that cannot even be listed is a mistake (or a dead mount), not an empty backup.
    if fs::metadata(&found)?.is_dir() {
        fs::read_dir(&found)?;
    }
    Ok(found)
}

impl ReadSource for Sources {
    type Open = Opener;
    type Iter = Box<dyn Iterator<Item = RusticResult<Entry>> + Send>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        let (account, base) = (Arc::clone(&self.account), Arc::clone(&self.base));
        let run = Arc::clone(&self.account);
        whole_tree(
            self.ordered.clone(),
            self.started_at,
            Arc::clone(&self.account),
            move |name, tree| match tree {
                Tree::OnDisk { path, exclude } => walk(
                    name,
                    path,
                    Exclusions::new(&exclude),
                    Arc::clone(&account),
                    Arc::clone(&base),
                ),
                // Whoever has archives to save captures them first.
                Tree::Archive(_) => {
                    run.fail(StoreError::InvalidRequest {
                        reason: format!("{name} is an archive, which cannot be walked"),
                    });
                    Box::new(std::iter::empty())
                }
            },
        )
    }
}

/// What a source with a tree of its own is read from.
enum Tree {
    OnDisk {
        path: PathBuf,
        exclude: Vec<ExcludePattern>,
    },
    Archive(SharedArchive),
}

/// The whole tree: the directories that lead to the sources, the files in memory, and what
/// `of_tree` says of the sources that are trees.
fn whole_tree(
    ordered: Vec<Source>,
    started_at: Timestamp,
    account: Arc<Account>,
    mut of_tree: impl FnMut(SnapshotPath, Tree) -> Entries + Send + 'static,
) -> Box<dyn Iterator<Item = RusticResult<Entry>> + Send> {
    let until_told = Arc::clone(&account);
    let mut made = HashSet::new();
    let entries = ordered.into_iter().flat_map(move |source| {
        let mut parents = source.name().parents();
        parents.retain(|parent| made.insert(parent.to_path_buf()));
        let parents: Vec<_> = parents
            .into_iter()
            .map(|path| parent_entry(path, started_at))
            .collect();
        let own = match source {
            Source::Path {
                name,
                path,
                exclude,
            } => of_tree(name, Tree::OnDisk { path, exclude }),
            Source::Archive { name, archive, .. } => of_tree(name, Tree::Archive(archive)),
            Source::Bytes {
                name,
                contents,
                modified,
            } => {
                account.count(Kind::File);
                let node = node::of_bytes(name.last_name(), &contents, modified, started_at);
                let open = Opener::bytes(contents, &name, Arc::clone(&account));
                let path = name.as_path().to_owned();
                let entry = Entry {
                    path,
                    node,
                    open: Some(open),
                };
                Box::new(std::iter::once(entry))
            }
        };
        parents.into_iter().chain(own)
    });
    // Ending the walk early would look like the end of the sources; the repository's folder
    // refuses the snapshot of a run that may not go on, so it cannot be mistaken for it.
    Box::new(entries.take_while(move |_| until_told.may_go_on()).map(Ok))
}

/// A directory that only leads to a source.
fn parent_entry(path: &Path, started_at: Timestamp) -> Entry {
    let name = path.file_name().unwrap_or_default();
    Entry {
        path: path.to_owned(),
        node: node::of_parent(name, started_at),
        open: None,
    }
}

/// Every entry of a source on disk that is not left out.
fn walk(
    name: SnapshotPath,
    root: PathBuf,
    exclusions: Exclusions,
    account: Arc<Account>,
    base: Arc<Base>,
) -> Entries {
    let walk = Walk::new(root, exclusions, Arc::clone(&account));
    Box::new(walk.filter_map(move |(found, metadata)| {
        let described = metadata.and_then(|metadata| describe(&found, &metadata, &account));
        match described {
            Ok(described) => Some(entry(&name, found, described, &base, &account)),
            Err(error) => {
                account.note(&found.path, reason(&error));
                None
            }
        }
    }))
}

/// Describes what was found, and notes what of it cannot be described.
fn describe(found: &Found, metadata: &fs::Metadata, account: &Account) -> io::Result<Described> {
    let (described, notes) = Described::of_file(&found.path, metadata)?;
    for note in notes {
        account.note(&found.path, note);
    }
    if described.kind == FileKind::Socket {
        account.note_socket(&found.path);
    }
    Ok(described)
}

/// The place in the snapshot of something in a source.
fn place_of(name: &SnapshotPath, beneath: &Path) -> PathBuf {
    let mut place = name.as_path().to_owned();
    if beneath.file_name().is_some() {
        place.push(beneath);
    }
    place
}

fn entry(
    name: &SnapshotPath,
    found: Found,
    mut described: Described,
    base: &Base,
    account: &Arc<Account>,
) -> Entry {
    let place = place_of(name, &found.beneath);
    account.count(described.counts_as());
    let open = described
        .is_file()
        .then(|| Opener::file(found.path, &described, Arc::clone(account)));
    if base.is_racy(described.changed) {
        described.differ();
    }
    node_entry(name, place, &found.beneath, &described, open)
}

fn node_entry(
    name: &SnapshotPath,
    place: PathBuf,
    beneath: &Path,
    described: &Described,
    open: Option<Opener>,
) -> Entry {
    // The top is called what the request calls it, whatever its name on disk is.
    let own_name = beneath.file_name().unwrap_or_else(|| name.last_name());
    Entry {
        node: described.to_node(own_name),
        path: place,
        open,
    }
}

/// An I/O error in words for the summary.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it vanished while the backup ran".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
