//! What of a stack goes into its snapshot, and under which name.
//!
//! The names do not depend on where the engine keeps its volumes, so that a restore on another
//! machine finds them: `volumes/NAME`, `binds/ABSOLUTE/PATH`, `compose/ABSOLUTE/PATH`,
//! `containers/NAME.json` and `services/NAME.json`.

use std::path::PathBuf;

use backup_store::{SnapshotPath, Source, StoreError};
use docker_stacks::{MountDecision, MountKind, Stack, StackPlan};
use jiff::Timestamp;

/// The sources of a stack's snapshot, with the definitions of what was `found` of it; `now` is the
/// time that generated files get.
pub(super) fn of_stack(
    stack: &StackPlan,
    found: Option<&Stack>,
    now: Timestamp,
) -> Result<Vec<Source>, StoreError> {
    let volumes = SnapshotPath::new("volumes")?;
    let binds = SnapshotPath::new("binds")?;
    let compose = SnapshotPath::new("compose")?;
    let containers = SnapshotPath::new("containers")?;
    let services = SnapshotPath::new("services")?;

    let mut sources = Vec::new();
    let mut copied: Vec<PathBuf> = Vec::new();
    let mut mounts: Vec<_> = stack
        .mounts
        .iter()
        .filter(|mount| mount.decision == MountDecision::Copy)
        .map(|mount| &mount.mount)
        .collect();
    // Shorter paths first: a folder covers the folders in it, which are not copied again.
    mounts.sort_by_key(|mount| mount.source.components().count());
    for mount in mounts {
        if copied.iter().any(|above| mount.source.starts_with(above)) {
            continue;
        }
        let name = match &mount.kind {
            MountKind::Volume { name, .. } => volumes.beneath(name.as_ref())?,
            _ => binds.beneath(&mount.source)?,
        };
        sources.push(Source::path(name, mount.source.clone()));
        copied.push(mount.source.clone());
    }
    // A Compose file may also lie in a folder that is copied as a bind; it is kept here all the
    // same, because this is where a restore looks for it. Not every file that a label names is
    // still there: the project may have been moved since it was started.
    for file in stack.files.iter().filter(|file| file.is_file()) {
        sources.push(Source::path(compose.beneath(file)?, file.clone()));
    }
    // What a task's container was follows from its service, and nobody can create it again.
    let found_containers = found.iter().flat_map(|found| &found.containers);
    for container in found_containers.filter(|container| !container.is_task()) {
        let name = containers.beneath(format!("{}.json", container.name).as_ref())?;
        let definition = serde_json::to_vec_pretty(container)
            .expect("a container has nothing that JSON cannot express");
        sources.push(Source::bytes(name, definition, now));
    }
    for service in found.iter().flat_map(|found| &found.services) {
        let name = services.beneath(format!("{}.json", service.name).as_ref())?;
        let definition = serde_json::to_vec_pretty(service)
            .expect("a service has nothing that JSON cannot express");
        sources.push(Source::bytes(name, definition, now));
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use docker_stacks::testing::{bind, container, in_project, volume};
    use docker_stacks::{
        PlanRules, ServiceMode, Volume, find_stacks, find_stacks_in_swarm, plan, testing,
    };

    use super::*;

    #[test]
    fn names_in_a_snapshot_do_not_depend_on_where_the_engine_keeps_its_volumes() {
        let data = Volume::local("wiki_data", "/var/lib/docker/volumes/wiki_data/_data");
        let mut app = in_project(container("wiki_app_1"), "wiki", "app");
        app.mounts.push(volume(&data, "/data"));
        app.mounts.push(bind("/srv/wiki", "/srv"));
        app.mounts.push(bind("/srv/wiki/uploads", "/uploads"));
        let stacks = find_stacks(vec![app]);
        let plan = plan(&stacks, &[data], &PlanRules::default());
        let sources = of_stack(
            &plan.groups[0].stacks[0],
            Some(&stacks[0]),
            Timestamp::UNIX_EPOCH,
        )
        .unwrap();
        let names: Vec<String> = sources
            .iter()
            .map(|source| source.name().to_string())
            .collect();
        assert_eq!(
            names,
            [
                "binds/srv/wiki",
                "volumes/wiki_data",
                "containers/wiki_app_1.json"
            ],
            "a folder covers the folders in it"
        );
    }

    #[test]
    fn of_a_swarm_stack_the_services_are_kept_and_not_the_containers_of_their_tasks() {
        let data = Volume::local("mon_data", "/var/lib/docker/volumes/mon_data/_data");
        let prom = testing::service("mon_prom", ServiceMode::Replicated { replicas: 1 });
        let prom = testing::mounting(prom, &volume(&data, "/data"));
        let prom = testing::placed(testing::in_stack(prom, "mon"), None);
        let task = testing::task_container(&prom, 0, vec![volume(&data, "/data")]);
        let stacks = find_stacks_in_swarm(vec![task], vec![prom]);
        let plan = plan(&stacks, &[data], &PlanRules::default());
        let stack = &plan.groups[0].stacks[0];
        let sources = of_stack(stack, Some(&stacks[0]), Timestamp::UNIX_EPOCH).unwrap();
        let names: Vec<String> = sources
            .iter()
            .map(|source| source.name().to_string())
            .collect();
        assert_eq!(names, ["volumes/mon_data", "services/mon_prom.json"]);
    }
}
