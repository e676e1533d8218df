//! Comparing trees of files attribute by attribute, for tests and drills; and snapshots that no
//! backup makes ([`forge()`]), for tests of restores.
//!
//! Equality is what a restore must bring back: types, contents, modes, owners, modification times
//! to the nanosecond, link targets, device numbers, extended attributes (access lists and file
//! capabilities among them) and which names are hard links of one another.

mod forge;

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsString,
    fmt, fs,
    io::{self, BufRead},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

pub use forge::{ForgedEntry, ForgedKind, forge};

/// How much of two files is compared at once.
const BUFFER_BYTES: usize = 128 << 10;

/// One difference between two trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, relative to the roots; empty for the roots themselves.
    pub path: PathBuf,
    /// What differs, such as `mode`.
    pub what: &'static str,
    /// What the first tree has.
    pub left: String,
    /// What the second tree has.
    pub right: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            what,
            left,
            right,
        } = self;
        write!(
            formatter,
            "{:?}: {what} is {left} and {right}",
            path.display()
        )
    }
}

/// Everything in which two trees differ, their roots included.
///
/// What cannot be read is a difference as well, even if neither can be.
#[must_use]
pub fn compare_trees(left: &Path, right: &Path) -> Vec<Difference> {
    let (left_tree, right_tree) = (examine(left), examine(right));
    let mut paths: Vec<_> = left_tree.keys().chain(right_tree.keys()).collect();
    paths.sort();
    paths.dedup();
    let mut differences = Vec::new();
    for path in paths {
        let mut add = |what, left: &dyn fmt::Display, right: &dyn fmt::Display| {
            let (left, right) = (left.to_string(), right.to_string());
            differences.push(Difference {
                path: path.clone(),
                what,
                left,
                right,
            });
        };
        match (left_tree.get(path), right_tree.get(path)) {
            (Some(Ok(a)), Some(Ok(b))) => {
                for ((what, a), (_, b)) in a.iter().zip(b) {
                    if a != b {
                        add(what, a, b);
                    }
                }
                let (a, b) = (left.join(path), right.join(path));
                match same_contents(&a, &b) {
                    Ok(true) => {}
                    Ok(false) => add("contents", &"one thing", &"another"),
                    Err(error) => add("contents", &"not readable", &error),
                }
            }
            (a, b) => {
                let state = |entry: Option<&io::Result<Attributes>>| match entry {
                    None => "missing".to_owned(),
                    Some(Ok(_)) => "there".to_owned(),
                    Some(Err(error)) => error.to_string(),
                };
                add("presence", &state(a), &state(b));
            }
        }
    }
    differences
}

/// Names and printed values of attributes, always in the same order.
type Attributes = Vec<(&'static str, String)>;

fn examine(root: &Path) -> BTreeMap<PathBuf, io::Result<Attributes>> {
    let mut first_names = HashMap::new();
    let mut tree = BTreeMap::new();
    for entry in WalkDir::new(root).sort_by_file_name() {
        let (path, attributes) = match entry {
            Ok(entry) => {
                let metadata = entry.metadata().map_err(io::Error::from);
                let attributes = metadata.and_then(|metadata| {
                    let relative = relative(entry.path(), root);
                    attributes(entry.path(), &relative, &metadata, &mut first_names)
                });
                (entry.into_path(), attributes)
            }
            Err(error) => (error.path().unwrap_or(root).to_owned(), Err(error.into())),
        };
        tree.insert(relative(&path, root), attributes);
    }
    tree
}

fn relative(path: &Path, root: &Path) -> PathBuf {
    path.strip_prefix(root).unwrap_or(path).to_owned()
}

fn attributes(
    path: &Path,
    relative: &Path,
    metadata: &fs::Metadata,
    first_names: &mut HashMap<(u64, u64), PathBuf>,
) -> io::Result<Attributes> {
    let kind = metadata.file_type();
    let type_name = if kind.is_dir() {
        "directory"
    } else if kind.is_file() {
        "file"
    } else if kind.is_symlink() {
        "link"
    } else if kind.is_fifo() {
        "FIFO"
    } else if kind.is_socket() {
        "socket"
    } else if kind.is_block_device() {
        "block device"
    } else {
        "character device"
    };
    let link = if kind.is_symlink() {
        Some(fs::read_link(path)?)
    } else {
        None
    };
    let device = kind.is_block_device() || kind.is_char_device();
    let key = (metadata.dev(), metadata.ino());
    let first_name = if kind.is_dir() {
        relative
    } else {
        first_names
            .entry(key)
            .or_insert_with(|| relative.to_owned())
    };
    let mut extended: Vec<(OsString, Option<Vec<u8>>)> = match xattr::list(path) {
        Ok(names) => names
            .map(|name| {
                let value = xattr::get(path, &name)?;
                Ok((name, value))
            })
            .collect::<io::Result<_>>()?,
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Vec::new(),
        Err(error) => return Err(error),
    };
    extended.sort();
    Ok(vec![
        ("type", type_name.to_owned()),
        (
            "size",
            if kind.is_dir() {
                String::new()
            } else {
                metadata.len().to_string()
            },
        ),
        ("mode", format!("{:04o}", metadata.mode() & 0o7777)),
        ("owner", format!("{}:{}", metadata.uid(), metadata.gid())),
        (
            "mtime",
            format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec()),
        ),
        ("link target", format!("{link:?}")),
        (
            "device number",
            if device {
                metadata.rdev().to_string()
            } else {
                String::new()
            },
        ),
        ("first hard link", first_name.display().to_string()),
        ("extended attributes", format!("{extended:?}")),
    ])
}

/// Whether two files hold the same; true of anything that is no file.
fn same_contents(left: &Path, right: &Path) -> io::Result<bool> {
    let is_file = |path: &Path| fs::symlink_metadata(path).map(|metadata| metadata.is_file());
    if !is_file(left)? || !is_file(right)? {
        return Ok(true);
    }
    let open = |path: &Path| {
        fs::File::open(path).map(|file| io::BufReader::with_capacity(BUFFER_BYTES, file))
    };
    let (mut left, mut right) = (open(left)?, open(right)?);
    loop {
        let (a, b) = (left.fill_buf()?, right.fill_buf()?);
        let length = a.len().min(b.len());
        if length == 0 {
            return Ok(a.is_empty() && b.is_empty());
        }
        if a[..length] != b[..length] {
            return Ok(false);
        }
        left.consume(length);
        right.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let time = std::time::SystemTime::UNIX_EPOCH;
        for name in ["a", "b"] {
            let file = fs::File::create(dir.path().join(name)).unwrap();
            file.set_modified(time).unwrap();
        }
        fs::File::open(dir.path())
            .unwrap()
            .set_modified(time)
            .unwrap();
        dir
    }

    fn changed(change: impl Fn(&Path)) -> Vec<(String, &'static str)> {
        let (left, right) = (tree(), tree());
        change(right.path());
        let differences = compare_trees(left.path(), right.path());
        differences
            .into_iter()
            .map(|d| (d.path.display().to_string(), d.what))
            .collect()
    }

    #[test]
    fn equal_trees_do_not_differ() {
        assert_eq!(changed(|_| {}), []);
    }

    #[test]
    fn each_attribute_counts() {
        let at = |what| (String::from("a"), what);
        let mode = |dir: &Path| {
            fs::set_permissions(dir.join("a"), fs::Permissions::from_mode(0o4755)).unwrap();
        };
        assert_eq!(changed(mode), [at("mode")]);

        let replace = |dir: &Path, fill: &dyn Fn(&Path)| {
            fs::remove_file(dir.join("a")).unwrap();
            fill(&dir.join("a"));
            fs::File::open(dir)
                .unwrap()
                .set_modified(std::time::SystemTime::UNIX_EPOCH)
                .unwrap();
        };
        let hard_link = |dir: &Path| replace(dir, &|a| fs::hard_link(dir.join("b"), a).unwrap());
        assert_eq!(changed(hard_link), [(String::from("b"), "first hard link")]);
        let link = |dir: &Path| replace(dir, &|a| symlink("b", a).unwrap());
        assert!(changed(link).contains(&at("link target")));

        let contents = |dir: &Path| fs::write(dir.join("a"), "x").unwrap();
        assert_eq!(changed(contents), [at("size"), at("mtime"), at("contents")]);
    }

    #[test]
    fn what_is_missing_or_on_top_is_found() {
        let remove = |dir: &Path| fs::remove_file(dir.join("a")).unwrap();
        assert_eq!(
            changed(remove),
            [(String::new(), "mtime"), ("a".to_owned(), "presence")]
        );
        let nowhere = compare_trees(Path::new("/nonexistent/a"), Path::new("/nonexistent/b"));
        assert_eq!(nowhere.len(), 1);
        assert_eq!(nowhere[0].what, "presence");
    }
}
