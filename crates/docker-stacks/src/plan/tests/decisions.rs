use super::*;
use crate::{
    model::{ContainerState, MountKind},
    testing::{bind, volume},
};

const WORKING_DIR: &str = "com.docker.compose.project.working_dir";

fn read_only(mut mount: Mount) -> Mount {
    mount.read_only = true;
    mount
}

#[test]
fn data_is_told_from_what_belongs_to_the_system() {
    let local = Volume::local("db", "/var/lib/docker/volumes/db/_data");
    let mut web = service("shop", "web");
    web.labels.insert(WORKING_DIR.into(), "/srv/shop".into());
    web.mounts = vec![
        volume(&local, "/db"),
        bind("/srv/media", "/media"),
        read_only(bind("/srv/shop/nginx.conf", "/etc/nginx.conf")),
        read_only(bind("/etc/ssl/certs", "/etc/ssl/certs")),
        bind("/var/run/docker.sock", "/var/run/docker.sock"),
        bind("/srv/shop/agent.sock", "/agent.sock"),
        bind("/", "/host"),
        bind("/proc", "/host/proc"),
        bind("/sys/fs/cgroup", "/cgroup"),
        bind("/dev/dri", "/dev/dri"),
        bind("/etc/localtime", "/etc/localtime"),
        bind("/run/media/usb", "/usb"),
        bind("/var/lib/docker", "/docker"),
        Mount {
            kind: MountKind::Tmpfs,
            source: PathBuf::new(),
            destination: "/tmp".into(),
            read_only: false,
        },
        Mount {
            kind: MountKind::Other("npipe".into()),
            source: PathBuf::new(),
            destination: "/pipe".into(),
            read_only: false,
        },
    ];
    let plan = plan_of(vec![web], &[local], &[]);
    let lines: Vec<String> = stack(&plan, "shop")
        .mounts
        .iter()
        .map(|m| {
            format!(
                "{} {:?} {}: {}",
                m.mount.destination.display(),
                m.decision,
                m.mount.source.display(),
                m.reason
            )
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    /agent.sock Skip /srv/shop/agent.sock: a socket
    /cgroup Skip /sys/fs/cgroup: belongs to the system
    /db Copy /var/lib/docker/volumes/db/_data: a volume on this machine
    /dev/dri Skip /dev/dri: belongs to the system
    /docker Skip /var/lib/docker: holds the engine's own volumes
    /etc/localtime Skip /etc/localtime: belongs to the system
    /etc/nginx.conf Copy /srv/shop/nginx.conf: in the project's own directory
    /etc/ssl/certs Skip /etc/ssl/certs: read-only, and outside of the project's own directory
    /host Skip /: the whole machine
    /host/proc Skip /proc: belongs to the system
    /media Copy /srv/media: a directory or file that it can write to
    /pipe Skip : a mount of type 'npipe' holds no data of its own
    /tmp Skip : in memory: nothing of it is kept
    /usb Copy /run/media/usb: a directory or file that it can write to
    /var/run/docker.sock Skip /var/run/docker.sock: a socket
    "#);
    assert_eq!(plan.warnings, Vec::<String>::new());
}

#[test]
fn a_volume_is_copied_where_its_data_is() {
    let with = |name: &str, options: &[(&str, &str)]| {
        let mut volume = Volume::local(name, format!("/v/{name}"));
        volume.options = options
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        volume
    };
    let mut rclone = Volume::local("rclone", "/v/rclone");
    rclone.driver = "rclone:latest".into();
    let volumes = [
        with("plain", &[]),
        with("sized", &[("o", "size=1g")]),
        with(
            "nfs",
            &[
                ("type", "nfs"),
                ("o", "addr=192.0.2.10,rw"),
                ("device", ":/tank"),
            ],
        ),
        with("cifs", &[("type", "cifs"), ("device", "//nas/share")]),
        with(
            "bound",
            &[
                ("type", "none"),
                ("o", "bind"),
                ("device", "/mnt/disk/bound"),
            ],
        ),
        with("memory", &[("type", "tmpfs"), ("device", "tmpfs")]),
        with("disk", &[("type", "ext4"), ("device", "/dev/sdb1")]),
        rclone,
    ];
    let mounts = volumes
        .iter()
        .map(|v| volume(v, format!("/{}", v.name)))
        .collect();
    let plan = plan_of(vec![with_mounts(container("c"), mounts)], &volumes, &[]);
    assert_eq!(
        copied(&plan, "c"),
        ["/mnt/disk/bound", "/v/plain", "/v/sized"]
    );
    insta::assert_snapshot!(plan.warnings.join("\n"), @r#"
    volume disk of stack c is not copied: its file system ('/dev/sdb1') is mounted only while a container runs
    volume rclone of stack c is not copied: kept by the volume driver 'rclone:latest', which this backup cannot read
    "#);
}

#[test]
fn one_source_is_copied_once_and_not_within_another() {
    let a = with_mounts(
        service("p", "a"),
        vec![
            read_only(bind("/data/shared", "/ro")),
            bind("/data/inner/./deep/", "/deep"),
        ],
    );
    let b = with_mounts(
        service("p", "b"),
        vec![bind("/data/shared", "/rw"), bind("/data/inner", "/inner")],
    );
    let plan = plan_of(vec![a, b], &[], &[]);
    assert_eq!(copied(&plan, "p"), ["/data/inner", "/data/shared"]);
    let mounts = &stack(&plan, "p").mounts;
    assert_eq!(mounts.len(), 3, "{mounts:#?}");
    let shared = mounts.iter().find(|m| m.mount.source.ends_with("shared"));
    assert_eq!(
        shared.unwrap().container.name,
        "p-b-1",
        "the one that writes"
    );
    let deep = mounts
        .iter()
        .find(|m| m.mount.source.ends_with("deep"))
        .unwrap();
    assert_eq!(deep.reason, "copied with /data/inner, which holds it");
}

#[test]
fn only_what_runs_and_has_data_is_stopped() {
    let data = |name: &str| vec![bind(format!("/data/{name}"), "/data")];
    let mut ended = with_mounts(service("ended", "a"), data("ended"));
    ended.state = ContainerState::Exited { code: 0 };
    let mut half = with_mounts(service("half", "a"), data("half"));
    half.state = ContainerState::Created;
    let plan = plan_of(
        vec![
            ended,
            half,
            service("half", "b"),
            with_mounts(service("runs", "a"), data("runs")),
            service("stateless", "a"),
            container("single"),
        ],
        &[],
        &[],
    );
    let decisions: Vec<_> = plan
        .groups
        .iter()
        .flat_map(|group| &group.stacks)
        .map(|stack| format!("{}: {:?}, {}", stack.name, stack.decision, stack.reason))
        .collect();
    insta::assert_snapshot!(decisions.join("\n"), @r#"
    ended: CopyWithoutStop, nothing of it runs
    half: StopAndCopy, 1 container running, 1 mount to copy
    runs: StopAndCopy, 1 container running, 1 mount to copy
    single: LeaveAlone, it has no data to copy
    stateless: LeaveAlone, it has no data to copy
    "#);
    assert_eq!(
        stops(&plan),
        [vec![], vec!["half-b-1"], vec!["runs-a-1"], vec![], vec![]]
    );
}

#[test]
fn a_stateless_project_has_its_files_copied_and_stays_up() {
    let mut tunnel = service("tunnel", "cloudflared");
    tunnel
        .labels
        .insert(WORKING_DIR.into(), "/srv/tunnel".into());
    let plan = plan_of(vec![tunnel], &[], &[]);
    let tunnel = stack(&plan, "tunnel");
    assert_eq!(tunnel.decision, StackDecision::CopyWithoutStop);
    assert_eq!(tunnel.files, [PathBuf::from("/srv/tunnel/.env")]);
    assert_eq!(stops(&plan), [Vec::<&str>::new()]);
}

#[test]
fn paused_and_restarting_containers_are_stopped_too() {
    let mut paused = with_mounts(service("p", "a"), vec![bind("/data", "/data")]);
    paused.state = ContainerState::Paused;
    let mut restarting = service("p", "b");
    restarting.state = ContainerState::Restarting;
    let plan = plan_of(vec![paused, restarting], &[], &[]);
    assert_eq!(stops(&plan), [["p-a-1", "p-b-1"]]);
}

#[test]
fn what_a_stop_would_delete_is_not_stopped() {
    let mut run = with_mounts(container("run"), vec![bind("/data/run", "/data")]);
    run.auto_remove = true;
    let plan = plan_of(vec![run], &[], &[]);
    assert_eq!(stack(&plan, "run").decision, StackDecision::CopyWithoutStop);
    assert_eq!(stops(&plan), [Vec::<&str>::new()]);
    insta::assert_snapshot!(plan.warnings.join("\n"), @r#"
    container run is not stopped (started with --rm: a stop would delete it), and may write to /data/run while it is copied for stack run
    "#);
}

#[test]
fn this_programs_own_container_and_its_network_stay_up() {
    let own = in_network_of(
        with_mounts(container("backup"), vec![bind("/backup", "/backup")]),
        "tailscale",
    );
    let tailscale = with_mounts(container("tailscale"), vec![bind("/data/ts", "/state")]);
    let rules = PlanRules {
        own_container: Some(OwnContainer::This(own.id.clone())),
        ..PlanRules::default()
    };
    let plan = plan(&find_stacks(vec![own, tailscale]), &[], &rules);
    assert_eq!(stack(&plan, "backup").decision, StackDecision::LeaveAlone);
    assert_eq!(
        stack(&plan, "tailscale").decision,
        StackDecision::CopyWithoutStop
    );
    assert_eq!(plan.warnings.len(), 1, "{:?}", plan.warnings);
}

#[test]
fn stacks_in_anothers_network_are_down_with_it() {
    let vpn = with_mounts(
        service("vpn", "gluetun"),
        vec![bind("/data/vpn", "/gluetun")],
    );
    let download = in_network_of(
        with_mounts(
            service("download", "qbit"),
            vec![bind("/data/qbit", "/config")],
        ),
        vpn.id.as_str(),
    );
    // No data of its own, and in the network of one that is only down because of the first.
    let probe = in_network_of(container("probe"), "download-qbit-1");
    let other = with_mounts(service("other", "a"), vec![bind("/data/other", "/data")]);
    let plan = plan_of(vec![vpn, download, probe, other], &[], &[]);
    assert_eq!(
        stops(&plan),
        [
            vec!["probe", "download-qbit-1", "vpn-gluetun-1"],
            vec!["other-a-1"]
        ]
    );
    let probe = stack(&plan, "probe");
    assert_eq!(probe.decision, StackDecision::StopOnly);
    assert_eq!(
        probe.reason,
        "probe lives in the network of download-qbit-1, which is stopped; it has no data to copy"
    );
}

#[test]
fn stacks_that_share_data_are_down_together() {
    let shared = Volume::local("shared", "/v/shared/_data");
    let mount = |name: &str, mounts| with_mounts(service(name, "a"), mounts);
    let plan = plan_of(
        vec![
            mount("a", vec![volume(&shared, "/x")]),
            mount(
                "b",
                vec![volume(&shared, "/y"), bind("/media/films", "/films")],
            ),
            mount("c", vec![bind("/media", "/media")]),
            mount("d", vec![bind("/mediatheque", "/media")]),
        ],
        &[shared],
        &[],
    );
    assert_eq!(
        stops(&plan),
        [vec!["a-a-1", "b-a-1", "c-a-1"], vec!["d-a-1"]]
    );
}

#[test]
fn a_reader_does_not_go_down_with_the_writer() {
    let writer = with_mounts(service("arr", "a"), vec![bind("/media", "/media")]);
    let reader = with_mounts(
        service("player", "a"),
        vec![
            bind("/data/player", "/config"),
            read_only(bind("/media", "/media")),
        ],
    );
    let plan = plan_of(vec![writer, reader], &[], &[]);
    assert_eq!(stops(&plan), [["arr-a-1"], ["player-a-1"]]);
    assert_eq!(copied(&plan, "player"), ["/data/player"]);
    assert_eq!(plan.warnings, Vec::<String>::new());
}

#[test]
fn swarm_stacks_are_left_alone_loudly_where_their_services_are_not_known() {
    let mut task = with_mounts(container("mon_prom.1"), vec![bind("/data/prom", "/data")]);
    task.labels
        .insert("com.docker.stack.namespace".into(), "mon".into());
    let plan = plan_of(vec![task], &[], &[]);
    assert_eq!(stack(&plan, "mon").decision, StackDecision::LeaveAlone);
    assert!(copied(&plan, "mon").is_empty());
    assert!(plan.warnings[0].contains("Swarm"), "{:?}", plan.warnings);
}
