use super::*;
use crate::{find::COMPOSE_DEPENDS_ON, testing::bind};

fn depends_on(mut container: Container, list: &str) -> Container {
    container
        .labels
        .insert(COMPOSE_DEPENDS_ON.into(), list.into());
    container
}

/// One project, in which the first container has data, so that all are stopped.
fn order(mut containers: Vec<Container>) -> (Vec<String>, Vec<String>) {
    containers[0].mounts = vec![bind("/data", "/data")];
    let plan = plan_of(containers, &[], &[]);
    let order = stops(&plan)
        .concat()
        .iter()
        .map(|n| (*n).to_owned())
        .collect();
    (order, plan.warnings)
}

#[test]
fn dependents_stop_before_what_they_depend_on() {
    let (order, warnings) = order(vec![
        service("p", "db"),
        depends_on(
            service("p", "app"),
            "db:service_healthy:true,cache:service_started:false",
        ),
        service("p", "cache"),
        depends_on(service("p", "web"), "app:service_started:true"),
    ]);
    assert_eq!(order, ["p-web-1", "p-app-1", "p-cache-1", "p-db-1"]);
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn every_container_of_a_service_counts() {
    let second = in_project(container("p-db-2"), "p", "db");
    let (order, _) = order(vec![
        service("p", "db"),
        second,
        depends_on(service("p", "zweb"), "db"),
    ]);
    assert_eq!(order, ["p-zweb-1", "p-db-1", "p-db-2"]);
}

#[test]
fn namespaces_links_and_volumes_from_count_as_well() {
    let mut link = service("p", "b");
    link.links = vec![ContainerKey::new("/p-a-1")];
    let mut volumes = service("p", "c");
    volumes.volumes_from = vec![ContainerKey::new(link.id.as_str())];
    let mut pid = service("p", "d");
    pid.pid_mode = Some(ContainerKey::new(volumes.id.short()));
    let mut ipc = service("p", "e");
    ipc.ipc_mode = Some(ContainerKey::new("p-d-1"));
    let (order, _) = order(vec![service("p", "a"), link, volumes, pid, ipc]);
    assert_eq!(order, ["p-e-1", "p-d-1", "p-c-1", "p-b-1", "p-a-1"]);
}

#[test]
fn a_circle_is_broken_by_name_and_said() {
    let (order, warnings) = order(vec![
        // `a` only hangs below the circle: it must not be stopped first for its name.
        service("p", "a"),
        depends_on(service("p", "b"), "c,a"),
        depends_on(service("p", "c"), "b"),
        depends_on(service("p", "self"), "self"),
        depends_on(service("p", "web"), "b"),
    ]);
    assert_eq!(order, ["p-self-1", "p-web-1", "p-b-1", "p-a-1", "p-c-1"]);
    assert_eq!(
        warnings,
        [
            "containers p-b-1, p-c-1 depend on each other in a circle: p-b-1 is stopped first and started last"
        ]
    );
}

#[test]
fn a_circle_is_not_broken_where_a_network_would_be_missing() {
    let mut inside = service("p", "z");
    inside.network_mode = Some(ContainerKey::new("p-a-1"));
    let (order, warnings) = order(vec![depends_on(service("p", "a"), "z"), inside]);
    assert_eq!(order, ["p-z-1", "p-a-1"]);
    assert_eq!(
        warnings,
        [
            "containers p-a-1, p-z-1 depend on each other in a circle: p-z-1 is stopped first and started last"
        ]
    );
}

#[test]
fn conditions_are_kept_and_a_circle_waits_for_nobody() {
    let mut side = depends_on(service("p", "side"), "app:service_started:false");
    side.network_mode = Some(ContainerKey::new("p-db-1"));
    let mut containers = vec![
        service("p", "db"),
        depends_on(service("p", "setup"), "db:service_healthy:true"),
        depends_on(
            service("p", "app"),
            "setup:service_completed_successfully:true, db:service_healthy:true,gone:service_started:true,side:service_new:true",
        ),
        depends_on(side, "app,db:service_healthy:true"),
        depends_on(service("q", "app"), "db:service_healthy:true"),
    ];
    containers[0].mounts = vec![bind("/data", "/data")];
    let plan = plan_of(containers, &[], &[]);
    let edges: Vec<String> = plan.groups[0]
        .dependencies
        .iter()
        .map(|e| format!("{} needs {} {:?}", e.container, e.needs, e.condition))
        .collect();
    insta::assert_snapshot!(edges.join("\n"), @r#"
    p-app-1 needs p-db-1 Healthy
    p-app-1 needs p-setup-1 CompletedSuccessfully
    p-app-1 needs p-side-1 Started
    p-setup-1 needs p-db-1 Healthy
    p-side-1 needs p-db-1 Healthy
    "#);
    assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
}
