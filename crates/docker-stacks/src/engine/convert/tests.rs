use std::path::Path;

use super::*;

fn inspected(json: &str) -> ContainerInspectResponse {
    serde_json::from_str(json).unwrap()
}

/// Cut down from an answer of Docker 20.10 to what is looked at, and a little around it.
const WEB: &str = r#"{
  "Id": "5f1c0b2d9a6e4f7788990011223344556677889900aabbccddeeff0011223344",
  "Created": "2025-03-30T00:12:00.5Z",
  "Name": "/shop-web-1",
  "Image": "sha256:0123",
  "RestartCount": 0,
  "State": {
    "Status": "running", "Running": true, "Paused": false, "Restarting": false, "Dead": false,
    "Pid": 4711, "ExitCode": 0, "StartedAt": "2025-03-30T00:12:01.123456789Z",
    "FinishedAt": "0001-01-01T00:00:00Z",
    "Health": { "Status": "starting", "FailingStreak": 0, "Log": [] }
  },
  "HostConfig": {
    "NetworkMode": "container:aaaabbbbccccddddeeeeffff00001111222233334444555566667777888899990",
    "PidMode": "host", "IpcMode": "shareable",
    "VolumesFrom": ["data:ro", "other"],
    "Links": ["/shop-db-1:/shop-web-1/db"],
    "AutoRemove": false,
    "RestartPolicy": { "Name": "unless-stopped", "MaximumRetryCount": 0 }
  },
  "Mounts": [
    { "Type": "volume", "Name": "shop_data", "Source": "/var/lib/docker/volumes/shop_data/_data",
      "Destination": "/data", "Driver": "local", "Mode": "z", "RW": true, "Propagation": "" },
    { "Type": "bind", "Source": "/srv/shop/web.conf", "Destination": "/etc/web.conf",
      "Mode": "ro", "RW": false, "Propagation": "rprivate" },
    { "Type": "tmpfs", "Source": "", "Destination": "/tmp", "Mode": "", "RW": true, "Propagation": "" },
    { "Type": "cluster", "Name": "x", "Source": "", "Destination": "/c", "RW": true }
  ],
  "Config": {
    "Image": "nginx:1.29", "StopTimeout": 90,
    "Labels": { "com.docker.compose.project": "shop" },
    "Healthcheck": { "Test": ["CMD", "true"], "Interval": 1000000000 }
  },
  "NetworkSettings": { "Networks": { "shop_default": {
    "IPAMConfig": { "IPv4Address": "172.20.0.5" }, "Links": null, "Aliases": ["web", "5f1c0b2d9a6e"],
    "NetworkID": "77aa", "Gateway": "172.20.0.1", "IPAddress": "172.20.0.5", "IPPrefixLen": 16,
    "GlobalIPv6Address": "", "MacAddress": "02:42:ac:14:00:05"
  } } }
}"#;

#[test]
fn an_inspected_container_is_read() {
    let web = container(inspected(WEB)).unwrap();
    insta::assert_json_snapshot!(web, @r#"
    {
      "id": "5f1c0b2d9a6e4f7788990011223344556677889900aabbccddeeff0011223344",
      "name": "shop-web-1",
      "image": "nginx:1.29",
      "image_id": "sha256:0123",
      "state": "running",
      "health": "starting",
      "labels": {
        "com.docker.compose.project": "shop"
      },
      "mounts": [
        {
          "kind": {
            "volume": {
              "name": "shop_data",
              "driver": "local"
            }
          },
          "source": "/var/lib/docker/volumes/shop_data/_data",
          "destination": "/data",
          "read_only": false
        },
        {
          "kind": "bind",
          "source": "/srv/shop/web.conf",
          "destination": "/etc/web.conf",
          "read_only": true
        },
        {
          "kind": "tmpfs",
          "source": "",
          "destination": "/tmp",
          "read_only": false
        },
        {
          "kind": {
            "other": "cluster"
          },
          "source": "",
          "destination": "/c",
          "read_only": false
        }
      ],
      "networks": {
        "shop_default": {
          "aliases": [
            "web",
            "5f1c0b2d9a6e"
          ],
          "wanted_addresses": [
            "172.20.0.5"
          ],
          "addresses": [
            "172.20.0.5"
          ],
          "mac_address": "02:42:ac:14:00:05"
        }
      },
      "network_mode": "aaaabbbbccccddddeeeeffff00001111222233334444555566667777888899990",
      "pid_mode": null,
      "ipc_mode": null,
      "volumes_from": [
        "data",
        "other"
      ],
      "links": [
        "shop-db-1"
      ],
      "restart_policy": "unless_stopped",
      "auto_remove": false,
      "started_at": "2025-03-30T00:12:01.123456789Z",
      "stop_timeout": 90.0,
      "has_health_check": true
    }
    "#);
}

#[test]
fn what_every_engine_sends_is_asked_for() {
    let error = container(inspected(r#"{"Id": "a", "Name": "/b"}"#)).unwrap_err();
    assert_eq!(error.to_string(), "the answer has no State");
    let error = version(SystemVersion::default()).unwrap_err();
    assert_eq!(error.to_string(), "the answer has no Version");
}

#[test]
fn a_bare_container_has_nothing() {
    let bare = container(inspected(r#"{"Id": "a", "Name": "/b", "State": {}}"#)).unwrap();
    assert_eq!(bare.state, ContainerState::Exited { code: 0 });
    assert_eq!(bare.started_at, None);
    assert!(!bare.has_health_check && bare.mounts.is_empty() && bare.labels.is_empty());
}

#[test]
fn every_state_is_known() {
    let state = |json: &str| {
        let json = format!(r#"{{"Id": "a", "Name": "b", "State": {json}}}"#);
        container(inspected(&json)).unwrap().state
    };
    for (json, expected) in [
        (
            r#"{"Status": "paused", "Running": true}"#,
            ContainerState::Paused,
        ),
        (
            r#"{"Status": "restarting", "Running": true}"#,
            ContainerState::Restarting,
        ),
        (
            r#"{"Status": "exited", "ExitCode": 137}"#,
            ContainerState::Exited { code: 137 },
        ),
        (r#"{"Status": "created"}"#, ContainerState::Created),
        (r#"{"Status": "removing"}"#, ContainerState::Removing),
        (r#"{"Status": "dead"}"#, ContainerState::Dead),
        (r#"{"Status": "stopping"}"#, ContainerState::Running),
        (r#"{"Running": true}"#, ContainerState::Running),
    ] {
        assert_eq!(state(json), expected, "{json}");
    }
}

#[test]
fn a_disabled_health_check_is_none_and_never_started_is_no_time() {
    let json = r#"{"Id": "a", "Name": "b",
        "State": {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z", "Health": {"Status": "none"}},
        "Config": {"Healthcheck": {"Test": ["NONE"]}, "StopTimeout": -1}}"#;
    let read = container(inspected(json)).unwrap();
    assert!(!read.has_health_check);
    assert_eq!(
        (read.health, read.started_at, read.stop_timeout),
        (None, None, None)
    );
}

#[test]
fn a_label_decides_on_the_time_for_a_stop_if_it_can_be_read() {
    let timeout = |label: &str| {
        let json = format!(
            r#"{{"Id": "a", "Name": "b", "State": {{}}, "Config": {{"StopTimeout": 90,
                "Labels": {{"backup-window.stop-timeout": "{label}"}}}}}}"#
        );
        container(inspected(&json)).unwrap().stop_timeout
    };
    assert_eq!(timeout("2m"), Some(Duration::from_mins(2)));
    assert_eq!(timeout("120"), Some(Duration::from_secs(90)));
}

#[test]
fn volumes_and_versions_are_read() {
    let read = volume(
        serde_json::from_str(
            r#"{"Name": "nas", "Driver": "local", "Mountpoint": "/v/nas/_data", "Labels": null,
                "Options": {"type": "nfs", "o": "addr=192.0.2.10", "device": ":/tank"}, "Scope": "local"}"#,
        )
        .unwrap(),
    );
    assert_eq!(read.mount_point, Path::new("/v/nas/_data"));
    assert_eq!(read.options["type"], "nfs");
    assert!(read.labels.is_empty());

    let read = version(
        serde_json::from_str(
            r#"{"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"}"#,
        )
        .unwrap(),
    )
    .unwrap();
    assert_eq!(read.api_version, "1.41");
    assert_eq!(read.min_api_version.as_deref(), Some("1.12"));
    assert_eq!(read.platform, "linux/amd64");
}

#[test]
fn what_an_engine_says_of_itself_is_read() {
    let read = |json: &str| info(serde_json::from_str(json).unwrap());
    let rootless = read(
        r#"{"Name": "docker-host", "KernelVersion": "6.1.0-28-amd64", "MemTotal": 33543000064,
            "DockerRootDir": "/home/user/.local/share/docker",
            "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"],
            "Swarm": {"LocalNodeState": "inactive"}}"#,
    );
    assert_eq!(rootless.machine.as_deref(), Some("docker-host"));
    assert_eq!(rootless.memory_bytes, Some(33_543_000_064));
    assert!(rootless.rootless);
    assert_eq!(rootless.swarm, SwarmRole::None);
    let roles = [
        (
            r#"{"Swarm": {"LocalNodeState": "active", "ControlAvailable": true}}"#,
            SwarmRole::Manager,
        ),
        (
            r#"{"Swarm": {"LocalNodeState": "active", "ControlAvailable": false}}"#,
            SwarmRole::Worker,
        ),
        (
            r#"{"Swarm": {"LocalNodeState": "pending"}}"#,
            SwarmRole::Worker,
        ),
        ("{}", SwarmRole::None),
    ];
    for (json, role) in roles {
        assert_eq!(read(json), EngineInfo::new(role), "{json}");
    }
}

#[test]
fn restart_policies_are_read() {
    let read = |json: &str| {
        let json = format!(
            r#"{{"Id": "a", "Name": "b", "State": {{}}, "HostConfig": {{"RestartPolicy": {json}}}}}"#
        );
        container(inspected(&json)).unwrap().restart_policy
    };
    for (json, expected) in [
        ("null", RestartPolicy::No),
        (r#"{"Name": "", "MaximumRetryCount": 0}"#, RestartPolicy::No),
        (r#"{"Name": "always"}"#, RestartPolicy::Always),
        (
            r#"{"Name": "on-failure", "MaximumRetryCount": 3}"#,
            RestartPolicy::OnFailure { at_most: Some(3) },
        ),
        (
            r#"{"Name": "on-failure", "MaximumRetryCount": 0}"#,
            RestartPolicy::OnFailure { at_most: None },
        ),
    ] {
        assert_eq!(read(json), expected, "{json}");
    }
}

#[test]
fn networks_and_images_are_read() {
    let read = network(
        serde_json::from_str(
            r#"{"Name": "lan", "Id": "77aa", "Created": "2025-03-30T00:12:00.5Z", "Scope": "local",
                "Driver": "macvlan", "EnableIPv6": false, "Internal": true, "Attachable": false,
                "IPAM": {"Driver": "default", "Options": null, "Config":
                    [{"Subnet": "192.0.2.0/24", "IPRange": "", "Gateway": "192.0.2.1"}]},
                "Containers": {}, "Options": {"parent": "eth0"}, "Labels": {"a": "b"}}"#,
        )
        .unwrap(),
    );
    insta::assert_json_snapshot!(read, @r#"
    {
      "id": "77aa",
      "name": "lan",
      "driver": "macvlan",
      "internal": true,
      "attachable": false,
      "ipv6": false,
      "ipam_driver": "default",
      "pools": [
        {
          "subnet": "192.0.2.0/24",
          "range": null,
          "gateway": "192.0.2.1"
        }
      ],
      "options": {
        "parent": "eth0"
      },
      "labels": {
        "a": "b"
      }
    }
    "#);

    let read = |tags: &str, digests: &str| {
        let json = format!(
            r#"{{"Id": "sha256:1", "ParentId": "", "RepoTags": {tags}, "RepoDigests": {digests},
                "Created": 1, "Size": 2, "SharedSize": -1, "VirtualSize": 2, "Labels": null, "Containers": -1}}"#
        );
        image(serde_json::from_str(&json).unwrap())
    };
    let named = read(r#"["b:1", "a:1"]"#, r#"["a@sha256:2"]"#);
    assert_eq!(
        (&named.tags[..], &named.digests[..]),
        (
            &["a:1".to_owned(), "b:1".to_owned()][..],
            &["a@sha256:2".to_owned()][..]
        )
    );
    assert_eq!(read(r#"["<none>:<none>"]"#, "null"), Image::new("sha256:1"));
}
