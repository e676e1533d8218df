//! Sources that come as archives: read once, from the first byte to the last, into the record and the
//! spool that the sources on disk go to.

mod describe;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;

use self::describe::describe;
use super::{
    node::{Described, FileKind},
    place_of,
    record::{Contents, RecordWriter, RecordedEntry},
};
use crate::{
    SharedArchive, SnapshotPath, StoreError, TarEntry, TarKind,
    account::Account,
    archive::{Opened, open_part},
    exclude::Exclusions,
    spool::{self, Put, PutError, Spool},
};

/// A source that comes as an archive.
#[derive(Debug)]
pub(super) struct Archived<'a> {
    pub(super) name: &'a SnapshotPath,
    pub(super) archive: &'a SharedArchive,
    pub(super) exclusions: Exclusions,
    pub(super) without: &'a [PathBuf],
    /// Which of the sources it is.
    pub(super) number: u32,
    /// When everything stood still.
    pub(super) at: Timestamp,
}

/// What was read of an archive.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) entries: u64,
    pub(super) spooled_files: u64,
    pub(super) spooled_bytes: u64,
    pub(super) in_place_files: u64,
    pub(super) in_place_bytes: u64,
}

/// Why an archive could not be read into the spool.
enum Broken {
    Archive(io::Error),
    Spool(io::Error),
    Cancelled,
}

impl From<PutError> for Broken {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Read(error) => Self::Archive(error),
            PutError::Write(error) => Self::Spool(error),
            PutError::Cancelled => Self::Cancelled,
        }
    }
}

impl Archived<'_> {
    /// Reads all of it.
    pub(super) fn capture(
        self,
        spool: &Spool,
        contents: &mut spool::Contents,
        record: &mut RecordWriter,
        account: &Arc<Account>,
    ) -> Result<Tally, StoreError> {
        let (name, archive) = (self.name.clone(), self.archive.clone());
        let draft = RecordWriter::new(spool.nameless()?);
        let reading = Reading {
            source: self,
            contents,
            account,
            tally: Tally::default(),
            links: Links::default(),
            last: None,
            in_order: true,
        };
        reading.run(draft, record).map_err(|broken| match broken {
            Broken::Archive(source) => StoreError::Archive {
                name,
                origin: archive.origin(),
                source,
            },
            Broken::Spool(source) => spool.failed("write to", source),
            Broken::Cancelled => StoreError::Cancelled {
                operation: "copy what has changed",
            },
        })
    }
}

struct Reading<'a> {
    source: Archived<'a>,
    contents: &'a mut spool::Contents,
    account: &'a Account,
    tally: Tally,
    links: Links,
    last: Option<PathBuf>,
    in_order: bool,
}

/// Names of files that have several. How many a file has is known at the end of the archive only.
#[derive(Default)]
struct Links {
    /// What the entries of these numbers are other names of.
    targets: HashMap<u64, PathBuf>,
    /// How many other names each of these has.
    others: HashMap<PathBuf, u64>,
    /// The name that stands for one that is left out.
    instead: HashMap<PathBuf, PathBuf>,
}

impl Reading<'_> {
    fn run(mut self, mut draft: RecordWriter, record: &mut RecordWriter) -> Result<Tally, Broken> {
        let archive = self.source.archive.clone();
        let mut opened = open_part(&archive, Path::new("")).map_err(Broken::Archive)?;
        let mut next = Some(opened.first.clone());
        let mut number = 0;
        // Whatever comes beneath what is left out is left out as well.
        let mut left_out: Option<PathBuf> = None;
        while let Some(entry) = next {
            if !self.account.may_go_on() {
                return Err(Broken::Cancelled);
            }
            let beneath = opened.beneath(&entry).map_err(Broken::Archive)?;
            let within = |top: &PathBuf| beneath.starts_with(top);
            if !left_out.as_ref().is_some_and(within) {
                left_out = self.leaves_out(&beneath);
                if left_out.is_some() {
                    self.count_left_out(&beneath);
                } else {
                    self.read(&mut opened, &entry, &beneath, number, &mut draft)?;
                    number += 1;
                }
            }
            next = opened.next().map_err(Broken::Archive)?;
        }
        self.tally.entries = number;
        self.finish(draft, record)
    }

    /// The topmost of this and what it lies in that is left out.
    fn leaves_out(&self, beneath: &Path) -> Option<PathBuf> {
        let mut parts: Vec<&Path> = beneath.ancestors().collect();
        parts.reverse();
        // The first is the top itself, which is never left out.
        let out = parts.into_iter().skip(1).find(|part| {
            self.source.without.iter().any(|place| place == part)
                || self.source.exclusions.match_exactly(part)
        });
        out.map(Path::to_owned)
    }

    /// A mount of its own is not of the source, and was not left out by anybody.
    fn count_left_out(&self, beneath: &Path) {
        if !self.source.without.iter().any(|place| place == beneath) {
            self.account.count_left_out();
        }
    }

    fn read(
        &mut self,
        opened: &mut Opened,
        entry: &TarEntry,
        beneath: &Path,
        number: u64,
        draft: &mut RecordWriter,
    ) -> Result<(), Broken> {
        self.in_order &= self.last.as_deref().is_none_or(|last| last < beneath);
        self.last = Some(beneath.to_owned());
        let mut described = self.describe(entry, beneath, number);
        let contents = match &entry.kind {
            TarKind::File => self.copy(opened, entry.size_bytes)?,
            TarKind::HardLink { target } => {
                let target = opened.strip(target).map_err(Broken::Archive)?;
                match self.linked(&target, beneath, number) {
                    // It stands for the name that is left out, and is read by itself.
                    None => {
                        let archive = self.source.archive;
                        let mut alone = open_part(archive, beneath).map_err(Broken::Archive)?;
                        let first = alone.first.clone();
                        described = self.describe(&first, beneath, number);
                        match first.kind {
                            TarKind::File => self.copy(&mut alone, first.size_bytes)?,
                            _ => Contents::Nothing,
                        }
                    }
                    Some(()) => Contents::Nothing,
                }
            }
            _ => Contents::Nothing,
        };
        let entry = RecordedEntry::new(self.source.number, beneath, described, contents);
        draft.write(&entry).map_err(Broken::Spool)
    }

    /// Takes up another name of a file. `None` if it is the first of those that are not left out.
    fn linked(&mut self, target: &Path, beneath: &Path, number: u64) -> Option<()> {
        let target = if self.leaves_out(target).is_none() {
            target.to_owned()
        } else if let Some(instead) = self.links.instead.get(target) {
            instead.clone()
        } else {
            let instead = (target.to_owned(), beneath.to_owned());
            self.links.instead.extend([instead]);
            return None;
        };
        *self.links.others.entry(target.clone()).or_default() += 1;
        self.links.targets.insert(number, target);
        Some(())
    }

    fn copy(&mut self, opened: &mut Opened, bytes: u64) -> Result<Contents, Broken> {
        let put = self
            .contents
            .put_stream(&mut opened.contents(), bytes, self.account)?;
        Ok(match put {
            Put::Spooled(extents) => {
                self.tally.spooled_files += 1;
                self.tally.spooled_bytes += bytes;
                Contents::Spooled(extents)
            }
            Put::Full => {
                self.tally.in_place_files += 1;
                self.tally.in_place_bytes += bytes;
                Contents::InPlace
            }
        })
    }

    /// An archive says neither inode nor change time, and no parent is asked for either. Inodes tell
    /// files with several names apart, within the snapshot only.
    fn describe(&self, entry: &TarEntry, beneath: &Path, number: u64) -> Described {
        let device = u64::MAX - u64::from(self.source.number);
        let (described, notes) = describe(entry, number + 1, device, self.source.at);
        for note in notes {
            let place = place_of(self.source.name, beneath);
            self.account.note(&place, note);
        }
        described
    }

    /// Writes the entries in the order of the tree, with what was learned of them since.
    fn finish(self, draft: RecordWriter, record: &mut RecordWriter) -> Result<Tally, Broken> {
        let draft = draft.finish().map_err(Broken::Spool)?;
        let mut resolved = Resolved {
            links: self.links,
            first_names: HashMap::new(),
        };
        let entries = draft.read().map_err(Broken::Spool)?;
        let entries = entries.zip(0..).map(|(entry, number)| {
            let entry = entry.map_err(Broken::Spool)?;
            resolved.resolve(entry, number).map_err(Broken::Archive)
        });
        let mut folders = Folders::default();
        let mut write = |entry: RecordedEntry| {
            folders.enter(&entry).map_err(Broken::Archive)?;
            record.write(&entry).map_err(Broken::Spool)
        };
        if self.in_order {
            for entry in entries {
                write(entry?)?;
            }
        } else {
            // No engine is known to do so; the format of archives allows it.
            let mut all = entries.collect::<Result<Vec<_>, _>>()?;
            all.sort_by(|a, b| a.beneath().cmp(b.beneath()));
            for entry in all {
                write(entry)?;
            }
        }
        Ok(self.tally)
    }
}

/// Files with several names, which are all one.
struct Resolved {
    links: Links,
    first_names: HashMap<PathBuf, (Described, Contents)>,
}

impl Resolved {
    fn resolve(&mut self, mut entry: RecordedEntry, number: u64) -> io::Result<RecordedEntry> {
        let beneath = entry.beneath().to_owned();
        if let Some(target) = self.links.targets.get(&number) {
            let Some((described, contents)) = self.first_names.get(target) else {
                return Err(bad(&format!(
                    "{} is another name of {}, which is no file before it",
                    beneath.display(),
                    target.display()
                )));
            };
            (entry.described, entry.contents) = (described.clone(), contents.clone());
        } else if let Some(others) = self.links.others.get(&beneath) {
            if entry.described.kind == FileKind::Directory {
                let why = format!("the folder {} has another name", beneath.display());
                return Err(bad(&why));
            }
            entry.described.links = 1 + others;
            let known = (entry.described.clone(), entry.contents.clone());
            self.first_names.insert(beneath, known);
        }
        Ok(entry)
    }
}

/// The folders that the current entry lies in.
#[derive(Default)]
struct Folders {
    open: Vec<PathBuf>,
    last: Option<PathBuf>,
}

impl Folders {
    /// Refuses what is there twice, and what lies in no folder.
    fn enter(&mut self, entry: &RecordedEntry) -> io::Result<()> {
        let beneath = entry.beneath();
        if self.last.as_deref() == Some(beneath) {
            return Err(bad(&format!("{} is there twice", beneath.display())));
        }
        self.last = Some(beneath.to_owned());
        if let Some(parent) = beneath.parent() {
            while self.open.last().is_some_and(|open| open != parent) {
                self.open.pop();
            }
            if self.open.is_empty() {
                return Err(bad(&format!("{} lies in no folder", beneath.display())));
            }
        }
        if entry.described.kind == FileKind::Directory {
            self.open.push(beneath.to_owned());
        }
        Ok(())
    }
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("in the archive, {why}"))
}
