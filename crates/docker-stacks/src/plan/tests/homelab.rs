//! The set of 3 groups and 7 containers, and the one of 100 stacks and 500 containers.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::{
    engine::Engine,
    find::COMPOSE_DEPENDS_ON,
    model::ContainerState,
    testing::{Behaviour, MemoryEngine, bind, volume},
};

/// Two containers share a network, two share a volume, one is paused, one exited, one was started
/// with `--rm`.
fn seven() -> (Vec<Container>, Vec<Volume>) {
    let files = Volume::local("files", "/var/lib/docker/volumes/files/_data");
    let db = Volume::local("shop_db", "/var/lib/docker/volumes/shop_db/_data");

    let vpn = with_mounts(
        service("vpn", "gluetun"),
        vec![bind("/srv/vpn", "/gluetun")],
    );
    let torrent = in_network_of(
        with_mounts(
            service("torrent", "qbit"),
            vec![bind("/srv/qbit", "/config")],
        ),
        vpn.id.as_str(),
    );

    let sync = with_mounts(
        service("sync", "syncthing"),
        vec![volume(&files, "/var/sync")],
    );
    let mut cloud = with_mounts(service("cloud", "web"), vec![volume(&files, "/data")]);
    cloud.state = ContainerState::Paused;

    let shop_db = with_mounts(service("shop", "db"), vec![volume(&db, "/data")]);
    let mut migrate = service("shop", "migrate");
    migrate.state = ContainerState::Exited { code: 0 };
    let mut debug = with_mounts(service("shop", "debug"), vec![volume(&db, "/data")]);
    debug.auto_remove = true;
    debug
        .labels
        .insert(COMPOSE_DEPENDS_ON.into(), "db:service_healthy:false".into());
    (
        vec![vpn, torrent, sync, cloud, shop_db, migrate, debug],
        vec![files, db],
    )
}

#[test]
#[expect(clippy::too_many_lines, reason = "the lines are the plan itself")]
fn the_plan_of_three_groups_and_seven_containers() {
    let (containers, volumes) = seven();
    let plan = plan_of(containers, &volumes, &[]);
    insta::assert_json_snapshot!(plan, @r#"
    {
      "groups": [
        {
          "stacks": [
            {
              "name": "cloud",
              "kind": {
                "compose": {
                  "working_dir": null,
                  "config_files": []
                }
              },
              "decision": "stop_and_copy",
              "reason": "1 container running, 1 mount to copy",
              "mounts": [
                {
                  "container": {
                    "id": "0000636c6f75642d7765622d3100000000000000000000000000000000000000",
                    "name": "cloud-web-1"
                  },
                  "mount": {
                    "kind": {
                      "volume": {
                        "name": "files",
                        "driver": "local"
                      }
                    },
                    "source": "/var/lib/docker/volumes/files/_data",
                    "destination": "/data",
                    "read_only": false
                  },
                  "decision": "copy",
                  "reason": "a volume on this machine"
                }
              ],
              "files": []
            },
            {
              "name": "sync",
              "kind": {
                "compose": {
                  "working_dir": null,
                  "config_files": []
                }
              },
              "decision": "stop_and_copy",
              "reason": "1 container running, 1 mount to copy",
              "mounts": [
                {
                  "container": {
                    "id": "000073796e632d73796e637468696e672d310000000000000000000000000000",
                    "name": "sync-syncthing-1"
                  },
                  "mount": {
                    "kind": {
                      "volume": {
                        "name": "files",
                        "driver": "local"
                      }
                    },
                    "source": "/var/lib/docker/volumes/files/_data",
                    "destination": "/var/sync",
                    "read_only": false
                  },
                  "decision": "copy",
                  "reason": "a volume on this machine"
                }
              ],
              "files": []
            }
          ],
          "stop_order": [
            {
              "id": "0000636c6f75642d7765622d3100000000000000000000000000000000000000",
              "name": "cloud-web-1"
            },
            {
              "id": "000073796e632d73796e637468696e672d310000000000000000000000000000",
              "name": "sync-syncthing-1"
            }
          ],
          "dependencies": [],
          "hooks": []
        },
        {
          "stacks": [
            {
              "name": "shop",
              "kind": {
                "compose": {
                  "working_dir": null,
                  "config_files": []
                }
              },
              "decision": "stop_and_copy",
              "reason": "1 container running, 1 mount to copy",
              "mounts": [
                {
                  "container": {
                    "id": "000073686f702d64622d31000000000000000000000000000000000000000000",
                    "name": "shop-db-1"
                  },
                  "mount": {
                    "kind": {
                      "volume": {
                        "name": "shop_db",
                        "driver": "local"
                      }
                    },
                    "source": "/var/lib/docker/volumes/shop_db/_data",
                    "destination": "/data",
                    "read_only": false
                  },
                  "decision": "copy",
                  "reason": "a volume on this machine"
                }
              ],
              "stays_up": [
                {
                  "container": {
                    "id": "000073686f702d64656275672d31000000000000000000000000000000000000",
                    "name": "shop-debug-1"
                  },
                  "reason": "it was started with --rm, so that a stop would delete it"
                }
              ],
              "files": []
            }
          ],
          "stop_order": [
            {
              "id": "000073686f702d64622d31000000000000000000000000000000000000000000",
              "name": "shop-db-1"
            }
          ],
          "dependencies": [],
          "hooks": []
        },
        {
          "stacks": [
            {
              "name": "torrent",
              "kind": {
                "compose": {
                  "working_dir": null,
                  "config_files": []
                }
              },
              "decision": "stop_and_copy",
              "reason": "1 container running, 1 mount to copy",
              "mounts": [
                {
                  "container": {
                    "id": "0000746f7272656e742d716269742d3100000000000000000000000000000000",
                    "name": "torrent-qbit-1"
                  },
                  "mount": {
                    "kind": "bind",
                    "source": "/srv/qbit",
                    "destination": "/config",
                    "read_only": false
                  },
                  "decision": "copy",
                  "reason": "a directory or file that it can write to"
                }
              ],
              "files": []
            },
            {
              "name": "vpn",
              "kind": {
                "compose": {
                  "working_dir": null,
                  "config_files": []
                }
              },
              "decision": "stop_and_copy",
              "reason": "1 container running, 1 mount to copy",
              "mounts": [
                {
                  "container": {
                    "id": "000076706e2d676c756574756e2d310000000000000000000000000000000000",
                    "name": "vpn-gluetun-1"
                  },
                  "mount": {
                    "kind": "bind",
                    "source": "/srv/vpn",
                    "destination": "/gluetun",
                    "read_only": false
                  },
                  "decision": "copy",
                  "reason": "a directory or file that it can write to"
                }
              ],
              "files": []
            }
          ],
          "stop_order": [
            {
              "id": "0000746f7272656e742d716269742d3100000000000000000000000000000000",
              "name": "torrent-qbit-1"
            },
            {
              "id": "000076706e2d676c756574756e2d310000000000000000000000000000000000",
              "name": "vpn-gluetun-1"
            }
          ],
          "dependencies": [
            {
              "container": {
                "id": "0000746f7272656e742d716269742d3100000000000000000000000000000000",
                "name": "torrent-qbit-1"
              },
              "needs": {
                "id": "000076706e2d676c756574756e2d310000000000000000000000000000000000",
                "name": "vpn-gluetun-1"
              },
              "condition": "started",
              "shares_namespace": true
            }
          ],
          "hooks": []
        }
      ],
      "warnings": [
        "container shop-debug-1 is not stopped (started with --rm: a stop would delete it), and may write to /var/lib/docker/volumes/shop_db/_data while it is copied for stack shop"
      ]
    }
    "#);
}

/// Waits on a paused clock count as they would on a real one.
#[tokio::test(start_paused = true)]
async fn a_hundred_stacks_are_planned_within_a_second_and_two_calls_each() {
    let engine = MemoryEngine::new();
    engine.set_latency(Duration::from_millis(5));
    engine.set_inspection_latency(Duration::from_millis(5));
    for stack in 0..100 {
        for place in 0..5 {
            let mut container = with_mounts(
                service(&format!("p{stack}"), &format!("s{place}")),
                vec![
                    bind(format!("/srv/p{stack}/s{place}"), "/data"),
                    bind("/etc/localtime", "/etc/localtime"),
                ],
            );
            if place > 0 {
                container.labels.insert(
                    COMPOSE_DEPENDS_ON.into(),
                    format!("s{}:service_started:true", place - 1),
                );
            }
            engine.add(container, Behaviour::default());
        }
        engine.add_volume(Volume::local(format!("v{stack}"), format!("/v/{stack}")));
    }
    let begun = Instant::now();
    let stacks = find_stacks(engine.containers().await.unwrap());
    let volumes = engine.volumes().await.unwrap();
    // 63 rounds of 8 inspections, and a list of the containers and one of the volumes.
    assert_eq!(engine.requests(), 502);
    assert_eq!(begun.elapsed(), 65 * Duration::from_millis(5));
    assert!(engine.requests() <= 2 * 500 && begun.elapsed() < Duration::from_secs(1));

    let plan = plan(&stacks, &volumes, &PlanRules::default());
    assert_eq!(plan.groups.len(), 100);
    let edges: usize = plan.groups.iter().map(|g| g.dependencies.len()).sum();
    assert_eq!(edges, 400);
    assert_eq!(stops(&plan).concat().len(), 500);
}
