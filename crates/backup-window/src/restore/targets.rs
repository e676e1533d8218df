//! What of a snapshot goes where: pure, from the snapshot's places and the stack's plan.

use std::path::{Path, PathBuf};

use backup_store::{ExcludePattern, SnapshotPath};
use docker_stacks::{MountDecision, MountKind, StackPlan};

/// Something in a snapshot, and where its data lies on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its place in the snapshot.
    pub place: SnapshotPath,
    /// Where it lies.
    pub path: PathBuf,
    /// What a backup leaves out of it, which a restore must leave alone.
    pub exclude: Vec<ExcludePattern>,
    /// Where within what these patterns are about it lies; empty for the top itself.
    pub within: PathBuf,
}

/// What is to be restored in place, and what cannot be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    /// What has a place on this machine.
    pub targets: Vec<Target>,
    /// What the snapshot has and the stack as it is now does not use, for people.
    pub unused: Vec<String>,
}

/// Finds the place of each part of a snapshot. `paths` are the snapshot's; `only` is a part of it.
///
/// Data goes only where the plan copies it from: what a snapshot names is not enough to be written
/// to.
#[must_use]
pub fn targets(paths: &[String], stack: &StackPlan, only: Option<&SnapshotPath>) -> Targets {
    let mut found = Targets::default();
    for path in paths {
        let Ok(source) = SnapshotPath::new(path.trim_start_matches('/')) else {
            continue;
        };
        let Some(wanted) = wanted(&source, only) else {
            continue;
        };
        let names: Vec<_> = source.as_path().iter().collect();
        let base = match names.as_slice() {
            [first, name] if *first == "volumes" => volume(stack, Path::new(name)),
            [first, rest @ ..] if *first == "binds" && !rest.is_empty() => bind(
                stack,
                &Path::new("/").join(rest.iter().collect::<PathBuf>()),
            ),
            _ => continue,
        };
        let Some((base, exclude)) = base else {
            found.unused.push(source.to_string());
            continue;
        };
        let within = wanted.as_path().strip_prefix(source.as_path());
        let within = within.unwrap_or(Path::new("")).to_owned();
        let path = if within.as_os_str().is_empty() {
            base
        } else {
            base.join(&within)
        };
        found.targets.push(Target {
            place: wanted,
            path,
            exclude,
            within,
        });
    }
    found
}

/// The part of a source that is wanted: all of it, or what lies within.
fn wanted(source: &SnapshotPath, only: Option<&SnapshotPath>) -> Option<SnapshotPath> {
    match only {
        None => Some(source.clone()),
        Some(only) if source.as_path().starts_with(only.as_path()) => Some(source.clone()),
        Some(only) if only.as_path().starts_with(source.as_path()) => Some(only.clone()),
        Some(_) => None,
    }
}

type Base = (PathBuf, Vec<ExcludePattern>);

fn volume(stack: &StackPlan, name: &Path) -> Option<Base> {
    let mut mounts = stack.mounts.iter();
    let plan = mounts.find(|plan| {
        plan.decision == MountDecision::Copy
            && matches!(&plan.mount.kind, MountKind::Volume { name: it, .. } if Path::new(it) == name)
    })?;
    Some((plan.mount.source.clone(), patterns(plan)))
}

/// A folder that is copied, or something in one: a snapshot may be older than the mount that now
/// covers it.
fn bind(stack: &StackPlan, path: &Path) -> Option<Base> {
    let copied = stack.mounts.iter().filter(|plan| {
        plan.decision == MountDecision::Copy && path.starts_with(&plan.mount.source)
    });
    let plan = copied.max_by_key(|plan| plan.mount.source.components().count())?;
    if plan.mount.source == path {
        return Some((path.to_owned(), patterns(plan)));
    }
    // Patterns at the top of what covers it may be about something else here.
    plan.exclude
        .is_empty()
        .then(|| (path.to_owned(), Vec::new()))
}

fn patterns(plan: &docker_stacks::MountPlan) -> Vec<ExcludePattern> {
    let globs = plan.exclude.iter();
    // Both crates' patterns are those of .gitignore files.
    globs
        .filter_map(|glob| glob.as_str().parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use docker_stacks::testing::{bind, container, in_project, volume};
    use docker_stacks::{PlanRules, Volume, find_stacks, plan};

    use super::*;

    fn wiki() -> StackPlan {
        let data = Volume::local("wiki_data", "/var/lib/docker/volumes/wiki_data/_data");
        let mut app = in_project(container("wiki_app_1"), "wiki", "app");
        app.mounts.push(volume(&data, "/data"));
        app.mounts.push(bind("/srv/wiki", "/srv"));
        app.mounts.push(bind("/etc", "/etc"));
        app.labels.insert(
            "backup-window.exclude".to_owned(),
            "/data/cache/**".to_owned(),
        );
        let plan = plan(&find_stacks(vec![app]), &[data], &PlanRules::default());
        plan.groups[0].stacks[0].clone()
    }

    fn found(paths: &[&str], only: Option<&str>) -> (Vec<String>, Vec<String>) {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        let only = only.map(|only| SnapshotPath::new(only).unwrap());
        let found = targets(&paths, &wiki(), only.as_ref());
        let targets = found.targets.iter();
        let targets = targets.map(|it| format!("{} -> {}", it.place, it.path.display()));
        (targets.collect(), found.unused)
    }

    #[test]
    fn data_goes_where_the_plan_copies_it_from() {
        let (targets, unused) = found(
            &[
                "/binds/srv/wiki",
                "/compose/srv/wiki.yml",
                "/images.json",
                "/volumes/wiki_data",
            ],
            None,
        );
        assert_eq!(
            targets,
            [
                "binds/srv/wiki -> /srv/wiki",
                "volumes/wiki_data -> /var/lib/docker/volumes/wiki_data/_data"
            ]
        );
        assert_eq!(unused, Vec::<String>::new());
    }

    #[test]
    fn what_the_stack_does_not_copy_is_never_written_to() {
        let (targets, unused) = found(
            &[
                "/binds/etc",
                "/binds/root/.ssh",
                "/volumes/other",
                "/binds/srv",
            ],
            None,
        );
        assert_eq!(targets, Vec::<String>::new());
        assert_eq!(
            unused,
            ["binds/etc", "binds/root/.ssh", "volumes/other", "binds/srv"]
        );
    }

    #[test]
    fn a_part_is_restored_alone() {
        let paths = ["/binds/srv/wiki", "/volumes/wiki_data"];
        assert_eq!(
            found(&paths, Some("volumes/wiki_data/pages/a")).0,
            ["volumes/wiki_data/pages/a -> /var/lib/docker/volumes/wiki_data/_data/pages/a"]
        );
        assert_eq!(
            found(&paths, Some("binds")).0,
            ["binds/srv/wiki -> /srv/wiki"]
        );
        assert_eq!(found(&paths, Some("volumes/wiki")).0, Vec::<String>::new());
    }

    #[test]
    fn what_is_left_out_of_backups_is_known() {
        let paths = ["/volumes/wiki_data".to_owned()];
        let found = targets(&paths, &wiki(), None);
        assert_eq!(found.targets[0].exclude[0].as_str(), "/cache/**");
    }
}
