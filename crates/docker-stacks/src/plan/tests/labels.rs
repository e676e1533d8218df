use super::*;
use crate::testing::{bind, volume};

const ENABLE: &str = "backup-window.enable";
const STOP: &str = "backup-window.stop";

fn labelled(mut container: Container, key: &str, value: &str) -> Container {
    container.labels.insert(key.into(), value.into());
    container
}

fn data(container: Container, source: &str) -> Container {
    with_mounts(container, vec![bind(source, "/data")])
}

#[test]
fn a_disabled_container_is_neither_stopped_nor_copied() {
    let db = data(service("p", "db"), "/data/db");
    let cache = labelled(data(service("p", "cache"), "/data/cache"), ENABLE, "false");
    let alone = labelled(data(service("q", "a"), "/data/q"), ENABLE, "false");
    let plan = plan_of(vec![db, cache, alone], &[], &[]);
    assert_eq!(stops(&plan), [vec!["p-db-1"], vec![]]);
    assert_eq!(copied(&plan, "p"), ["/data/db"]);
    let reasons: Vec<_> = stack(&plan, "p").mounts.iter().map(|m| &m.reason).collect();
    assert_eq!(
        reasons[0],
        "its container's label backup-window.enable is false"
    );
    let alone = stack(&plan, "q");
    assert_eq!(alone.decision, StackDecision::LeaveAlone);
    assert_eq!(alone.reason, "its label backup-window.enable is false");
    assert_eq!(plan.warnings, Vec::<String>::new());
}

#[test]
fn a_live_container_is_copied_while_it_runs() {
    let db = data(service("p", "db"), "/data/db");
    let media = labelled(data(service("p", "media"), "/data/media"), STOP, "false");
    let plan = plan_of(vec![db, media], &[], &[]);
    assert_eq!(stops(&plan), [["p-db-1"]]);
    assert_eq!(copied(&plan, "p"), ["/data/db", "/data/media"]);
    assert_eq!(
        stack(&plan, "p").mounts[1].reason,
        "a directory or file that it can write to, copied live because its container's label says so"
    );
    assert_eq!(plan.warnings, Vec::<String>::new());
}

#[test]
fn nobody_is_stopped_for_what_is_copied_live() {
    let db = labelled(data(service("p", "db"), "/data/db"), STOP, "false");
    let plan = plan_of(vec![db, service("p", "web")], &[], &[]);
    let planned = stack(&plan, "p");
    assert_eq!(planned.decision, StackDecision::CopyWithoutStop);
    assert_eq!(planned.reason, "it is copied live, as its labels ask");
    assert_eq!(stops(&plan), [Vec::<&str>::new()]);
    assert_eq!(plan.warnings, Vec::<String>::new());
}

#[test]
fn a_live_container_that_spoils_anothers_copy_is_spoken_of() {
    let a = data(service("a", "x"), "/data/shared");
    let b = labelled(data(service("b", "x"), "/data/shared/sub"), STOP, "false");
    let plan = plan_of(vec![a, b], &[], &[]);
    assert_eq!(stops(&plan), [["a-x-1"]]);
    insta::assert_snapshot!(plan.warnings.join("\n"), @r#"
    container b-x-1 is not stopped (its label backup-window.stop is false), and may write to /data/shared while it is copied for stack a
    "#);
}

#[test]
fn a_wrong_label_is_a_warning_and_changes_nothing() {
    let right = data(service("p", "db"), "/data/db");
    let wrong = labelled(right.clone(), STOP, "nope");
    let wrong = labelled(wrong, "backup-window.exec-pre", "[dump]");
    let plan_right = plan_of(vec![right], &[], &[]);
    let plan_wrong = plan_of(vec![wrong], &[], &[]);
    assert_eq!(plan_wrong.groups, plan_right.groups);
    assert_eq!(plan_wrong.warnings.len(), 2, "{:?}", plan_wrong.warnings);
}

#[test]
fn an_excluded_stack_stays_so_whatever_its_labels_say() {
    let local = Volume::local("v", "/v");
    let c = with_mounts(service("p", "a"), vec![volume(&local, "/v")]);
    let plan = plan_of(vec![labelled(c, ENABLE, "true")], &[local], &["stack:p"]);
    assert_eq!(stack(&plan, "p").decision, StackDecision::LeaveAlone);
}

#[test]
fn the_whole_stack_of_this_program_stays_up() {
    let own = data(in_project(container("backup"), "tools", "a"), "/mnt/nas");
    let beside = data(in_project(container("web"), "tools", "b"), "/data/web");
    let other = data(service("other", "a"), "/data/other");
    let rules = PlanRules {
        own_container: Some(OwnContainer::InNetworkOf(crate::ContainerId::new(
            own.id.short(),
        ))),
        ..PlanRules::default()
    };
    let stacks = find_stacks(vec![own, beside, other]);
    let planned = plan(&stacks, &[], &rules);
    assert_eq!(stops(&planned), [vec!["other-a-1"], vec![]]);
    assert_eq!(copied(&planned, "tools"), ["/data/web"]);
}

#[test]
fn who_shares_the_network_that_this_program_sees_may_be_this_program() {
    let vpn = data(service("vpn", "gluetun"), "/data/vpn");
    let backup = in_network_of(data(container("backup"), "/mnt/nas"), vpn.id.as_str());
    let rules = PlanRules {
        own_container: Some(OwnContainer::InNetworkOf(vpn.id.clone())),
        ..PlanRules::default()
    };
    let planned = plan(&find_stacks(vec![vpn, backup]), &[], &rules);
    assert_eq!(stops(&planned), [Vec::<&str>::new(), Vec::new()]);
    assert!(copied(&planned, "backup").is_empty());
    insta::assert_snapshot!(planned.warnings.join("\n"), @r#"
    this program runs in one of the containers backup, vpn-gluetun-1, which share a network; which of them it is cannot be told from the inside, so none of them is stopped or copied: give this program a network of its own
    "#);
}
