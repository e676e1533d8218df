//! Writing what a snapshot holds, beneath one folder and nowhere else.
//!
//! Every name is used relative to its open directory and never followed if it is a link, and every
//! file is created new, so nothing that lies in the way is ever written through.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::FileExt,
    },
    path::{Path, PathBuf},
};

use rustic_core::{
    BlobId, TreeId,
    repofile::{BlobType, Metadata, Node, NodeType},
};
use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags};

use super::Contents;
use crate::{NotRestored, RestoreSummary, StoreError, mode};

/// Runs of zeros of at least this many bytes become holes.
const HOLE_BYTES: usize = 4096;

/// What only its owner may touch until its own permissions are set.
const PRIVATE: Mode = Mode::RWXU;

pub(super) fn run(
    contents: &Contents<'_>,
    tree: TreeId,
    to: &Path,
    target: OwnedFd,
) -> Result<RestoreSummary, StoreError> {
    let top = Directory {
        folder: dup(&target, to)?,
        path: PathBuf::new(),
        nodes: contents.nodes(tree, Path::new(""), 0)?.into_iter(),
        metadata: None,
    };
    let mut writer = Writer {
        contents,
        to,
        target,
        links: HashMap::new(),
        summary: RestoreSummary::default(),
    };
    // A stack of its own: a tree can be deeper than a thread's stack is.
    let mut open = vec![top];
    loop {
        let depth = open.len();
        let Some(directory) = open.last_mut() else {
            break;
        };
        if let Some(node) = directory.nodes.next() {
            let path = directory.path.join(node.name());
            if node.is_dir() {
                let below = writer.enter(&directory.folder, node, path, depth)?;
                open.push(below);
            } else {
                writer.write(&directory.folder, &node, path)?;
            }
        } else if let Some(done) = open.pop()
            && let Some(metadata) = done.metadata
        {
            // Only now: a directory without write permission could not have been filled, and its
            // time changes with everything that is put into it.
            writer.set_open(done.folder.as_fd(), &metadata, &done.path);
        }
    }
    // A network file system may keep "no space left" to itself until it is asked.
    rustix::fs::syncfs(&writer.target).map_err(|errno| writer.failed(Path::new(""), errno))?;
    Ok(writer.summary)
}

fn dup(fd: &OwnedFd, to: &Path) -> Result<OwnedFd, StoreError> {
    fd.try_clone().map_err(|source| StoreError::Restore {
        path: to.to_owned(),
        source,
    })
}

/// A directory that is being filled.
struct Directory {
    folder: OwnedFd,
    path: PathBuf,
    nodes: std::vec::IntoIter<Node>,
    metadata: Option<Metadata>,
}

struct Writer<'a> {
    contents: &'a Contents<'a>,
    to: &'a Path,
    target: OwnedFd,
    /// Where the first name of each file with several was written, by its old device and inode.
    links: HashMap<(u64, u64), PathBuf>,
    summary: RestoreSummary,
}

impl Writer<'_> {
    fn failed(&self, path: &Path, error: impl Into<io::Error>) -> StoreError {
        StoreError::Restore {
            path: self.to.join(path),
            source: error.into(),
        }
    }

    fn incomplete(&mut self, path: &Path, what: &str, error: impl Into<io::Error>) {
        let reason = format!("{what}: {}", error.into());
        tracing::warn!(path = %path.display(), reason, "cannot restore this as recorded");
        self.summary.incomplete.push(NotRestored {
            path: path.to_owned(),
            reason,
        });
    }

    /// Makes a directory and opens it.
    fn enter(
        &mut self,
        parent: &OwnedFd,
        node: Node,
        path: PathBuf,
        depth: usize,
    ) -> Result<Directory, StoreError> {
        let name = node.name();
        rustix::fs::mkdirat(parent, &*name, PRIVATE).map_err(|errno| self.failed(&path, errno))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(parent, &*name, flags, Mode::empty())
            .map_err(|errno| self.failed(&path, errno))?;
        self.summary.directories += 1;
        let tree = self.contents.subtree(&node, &path)?;
        let nodes = self.contents.nodes(tree, &path, depth)?.into_iter();
        Ok(Directory {
            folder,
            path,
            nodes,
            metadata: Some(node.meta),
        })
    }

    /// Writes anything but a directory.
    fn write(&mut self, parent: &OwnedFd, node: &Node, path: PathBuf) -> Result<(), StoreError> {
        match &node.node_type {
            NodeType::File => return self.write_file(parent, node, path),
            NodeType::Dir => return Ok(()),
            NodeType::Symlink { .. } => {
                let link = node.node_type.to_link();
                rustix::fs::symlinkat(link, parent, &*node.name())
                    .map_err(|errno| self.failed(&path, errno))?;
            }
            special => {
                let (kind, device) = match special {
                    NodeType::Dev { device } => (FileType::BlockDevice, *device),
                    NodeType::Chardev { device } => (FileType::CharacterDevice, *device),
                    NodeType::Socket => (FileType::Socket, 0),
                    _ => (FileType::Fifo, 0),
                };
                let mode = Mode::RUSR | Mode::WUSR;
                match rustix::fs::mknodat(parent, &*node.name(), kind, mode, device) {
                    Ok(()) => {}
                    // Only root may make devices, and not in every container.
                    Err(errno @ (rustix::io::Errno::PERM | rustix::io::Errno::ACCESS)) => {
                        self.incomplete(&path, "it is missing: it cannot be made", errno);
                        return Ok(());
                    }
                    Err(errno) => return Err(self.failed(&path, errno)),
                }
            }
        }
        self.summary.other += 1;
        self.set_by_name(parent, node, &path);
        Ok(())
    }

    fn write_file(
        &mut self,
        parent: &OwnedFd,
        node: &Node,
        path: PathBuf,
    ) -> Result<(), StoreError> {
        let name = node.name();
        let linked = node.meta.links > 1 && node.meta.inode != 0;
        let key = linked.then_some((node.meta.device_id, node.meta.inode));
        if let Some(first) = key.and_then(|key| self.links.get(&key)) {
            rustix::fs::linkat(&self.target, first, parent, &*name, AtFlags::empty())
                .map_err(|errno| self.failed(&path, errno))?;
            self.summary.files += 1;
            return Ok(());
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(parent, &*name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|errno| self.failed(&path, errno))?;
        let file = File::from(file);
        let bytes = self.fill(&file, node, &path)?;
        self.set_open(file.as_fd(), &node.meta, &path);
        self.summary.files += 1;
        self.summary.bytes += bytes;
        if let Some(key) = key {
            self.links.insert(key, path);
        }
        Ok(())
    }

    /// Writes the contents of a file, and returns its size.
    fn fill(&self, file: &File, node: &Node, path: &Path) -> Result<u64, StoreError> {
        let mut offset = 0;
        for id in node.content.iter().flatten() {
            if self.contents.account.is_cancelled() {
                return Err(StoreError::Cancelled {
                    operation: super::TASK.0,
                });
            }
            let id: BlobId = (*id).into();
            let data = self
                .contents
                .repository
                .get_blob_cached(&id, BlobType::Data);
            let data = data.map_err(|error| {
                self.contents
                    .damaged(format!("data of {:?}", path.display()), &error)
            })?;
            for (start, run) in runs_of_data(&data) {
                file.write_all_at(run, offset + start as u64)
                    .map_err(|error| self.failed(path, error))?;
            }
            offset += data.len() as u64;
            self.contents.account.advance(data.len() as u64);
        }
        // Brings the hole at the end, if there is one.
        file.set_len(offset)
            .map_err(|error| self.failed(path, error))?;
        Ok(offset)
    }

    /// Sets the metadata of an open file or directory.
    ///
    /// The order matters: a change of the owner clears the set-user-ID bit and file capabilities,
    /// a change of the mode changes the access list, and all of them change times.
    fn set_open(&mut self, fd: BorrowedFd<'_>, metadata: &Metadata, path: &Path) {
        let (uid, gid) = owner(metadata);
        if let Err(errno) = rustix::fs::fchown(fd, uid, gid) {
            self.incomplete(path, "its owner is not set", errno);
        }
        if let Some(mode) = permissions(metadata)
            && let Err(errno) = rustix::fs::fchmod(fd, mode)
        {
            self.incomplete(path, "its mode is not set", errno);
        }
        for attribute in &metadata.extended_attributes {
            let value = attribute.value.as_deref().unwrap_or_default();
            let set =
                rustix::fs::fsetxattr(fd, attribute.name.as_str(), value, XattrFlags::empty());
            if let Err(errno) = set {
                let what = format!("its extended attribute {} is not set", attribute.name);
                self.incomplete(path, &what, errno);
            }
        }
        if let Some(times) = times(metadata)
            && let Err(errno) = rustix::fs::futimens(fd, &times)
        {
            self.incomplete(path, "its times are not set", errno);
        }
    }

    /// The same for what cannot be opened without side effects: links, devices and the like.
    fn set_by_name(&mut self, parent: &OwnedFd, node: &Node, path: &Path) {
        let (name, metadata) = (node.name(), &node.meta);
        let (uid, gid) = owner(metadata);
        let no_follow = AtFlags::SYMLINK_NOFOLLOW;
        if let Err(errno) = rustix::fs::chownat(parent, &*name, uid, gid, no_follow) {
            self.incomplete(path, "its owner is not set", errno);
        }
        if !node.is_symlink()
            && let Some(mode) = permissions(metadata)
            && let Err(errno) = rustix::fs::chmodat(parent, &*name, mode, AtFlags::empty())
        {
            self.incomplete(path, "its mode is not set", errno);
        }
        // There is no call that takes a directory and a name, but the kernel lends a path.
        let by_descriptor = Path::new("/proc/self/fd")
            .join(parent.as_raw_fd().to_string())
            .join(&*name);
        for attribute in &metadata.extended_attributes {
            let value = attribute.value.as_deref().unwrap_or_default();
            let key = attribute.name.as_str();
            if let Err(errno) =
                rustix::fs::lsetxattr(&by_descriptor, key, value, XattrFlags::empty())
            {
                self.incomplete(
                    path,
                    &format!("its extended attribute {key} is not set"),
                    errno,
                );
            }
        }
        if let Some(times) = times(metadata)
            && let Err(errno) = rustix::fs::utimensat(parent, &*name, &times, no_follow)
        {
            self.incomplete(path, "its times are not set", errno);
        }
    }
}

/// The parts of some data that are not long runs of zeros, with their places.
fn runs_of_data(data: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let is_hole = |block: &[u8]| block == [0; HOLE_BYTES];
        let blocks = || data[rest..].chunks(HOLE_BYTES);
        let start = rest + blocks().take_while(|block| is_hole(block)).count() * HOLE_BYTES;
        rest = start;
        let length = data[start..]
            .chunks(HOLE_BYTES)
            .take_while(|block| !is_hole(block))
            .map(<[u8]>::len)
            .sum::<usize>();
        rest = start + length;
        (length > 0).then(|| (start, &data[start..rest]))
    })
}

fn owner(metadata: &Metadata) -> (Option<Uid>, Option<Gid>) {
    // The highest number means "leave it" to the kernel, and is nobody's.
    let known = |id: &u32| *id != u32::MAX;
    (
        metadata.uid.filter(known).map(Uid::from_raw),
        metadata.gid.filter(known).map(Gid::from_raw),
    )
}

fn permissions(metadata: &Metadata) -> Option<Mode> {
    metadata
        .mode
        .map(|stored| Mode::from_raw_mode(mode::permissions(stored)))
}

fn times(metadata: &Metadata) -> Option<Timestamps> {
    const NANOSECONDS: i128 = 1_000_000_000;
    let time = |time: rustic_core::jiff::Timestamp| {
        let nanoseconds = time.as_nanosecond();
        // The kernel wants the fraction counted forwards, before 1970 as well.
        Some(Timespec {
            tv_sec: i64::try_from(nanoseconds.div_euclid(NANOSECONDS)).ok()?,
            tv_nsec: i64::try_from(nanoseconds.rem_euclid(NANOSECONDS)).ok()?,
        })
    };
    let modified = time(metadata.mtime?)?;
    let accessed = metadata.atime.and_then(time).unwrap_or(modified);
    Some(Timestamps {
        last_access: accessed,
        last_modification: modified,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn long_runs_of_zeros_are_left_out() {
        let mut data = vec![0; 5 * HOLE_BYTES + 10];
        data[2 * HOLE_BYTES + 1] = 1;
        let runs: Vec<_> = runs_of_data(&data)
            .map(|(start, run)| (start, run.len()))
            .collect();
        assert_eq!(runs, [(2 * HOLE_BYTES, HOLE_BYTES), (5 * HOLE_BYTES, 10)]);
        assert_eq!(runs_of_data(&[]).count(), 0);
        assert_eq!(runs_of_data(&vec![0; 3 * HOLE_BYTES]).count(), 0);
    }

    #[test]
    fn a_time_before_1970_counts_its_fraction_forwards() {
        let time = rustic_core::jiff::Timestamp::new(-1, -250_000_000).unwrap();
        let metadata = Metadata {
            mtime: Some(time),
            ..Metadata::default()
        };
        let times = times(&metadata).unwrap();
        assert_eq!(
            times.last_modification,
            Timespec {
                tv_sec: -2,
                tv_nsec: 750_000_000
            }
        );
    }

    #[test]
    fn nobodys_number_is_not_set() {
        let metadata = Metadata {
            uid: Some(u32::MAX),
            gid: Some(70),
            ..Metadata::default()
        };
        assert_eq!(owner(&metadata), (None, Some(Gid::from_raw(70))));
    }

    proptest! {
        #[test]
        fn holes_and_data_make_up_the_whole(
            blocks in prop::collection::vec((0_u8..2, 1_usize..3 * HOLE_BYTES), 0..8)
        ) {
            let data: Vec<u8> =
                blocks.iter().flat_map(|(byte, count)| vec![*byte; *count]).collect();
            let mut restored = vec![0; data.len()];
            for (start, run) in runs_of_data(&data) {
                restored[start..start + run.len()].copy_from_slice(run);
            }
            prop_assert!(restored == data);
        }
    }
}
