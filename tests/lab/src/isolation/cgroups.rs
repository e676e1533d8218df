//! The control groups that the lab's daemons make, which outlive them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lab_id::LabId;

/// Where control groups are mounted: one directory with version 2, one for each controller with
/// version 1.
pub(super) fn hierarchies() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().filter_map(cgroup_mount).collect()
}

/// The mount point in a line of `/proc/PID/mountinfo`, if it is one of control groups; see
/// `proc_pid_mountinfo(5)`.
fn cgroup_mount(line: &str) -> Option<PathBuf> {
    let (mount, file_system) = line.split_once(" - ")?;
    let kind = file_system.split(' ').next()?;
    // A mount point with a space is written with an escape, and no hierarchy has one.
    matches!(kind, "cgroup" | "cgroup2")
        .then(|| mount.split(' ').nth(4).map(PathBuf::from))
        .flatten()
}

/// Removes the lab's control groups from every hierarchy. Returns the first that could not be
/// removed: processes that were killed a moment ago may still be leaving it.
pub(super) fn remove(id: LabId) -> io::Result<()> {
    for hierarchy in hierarchies() {
        remove_tree(&hierarchy.join(id.name()))?;
    }
    Ok(())
}

/// Removes the control groups of labs whose owners are gone.
pub(super) fn remove_stale() {
    for hierarchy in hierarchies() {
        for path in subdirectories(&hierarchy) {
            if LabId::of_path(&path).is_some_and(|id| !id.owner_lives()) {
                // Not fatal: what cannot be removed now is tried again by the next lab.
                let _ = remove_tree(&path);
            }
        }
    }
}

/// The files in a control group are the kernel's and go with it; only directories are removed.
fn remove_tree(path: &Path) -> io::Result<()> {
    for child in subdirectories(path) {
        remove_tree(&child)?;
    }
    match fs::remove_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn subdirectories(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{cgroup_mount, remove_tree};

    #[test]
    fn mounts_of_control_groups_are_told_from_others() {
        let version_1 =
            "30 25 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory";
        assert_eq!(
            cgroup_mount(version_1),
            Some(PathBuf::from("/sys/fs/cgroup/memory"))
        );
        let version_2 = "31 25 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw";
        assert_eq!(
            cgroup_mount(version_2),
            Some(PathBuf::from("/sys/fs/cgroup"))
        );
        let other = "22 1 0:20 / /proc rw,nosuid shared:5 - proc proc rw";
        assert_eq!(cgroup_mount(other), None);
        assert_eq!(cgroup_mount(""), None);
    }

    #[test]
    fn a_tree_is_removed_and_one_that_is_not_there_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir(root.join("c")).unwrap();
        remove_tree(&root).unwrap();
        assert!(!root.exists());
        remove_tree(&root).unwrap();
    }
}
