//! What of a stack goes into its snapshot, and under which name.
//!
//! The names do not depend on where the engine keeps its volumes, so that a restore on another
//! machine finds them: `volumes/NAME`, `binds/ABSOLUTE/PATH` and `compose/ABSOLUTE/PATH` for what is
//! on the disk; `containers/NAME.json`, `services/NAME.json`, `images.json`, `networks.json` and
//! `volumes.json` for what the engine says of the stack. A container's file is the engine's whole
//! answer, the secrets in its environment included: the repository is encrypted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use backup_store::{ExcludePattern, SnapshotPath, Source, StoreError};
use docker_stacks::{Engine, MountDecision, MountKind, Stack, StackPlan};
use jiff::Timestamp;

use super::definitions::Definitions;
use super::through_engine;

/// How the data of a stack is reached.
pub(super) struct Reach<'a> {
    /// The engine, through which what is not here is read.
    pub(super) engine: &'a Arc<dyn Engine>,
    /// Whether something is to be read through it, by the path that it names.
    pub(super) through_engine: &'a (dyn Fn(&Path) -> bool + Sync),
    /// Whether Compose's files are here.
    pub(super) files_are_here: bool,
}

/// The sources of a stack's snapshot, with the definitions of what was `found` of it; `now` is the
/// time that generated files get.
pub(super) fn of_stack(
    stack: &StackPlan,
    found: Option<&Stack>,
    definitions: &Definitions<'_>,
    reach: &Reach<'_>,
    now: Timestamp,
) -> Result<Vec<Source>, StoreError> {
    let volumes = SnapshotPath::new("volumes")?;
    let binds = SnapshotPath::new("binds")?;
    let compose = SnapshotPath::new("compose")?;

    let mut sources = Vec::new();
    let mut copied: Vec<PathBuf> = Vec::new();
    let mut plans: Vec<_> = stack
        .mounts
        .iter()
        .filter(|plan| plan.decision == MountDecision::Copy)
        .collect();
    // Shorter paths first: a folder covers the folders in it, which are not copied again.
    plans.sort_by_key(|plan| plan.mount.source.components().count());
    for plan in plans {
        let mount = &plan.mount;
        if copied.iter().any(|above| mount.source.starts_with(above)) {
            continue;
        }
        let name = match &mount.kind {
            MountKind::Volume { name, .. } => volumes.beneath(name.as_ref())?,
            _ => binds.beneath(&mount.source)?,
        };
        // Both crates' patterns are those of .gitignore files; should one be no pattern to the
        // store after all, that is an error and not a copy of what somebody did not want.
        let exclude = plan
            .exclude
            .iter()
            .map(|glob| glob.as_str().parse::<ExcludePattern>())
            .collect::<Result<Vec<_>, _>>()?;
        let source = if (reach.through_engine)(&mount.source) {
            through_engine::source(name, reach.engine, plan, found)
        } else {
            Source::path(name, mount.source.clone())
        };
        sources.push(source.excluding(exclude));
        copied.push(mount.source.clone());
    }
    // A Compose file may also lie in a folder that is copied as a bind; it is kept here all the
    // same, because this is where a restore looks for it. Not every file that a label names is
    // still there: the project may have been moved since it was started.
    let files = stack.files.iter().filter(|_| reach.files_are_here);
    for file in files.filter(|file| file.is_file()) {
        sources.push(Source::path(compose.beneath(file)?, file.clone()));
    }
    let files = found.iter().flat_map(|found| definitions.files(found));
    for (name, contents) in files {
        sources.push(Source::bytes(SnapshotPath::new(name)?, contents, now));
    }
    Ok(sources)
}

/// Whether a place in a snapshot is that of a file which describes the stack, and not of its data.
pub(super) fn is_definition(name: &SnapshotPath) -> bool {
    name.as_path().starts_with("compose")
}

#[cfg(test)]
mod tests {
    use docker_stacks::testing::{
        self, Behaviour, MemoryEngine, bind, container, in_project, volume,
    };
    use docker_stacks::{
        Attachment, Container, Image, Network, PlanRules, ServiceMode, Volume, find_stacks,
        find_stacks_in_swarm, plan,
    };

    use super::super::definitions::Surroundings;
    use super::*;

    async fn sources_of(stack: Stack, volumes: &[Volume]) -> Vec<Source> {
        let engine = MemoryEngine::new();
        for name in ["wiki_default", "another"] {
            engine.add_network(Network::bridge(name, name));
        }
        for id in ["sha256:1", "sha256:2"] {
            let mut image = Image::new(id);
            image.digests.push(format!("wiki@{id}"));
            engine.add_image(image);
        }
        for volume in volumes {
            engine.add_volume(volume.clone());
        }
        for container in &stack.containers {
            engine.add(container.clone(), Behaviour::default());
        }
        let (surroundings, remarks) = Surroundings::ask(&engine).await;
        assert_eq!(remarks, Vec::<String>::new());
        let asked_before = engine.requests();
        let (definitions, remarks) = Definitions::ask(&engine, &surroundings, [&stack]).await;
        assert_eq!(remarks, Vec::<String>::new());
        let ours = stack.containers.iter().filter(|c| !c.is_task()).count();
        assert_eq!(engine.requests() - asked_before, ours, "once each");
        let stacks = [stack];
        let plan = plan(&stacks, volumes, &PlanRules::default());
        let planned = &plan.groups[0].stacks[0];
        let now = Timestamp::UNIX_EPOCH;
        let reach = Reach {
            engine: &(Arc::new(engine) as Arc<dyn Engine>),
            through_engine: &|_| false,
            files_are_here: true,
        };
        of_stack(planned, Some(&stacks[0]), &definitions, &reach, now).unwrap()
    }

    fn names(sources: &[Source]) -> Vec<String> {
        let names = sources.iter().map(|source| source.name().to_string());
        names.collect()
    }

    fn stack_of(app: Container) -> Stack {
        find_stacks(vec![app]).remove(0)
    }

    fn app() -> (Container, Volume) {
        let data = Volume::local("wiki_data", "/var/lib/docker/volumes/wiki_data/_data");
        let mut app = in_project(container("wiki_app_1"), "wiki", "app");
        app.image_id = "sha256:1".to_owned();
        app.networks
            .insert("wiki_default".to_owned(), Attachment::default());
        app.mounts.push(volume(&data, "/data"));
        app.mounts.push(bind("/srv/wiki", "/srv"));
        app.mounts.push(bind("/srv/wiki/uploads", "/uploads"));
        (app, data)
    }

    #[tokio::test]
    async fn names_in_a_snapshot_do_not_depend_on_where_the_engine_keeps_its_volumes() {
        let (app, data) = app();
        let volumes = [data, Volume::local("other", "/v")];
        let sources = sources_of(stack_of(app), &volumes).await;
        assert_eq!(
            names(&sources),
            [
                "binds/srv/wiki",
                "volumes/wiki_data",
                "containers/wiki_app_1.json",
                "images.json",
                "networks.json",
                "volumes.json"
            ],
            "a folder covers the folders in it"
        );
        let contents = |wanted: &str| {
            let file = sources.iter().find(|s| s.name().to_string() == wanted);
            let Some(Source::Bytes { contents, .. }) = file else {
                panic!("{wanted} is no file in memory");
            };
            serde_json::from_slice::<serde_json::Value>(contents).unwrap()
        };
        assert_eq!(contents("containers/wiki_app_1.json")["name"], "wiki_app_1");
        assert_eq!(contents("images.json")[0]["digests"][0], "wiki@sha256:1");
        for list in ["images.json", "networks.json", "volumes.json"] {
            let list = contents(list);
            assert_eq!(list.as_array().unwrap().len(), 1, "only its own: {list}");
        }
    }

    #[tokio::test]
    async fn what_the_plan_leaves_out_is_left_out() {
        let (mut app, data) = app();
        app.labels.insert(
            "backup-window.exclude".to_owned(),
            "/data/cache/**, *.log".to_owned(),
        );
        let sources = sources_of(stack_of(app), &[data]).await;
        let excluded: Vec<String> = sources
            .iter()
            .filter_map(|source| match source {
                Source::Path { name, exclude, .. } => Some(format!("{name}: {exclude:?}")),
                Source::Archive { .. } | Source::Bytes { .. } => None,
            })
            .collect();
        assert_eq!(
            excluded,
            [
                r#"binds/srv/wiki: [ExcludePattern("*.log"), ExcludePattern("/uploads/**/*.log")]"#,
                r#"volumes/wiki_data: [ExcludePattern("*.log"), ExcludePattern("/cache/**")]"#
            ]
        );
    }

    #[tokio::test]
    async fn what_the_engine_does_not_say_is_said() {
        let engine = MemoryEngine::new();
        let stack = stack_of(app().0);
        engine.go_away_for(4);
        let (surroundings, remarks) = Surroundings::ask(&engine).await;
        assert_eq!(remarks.len(), 3);
        let (definitions, remarks) = Definitions::ask(&engine, &surroundings, [&stack]).await;
        assert!(remarks[0].contains("wiki_app_1"), "{remarks:?}");
        let files = definitions.files(&stack);
        assert!(String::from_utf8_lossy(&files[0].1).contains("wiki_app_1"));

        // One that has gone needs no remark.
        let (_, remarks) = Definitions::ask(&engine, &surroundings, [&stack]).await;
        assert_eq!(remarks, Vec::<String>::new());
    }

    #[tokio::test]
    async fn of_a_swarm_stack_the_services_are_kept_and_not_the_containers_of_their_tasks() {
        let data = Volume::local("mon_data", "/var/lib/docker/volumes/mon_data/_data");
        let prom = testing::service("mon_prom", ServiceMode::Replicated { replicas: 1 });
        let prom = testing::mounting(prom, &volume(&data, "/data"));
        let prom = testing::placed(testing::in_stack(prom, "mon"), None);
        let task = testing::task_container(&prom, 0, vec![volume(&data, "/data")]);
        let stack = find_stacks_in_swarm(vec![task], vec![prom]).remove(0);
        let sources = sources_of(stack, &[data]).await;
        assert_eq!(
            names(&sources),
            [
                "volumes/mon_data",
                "services/mon_prom.json",
                "images.json",
                "networks.json",
                "volumes.json"
            ]
        );
    }
}
