use super::*;
use crate::{
    model::MountKind,
    testing::{bind, volume},
};

fn plan_with(containers: Vec<Container>, volumes: &[Volume], include: &[&str]) -> Plan {
    let stack = |name: &str| containers.iter().any(|c| c.name.starts_with(name));
    let rules = PlanRules {
        include: include.iter().map(|text| text.parse().unwrap()).collect(),
        exclude: stack("out-")
            .then(|| "stack:out".parse().unwrap())
            .into_iter()
            .collect(),
        ..PlanRules::default()
    };
    plan(&find_stacks(containers), volumes, &rules)
}

fn read_only(source: &str, destination: &str) -> Mount {
    let mut mount = bind(source, destination);
    mount.read_only = true;
    mount
}

#[test]
fn inclusions_are_read_and_written_back() {
    for text in ["volume:nfs_data", "bind:/srv/media:old", "bind:/a b"] {
        let inclusion: Inclusion = text.parse().unwrap();
        assert_eq!(inclusion.to_string(), text);
        let json = serde_json::to_string(&inclusion).unwrap();
        assert_eq!(serde_json::from_str::<Inclusion>(&json).unwrap(), inclusion);
    }
    assert_eq!(
        "bind:/srv/./media/".parse::<Inclusion>().unwrap(),
        Inclusion::Bind("/srv/media".into())
    );
    for bad in [
        "",
        "x",
        "volume:",
        "volume:a/b",
        "bind:srv",
        "bind:",
        "stack:a",
    ] {
        let error = bad.parse::<Inclusion>().unwrap_err().to_string();
        assert!(error.contains("expected volume:NAME"), "{error}");
    }
}

#[test]
fn what_the_configuration_includes_is_copied() {
    let inner = Volume::local("inner", "/var/lib/docker/volumes/inner/_data");
    let c = with_mounts(
        container("c"),
        vec![
            read_only("/etc/ssl", "/ssl"),
            bind("/run/state/", "/state"),
            bind("/var/lib/docker", "/docker"),
            read_only("/etc/other", "/other"),
        ],
    );
    let include = ["bind:/etc/ssl", "bind:/run/state", "bind:/var/lib/docker"];
    let plan = plan_with(vec![c], &[inner], &include);
    assert_eq!(
        copied(&plan, "c"),
        ["/var/lib/docker", "/etc/ssl", "/run/state"]
    );
    let reasons = stack(&plan, "c").mounts.iter().map(|m| m.reason.as_str());
    let because = reasons.filter(|r| *r == "because the configuration includes it");
    assert_eq!(because.count(), 3);
    assert_eq!(plan.warnings, Vec::<String>::new());
}

#[test]
fn what_is_mounted_only_while_a_container_runs_is_copied_live_or_not_at_all() {
    let mut nfs = Volume::local("nfs", "/v/nfs");
    nfs.options.insert("type".into(), "nfs".into());
    let mut rclone = Volume::local("rclone", "/v/rclone");
    rclone.driver = "rclone".into();
    let mut live = with_mounts(
        container("live"),
        vec![volume(&nfs, "/nfs"), volume(&rclone, "/rclone")],
    );
    live.labels
        .insert("backup-window.stop".into(), "false".into());
    let still = with_mounts(container("still"), vec![volume(&nfs, "/nfs")]);
    let volumes = [nfs, rclone];
    let include = ["volume:nfs", "volume:rclone"];

    let plan = plan_with(vec![still.clone()], &volumes, &include);
    assert!(copied(&plan, "still").is_empty());
    assert_eq!(stops(&plan), [Vec::<&str>::new()]);
    insta::assert_snapshot!(plan.warnings.join("\n"), @r#"
    the inclusion 'volume:nfs' has no effect: it is mounted only while its container runs: the label backup-window.stop must be false, so that it is copied live
    the inclusion 'volume:rclone' matches nothing that is mounted
    "#);

    let plan = plan_with(vec![live.clone(), still], &volumes, &include);
    assert_eq!(copied(&plan, "live"), ["/v/nfs", "/v/rclone"]);
    assert_eq!(plan.warnings, Vec::<String>::new());

    // Without an inclusion, the label alone brings nothing into the copy.
    let plan = plan_with(vec![live], &volumes, &[]);
    assert!(copied(&plan, "live").is_empty());
}

#[test]
fn what_no_inclusion_can_have_copied_is_said() {
    let mut memory = Volume::local("memory", "/v/memory");
    memory.options.insert("type".into(), "tmpfs".into());
    let c = with_mounts(
        container("c"),
        vec![
            bind("/var/run/docker.sock", "/sock"),
            bind("/dev/dri", "/dri"),
            bind("/proc", "/host/proc"),
            bind("/", "/host"),
            volume(&memory, "/memory"),
            Mount {
                kind: MountKind::Tmpfs,
                source: PathBuf::new(),
                destination: "/tmp".into(),
                read_only: false,
            },
        ],
    );
    let out = with_mounts(service("out", "a"), vec![bind("/data/out", "/data")]);
    let include = [
        "bind:/var/run/docker.sock",
        "bind:/dev/dri",
        "bind:/proc",
        "bind:/",
        "volume:memory",
        "bind:/data/out",
        "bind:/data",
        "volume:gone",
    ];
    let plan = plan_with(vec![c, out], &[memory], &include);
    assert!(copied(&plan, "c").is_empty() && copied(&plan, "out").is_empty());
    insta::assert_snapshot!(plan.warnings.join("\n"), @r#"
    the inclusion 'bind:/var/run/docker.sock' has no effect: a socket
    the inclusion 'bind:/dev/dri' has no effect: belongs to the system
    the inclusion 'bind:/proc' has no effect: belongs to the system
    the inclusion 'bind:/' has no effect: the whole machine
    the inclusion 'volume:memory' has no effect: in memory: nothing of it is kept
    the inclusion 'bind:/data/out' has no effect: excluded by the configuration ('stack:out')
    the inclusion 'bind:/data' matches nothing that is mounted
    the inclusion 'volume:gone' matches nothing that is mounted
    "#);
}

#[test]
fn what_is_copied_with_another_source_is_included() {
    let c = with_mounts(
        container("c"),
        vec![bind("/data", "/data"), read_only("/data/sub", "/sub")],
    );
    let plan = plan_with(vec![c], &[], &["bind:/data/sub"]);
    assert_eq!(copied(&plan, "c"), ["/data"]);
    assert_eq!(plan.warnings, Vec::<String>::new());
}
