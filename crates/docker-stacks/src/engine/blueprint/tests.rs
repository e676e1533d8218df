use serde_json::json;

use super::*;
use crate::engine::Mark;

const ID: &str = "5f1c0b2d9a6e4f7788990011223344556677889900aabbccddeeff0011223344";

/// A container that asks for everything that a copy must not have.
fn greedy() -> Value {
    let text = r#"{
        "Id": "5f1c0b2d9a6e4f7788990011223344556677889900aabbccddeeff0011223344",
        "Name": "/shop_db_1",
        "Image": "sha256:00aa",
        "State": { "Status": "running", "Running": true },
        "Config": {
            "Hostname": "5f1c0b2d9a6e",
            "User": "70:70",
            "Env": ["PGDATA=/data"],
            "Cmd": ["postgres"],
            "Entrypoint": ["entry.sh"],
            "Image": "postgres:15",
            "WorkingDir": "/data",
            "ExposedPorts": { "5432/tcp": {} },
            "Healthcheck": { "Test": ["CMD", "pg_isready"], "Interval": 1000000000 },
            "StopSignal": "SIGINT",
            "StopTimeout": 60,
            "Labels": {
                "com.docker.compose.project": "shop",
                "com.docker.compose.service": "db",
                "backup-window.drill": "psql -c 'select 1'",
                "backup-window.drill-timeout": "20s",
                "backup-window.drill-user": "postgres"
            }
        },
        "HostConfig": {
            "Binds": ["/var/run/docker.sock:/var/run/docker.sock"],
            "NetworkMode": "host",
            "PidMode": "host",
            "IpcMode": "host",
            "UTSMode": "host",
            "UsernsMode": "host",
            "CgroupnsMode": "host",
            "Privileged": true,
            "CapAdd": ["SYS_ADMIN"],
            "CapDrop": ["CHOWN"],
            "Devices": [{ "PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm" }],
            "DeviceCgroupRules": ["a *:* rwm"],
            "PortBindings": { "5432/tcp": [{ "HostIp": "", "HostPort": "5432" }] },
            "PublishAllPorts": true,
            "RestartPolicy": { "Name": "always", "MaximumRetryCount": 0 },
            "SecurityOpt": ["seccomp=unconfined", "no-new-privileges:true"],
            "Sysctls": { "net.ipv4.ip_forward": "1" },
            "Runtime": "nvidia",
            "ExtraHosts": ["nas:192.0.2.1"],
            "Dns": ["192.0.2.53"],
            "VolumesFrom": ["other"],
            "Links": ["/other:/shop_db_1/other"],
            "GroupAdd": ["44"],
            "OomScoreAdj": -1000,
            "CgroupParent": "/system.slice",
            "MaskedPaths": [],
            "ReadonlyPaths": [],
            "ReadonlyRootfs": true,
            "ShmSize": 268435456,
            "Tmpfs": { "/run": "size=1m" },
            "Ulimits": [{ "Name": "nofile", "Soft": 1024, "Hard": 2048 }],
            "Memory": 0,
            "PidsLimit": 100,
            "LogConfig": { "Type": "syslog", "Config": { "syslog-address": "tcp://192.0.2.1" } },
            "Mounts": [{ "Type": "tmpfs", "Target": "/scratch", "TmpfsOptions": { "SizeBytes": 4096, "Mode": 448 } }]
        },
        "Mounts": [
            { "Type": "volume", "Name": "shop_data", "Driver": "local",
              "Source": "/var/lib/docker/volumes/shop_data/_data", "Destination": "/data", "RW": true },
            { "Type": "bind", "Source": "/srv/app.conf", "Destination": "/etc/app.conf", "RW": false },
            { "Type": "bind", "Source": "/var/run/docker.sock", "Destination": "/var/run/docker.sock", "RW": true }
        ],
        "NetworkSettings": { "Networks": {
            "shop_default": { "Aliases": ["5f1c0b2d9a6e", "db"], "IPAMConfig": { "IPv4Address": "172.20.0.9" } },
            "shop_front": { "Aliases": ["db"] }
        } }
    }"#;
    serde_json::from_str(text).unwrap()
}

fn placed() -> Placement {
    let mark = Mark::new("1");
    let mut placement = Placement::new(mark.name("db"), 1 << 30);
    let by = ThrowAwayMount::Volume {
        name: mark.name("v0"),
        is_filled: true,
    };
    placement.mounts.insert("/data".into(), by);
    let by = ThrowAwayMount::File {
        path: "/v/backup-window-drill-1-v1/_data/app.conf".into(),
    };
    placement.mounts.insert("/etc/app.conf".into(), by);
    for (network, copy) in [("shop_default", "n0"), ("shop_front", "n1")] {
        placement
            .networks
            .insert(network.to_owned(), mark.name(copy));
    }
    placement
}

#[test]
fn what_a_copy_is_made_of_is_on_the_list_and_nothing_else() {
    let replica = Blueprint::read(&greedy()).unwrap().replica(&placed());
    let body = serde_json::to_value(&replica.body).unwrap();
    let host = &body["HostConfig"];
    for key in [
        "Binds",
        "PidMode",
        "IpcMode",
        "UTSMode",
        "UsernsMode",
        "CgroupnsMode",
        "Privileged",
        "CapAdd",
        "Devices",
        "DeviceRequests",
        "DeviceCgroupRules",
        "PortBindings",
        "PublishAllPorts",
        "Sysctls",
        "Runtime",
        "ExtraHosts",
        "VolumesFrom",
        "Links",
        "OomScoreAdj",
        "CgroupParent",
        "MaskedPaths",
        "ReadonlyPaths",
    ] {
        assert!(host[key].is_null(), "{key}: {}", host[key]);
    }
    assert!(body["ExposedPorts"].is_null() && body["Labels"].is_null());
    assert_eq!(
        host["SecurityOpt"],
        serde_json::json!(["no-new-privileges:true"])
    );
    assert_eq!(host["NetworkMode"], "backup-window-drill-1-n0");
    assert_eq!(host["Dns"], serde_json::json!(["127.0.0.1"]));
    assert_eq!(host["RestartPolicy"]["Name"], "no");
    assert_eq!(host["Memory"], 1 << 30);
    assert_eq!(host["PidsLimit"], 100);
    assert_eq!(
        host["Mounts"].as_array().map(Vec::len),
        Some(2),
        "no socket"
    );
    assert_eq!(body["Image"], "sha256:00aa");
    let (network, place) = &replica.more_networks[0];
    assert_eq!(network, "backup-window-drill-1-n1");
    let aliases = ["db", "shop_db_1"].map(str::to_owned).to_vec();
    assert_eq!(place.aliases, Some(aliases));
    let files: Vec<_> = replica.files().collect();
    assert_eq!(
        files,
        [std::path::Path::new(
            "/v/backup-window-drill-1-v1/_data/app.conf"
        )]
    );
}

#[test]
fn what_is_withheld_is_said() {
    let blueprint = Blueprint::read(&greedy()).unwrap();
    let list = |matters| {
        let of_kind = blueprint.withheld().iter().filter(|w| w.matters == matters);
        let names: Vec<String> = of_kind.map(ToString::to_string).collect();
        names.join("\n")
    };
    insta::assert_snapshot!(list(true), @r"
    privileged mode
    added capabilities
    devices
    the machine's network
    the machine's processes
    the machine's shared memory
    the machine's users
    security options
    kernel parameters
    another runtime
    links to other containers
    addresses of its own choice
    ");
    insta::assert_snapshot!(list(false), @r"
    the machine's host name
    published ports
    names of other machines (extra_hosts)
    settings of DNS
    the restart policy
    the log driver
    ");
    let plain = json!({ "Id": ID, "Name": "/a", "State": { "Status": "running" } });
    assert_eq!(Blueprint::read(&plain).unwrap().withheld(), []);
}

#[test]
fn a_container_in_anothers_network_has_none_of_its_own() {
    let mut definition = greedy();
    definition["Config"]["Hostname"] = json!("db");
    let blueprint = Blueprint::read(&definition).unwrap();
    let hostname = |placement: &Placement| blueprint.replica(placement).body.hostname;
    let mut placement = placed();
    assert_eq!(hostname(&placement).as_deref(), Some("db"));
    placement.network_of = Some("backup-window-drill-1-vpn".to_owned());
    let replica = blueprint.replica(&placement);
    assert_eq!(replica.body.hostname, None);
    let host = replica.body.host_config.unwrap();
    let mode = host.network_mode.as_deref();
    assert_eq!(mode, Some("container:backup-window-drill-1-vpn"));
    assert_eq!((host.dns, replica.body.networking_config), (None, None));
    assert!(replica.more_networks.is_empty());

    let nowhere = blueprint.replica(&Placement::new("x".to_owned(), 1));
    let host = nowhere.body.host_config.unwrap();
    assert_eq!(host.network_mode.as_deref(), Some("none"));
    assert_eq!(host.mounts.map(|mounts| mounts.len()), Some(0));
    assert_eq!(host.memory, Some(1));
}

#[test]
fn a_users_check_is_read_from_its_label() {
    let check = Blueprint::read(&greedy()).unwrap().check().unwrap();
    assert_eq!(check.to_string(), "psql -c 'select 1'");
    assert_eq!(check.limit, std::time::Duration::from_secs(20));
    assert_eq!(check.user.as_deref(), Some("postgres"));
}

#[test]
fn dependencies_are_those_of_the_labels() {
    let db = Blueprint::read(&greedy()).unwrap();
    let mut definition = greedy();
    definition["Id"] = json!("1".repeat(64));
    definition["Name"] = json!("/shop_web_1");
    definition["HostConfig"]["Links"] = json!([]);
    let labels = &mut definition["Config"]["Labels"];
    labels["com.docker.compose.service"] = json!("web");
    labels["com.docker.compose.depends_on"] = json!("db:service_healthy:true");
    let web = Blueprint::read(&definition).unwrap();
    assert_eq!(web.waits_for(&db), Some(StartCondition::Healthy));
    assert_eq!(db.waits_for(&web), None);
}

#[test]
fn anything_but_an_inspection_is_refused() {
    let ours = serde_json::to_value(crate::testing::container("db")).unwrap();
    for other in [json!(null), json!([]), json!({}), json!({ "Id": 5 }), ours] {
        let error = Blueprint::read(&other).unwrap_err();
        assert!(
            error.to_string().starts_with("read the definition"),
            "{error}"
        );
    }
}
