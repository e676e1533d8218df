use docker_stacks::testing::{Behaviour, MemoryEngine, bind, container, in_project, volume};
use docker_stacks::{PlanRules, Volume, find_stacks, plan};

use super::*;

/// The plan of the first mount that is copied, with its stack.
fn planned(containers: Vec<Container>, volumes: &[Volume]) -> (MountPlan, Stack) {
    let stacks = find_stacks(containers);
    let plan = plan(&stacks, volumes, &PlanRules::default());
    let mounts = &plan.groups[0].stacks[0].mounts;
    let copied = mounts
        .iter()
        .find(|it| it.decision == docker_stacks::MountDecision::Copy);
    (copied.unwrap().clone(), stacks[0].clone())
}

fn wiki(name: &str) -> Container {
    in_project(container(name), "wiki", name)
}

#[test]
fn what_is_mounted_within_a_source_is_not_of_it() {
    let data = Volume::local("wiki_data", "/v/wiki_data/_data");
    let cache = Volume::local("wiki_cache", "/v/wiki_cache/_data");
    let mut app = wiki("app");
    app.mounts.push(volume(&data, "/data"));
    app.mounts.push(volume(&cache, "/data/deep/cache"));
    app.mounts.push(volume(&cache, "/database"));
    let (plan, stack) = planned(vec![app], &[data, cache]);
    let view = best_view(&plan, Some(&stack));
    assert_eq!(view.path, Path::new("/data"));
    assert_eq!(view.hidden, [Path::new("deep/cache")]);
}

#[test]
fn what_is_mounted_where_it_is_anyway_belongs_to_the_source() {
    let mut app = wiki("app");
    app.mounts.push(bind("/srv/wiki", "/srv"));
    app.mounts.push(bind("/srv/wiki/uploads", "/srv/uploads"));
    app.mounts.push(bind("/srv/wiki/themes", "/srv/other"));
    let (plan, stack) = planned(vec![app], &[]);
    assert_eq!(plan.mount.source, Path::new("/srv/wiki"));
    let view = best_view(&plan, Some(&stack));
    assert_eq!(view.hidden, [Path::new("other")]);
}

#[test]
fn what_the_engine_mounts_itself_is_not_of_a_source() {
    let mut app = wiki("app");
    app.mounts.push(bind("/srv/wiki/etc", "/etc"));
    let view = View {
        container: app.to_ref(),
        path: "/etc".into(),
        hidden: ["hostname", "hosts", "resolv.conf"]
            .map(PathBuf::from)
            .to_vec(),
    };
    let mount = app.mounts[0].clone();
    assert_eq!(hidden(&app, &mount), view.hidden);
}

#[test]
fn the_container_that_sees_most_is_asked() {
    let data = Volume::local("wiki_data", "/v/wiki_data/_data");
    let mut app = wiki("app");
    app.mounts.push(volume(&data, "/data"));
    app.mounts.push(bind("/srv/hides", "/data/hidden"));
    let mut backup = wiki("backup");
    let mut mount = volume(&data, "/to/save");
    mount.read_only = true;
    backup.mounts.push(mount);
    let (plan, stack) = planned(vec![app, backup], &[data]);
    assert_eq!(plan.container.name, "app", "it writes");
    let view = best_view(&plan, Some(&stack));
    assert_eq!(view.container.name, "backup");
    assert_eq!(view.path, Path::new("/to/save"));
    // Without any knowledge, the plan's word counts.
    assert_eq!(best_view(&plan, None).container.name, "app");
}

async fn read(archive: ContainerPath, beneath: &'static str) -> io::Result<Vec<u8>> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        archive.open(Path::new(beneath))?.read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    reading.await.unwrap()
}

#[tokio::test]
async fn an_archive_comes_from_the_path_in_the_container() {
    let engine = MemoryEngine::new();
    let mut app = container("app");
    app.mounts.push(bind("/srv/wiki", "/data"));
    engine.add(app.clone(), Behaviour::default());
    let whole: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    engine.set_archive("app", "/data", whole.clone());
    engine.set_archive("app", "/data/a/b", "a part");
    let engine: Arc<dyn Engine> = Arc::new(engine);
    let archive = || ContainerPath {
        engine: Arc::clone(&engine),
        runtime: Handle::current(),
        container: app.to_ref(),
        path: "/data".into(),
    };
    assert!(archive().origin().starts_with("/data in the container app"));
    assert_eq!(read(archive(), "").await.unwrap(), whole);
    assert_eq!(read(archive(), "a/b").await.unwrap(), b"a part");
    let error = read(archive(), "gone").await.unwrap_err();
    assert!(error.to_string().contains("/data/gone"), "{error}");
}
