use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{
    host::FileKind,
    testing::{bind, volume},
};

const MOUNTS: &[u8] = b"\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/nas rw - nfs4 192.0.2.10:/mnt/tank rw
31 22 0:41 / /srv/app/media rw - cifs //nas/media rw
32 22 0:42 / /srv/app/pool rw - fuse.mergerfs a:b rw
33 22 0:43 / /srv/app/run rw - tmpfs tmpfs rw
34 22 0:44 / /mnt/copies rw - ext4 /dev/sdb1 rw
";

fn facts() -> HostFacts {
    HostFacts::from_mountinfo(MOUNTS)
}

/// Each mount's destination, decision and reason, in lines.
fn lines(plan: &Plan, name: &str) -> String {
    let mounts = &stack(plan, name).mounts;
    let line = |m: &MountPlan| {
        let exclude: Vec<&str> = m.exclude.iter().map(PathGlob::as_str).collect();
        let destination = m.mount.destination.display();
        format!("{destination} {:?} {exclude:?}: {}", m.decision, m.reason)
    };
    mounts.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn planned(containers: Vec<Container>, volumes: &[Volume], rules: &PlanRules) -> Plan {
    plan(&find_stacks(containers), volumes, rules)
}

#[test]
fn files_are_judged_by_what_they_are() {
    let c = with_mounts(
        container("c"),
        vec![
            bind("/srv/agent", "/agent"),
            bind("/srv/agent.sock", "/named-like-a-socket"),
            bind("/opt/stick", "/stick"),
            bind("/srv/pipe", "/pipe"),
            bind("/srv/unseen.sock", "/unseen"),
            bind("/srv/proc", "/proc"),
        ],
    );
    let host = facts()
        .with_path("/srv/agent", "/srv/agent", FileKind::Socket)
        .with_path("/srv/agent.sock", "/srv/agent.sock", FileKind::Directory)
        .with_path("/opt/stick", "/dev/ttyUSB0", FileKind::Device)
        .with_path("/srv/pipe", "/srv/pipe", FileKind::Fifo)
        .with_path("/srv/proc", "/proc/1", FileKind::Directory);
    let rules = PlanRules {
        host,
        ..PlanRules::default()
    };
    let plan = planned(vec![c], &[], &rules);
    insta::assert_snapshot!(lines(&plan, "c"), @r#"
    /agent Skip []: a socket
    /named-like-a-socket Copy []: a directory or file that it can write to
    /pipe Skip []: a named pipe
    /proc Skip []: belongs to the system
    /stick Skip []: a device
    /unseen Skip []: a socket
    "#);
}

#[test]
fn what_is_on_the_nas_is_not_copied_from_there() {
    let mut bound = Volume::local("bound", "/v/bound");
    bound.options.insert("o".into(), "bind".into());
    bound
        .options
        .insert("device".into(), "/mnt/nas/bound".into());
    let c = with_mounts(
        container("c"),
        vec![
            bind("/mnt/nas/films", "/films"),
            bind("/srv/link", "/link"),
            bind("/srv/app", "/app"),
            bind("/srv/app/pool", "/pool"),
            bind("/mnt/copies/other", "/other"),
            volume(&bound, "/bound"),
        ],
    );
    let rules = PlanRules {
        host: facts().with_path("/srv/link", "/mnt/nas/link", FileKind::Directory),
        copies_go_to: Some("/mnt/copies/restic".into()),
        ..PlanRules::default()
    };
    let volumes = [bound];
    let plan = planned(vec![c.clone()], &volumes, &rules);
    insta::assert_snapshot!(lines(&plan, "c"), @r#"
    /app Copy ["/media", "/run"]: a directory or file that it can write to; without '/media' (//nas/media (cifs), mounted on /srv/app/media); without '/run' (tmpfs, mounted on /srv/app/run)
    /bound Skip []: its data is on the NAS already: 192.0.2.10:/mnt/tank (nfs4), mounted on /mnt/nas
    /films Skip []: its data is on the NAS already: 192.0.2.10:/mnt/tank (nfs4), mounted on /mnt/nas
    /link Skip []: its data is on the NAS already: 192.0.2.10:/mnt/tank (nfs4), mounted on /mnt/nas
    /other Copy []: a directory or file that it can write to
    /pool Skip []: copied with /srv/app, which holds it
    "#);
    assert_eq!(plan.warnings, Vec::<String>::new());

    // All of it can be overruled: by the configuration, and by the label.
    let include = [
        "bind:/mnt/nas/films",
        "bind:/srv/app/media",
        "bind:/srv/link",
    ];
    let mut c = c;
    c.labels
        .insert("backup-window.include".into(), "/other, bound".into());
    let rules = PlanRules {
        include: include.iter().map(|text| text.parse().unwrap()).collect(),
        ..rules
    };
    let plan = planned(vec![c], &volumes, &rules);
    insta::assert_snapshot!(lines(&plan, "c"), @r#"
    /app Copy ["/run"]: a directory or file that it can write to; without '/run' (tmpfs, mounted on /srv/app/run)
    /bound Copy []: because its container's label backup-window.include names it
    /films Copy []: because the configuration includes it
    /link Copy []: because the configuration includes it
    /other Copy []: because its container's label backup-window.include names it
    /pool Skip []: copied with /srv/app, which holds it
    "#);
    assert_eq!(plan.warnings, Vec::<String>::new());
}

#[test]
fn the_repository_is_never_copied_into_itself() {
    let mut c = with_mounts(
        container("c"),
        vec![
            bind("/srv", "/srv"),
            bind("/srv/nas/restic/data", "/inside"),
            bind("/opt/link", "/link"),
        ],
    );
    c.labels
        .insert("backup-window.include".into(), "/inside".into());
    let rules = PlanRules {
        host: facts().with_path("/opt/link", "/srv/nas/restic", FileKind::Directory),
        copies_go_to: Some("/srv/nas/restic".into()),
        include: vec!["bind:/opt/link".parse().unwrap()],
        ..PlanRules::default()
    };
    let plan = planned(vec![c], &[], &rules);
    assert_eq!(copied(&plan, "c"), ["/srv"]);
    let srv = stack(&plan, "c")
        .mounts
        .iter()
        .find(|m| m.mount.source == *"/srv")
        .unwrap();
    assert!(
        srv.exclude
            .iter()
            .any(|glob| glob.as_str() == "/nas/restic")
    );
    insta::assert_snapshot!(plan.warnings.join("\n"), @r#"
    container c: the label backup-window.include has no effect on '/inside': belongs to the repository, which is not copied into itself
    the inclusion 'bind:/opt/link' has no effect: belongs to the repository, which is not copied into itself
    "#);
}

#[test]
fn what_a_link_leads_to_is_copied_for_itself_and_once() {
    let link =
        |facts: HostFacts, link: &str, real: &str| facts.with_path(link, real, FileKind::Directory);
    let host = link(facts(), "/srv/a/link", "/data/x");
    let host = link(host, "/srv/a/inner", "/srv/a/deep/inner");
    let host = link(host, "/opt/same", "/data/x");
    let rules = PlanRules {
        host: link(host, "/opt/part", "/data/x/part"),
        ..PlanRules::default()
    };
    let mounts = ["/srv/a", "/srv/a/link", "/srv/a/inner", "/opt/same"];
    let mounts = mounts
        .map(|source| bind(source, format!("/m{source}")))
        .to_vec();
    let a = with_mounts(service("a", "x"), mounts);
    let b = with_mounts(service("b", "x"), vec![bind("/opt/part", "/part")]);
    let plan = planned(vec![a, b], &[], &rules);
    assert_eq!(copied(&plan, "a"), ["/srv/a", "/data/x"]);
    assert_eq!(
        stops(&plan),
        [["a-x-1", "b-x-1"]],
        "they share data by other names"
    );

    let only_link = with_mounts(
        service("a", "x"),
        vec![bind("/srv/a", "/a"), bind("/srv/a/link", "/b")],
    );
    let plan = planned(vec![only_link], &[], &rules);
    assert_eq!(copied(&plan, "a"), ["/srv/a", "/data/x"]);
}

proptest! {
    /// Whatever is mounted wherever and included by whomever: what the plan has copied never reads
    /// the repository, and reads nothing of another machine that nobody asked for.
    #[test]
    fn no_copy_reads_the_repository_or_the_nas(
        sources in vec(select(vec![
            "/", "/srv", "/srv/app", "/srv/app/media", "/srv/app/media/x", "/mnt", "/mnt/nas",
            "/mnt/copies", "/mnt/copies/restic", "/mnt/copies/restic/a", "/srv/app/pool",
        ]), 1..5),
        included in vec(select(vec!["bind:/mnt/copies", "bind:/mnt", "bind:/srv", "bind:/mnt/copies/restic"]), 0..3),
        path in select(vec!["/mnt/copies/restic", "/srv/app/pool", "/srv/app/x"]),
    ) {
        let mounts = sources.iter().enumerate().map(|(n, s)| bind(*s, format!("/m{n}"))).collect();
        let rules = PlanRules {
            host: facts(),
            include: included.iter().map(|text| text.parse().unwrap()).collect(),
            copies_go_to: Some(path.into()),
            ..PlanRules::default()
        };
        let plan = planned(vec![with_mounts(container("c"), mounts)], &[], &rules);
        let reads = |place: &str| {
            let mut copies = stack(&plan, "c")
                .mounts
                .iter()
                .filter(|mount| mount.decision == MountDecision::Copy);
            copies.any(|mount| {
                std::path::Path::new(place)
                    .strip_prefix(&mount.mount.source)
                    .is_ok_and(|inner| !mount.exclude.iter().any(|glob| glob.leaves_out(inner)))
            })
        };
        prop_assert!(!reads(path));
        prop_assert!(!reads("/mnt/nas/x") || sources.contains(&"/mnt/nas"));
        prop_assert!(!reads("/mnt/nas/x"));
        prop_assert!(!reads("/srv/app/media/x"));
        prop_assert!(!reads("/srv/app/run/x"));
    }
}
