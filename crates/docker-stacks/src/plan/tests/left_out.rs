use super::*;
use crate::testing::{bind, volume};

const EXCLUDE: &str = "backup-window.exclude";
const INCLUDE: &str = "backup-window.include";

fn labelled(mut container: Container, key: &str, value: &str) -> Container {
    container.labels.insert(key.into(), value.into());
    container
}

fn rules(exclude: &[&str], include: &[&str], paths: &[&str]) -> PlanRules {
    PlanRules {
        exclude: exclude.iter().map(|text| text.parse().unwrap()).collect(),
        include: include.iter().map(|text| text.parse().unwrap()).collect(),
        exclude_paths: paths.iter().map(|text| text.parse().unwrap()).collect(),
        ..PlanRules::default()
    }
}

fn planned(containers: Vec<Container>, rules: &PlanRules) -> Plan {
    plan(&find_stacks(containers), &[], rules)
}

fn excluded<'a>(plan: &'a Plan, name: &str, source: &str) -> Vec<&'a str> {
    let mut mounts = stack(plan, name).mounts.iter();
    let mount = mounts.find(|m| m.mount.source == *source).unwrap();
    mount.exclude.iter().map(PathGlob::as_str).collect()
}

fn reason<'a>(plan: &'a Plan, name: &str, source: &str) -> &'a str {
    let mut mounts = stack(plan, name).mounts.iter();
    &mounts.find(|m| m.mount.source == *source).unwrap().reason
}

#[test]
fn a_label_leaves_out_what_the_container_sees() {
    let app = with_mounts(
        service("p", "app"),
        vec![
            bind("/data/app", "/var/lib/app"),
            bind("/data/cache", "/cache"),
            bind("/data/tmp", "/var/tmp/deep"),
        ],
    );
    let app = labelled(
        app,
        EXCLUDE,
        "/var/lib/app/cache/**\n*.log, /cache, /var/tmp/**",
    );
    let plan = planned(vec![app], &PlanRules::default());
    assert_eq!(copied(&plan, "p"), ["/data/app"]);
    assert_eq!(excluded(&plan, "p", "/data/app"), ["*.log", "/cache/**"]);
    insta::assert_snapshot!(
        ["/data/app", "/data/cache", "/data/tmp"].map(|s| reason(&plan, "p", s)).join("\n"),
        @r#"
    a directory or file that it can write to; without '*.log', '/cache/**' (the label of p-app-1)
    left out by '/cache' (the label of p-app-1)
    left out by '/var/tmp/**' (the label of p-app-1)
    "#
    );
    assert_eq!(plan.warnings, Vec::<String>::new());
}

#[test]
fn a_stack_with_nothing_left_is_not_stopped() {
    let c = labelled(
        with_mounts(container("c"), vec![bind("/d", "/cache")]),
        EXCLUDE,
        "/cache",
    );
    let plan = planned(vec![c], &PlanRules::default());
    assert_eq!(stack(&plan, "c").decision, StackDecision::LeaveAlone);
    assert_eq!(stops(&plan), [Vec::<&str>::new()]);
}

#[test]
fn who_shares_a_source_leaves_out_for_all_of_the_stack() {
    let a = labelled(
        with_mounts(service("p", "a"), vec![bind("/data", "/a")]),
        EXCLUDE,
        "/a/x",
    );
    let b = labelled(
        with_mounts(
            service("p", "b"),
            vec![bind("/data", "/b"), bind("/data/in", "/in")],
        ),
        EXCLUDE,
        "*.tmp, /in/cache",
    );
    let other = with_mounts(service("q", "a"), vec![bind("/data", "/q")]);
    let plan = planned(vec![a, b, other], &PlanRules::default());
    assert_eq!(
        excluded(&plan, "p", "/data"),
        ["*.tmp", "/in/**/*.tmp", "/in/cache", "/x"]
    );
    assert_eq!(
        excluded(&plan, "q", "/data"),
        [""; 0],
        "another stack's own snapshot"
    );
    insta::assert_snapshot!(reason(&plan, "p", "/data"), @"a directory or file that it can write to; without '/x' (the label of p-a-1); without '*.tmp', '/in/**/*.tmp', '/in/cache' (the label of p-b-1)");
}

#[test]
fn what_is_left_out_whole_is_left_out_of_what_holds_it() {
    let a = with_mounts(service("p", "a"), vec![bind("/data", "/a")]);
    let b = with_mounts(
        service("p", "b"),
        vec![bind("/data/cache", "/cache"), bind("/data/old", "/old")],
    );
    let b = labelled(b, EXCLUDE, "/cache");
    let plan = planned(
        vec![a, b],
        &rules(&["bind:/data/old", "bind:/data/x/y"], &[], &[]),
    );
    assert_eq!(copied(&plan, "p"), ["/data"]);
    assert_eq!(excluded(&plan, "p", "/data"), ["/cache", "/old", "/x/y"]);
    assert_eq!(
        reason(&plan, "p", "/data/old"),
        "excluded by the configuration ('bind:/data/old')"
    );
    assert_eq!(plan.warnings, Vec::<String>::new());
}

#[test]
fn the_configuration_leaves_out_paths_everywhere() {
    let a = with_mounts(
        service("p", "a"),
        vec![bind("/data/a", "/a"), bind("/data/logs", "/logs")],
    );
    let plan = planned(vec![a], &rules(&[], &[], &["*.log", "logs"]));
    assert_eq!(copied(&plan, "p"), ["/data/a"]);
    assert_eq!(excluded(&plan, "p", "/data/a"), ["*.log", "logs"]);
    assert_eq!(
        reason(&plan, "p", "/data/logs"),
        "left out by 'logs' (the configuration)"
    );
}

#[test]
fn a_bind_is_excluded_by_its_path_or_a_folder_above() {
    let c = with_mounts(
        container("c"),
        vec![
            bind("/media/films", "/films"),
            bind("/mediatheque", "/m"),
            bind("/media", "/all"),
        ],
    );
    let plan = planned(vec![c], &rules(&["bind:/media", "bind:/gone"], &[], &[]));
    assert_eq!(copied(&plan, "c"), ["/mediatheque"]);
    assert_eq!(
        plan.warnings,
        ["the exclusion 'bind:/gone' matches nothing that the engine knows"]
    );
}

#[test]
fn the_configuration_beats_the_labels() {
    let local = Volume::local("v", "/v");
    let mut read_only = bind("/etc/ssl", "/ssl");
    read_only.read_only = true;
    let c = with_mounts(
        container("c"),
        vec![volume(&local, "/v"), bind("/data", "/data"), read_only],
    );
    let c = labelled(c, INCLUDE, "v, /ssl, /data");
    let c = labelled(c, EXCLUDE, "/data, *.log");
    let plan = planned(vec![c.clone()], &rules(&["volume:v"], &["bind:/data"], &[]));
    assert_eq!(copied(&plan, "c"), ["/data", "/etc/ssl"]);
    assert_eq!(
        excluded(&plan, "c", "/data"),
        ["*.log"],
        "what is within is no contradiction"
    );
    assert_eq!(
        reason(&plan, "c", "/etc/ssl"),
        "because its container's label backup-window.include names it; without '*.log' (the label of c)"
    );
    insta::assert_snapshot!(plan.warnings.join("\n"), @"container c: the label backup-window.include has no effect on 'v': excluded by the configuration ('volume:v')");

    // Of its own two labels, the one that leaves out wins.
    let plan = planned(vec![c], &PlanRules::default());
    assert_eq!(copied(&plan, "c"), ["/etc/ssl", "/v"]);
    insta::assert_snapshot!(plan.warnings.join("\n"), @"container c: the label backup-window.include has no effect on '/data': left out by '/data' (the label of c)");
}

#[test]
fn a_disabled_container_has_no_say() {
    let a = with_mounts(service("p", "a"), vec![bind("/data", "/data")]);
    let b = with_mounts(service("p", "b"), vec![bind("/data", "/data")]);
    let b = labelled(
        labelled(b, EXCLUDE, "/data"),
        "backup-window.enable",
        "false",
    );
    let plan = planned(vec![a, b], &PlanRules::default());
    assert_eq!(copied(&plan, "p"), ["/data"]);
}

#[test]
fn a_volume_of_the_nas_is_included_by_a_label_if_it_is_copied_live() {
    let mut nfs = Volume::local("nfs", "/v/nfs");
    nfs.options.insert("type".into(), "nfs".into());
    let c = with_mounts(container("c"), vec![volume(&nfs, "/nfs")]);
    let c = labelled(c, INCLUDE, "nfs");
    let volumes = [nfs];
    let plan_of = |c: Container| plan(&find_stacks(vec![c]), &volumes, &PlanRules::default());
    let still = plan_of(c.clone());
    assert!(copied(&still, "c").is_empty());
    assert_eq!(still.warnings.len(), 1, "{:?}", still.warnings);
    let live = plan_of(labelled(c, "backup-window.stop", "false"));
    assert_eq!(copied(&live, "c"), ["/v/nfs"]);
    assert_eq!(live.warnings, Vec::<String>::new());
}
