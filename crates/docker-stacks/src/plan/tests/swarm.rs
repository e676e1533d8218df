//! Services in the plan: what is halted, and where their data is.

use super::*;
use crate::{
    find::find_stacks_in_swarm,
    model::{ContainerId, MountKind, Service, ServiceMode},
    own::OwnContainer,
    testing::{bind, in_stack, mounting, placed, service, task_container, volume},
};

const TWO: ServiceMode = ServiceMode::Replicated { replicas: 2 };

fn data() -> Volume {
    Volume::local("mon_data", "/v/mon_data/_data")
}

/// A service of the stack `mon` with the volume, on these nodes: this one is nameless.
fn prom(mode: ServiceMode, nodes: &[Option<&str>]) -> Service {
    let service = mounting(service("mon_prom", mode), &volume(&data(), "/data"));
    let service = in_stack(service, "mon");
    nodes.iter().fold(service, |s, node| placed(s, *node))
}

fn plan_with(containers: Vec<Container>, services: Vec<Service>, exclude: &[&str]) -> Plan {
    let rules = PlanRules {
        exclude: exclude.iter().map(|text| text.parse().unwrap()).collect(),
        ..PlanRules::default()
    };
    plan(
        &find_stacks_in_swarm(containers, services),
        &[data()],
        &rules,
    )
}

fn labelled(service: Service, key: &str, value: &str) -> Service {
    let spec = service
        .spec
        .edited(|spec| spec["Labels"][key] = value.into());
    Service::read(service.id, spec, service.tasks, service.other_nodes).unwrap()
}

fn decisions(plan: &Plan) -> Vec<(&str, ServiceDecision, &str)> {
    stack(plan, "mon")
        .services
        .iter()
        .map(|s| (s.service.name.as_str(), s.decision, s.reason.as_str()))
        .collect()
}

#[test]
fn services_are_halted_and_their_containers_left_to_the_swarm() {
    let prom = prom(TWO, &[None, None]);
    let tasks = [0, 1].map(|task| task_container(&prom, task, vec![volume(&data(), "/data")]));
    let agent = in_stack(
        placed(service("mon_agent", ServiceMode::Global), None),
        "mon",
    );
    let off = in_stack(
        service("mon_off", ServiceMode::Replicated { replicas: 0 }),
        "mon",
    );
    let job = in_stack(placed(service("mon_job", ServiceMode::Job), None), "mon");
    let plan = plan_with(tasks.to_vec(), vec![prom, agent, off, job], &[]);
    assert_eq!(plan.warnings, Vec::<String>::new());
    assert_eq!(stops(&plan), [Vec::<&str>::new()]);
    assert!(plan.groups[0].goes_down());
    assert_eq!(copied(&plan, "mon"), ["/v/mon_data/_data"]);
    assert_eq!(
        decisions(&plan),
        [
            (
                "mon_agent",
                ServiceDecision::Constrain,
                "a constraint keeps it from every node"
            ),
            (
                "mon_job",
                ServiceDecision::LeaveAlone,
                "a job, which would begin again after a halt"
            ),
            ("mon_off", ServiceDecision::LeaveAlone, "nothing of it runs"),
            (
                "mon_prom",
                ServiceDecision::ScaleToZero,
                "scaled to 0, and to 2 replicas again"
            ),
        ]
    );
    let mon = stack(&plan, "mon");
    assert_eq!(mon.reason, "2 services running, 1 mount to copy");
    assert_eq!(mon.mounts[0].container.name, "mon_prom");
    insta::assert_json_snapshot!(mon.services[3], @r#"
    {
      "service": {
        "id": "00006d6f6e5f70726f6d00000",
        "name": "mon_prom"
      },
      "mode": {
        "replicated": {
          "replicas": 2
        }
      },
      "running_tasks": 2,
      "nodes": [
        "here"
      ],
      "decision": "scale_to_zero",
      "reason": "scaled to 0, and to 2 replicas again"
    }
    "#);
}

#[test]
fn what_is_on_other_nodes_is_said() {
    // On both nodes: this one's is copied.
    let plan = plan_with(Vec::new(), vec![prom(TWO, &[None, Some("b")])], &[]);
    assert_eq!(stack(&plan, "mon").decision, StackDecision::StopAndCopy);
    insta::assert_snapshot!(plan.warnings.join("\n"), @"volume mon_data of stack mon is copied in part: a volume on this machine; the tasks on b have a volume of this name there, which is not copied");

    // Only there: nothing to copy, nothing to stop.
    let plan = plan_with(Vec::new(), vec![prom(TWO, &[Some("b"), Some("c")])], &[]);
    let mon = stack(&plan, "mon");
    assert_eq!(mon.decision, StackDecision::LeaveAlone);
    assert_eq!(mon.services[0].decision, ServiceDecision::LeaveAlone);
    assert!(!plan.groups[0].goes_down());
    insta::assert_snapshot!(plan.warnings.join("\n"), @"volume mon_data of stack mon is not copied: its tasks run on b, c: what is here under its name is not what they use");

    let other = mounting(
        placed(service("db", TWO), Some("b")),
        &bind("/srv/db", "/data"),
    );
    let plan = plan_with(Vec::new(), vec![other], &[]);
    insta::assert_snapshot!(plan.warnings.join("\n"), @"/srv/db of stack db is not copied: it is on b");
}

#[test]
fn options_of_volumes_that_this_node_lacks_are_known_from_their_service() {
    let nfs = placed(service("media", TWO), Some("b"));
    let spec = nfs.spec.edited(|spec| {
        spec["TaskTemplate"]["ContainerSpec"]["Mounts"] = serde_json::json!([{
            "Type": "volume", "Source": "films", "Target": "/films",
            "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {"type": "nfs"}}},
        }]);
    });
    let nfs = Service::read(nfs.id, spec, nfs.tasks, nfs.other_nodes).unwrap();
    let plan = plan_with(Vec::new(), vec![nfs], &[]);
    assert_eq!(plan.warnings, Vec::<String>::new());
    let films = &stack(&plan, "media").mounts[0];
    assert_eq!(films.reason, "its data is on the NAS already (type=nfs)");
}

#[test]
fn a_service_that_is_off_is_copied_as_it_is() {
    let plan = plan_with(
        Vec::new(),
        vec![prom(ServiceMode::Replicated { replicas: 0 }, &[])],
        &[],
    );
    let mon = stack(&plan, "mon");
    assert_eq!(mon.decision, StackDecision::CopyWithoutStop);
    assert_eq!(mon.reason, "nothing of it runs");
    assert_eq!(copied(&plan, "mon"), ["/v/mon_data/_data"]);
}

#[test]
fn a_template_is_what_the_containers_say() {
    let mut template = data();
    template.name = "{{.Node.Hostname}}-data".into();
    let mon = mounting(service("mon_prom", TWO), &volume(&template, "/data"));
    let mon = in_stack(placed(mon, None), "mon");
    let task = task_container(&mon, 0, vec![volume(&data(), "/data")]);
    let plan = plan_with(vec![task], vec![mon.clone()], &[]);
    assert_eq!(copied(&plan, "mon"), ["/v/mon_data/_data"]);

    let plan = plan_with(Vec::new(), vec![mon], &[]);
    assert!(copied(&plan, "mon").is_empty());
    assert!(
        plan.warnings[0].contains("not copied"),
        "{:?}",
        plan.warnings
    );
}

#[test]
fn a_volume_that_a_halt_would_delete_keeps_its_service_up() {
    let prom = prom(TWO, &[None]);
    let mut nameless = volume(&data(), "/cache");
    nameless.kind = MountKind::Volume {
        name: "f".repeat(64),
        driver: "local".into(),
    };
    let task = task_container(&prom, 0, vec![volume(&data(), "/data"), nameless]);
    let plan = plan_with(vec![task], vec![prom], &[]);
    assert_eq!(stack(&plan, "mon").decision, StackDecision::CopyWithoutStop);
    assert_eq!(
        plan.warnings.last().unwrap(),
        "service mon_prom is not stopped (a halt would delete its volume at /cache, which has no name: give it one), and may write to /v/mon_data/_data while it is copied for stack mon"
    );
}

#[test]
fn stacks_are_excluded_and_tasks_are_not() {
    let prom = prom(TWO, &[None]);
    let task = task_container(&prom, 0, vec![volume(&data(), "/data")]);
    let name = format!("container:{}", task.name);
    let plan = plan_with(vec![task.clone()], vec![prom.clone()], &["stack:mon"]);
    assert_eq!(stack(&plan, "mon").decision, StackDecision::LeaveAlone);
    assert_eq!(plan.warnings, Vec::<String>::new());

    let plan = plan_with(vec![task], vec![prom], &[&name, "container:mon_prom"]);
    assert_eq!(stack(&plan, "mon").decision, StackDecision::StopAndCopy);
    assert_eq!(plan.warnings.len(), 2, "{:?}", plan.warnings);
    assert!(plan.warnings.iter().all(|w| w.contains("matches nothing")));
}

#[test]
fn labels_of_the_service_and_of_its_containers_count() {
    let live = labelled(prom(TWO, &[None]), "backup-window.stop", "false");
    let plan = plan_with(Vec::new(), vec![live], &[]);
    assert_eq!(
        stack(&plan, "mon").reason,
        "it is copied live, as its labels ask"
    );

    let off = prom(TWO, &[None]);
    let spec = off.spec.edited(|spec| {
        spec["TaskTemplate"]["ContainerSpec"]["Labels"]["backup-window.enable"] = "false".into();
    });
    let off = Service::read(off.id, spec, off.tasks, off.other_nodes).unwrap();
    let plan = plan_with(Vec::new(), vec![off], &[]);
    assert_eq!(stack(&plan, "mon").decision, StackDecision::LeaveAlone);

    let odd = labelled(prom(TWO, &[None]), "backup-window.stop", "maybe");
    let odd = labelled(odd, "backup-window.stop-timeout", "5m");
    let plan = plan_with(Vec::new(), vec![odd], &[]);
    insta::assert_snapshot!(plan.warnings.join("\n"), @r"
    service mon_prom: the label backup-window.stop-timeout has no effect on a service: set stop_grace_period in its stack's file
    service mon_prom: the label backup-window.stop is 'maybe': expected true or false; it is ignored
    ");
}

#[test]
fn shared_data_makes_one_group() {
    let mut app = container("app");
    app.mounts = vec![volume(&data(), "/data")];
    let plan = plan_with(vec![app], vec![prom(TWO, &[None])], &[]);
    assert_eq!(plan.groups.len(), 1);
    assert_eq!(stops(&plan), [vec!["app"]]);
    assert_eq!(plan.groups[0].halted().count(), 1);
}

#[test]
fn the_stack_that_this_program_runs_in_stays_up() {
    let prom = prom(TWO, &[None]);
    let other = in_stack(placed(service("mon_agent", TWO), Some("b")), "mon");
    let task = task_container(&prom, 0, vec![volume(&data(), "/data")]);
    let rules = PlanRules {
        own_container: Some(OwnContainer::This(ContainerId::new(task.id.as_str()))),
        ..PlanRules::default()
    };
    let stacks = find_stacks_in_swarm(vec![task], vec![prom, other]);
    let plan = plan(&stacks, &[data()], &rules);
    assert!(!plan.groups[0].goes_down());
    assert!(copied(&plan, "mon").is_empty());
}
