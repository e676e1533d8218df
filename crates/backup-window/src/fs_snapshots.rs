//! Which data is read from a snapshot of its file system, so that a stack need not be down while it
//! is copied.
//!
//! What a path is on is looked at by [`fs_snapshots`]; what follows from that is decided here, and
//! shown by `docker-backup plan`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use docker_stacks::{MountDecision, Plan};
use fs_snapshots::{NotServed, Removal, Served, Snapshotter};
use serde::{Deserialize, Serialize};

use crate::sentence;
use crate::step::stacks::HostView;

/// Whether snapshots are made: `[docker] snapshots`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotUse {
    /// Where the file system has them.
    #[default]
    Auto,
    /// Nowhere.
    Never,
}

/// How the data of a mount is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// From a snapshot that is made while its stack is down, after its stack was started.
    Snapshot,
    /// From where it is.
    Copy,
    /// Through the engine, all of it while its stack is down: there is no path to it here.
    Engine,
}

/// How the data of a mount is read, and why.
///
/// ```
/// use backup_window::fs_snapshots::{Method, MountMethod};
///
/// let method = MountMethod {
///     stack: "wiki".to_owned(),
///     source: "/srv/wiki".into(),
///     method: Method::Copy,
///     reason: "ext4 has no snapshots".to_owned(),
/// };
/// assert_eq!(serde_json::to_value(&method)?["method"], "copy");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MountMethod {
    /// The stack that has the mount.
    pub stack: String,
    /// Where the data is.
    pub source: PathBuf,
    /// How it is read.
    pub method: Method,
    /// What of, with a snapshot; or why it is read through the engine; or else why there is no
    /// snapshot.
    pub reason: String,
}

/// What is known of the paths that were asked about.
pub type Surveyed = HashMap<PathBuf, Result<Served, NotServed>>;

/// The paths that a snapshot would be of use for: what stacks are stopped for. Each once, in the
/// plan's order.
#[must_use]
pub fn worth_asking(plan: &Plan) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for stack in plan.groups.iter().flat_map(|group| &group.stacks) {
        let stopped_for = stack.decision.stops() && stack.decision.copies();
        for mount in stack.mounts.iter().filter(|_| stopped_for) {
            if mount.decision == MountDecision::Copy && !paths.contains(&mount.mount.source) {
                paths.push(mount.mount.source.clone());
            }
        }
    }
    paths
}

/// Asks the file systems, if they are to be asked and are this machine's.
pub async fn survey(
    plan: &Plan,
    wanted: SnapshotUse,
    view: HostView,
    snapshotter: &dyn Snapshotter,
) -> Surveyed {
    if wanted == SnapshotUse::Never || view == HostView::Unknown {
        return Surveyed::new();
    }
    let paths = worth_asking(plan);
    let answers = snapshotter.survey(&paths).await;
    paths.into_iter().zip(answers).collect()
}

/// Says of every mount that is copied how it is read. What is to be read through the engine, and
/// why, [`Way::through_engine`](crate::whereabouts::Way::through_engine) says.
#[must_use]
pub fn methods(
    plan: &Plan,
    wanted: SnapshotUse,
    view: HostView,
    surveyed: &Surveyed,
    through_engine: impl Fn(&Path) -> Option<String>,
) -> Vec<MountMethod> {
    let stacks = plan.groups.iter().flat_map(|group| &group.stacks);
    let copied = stacks
        .filter(|stack| stack.decision.copies())
        .flat_map(|stack| {
            let mounts = stack.mounts.iter();
            mounts
                .filter(|mount| mount.decision == MountDecision::Copy)
                .map(move |mount| (stack, mount))
        });
    copied
        .map(|(stack, mount)| {
            let source = &mount.mount.source;
            let (method, reason) = if let Some(why) = through_engine(source) {
                (Method::Engine, why)
            } else if stack.decision.stops() {
                method(source, wanted, view, surveyed)
            } else {
                (Method::Copy, "its stack is not stopped for it".to_owned())
            };
            MountMethod {
                stack: stack.name.to_string(),
                source: source.clone(),
                method,
                reason,
            }
        })
        .collect()
}

fn method(
    source: &Path,
    wanted: SnapshotUse,
    view: HostView,
    surveyed: &Surveyed,
) -> (Method, String) {
    let copy = |why: &str| (Method::Copy, why.to_owned());
    match (wanted, view, surveyed.get(source)) {
        (SnapshotUse::Never, _, _) => copy("the configuration wants no snapshots"),
        (_, HostView::Unknown, _) => copy("its file system may be another machine's"),
        (_, _, None) => copy("its file system was not asked"),
        (_, _, Some(Err(why))) => copy(&why.to_string()),
        (_, _, Some(Ok(served))) => (Method::Snapshot, served.origin.to_string()),
    }
}

/// A sentence for each snapshot that could not be removed.
#[must_use]
pub fn problems_of(removal: &Removal) -> Vec<String> {
    let left = removal.left.iter().map(|(snapshot, error)| {
        format!(
            "the snapshot {snapshot} is still there, and takes more and more space: {}; the next \
             run tries again",
            sentence::failed_to(error)
        )
    });
    let not_listed = removal.not_listed.iter().map(|error| {
        format!(
            "whether earlier runs left snapshots is not known: {}",
            sentence::failed_to(error)
        )
    });
    left.chain(not_listed).collect()
}

#[cfg(test)]
mod tests {
    use docker_stacks::{PlanRules, find_stacks, plan, testing};
    use fs_snapshots::{Origin, SnapshotError, SnapshotId};

    use super::*;

    fn plan_of_two() -> Plan {
        let mut wiki = testing::in_project(testing::container("wiki_app_1"), "wiki", "app");
        wiki.mounts.push(testing::bind("/srv/wiki", "/data"));
        wiki.mounts.push(testing::bind("/mnt/old", "/old"));
        let mut live = testing::in_project(testing::container("live_app_1"), "live", "app");
        live.mounts.push(testing::bind("/srv/live", "/data"));
        let label = ("backup-window.stop".to_owned(), "false".to_owned());
        live.labels.extend([label]);
        plan(&find_stacks(vec![wiki, live]), &[], &PlanRules::default())
    }

    fn surveyed() -> Surveyed {
        let wiki = Served {
            asked: "/srv/wiki".into(),
            path: "/srv/wiki".into(),
            origin: Origin::Btrfs {
                subvolume: "/srv".into(),
                place: "/".into(),
            },
        };
        let old = NotServed::NoSnapshots {
            file_system: "ext4".to_owned(),
        };
        HashMap::from([
            ("/srv/wiki".into(), Ok(wiki)),
            ("/mnt/old".into(), Err(old)),
        ])
    }

    fn lines(methods: &[MountMethod]) -> Vec<String> {
        let mut lines: Vec<_> = methods
            .iter()
            .map(|it| format!("{} {:?}: {}", it.source.display(), it.method, it.reason))
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn only_what_is_stopped_for_is_asked_about() {
        let mut paths = worth_asking(&plan_of_two());
        paths.sort();
        assert_eq!(paths, [Path::new("/mnt/old"), Path::new("/srv/wiki")]);
    }

    #[test]
    fn a_snapshot_is_taken_where_there_is_one_and_the_reason_is_said_where_not() {
        let plan = plan_of_two();
        let here = HostView::ThisMachine;
        let auto = methods(&plan, SnapshotUse::Auto, here, &surveyed(), |_| None);
        assert_eq!(
            lines(&auto),
            [
                "/mnt/old Copy: ext4 has no snapshots",
                "/srv/live Copy: its stack is not stopped for it",
                "/srv/wiki Snapshot: the btrfs subvolume /srv",
            ]
        );
        let never = methods(
            &plan,
            SnapshotUse::Never,
            HostView::ThisMachine,
            &surveyed(),
            |_| None,
        );
        assert!(never.iter().all(|it| it.method == Method::Copy));
        let elsewhere = HostView::Unknown;
        let unknown = methods(&plan, SnapshotUse::Auto, elsewhere, &surveyed(), |_| None);
        assert!(unknown.iter().all(|it| it.method == Method::Copy));
        let remote = methods(&plan, SnapshotUse::Auto, elsewhere, &surveyed(), |path| {
            path.ends_with("wiki").then(|| "it is far away".to_owned())
        });
        assert_eq!(
            lines(&remote)[2],
            "/srv/wiki Engine: it is far away",
            "each by itself"
        );
    }

    #[test]
    fn what_is_left_is_said_with_its_name() {
        let mut removal = Removal::default();
        assert_eq!(problems_of(&removal), Vec::<String>::new());
        let error = SnapshotError::Program {
            command: "zfs destroy tank@x".to_owned(),
            said: "dataset is busy".to_owned(),
        };
        let snapshot = SnapshotId::Zfs {
            snapshot: "tank@x".to_owned(),
        };
        removal.left.push((snapshot, error));
        let problems = problems_of(&removal);
        assert!(
            problems[0].contains("tank@x is still there"),
            "{problems:?}"
        );
        assert!(problems[0].contains("dataset is busy"), "{problems:?}");
    }
}
