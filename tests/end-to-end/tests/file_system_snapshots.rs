//! Stacks whose data lies on a file system with snapshots: a real btrfs, on a loop device.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use backup_store::testing::compare_trees;
use end_to_end::{DockerHost, DockerHostOptions, obedient};
use lab::isolation::isolated;
use tokio::time::Instant;

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}

/// A Docker host, and a disk on it whose end is that of the namespaces.
fn host() -> (DockerHost, PathBuf) {
    let host = DockerHost::build(&DockerHostOptions {
        docker: "settle = \"500ms\"\nstop_timeout = \"1s\"".to_owned(),
        ..DockerHostOptions::default()
    });
    let (image, disk) = (host.dir.join("disk.image"), host.dir.join("disk"));
    File::create(&image).unwrap().set_len(512 << 20).unwrap();
    fs::create_dir(&disk).unwrap();
    run("mkfs.btrfs", &["-q", image.to_str().unwrap()]);
    let paths = [image.to_str().unwrap(), disk.to_str().unwrap()];
    run("mount", &["-o", "loop", paths[0], paths[1]]);
    host.run("docker-backup", &["init"]).expect_code(0);
    (host, disk)
}

/// A stack whose data is a subvolume.
fn shop(host: &DockerHost, disk: &Path) -> PathBuf {
    let data = disk.join("shop");
    run(
        "btrfs",
        &["-q", "subvolume", "create", data.to_str().unwrap()],
    );
    fs::create_dir(data.join("orders")).unwrap();
    for number in 0..50 {
        fs::write(data.join(format!("orders/{number}")), [7; 5000]).unwrap();
    }
    let body = format!("{}\nvolumes: [\"{}:/data\"]", obedient(), data.display());
    host.project("shop", &[("app", &body)], &[]);
    data
}

fn snapshots(disk: &Path) -> Vec<String> {
    let entries = fs::read_dir(disk).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "shop").collect()
}

#[test]
fn data_on_btrfs_is_read_from_a_snapshot_that_is_gone_afterwards() {
    isolated(|| {
        let (host, disk) = host();
        let data = shop(&host, &disk);
        let plan = host.run("docker-backup", &["plan", "--json"]).json();
        let reads = plan["reads"].as_array().unwrap();
        assert!(
            reads.iter().any(|read| read["method"] == "snapshot"),
            "{plan}"
        );
        for night in 0..2 {
            host.run("docker-backup", &["run"]).expect_code(0);
            assert_eq!(snapshots(&disk), Vec::<String>::new());
            assert_eq!(host.states().unwrap()["shop_app_1"], "running");
            let to = host.dir.join(format!("restored {night}"));
            host.run(
                "docker-backup",
                &["restore", "shop", "--to", to.to_str().unwrap()],
            )
            .expect_code(0);
            let restored = to.join("binds").join(data.strip_prefix("/").unwrap());
            let differences = compare_trees(&data, &restored);
            assert!(differences.is_empty(), "{differences:#?}");
            assert!(to.join("manifest.json").is_file());
            fs::write(data.join("orders/7"), "changed").unwrap();
            fs::remove_file(data.join("orders/8")).unwrap_or_default();
        }
    });
}

#[test]
fn a_snapshot_of_a_run_that_was_killed_is_removed() {
    isolated(|| {
        let (host, disk) = host();
        shop(&host, &disk);
        let mut kills = 0;
        for recover in [true, false] {
            // As long as it takes to be in the middle of what is short.
            for _ in 0..20 {
                let mut run = host
                    .command("docker-backup", &["run"])
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                let begun = Instant::now();
                while snapshots(&disk).is_empty() && run.try_wait().unwrap().is_none() {
                    assert!(
                        begun.elapsed() < Duration::from_mins(1),
                        "no snapshot is made"
                    );
                    host.sleep(Duration::from_millis(1));
                }
                run.kill().unwrap();
                run.wait().unwrap();
                if !snapshots(&disk).is_empty() {
                    break;
                }
            }
            kills += usize::from(!snapshots(&disk).is_empty());
            while host.journal().exists() {
                host.sleep(Duration::from_millis(20));
            }
            if recover {
                host.run("docker-backup", &["recover"]).expect_code(0);
            } else {
                host.run("docker-backup", &["run"]).expect_code(0);
            }
            assert_eq!(snapshots(&disk), Vec::<String>::new());
            assert_eq!(host.states().unwrap()["shop_app_1"], "running");
        }
        assert_eq!(kills, 2, "a snapshot was there when the run was killed");
    });
}
