//! What a backup reads: the request's sources as one tree, for the library to archive.
//!
//! The library can walk a directory by itself, but drops the metadata of its top (a data folder of
//! 0700 70:70 comes back as 0755 root, and `PostgreSQL` refuses to start) and passes over what it
//! cannot read without a word. So the walk is ours, and keeps an [`Account`].

mod node;
mod reader;
mod walk;

use std::{
    collections::HashSet,
    fs, io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use rustic_core::{ReadSource, ReadSourceEntry, RusticResult};

pub(crate) use self::node::{node_of, to_library_time};
use self::{
    reader::Opener,
    walk::{Found, Walk},
};
use crate::{
    SnapshotPath, Source, StoreError,
    account::{Account, Kind},
    exclude::Exclusions,
};

type Entry = ReadSourceEntry<Opener>;
type Entries = Box<dyn Iterator<Item = Entry> + Send>;

/// The sources of one backup, in the order of the tree.
#[derive(Debug)]
pub(crate) struct Sources {
    ordered: Vec<Source>,
    started_at: Timestamp,
    account: Arc<Account>,
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
        })
    }

    /// The places of the sources, as they are recorded in the snapshot.
    pub(crate) fn places(&self) -> Vec<PathBuf> {
        // The format stores paths as JSON texts, which cannot hold names that are not Unicode.
        let place = |source: &Source| format!("/{}", source.name().as_path().to_string_lossy());
        self.ordered.iter().map(place).map(PathBuf::from).collect()
    }
}

fn find(path: &Path) -> io::Result<PathBuf> {
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
        let (started_at, account) = (self.started_at, Arc::clone(&self.account));
        let until_told = Arc::clone(&self.account);
        let mut made = HashSet::new();
        let entries = self.ordered.clone().into_iter().flat_map(move |source| {
            let mut parents = source.name().parents();
            parents.retain(|parent| made.insert(parent.to_path_buf()));
            let parents: Vec<_> = parents
                .into_iter()
                .map(|path| parent_entry(path, started_at))
                .collect();
            let account = Arc::clone(&account);
            let own: Entries = match source {
                Source::Path {
                    name,
                    path,
                    exclude,
                } => walk(name, path, Exclusions::new(&exclude), account),
                Source::Bytes {
                    name,
                    contents,
                    modified,
                } => {
                    account.count(Kind::File);
                    let node = node::of_bytes(name.last_name(), &contents, modified, started_at);
                    let open = Opener::bytes(contents, &name, account);
                    let path = name.as_path().to_owned();
                    Box::new(std::iter::once(Entry {
                        path,
                        node,
                        open: Some(open),
                    }))
                }
            };
            parents.into_iter().chain(own)
        });
        // Ending the walk early would look like the end of the sources; the repository's folder
        // refuses the snapshot of a run that may not go on, so it cannot be mistaken for it.
        Box::new(entries.take_while(move |_| until_told.may_go_on()).map(Ok))
    }
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
) -> Entries {
    let walk = Walk::new(root, exclusions, Arc::clone(&account));
    Box::new(walk.filter_map(move |(found, metadata)| {
        match metadata.and_then(|metadata| describe(&name, &found, &metadata, &account)) {
            Ok(entry) => Some(entry),
            Err(error) => {
                account.note(&found.path, reason(&error));
                None
            }
        }
    }))
}

fn describe(
    name: &SnapshotPath,
    found: &Found,
    metadata: &fs::Metadata,
    account: &Arc<Account>,
) -> io::Result<Entry> {
    let path = found.path.as_path();
    let mut place = name.as_path().to_owned();
    let own_name = found.beneath.file_name();
    if own_name.is_some() {
        place.push(&found.beneath);
    }
    // The top is called what the request calls it, whatever its name on disk is.
    let own_name = own_name.unwrap_or_else(|| name.last_name());
    let described = node::of_file(own_name, path, metadata)?;
    for note in described.notes {
        account.note(path, note);
    }
    let file_type = metadata.file_type();
    if file_type.is_socket() {
        account.note_socket(path);
    }
    account.count(if file_type.is_file() {
        Kind::File
    } else if file_type.is_dir() {
        Kind::Directory
    } else {
        Kind::Other
    });
    let open = file_type
        .is_file()
        .then(|| Opener::file(path.to_owned(), metadata, Arc::clone(account)));
    Ok(Entry {
        path: place,
        node: described.node,
        open,
    })
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
