//! What is done while everything stands still: a walk, and local copies of what has changed.

use std::{
    collections::HashMap,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::PathBuf,
    sync::Arc,
};

use jiff::Timestamp;
use twox_hash::XxHash3_128;

use super::{
    Base, Found, Walk,
    archived::{Archived, Tally},
    describe,
    node::Described,
    place_of, reader,
    record::{self, Record, RecordWriter, RecordedEntry},
    survey::LargeFile,
};
use crate::{
    Manifest, SnapshotPath, Source, StoreError,
    account::Account,
    exclude::Exclusions,
    manifest::TreeTally,
    spool::{self, Extent, Put, Spool},
};

/// What of a large file is compared at once. A page that changed costs as much to write.
const BLOCK_BYTES: usize = 128 << 10;

/// The sources as they were at one moment.
#[derive(Debug)]
pub(crate) struct Captured {
    pub(super) ordered: Vec<Source>,
    pub(super) record: Record,
    pub(super) contents: spool::Contents,
    pub(crate) entries: u64,
    pub(crate) spooled_files: u64,
    pub(crate) spooled_bytes: u64,
    /// Files for which the spool had no room: they must be read before anything is started.
    pub(crate) in_place_files: u64,
    pub(crate) in_place_bytes: u64,
    /// Files that were changed while they were copied.
    pub(crate) unsteady: Vec<PathBuf>,
}

impl Captured {
    /// Puts a manifest of what was recorded into the snapshot, unless something of the request lies
    /// there. That reads the record once more, and no file: nothing need be down for it.
    pub(crate) fn add_manifest(&mut self, at: Timestamp) -> io::Result<()> {
        let Ok(place) = SnapshotPath::new(Manifest::PLACE) else {
            return Ok(());
        };
        let is_taken = |source: &Source| source.name().as_path().starts_with(place.as_path());
        if self.ordered.iter().any(is_taken) {
            return Ok(());
        }
        let trees = self.ordered.iter();
        let trees = trees.filter(|source| !matches!(source, Source::Bytes { .. }));
        let names: Vec<String> = trees.map(|source| source.name().to_string()).collect();
        let mut tallies: Vec<TreeTally> = names.iter().map(|_| TreeTally::default()).collect();
        for entry in self.record.read()? {
            let entry = entry?;
            if let Some(tally) = tallies.get_mut(entry.source as usize) {
                tally.add(entry.beneath(), &entry.described);
            }
        }
        let tallies = tallies.into_iter().map(TreeTally::finish);
        let manifest = Manifest {
            sources: names.into_iter().zip(tallies).collect(),
        };
        let source = Source::bytes(place, manifest.to_json(), at);
        let sorted = self
            .ordered
            .partition_point(|other| other.name().as_path() < source.name().as_path());
        self.ordered.insert(sorted, source);
        Ok(())
    }
}

/// Copies of large files that were made before the stop, and of which only the blocks that have
/// changed since are copied again.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    copies: HashMap<(u64, u64), AheadCopy>,
}

#[derive(Debug)]
struct AheadCopy {
    spooled_at: u64,
    bytes: u64,
    /// Of each block, as it was copied.
    digests: Vec<u128>,
}

impl Ahead {
    /// Copies what is worth it. A file that cannot be read, or for which there is no room, is left
    /// to the walk that counts.
    pub(crate) fn copy(
        contents: &mut spool::Contents,
        large: &[LargeFile],
        run: &Account,
    ) -> io::Result<Self> {
        let mut copies = HashMap::new();
        for file in large {
            // What costs nothing need not be done twice.
            if contents.shares_extents_with(file.device) || !run.may_go_on() {
                continue;
            }
            let Ok(from) = reader::open_same(&file.path, file.device, file.inode) else {
                continue;
            };
            // With holes, comparing would read what is not there.
            if !spool::is_dense(&from, file.bytes) {
                continue;
            }
            let Some(spooled_at) = contents.make_room(file.bytes) else {
                continue;
            };
            let digests = copy_blocks(&from, file.bytes, (&contents.file(), spooled_at), run)?;
            let copy = AheadCopy {
                spooled_at,
                bytes: file.bytes,
                digests,
            };
            copies.insert((file.device, file.inode), copy);
        }
        Ok(Self { copies })
    }

    /// How much was copied.
    pub(crate) fn bytes(&self) -> u64 {
        self.copies.values().map(|copy| copy.bytes).sum()
    }
}

/// Copies a file, and says what its blocks were. Where it ends early, the digests do.
fn copy_blocks(
    from: &File,
    bytes: u64,
    (to, at): (&File, u64),
    run: &Account,
) -> io::Result<Vec<u128>> {
    let mut digests = Vec::new();
    let mut buffer = vec![0; BLOCK_BYTES];
    let mut done = 0;
    while done < bytes {
        let room = usize::try_from(bytes - done).map_or(BLOCK_BYTES, |left| left.min(BLOCK_BYTES));
        let Ok(read) = spool::read_at(from, &mut buffer[..room], done) else {
            break;
        };
        if read < room {
            break;
        }
        to.write_all_at(&buffer[..read], at + done)?;
        digests.push(XxHash3_128::oneshot(&buffer[..read]));
        done += read as u64;
        run.advance(read as u64);
    }
    Ok(digests)
}

/// Brings a copy made ahead up to date. `None` if there is no room for what was added.
fn refresh(
    contents: &mut spool::Contents,
    copy: &AheadCopy,
    from: &File,
    size: u64,
) -> io::Result<Put> {
    let spool = contents.file();
    let within = size.min(copy.bytes);
    let mut buffer = vec![0; BLOCK_BYTES];
    let mut done = 0;
    let mut digests = copy.digests.iter();
    while done < within {
        let room = usize::try_from(within - done).map_or(BLOCK_BYTES, |left| left.min(BLOCK_BYTES));
        let read = spool::read_at(from, &mut buffer[..room], done)?;
        if read < room {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it shrank while it was copied",
            ));
        }
        if digests.next() != Some(&XxHash3_128::oneshot(&buffer[..read])) {
            spool.write_all_at(&buffer[..read], copy.spooled_at + done)?;
        }
        done += read as u64;
    }
    let mut extents = vec![Extent {
        at: 0,
        spooled_at: copy.spooled_at,
        bytes: within,
    }];
    if size > within {
        match contents.put_from(from, within, size)? {
            Put::Spooled(added) => extents.extend(added),
            Put::Full => return Ok(Put::Full),
        }
    }
    Ok(Put::Spooled(extents))
}

/// Walks the sources, which must be in order, and copies what no snapshot has. Nothing of them may
/// be at work, or else what was changed meanwhile is told.
pub(crate) fn capture(
    ordered: Vec<Source>,
    base: &Base,
    spool: &Spool,
    contents: spool::Contents,
    ahead: Ahead,
    (at, account): (Timestamp, &Arc<Account>),
) -> Result<Captured, StoreError> {
    let failed = |source| spool.failed("write to", source);
    let mut record = RecordWriter::new(spool.nameless()?);
    let mut copier = Copier {
        base,
        contents,
        ahead,
        linked: HashMap::new(),
        spooled_files: 0,
        spooled_bytes: 0,
        in_place_files: 0,
        in_place_bytes: 0,
        unsteady: Vec::new(),
    };
    let mut entries = 0;
    let trees = ordered
        .iter()
        .filter(|source| !matches!(source, Source::Bytes { .. }));
    for (source, number) in trees.zip(0..) {
        match source {
            Source::Bytes { .. } => {}
            Source::Path {
                name,
                path,
                exclude,
            } => {
                let walk = Walk::new(path.clone(), Exclusions::new(exclude), Arc::clone(account));
                for found in walk {
                    if !account.may_go_on() {
                        return Err(StoreError::Cancelled {
                            operation: "copy what has changed",
                        });
                    }
                    let path = found.0.path.clone();
                    match copier.entry(name, number, found, account) {
                        Ok(entry) => {
                            entries += 1;
                            record.write(&entry).map_err(failed)?;
                        }
                        Err(error) => account.note(&path, super::reason(&error)),
                    }
                }
            }
            Source::Archive {
                name,
                archive,
                exclude,
                without,
            } => {
                let archived = Archived {
                    name,
                    archive,
                    exclusions: Exclusions::new(exclude),
                    without,
                    number,
                    at,
                };
                let tally = archived.capture(spool, &mut copier.contents, &mut record, account)?;
                entries += tally.entries;
                copier.add(&tally);
            }
        }
    }
    Ok(Captured {
        record: record.finish().map_err(failed)?,
        ordered,
        entries,
        spooled_files: copier.spooled_files,
        spooled_bytes: copier.spooled_bytes,
        in_place_files: copier.in_place_files,
        in_place_bytes: copier.in_place_bytes,
        unsteady: copier.unsteady,
        contents: copier.contents,
    })
}

struct Copier<'a> {
    base: &'a Base,
    contents: spool::Contents,
    ahead: Ahead,
    /// What became of the first name of each file that has several.
    linked: HashMap<(u64, u64), record::Contents>,
    spooled_files: u64,
    spooled_bytes: u64,
    in_place_files: u64,
    in_place_bytes: u64,
    unsteady: Vec<PathBuf>,
}

impl Copier<'_> {
    fn entry(
        &mut self,
        name: &SnapshotPath,
        number: u32,
        (found, metadata): (Found, io::Result<fs::Metadata>),
        account: &Account,
    ) -> io::Result<RecordedEntry> {
        let described = describe(&found, &metadata?, account)?;
        let contents = if described.is_file() {
            self.copy(
                &place_of(name, &found.beneath),
                &found.path,
                &described,
                account,
            )?
        } else {
            record::Contents::Nothing
        };
        Ok(RecordedEntry::new(
            number,
            &found.beneath,
            described,
            contents,
        ))
    }

    fn add(&mut self, tally: &Tally) {
        self.spooled_files += tally.spooled_files;
        self.spooled_bytes += tally.spooled_bytes;
        self.in_place_files += tally.in_place_files;
        self.in_place_bytes += tally.in_place_bytes;
    }

    fn copy(
        &mut self,
        place: &std::path::Path,
        path: &std::path::Path,
        file: &Described,
        account: &Account,
    ) -> io::Result<record::Contents> {
        if self.base.has(place, file.stamp()) {
            return Ok(record::Contents::Unchanged);
        }
        let key = (file.device, file.inode);
        if file.links > 1
            && let Some(copied) = self.linked.get(&key)
        {
            return Ok(copied.clone());
        }
        let from = reader::open_same(path, file.device, file.inode)?;
        let put = match self.ahead.copies.get(&key) {
            Some(copy) => refresh(&mut self.contents, copy, &from, file.size)?,
            None => self.contents.put_from(&from, 0, file.size)?,
        };
        let copied = match put {
            Put::Spooled(extents) => {
                if reader::still_is(&from, file).is_err() {
                    self.unsteady.push(path.to_owned());
                }
                self.spooled_files += 1;
                self.spooled_bytes += file.size;
                account.advance(file.size);
                record::Contents::Spooled(extents)
            }
            Put::Full => {
                self.in_place_files += 1;
                self.in_place_bytes += file.size;
                record::Contents::InPlace
            }
        };
        if file.links > 1 {
            self.linked.insert(key, copied.clone());
        }
        Ok(copied)
    }
}
