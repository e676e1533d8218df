//! What the machine itself says of the paths that are mounted into containers.

mod look;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

pub use look::look_at_host;

/// Types of file systems whose data is on another machine.
///
/// They are those that systemd calls network file systems (`fstype_is_network` in
/// `src/basic/mountpoint-util.c` and the set `@network` in `filesystem-sets`, also with `fuse.`
/// before them), without those that only share a disk's blocks (`gfs2`, `ocfs2`), and with what
/// FUSE brings to homelabs. `9p` and `virtiofs` are not here: at their other end is the machine
/// that this one is a guest of, of which nobody said that it is a NAS.
const REMOTE_TYPES: [&str; 21] = [
    "afs",
    "ceph",
    "ceph-fuse",
    "cifs",
    "davfs",
    "davfs2",
    "ftpfs",
    "curlftpfs",
    "glusterfs",
    "juicefs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "orangefs",
    "rclone",
    "s3fs",
    "seaweedfs",
    "smb3",
    "smbfs",
    "sshfs",
];

/// Types of file systems that hold nothing that outlives the kernel (proc(5), sysfs(5), tmpfs(5)).
const PASSING_TYPES: [&str; 14] = [
    "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "mqueue", "nsfs",
    "proc", "pstore", "sysfs", "tmpfs", "tracefs",
];

/// What the machine says of its mounts, and of the paths that containers mount.
///
/// [`look_at_host`] finds it out on this machine; a plan for an engine on another one is made
/// without (the default knows nothing), and then goes by the names of the paths alone.
///
/// ```
/// use docker_stacks::{FileKind, HostFacts};
///
/// let mountinfo = b"22 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
///     30 22 0:40 / /mnt/nas rw - nfs4 192.0.2.10:/mnt/tank rw\n";
/// let facts = HostFacts::from_mountinfo(mountinfo)
///     .with_path("/srv/agent", "/srv/agent", FileKind::Socket);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    mounts: Vec<HostMount>,
    paths: BTreeMap<PathBuf, Seen>,
}

/// What kind of file a path leads to.
///
/// ```
/// use docker_stacks::{FileKind, HostFacts};
///
/// let facts = HostFacts::default().with_path("/srv/agent", "/run/agent", FileKind::Socket);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A socket.
    Socket,
    /// A named pipe.
    Fifo,
    /// A character or block device.
    Device,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct HostMount {
    mount_point: PathBuf,
    file_system: String,
    source: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    /// The path without symbolic links, as far as it could be followed.
    real: PathBuf,
    kind: Option<FileKind>,
}

impl HostFacts {
    /// Reads the mounts from the text of `/proc/self/mountinfo` (format: proc(5)); what is no line
    /// of that kind is passed over.
    #[must_use]
    pub fn from_mountinfo(mountinfo: &[u8]) -> Self {
        let lines = mountinfo.split(|byte| *byte == b'\n');
        Self {
            mounts: lines.filter_map(HostMount::parse).collect(),
            paths: BTreeMap::new(),
        }
    }

    /// Adds what a path leads to once its symbolic links are followed.
    #[must_use]
    pub fn with_path(
        mut self,
        path: impl Into<PathBuf>,
        real: impl Into<PathBuf>,
        kind: FileKind,
    ) -> Self {
        let real = real.into();
        let kind = Some(kind);
        self.paths.insert(path.into(), Seen { real, kind });
        self
    }

    /// The path without its symbolic links, where they are known.
    pub(crate) fn real<'a>(&'a self, path: &'a Path) -> &'a Path {
        self.paths.get(path).map_or(path, |seen| &seen.real)
    }

    pub(crate) fn kind(&self, path: &Path) -> Option<FileKind> {
        self.paths.get(path)?.kind
    }

    /// The network file system that a path lies on, in words.
    pub(crate) fn remote(&self, path: &Path) -> Option<String> {
        // Of several mounts on one point, the last hides the others.
        let mount = self
            .mounts
            .iter()
            .filter(|mount| path.starts_with(&mount.mount_point))
            .max_by_key(|mount| mount.mount_point.components().count())?;
        mount.is_remote().then(|| mount.describe())
    }

    /// What is mounted within a directory and no data of this machine: where, and what it is.
    pub(crate) fn foreign_within<'a>(
        &'a self,
        directory: &'a Path,
    ) -> impl Iterator<Item = (&'a Path, String)> {
        let mounts = self.mounts.iter().enumerate();
        mounts.filter_map(move |(index, mount)| {
            let point = mount.mount_point.as_path();
            let hidden = self.mounts[index + 1..]
                .iter()
                .any(|later| later.mount_point == point);
            let within = point.starts_with(directory) && point != directory;
            (within && !hidden && (mount.is_remote() || mount.is_passing()))
                .then(|| (point, mount.describe()))
        })
    }

    /// Is a network file system mounted on exactly this path?
    pub(crate) fn is_remote_mount_point(&self, path: &Path) -> bool {
        let mut mounts = self.mounts.iter().rev();
        let mount = mounts.find(|mount| mount.mount_point == path);
        mount.is_some_and(HostMount::is_remote)
    }
}

impl HostMount {
    /// Reads a line `ID PARENT MAJOR:MINOR ROOT MOUNT-POINT OPTIONS [FIELDS…] - TYPE SOURCE SUPER`.
    fn parse(line: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let separator = fields.iter().position(|field| *field == b"-")?;
        let text = |field: &[u8]| String::from_utf8_lossy(&unescaped(field)).into_owned();
        let mount_point = PathBuf::from(OsString::from_vec(unescaped(fields.get(4)?)));
        (separator >= 6 && mount_point.is_absolute()).then_some(Self {
            mount_point,
            file_system: text(fields.get(separator + 1)?),
            source: text(fields.get(separator + 2)?),
        })
    }

    fn is_remote(&self) -> bool {
        is_remote_type(&self.file_system)
    }

    fn is_passing(&self) -> bool {
        PASSING_TYPES.contains(&self.file_system.as_str())
    }

    fn describe(&self) -> String {
        let Self {
            mount_point,
            file_system,
            source,
        } = self;
        let mount_point = mount_point.display();
        if self.is_remote() {
            format!("{source} ({file_system}), mounted on {mount_point}")
        } else {
            format!("{file_system}, mounted on {mount_point}")
        }
    }
}

/// Is the data of a file system of this type on another machine?
pub(crate) fn is_remote_type(file_system: &str) -> bool {
    let plain = file_system.strip_prefix("fuse.").unwrap_or(file_system);
    REMOTE_TYPES.contains(&plain)
}

/// Undoes the kernel's octal escapes (`\040` for a space).
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        let escape = tail.get(..3).filter(|_| *first == b'\\');
        let value = escape
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(value) = value {
            plain.push(value);
            rest = &tail[3..];
        } else {
            plain.push(*first);
            rest = tail;
        }
    }
    plain
}

#[cfg(test)]
mod tests;
