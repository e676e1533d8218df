//! The control groups that the lab's daemons make, which outlive them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lab_id::LabId;

/// The files that say whether a control group is frozen, and what they say when it is not: of the
/// freezer of version 1 (the kernel's `cgroup-v1/freezer-subsystem.rst`), and of version 2
/// (`cgroup-v2.rst`).
const FREEZERS: [(&str, &str); 2] = [("freezer.state", "THAWED"), ("cgroup.freeze", "0")];

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

/// Removes the control groups of labs whose owners are gone, as far as they are empty. Returns
/// whether all are removed.
pub(super) fn remove_stale() -> bool {
    // All are tried, whether or not one before could be removed.
    let failures = stale().filter(|path| remove_tree(path).is_err()).count();
    failures == 0
}

/// Whether anything in the lab's control groups is frozen, as the processes of a paused container
/// are.
pub(super) fn is_frozen(id: LabId) -> bool {
    hierarchies()
        .iter()
        .any(|hierarchy| !frozen_in(&hierarchy.join(id.name())).is_empty())
}

/// Lets everything in the lab's control groups go on: with version 1 not even SIGKILL ends what is
/// frozen.
pub(super) fn thaw(id: LabId) {
    for hierarchy in hierarchies() {
        thaw_tree(&hierarchy.join(id.name()));
    }
}

/// As [`thaw`], for the labs whose owners are gone. Returns whether anything was frozen.
pub(super) fn thaw_stale() -> bool {
    // All are thawed, whether or not one before was frozen.
    stale().filter(|path| thaw_tree(path)).count() > 0
}

/// The control groups of labs whose owners are gone.
fn stale() -> impl Iterator<Item = PathBuf> {
    hierarchies()
        .into_iter()
        .flat_map(|hierarchy| subdirectories(&hierarchy))
        .filter(|path| LabId::of_path(path).is_some_and(|id| !id.owner_lives()))
}

/// Thaws a control group and those beneath it. Returns whether anything was frozen.
fn thaw_tree(path: &Path) -> bool {
    let frozen = frozen_in(path);
    for (file, thawed) in &frozen {
        // A control group may go meanwhile; all callers come back for what is still frozen.
        let _ = fs::write(file, thawed);
    }
    !frozen.is_empty()
}

/// The files of a control group and of those beneath it that say that it is frozen, and what to
/// write to each.
fn frozen_in(path: &Path) -> Vec<(PathBuf, &'static str)> {
    let own = FREEZERS
        .map(|(name, thawed)| (path.join(name), thawed))
        .into_iter()
        // Most hierarchies have no such file.
        .filter(|(file, thawed)| {
            fs::read_to_string(file).is_ok_and(|state| state.trim_end() != *thawed)
        });
    let beneath = subdirectories(path);
    own.chain(beneath.iter().flat_map(|child| frozen_in(child)))
        .collect()
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

    use super::{cgroup_mount, frozen_in, remove_tree, thaw_tree};

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
    fn all_that_is_frozen_in_a_tree_is_thawed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        for (file, state) in [
            ("freezer.state", "THAWED\n"),
            ("a/freezer.state", "FREEZING\n"),
            ("a/b/freezer.state", "FROZEN\n"),
            ("a/cgroup.freeze", "0\n"),
            ("a/b/cgroup.freeze", "1\n"),
        ] {
            std::fs::write(root.join(file), state).unwrap();
        }
        assert_eq!(
            frozen_in(&root),
            [
                (root.join("a/freezer.state"), "THAWED"),
                (root.join("a/b/freezer.state"), "THAWED"),
                (root.join("a/b/cgroup.freeze"), "0"),
            ]
        );
        assert!(thaw_tree(&root));
        assert_eq!(frozen_in(&root), []);
        assert!(!thaw_tree(&root));
        assert!(!thaw_tree(&root.join("not there")));
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
