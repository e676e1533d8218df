use super::*;
use crate::{
    find::COMPOSE_VOLUME,
    testing::{bind, volume},
};

#[test]
fn exclusions_are_read_and_written_back() {
    for text in [
        "stack:vpn_stack",
        "container:db-1",
        "volume:a.b",
        "portainer_data",
    ] {
        let exclusion: Exclusion = text.parse().unwrap();
        assert_eq!(exclusion.to_string(), text);
        let json = serde_json::to_string(&exclusion).unwrap();
        assert_eq!(serde_json::from_str::<Exclusion>(&json).unwrap(), exclusion);
    }
    for bad in [
        "",
        "stack:",
        "volumes:x",
        "/srv/data",
        "a b",
        "stack:a:b",
        "über",
    ] {
        let error = bad.parse::<Exclusion>().unwrap_err().to_string();
        assert!(error.contains("expected stack:NAME"), "{error}");
    }
}

#[test]
fn an_excluded_volume_is_not_copied() {
    let portainer_data = Volume::local("portainer_data", "/v/portainer_data");
    let portainer = with_mounts(
        container("portainer"),
        vec![volume(&portainer_data, "/data")],
    );
    for exclusion in ["portainer_data", "volume:portainer_data"] {
        let volumes = [portainer_data.clone()];
        let plan = plan_of(vec![portainer.clone()], &volumes, &[exclusion]);
        let stack = stack(&plan, "portainer");
        assert_eq!(stack.decision, StackDecision::LeaveAlone, "nothing is left");
        assert_eq!(
            stack.mounts[0].reason,
            format!("excluded by the configuration ('{exclusion}')")
        );
        assert_eq!(plan.warnings, Vec::<String>::new());
        assert_eq!(stops(&plan), [Vec::<&str>::new()]);
    }
}

#[test]
fn an_excluded_stack_is_left_alone_and_no_other() {
    let a = with_mounts(service("a", "x"), vec![bind("/data/a", "/data")]);
    let b = with_mounts(service("b", "x"), vec![bind("/data/b", "/data")]);
    let plan = plan_of(vec![a, b], &[], &["stack:a"]);
    assert_eq!(stack(&plan, "a").decision, StackDecision::LeaveAlone);
    assert!(copied(&plan, "a").is_empty());
    assert_eq!(stops(&plan), [vec![], vec!["b-x-1"]]);
}

#[test]
fn an_excluded_container_stays_up_and_its_data_out() {
    let db = with_mounts(service("p", "db"), vec![bind("/data/db", "/data")]);
    let cache = with_mounts(service("p", "cache"), vec![bind("/data/cache", "/data")]);
    let plan = plan_of(vec![db, cache], &[], &["container:p-cache-1"]);
    assert_eq!(stops(&plan), [["p-db-1"]]);
    assert_eq!(copied(&plan, "p"), ["/data/db"]);
}

#[test]
fn what_an_exclusion_breaks_is_said() {
    let vpn = with_mounts(container("vpn"), vec![bind("/data/shared", "/data")]);
    let client = in_network_of(
        with_mounts(container("client"), vec![bind("/data/shared/sub", "/data")]),
        "vpn",
    );
    let plan = plan_of(vec![vpn, client], &[], &["stack:client"]);
    insta::assert_snapshot!(plan.warnings.join("\n"), @r#"
    container client is not stopped, but lives in the network of vpn, which is: it is cut off until somebody restarts it
    container client is not stopped, and may write to /data/shared while it is copied for stack vpn
    "#);
}

#[test]
fn an_exclusion_that_nothing_has_is_a_warning() {
    let mut long = Volume::local("utilities_syncthing_shared", "/v/s");
    long.labels
        .insert(COMPOSE_VOLUME.into(), "syncthing_shared".into());
    let plan = plan_of(
        vec![container("a")],
        &[long],
        &["syncthing_shared", "stack:gone", "a"],
    );
    insta::assert_snapshot!(plan.warnings.join("\n"), @r#"
    the exclusion 'syncthing_shared' matches nothing that the engine knows; was volume:utilities_syncthing_shared meant?
    the exclusion 'stack:gone' matches nothing that the engine knows
    "#);
}
