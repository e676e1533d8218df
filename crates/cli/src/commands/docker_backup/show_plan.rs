//! `docker-backup plan`: what would be stopped and copied, and why.

use std::path::PathBuf;

use backup_window::config::Config;
use backup_window::exit::Exit;
use backup_window::fs_snapshots::{self, Method, MountMethod};
use backup_window::setup::{self, ConfiguredHost};
use backup_window::step::stacks::{HostView, Permission, StacksOptions, plan_stacks};
use docker_stacks::{
    BollardEngine, Engine, ExecCommand, HookPlan, Mount, MountDecision, MountKind, Plan,
    ServiceDecision, ServicePlan, StackDecision, find_stacks_in_swarm,
};
use serde::Serialize;

use crate::failure::{Failure, failed_to};
use crate::session::Session;
use crate::table::table;

pub(super) async fn run(session: &Session, only: Vec<String>) -> Result<Exit, Failure> {
    let config = session.config()?;
    let options = ConfiguredHost::options(&config, only, Permission::Now);
    let engine = connected(&config).await?;
    check_names(&engine, &options).await?;
    let plan = plan_stacks(&engine, &options)
        .await
        .map_err(|error| failed_to(Exit::Failed, &error))?;
    let reads = reads(&config, &options, &engine, &plan).await?;
    let shown = Shown {
        plan: &plan,
        reads: &reads,
    };
    session.output().write(&shown, || describe(&plan, &reads))?;
    for warning in &plan.warnings {
        tracing::warn!("{warning}");
    }
    Ok(if plan.warnings.is_empty() {
        Exit::Done
    } else {
        Exit::Attention
    })
}

/// The plan, with what is not the engine's: how the data is read.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    #[serde(flatten)]
    reads: &'a Reads,
}

/// How what is copied is read.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Reads {
    /// The data of each mount.
    reads: Vec<MountMethod>,
    /// Files that stacks were deployed from, on another machine, so that nobody can copy them.
    files_elsewhere: Vec<PathBuf>,
}

/// How what is copied is read.
pub(crate) async fn reads(
    config: &Config,
    options: &StacksOptions,
    engine: &dyn Engine,
    plan: &Plan,
) -> Result<Reads, Failure> {
    let way = options.here.way(engine).await;
    let way = way.map_err(|error| failed_to(Exit::Failed, &error))?;
    let snapshotter = setup::snapshotter(config);
    let wanted = config.docker().snapshots;
    let view = if way.files_are_here() {
        options.host_view
    } else {
        HostView::Unknown
    };
    let surveyed = fs_snapshots::survey(plan, wanted, view, &snapshotter).await;
    let stacks = plan.groups.iter().flat_map(|group| &group.stacks);
    let files = stacks
        .filter(|stack| stack.decision.copies() && !way.files_are_here())
        .flat_map(|stack| stack.files.iter().cloned());
    Ok(Reads {
        files_elsewhere: files.collect(),
        reads: fs_snapshots::methods(plan, wanted, view, &surveyed, |path| {
            way.through_engine(path)
        }),
    })
}

/// The engine that the configuration names, once it has answered.
pub(crate) async fn connected(config: &Config) -> Result<BollardEngine, Failure> {
    let engine = setup::engine(config).map_err(|error| Failure::usage(&error))?;
    match engine.version().await {
        Ok(_) => Ok(engine),
        Err(error) => Err(failed_to(Exit::Failed, &error)),
    }
}

/// A stack that is asked for by a name that none has is a mistake in typing.
pub(super) async fn check_names(
    engine: &dyn Engine,
    options: &StacksOptions,
) -> Result<(), Failure> {
    if options.only.is_empty() {
        return Ok(());
    }
    let containers = engine
        .containers()
        .await
        .map_err(|error| failed_to(Exit::Failed, &error))?;
    // A swarm that does not answer is spoken of by the plan.
    let services = engine.services().await.unwrap_or_default();
    let known: Vec<String> = find_stacks_in_swarm(containers, services)
        .iter()
        .map(|stack| stack.name.to_string())
        .collect();
    match options.only.iter().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Failure::text(
            Exit::Usage,
            format!(
                "no stack is called {name}: expected one of {}",
                known.join(", ")
            ),
        )),
    }
}

/// The plan as a table; what is read from a snapshot, or through the engine, says so.
pub(crate) fn describe(plan: &Plan, reads: &Reads) -> String {
    let mut rows = Vec::new();
    for (index, group) in plan.groups.iter().enumerate() {
        for stack in &group.stacks {
            rows.push([
                (index + 1).to_string(),
                stack.name.to_string(),
                match stack.decision {
                    StackDecision::StopAndCopy => "stop and copy",
                    StackDecision::CopyWithoutStop => "copy",
                    StackDecision::StopOnly => "stop only",
                    _ => "leave alone",
                }
                .to_owned(),
                String::new(),
                stack.reason.clone(),
            ]);
            for service in &stack.services {
                rows.push([
                    String::new(),
                    String::new(),
                    match service.decision {
                        ServiceDecision::ScaleToZero => "  scale to 0",
                        ServiceDecision::Constrain => "  constrain",
                        _ => "  leave alone",
                    }
                    .to_owned(),
                    describe_service(service),
                    service.reason.clone(),
                ]);
            }
            for kept in &stack.stays_up {
                rows.push([
                    String::new(),
                    String::new(),
                    "  keep running".to_owned(),
                    format!("container {}", kept.container),
                    kept.reason.clone(),
                ]);
            }
            for mount in &stack.mounts {
                let method = reads
                    .reads
                    .iter()
                    .filter(|_| mount.decision == MountDecision::Copy)
                    .find(|method| method.source == mount.mount.source);
                rows.push([
                    String::new(),
                    String::new(),
                    match (mount.decision, method.map(|method| method.method)) {
                        (MountDecision::Copy, Some(Method::Snapshot)) => "  snapshot",
                        (MountDecision::Copy, Some(Method::Engine)) => "  engine",
                        (MountDecision::Copy, _) => "  copy",
                        (MountDecision::Skip, _) => "  skip",
                    }
                    .to_owned(),
                    describe_mount(&mount.mount),
                    describe_reason(&mount.reason, method),
                ]);
            }
            for file in &stack.files {
                if reads.files_elsewhere.contains(file) {
                    rows.push([
                        String::new(),
                        String::new(),
                        "  skip".to_owned(),
                        file.display().to_string(),
                        "not backed up: on another machine".to_owned(),
                    ]);
                }
            }
        }
        rows.extend(group.hooks.iter().flat_map(describe_hooks));
    }
    if rows.is_empty() {
        return "no stacks were found".to_owned();
    }
    table(["GROUP", "STACK", "WHAT", "OF WHAT", "WHY"], rows)
}

/// Where no file system has snapshots, nobody asks why there are none.
fn describe_reason(why: &str, method: Option<&MountMethod>) -> String {
    match method {
        Some(read) if read.method == Method::Snapshot => {
            format!("{why}; read from a snapshot of {}", read.reason)
        }
        Some(read) if read.method == Method::Engine => format!(
            "{why}; read through the engine, slowly, all of it while the stack is down: {}",
            read.reason
        ),
        _ => why.to_owned(),
    }
}

fn describe_service(service: &ServicePlan) -> String {
    let tasks = match service.running_tasks {
        1 => "1 task".to_owned(),
        count => format!("{count} tasks"),
    };
    let on = if service.nodes.is_empty() {
        String::new()
    } else {
        format!(" on {}", service.nodes.join(", "))
    };
    format!("service {}, {tasks}{on}", service.service)
}

/// The commands of a container, which are run before and after its whole group is down.
fn describe_hooks(hook: &HookPlan) -> Vec<[String; 5]> {
    let row = |when: &str, label: &str, command: &Option<ExecCommand>| {
        let command = command.as_ref()?;
        let user = command.user.as_ref();
        let user = user.map(|user| format!(" as {user}")).unwrap_or_default();
        Some([
            String::new(),
            String::new(),
            format!("  run {when}"),
            format!("in {}{user}: {}", hook.container, one_line(command)),
            format!(
                "its label {label} asks for it; it may take {} s",
                command.limit.as_secs()
            ),
        ])
    };
    let before = row("before", "backup-window.exec-pre", &hook.before);
    let after = row("after", "backup-window.exec-post", &hook.after);
    before.into_iter().chain(after).collect()
}

/// A script may have several lines, and a table's row has one.
fn one_line(command: &ExecCommand) -> String {
    let text = command.to_string();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

fn describe_mount(mount: &Mount) -> String {
    let destination = mount.destination.display();
    match &mount.kind {
        MountKind::Volume { name, .. } => format!("volume {name} on {destination}"),
        MountKind::Tmpfs => format!("tmpfs on {destination}"),
        MountKind::Other(kind) => format!("{kind} on {destination}"),
        _ => format!("{} on {destination}", mount.source.display()),
    }
}

#[cfg(test)]
mod tests {
    use docker_stacks::{PlanRules, ServiceMode, Volume, plan, testing};

    use super::*;

    fn squeezed(table: &str) -> Vec<String> {
        let lines = table.lines();
        lines
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn commands_are_shown_with_their_group() {
        let mut db = testing::container("db");
        db.mounts.push(testing::bind("/srv/db", "/data"));
        for (key, value) in [
            ("backup-window.exec-pre", "set -e\npg_dump > /data/dump"),
            ("backup-window.exec-pre-user", "postgres"),
            ("backup-window.exec-post", "[\"rm\", \"/data/dump\"]"),
            ("backup-window.exec-post-timeout", "5s"),
        ] {
            db.labels.insert(key.to_owned(), value.to_owned());
        }
        let stacks = find_stacks_in_swarm(vec![db], Vec::new());
        let table = describe(
            &plan(&stacks, &[], &PlanRules::default()),
            &Reads::default(),
        );
        assert_eq!(
            squeezed(&table)[3..],
            [
                "run before in db as postgres: set -e pg_dump > /data/dump its label backup-window.exec-pre asks for it; it may take 300 s",
                "run after in db: rm /data/dump its label backup-window.exec-post asks for it; it may take 5 s",
            ]
        );
    }

    #[test]
    fn what_is_read_from_a_snapshot_says_so() {
        let mut wiki = testing::container("wiki");
        wiki.mounts.push(testing::bind("/srv/wiki", "/data"));
        let stacks = find_stacks_in_swarm(vec![wiki], Vec::new());
        let read = MountMethod {
            stack: "wiki".to_owned(),
            source: "/srv/wiki".into(),
            method: Method::Snapshot,
            reason: "the ZFS dataset tank/srv".to_owned(),
        };
        let plan = plan(&stacks, &[], &PlanRules::default());
        let reads = Reads {
            reads: vec![read],
            ..Reads::default()
        };
        let table = squeezed(&describe(&plan, &reads));
        assert!(
            table[2].starts_with("snapshot /srv/wiki on /data")
                && table[2].ends_with("; read from a snapshot of the ZFS dataset tank/srv"),
            "{table:?}"
        );
        let shown = Shown {
            plan: &plan,
            reads: &reads,
        };
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!(json["reads"][0]["method"], "snapshot");
        assert!(json["groups"][0]["stacks"][0]["mounts"].is_array());
    }

    #[test]
    fn what_is_read_through_the_engine_says_what_that_costs() {
        let mut wiki = testing::in_project(testing::container("wiki_app_1"), "wiki", "app");
        wiki.mounts.push(testing::bind("/srv/wiki", "/data"));
        let stacks = find_stacks_in_swarm(vec![wiki], Vec::new());
        let mut plan = plan(&stacks, &[], &PlanRules::default());
        let file = PathBuf::from("/home/me/wiki/compose.yml");
        plan.groups[0].stacks[0].files = vec![file.clone()];
        let reads = Reads {
            reads: vec![MountMethod {
                stack: "wiki".to_owned(),
                source: "/srv/wiki".into(),
                method: Method::Engine,
                reason: "the engine runs on another machine".to_owned(),
            }],
            files_elsewhere: vec![file],
        };
        let table = squeezed(&describe(&plan, &reads));
        assert_eq!(
            table[2..],
            [
                "engine /srv/wiki on /data a directory or file that it can write to; read through the engine, slowly, all of it while the stack is down: the engine runs on another machine",
                "skip /home/me/wiki/compose.yml not backed up: on another machine",
            ]
        );
        let shown = Shown {
            plan: &plan,
            reads: &reads,
        };
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!(json["reads"][0]["method"], "engine");
        assert_eq!(json["files_elsewhere"][0], "/home/me/wiki/compose.yml");
    }

    #[test]
    fn services_are_shown_with_their_stack() {
        let data = Volume::local("mon_data", "/v/mon_data/_data");
        let prom = testing::service("mon_prom", ServiceMode::Replicated { replicas: 2 });
        let prom = testing::mounting(prom, &testing::volume(&data, "/data"));
        let prom = testing::placed(testing::placed(prom, None), None);
        let off = testing::service("mon_off", ServiceMode::Replicated { replicas: 0 });
        let services = [prom, off].map(|service| testing::in_stack(service, "mon"));
        let stacks = find_stacks_in_swarm(Vec::new(), services.to_vec());
        let table = describe(
            &plan(&stacks, &[data], &PlanRules::default()),
            &Reads::default(),
        );
        assert_eq!(
            squeezed(&table),
            [
                "GROUP STACK WHAT OF WHAT WHY",
                "1 mon stop and copy 1 service running, 1 mount to copy",
                "leave alone service mon_off, 0 tasks nothing of it runs",
                "scale to 0 service mon_prom, 2 tasks on here scaled to 0, and to 2 replicas again",
                "copy volume mon_data on /data a volume on this machine",
            ]
        );
    }
}
