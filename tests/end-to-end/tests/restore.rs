//! Getting data back with `docker-backup`: in place, after a kill, onto a machine that lost it, and
//! every attribute of it.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use backup_store::testing::compare_trees;
use end_to_end::{DockerHost, DockerHostOptions, obedient};
use lab::isolation::isolated;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

/// A Docker host on which nothing is waited for longer than need be, with a repository.
fn host() -> DockerHost {
    let host = DockerHost::build(&DockerHostOptions {
        docker: "settle = \"500ms\"\nstop_timeout = \"1s\"\nhealthy_within = \"4s\"".to_owned(),
        ..DockerHostOptions::default()
    });
    host.run("docker-backup", &["init"]).expect_code(0);
    host
}

/// A stack with a volume, of which a cache is left out, and a folder.
fn shop(host: &DockerHost) -> (PathBuf, PathBuf) {
    let bind = host.dir.join("stacks/shop/config");
    fs::create_dir_all(&bind).unwrap();
    let body = format!(
        "{}\nlabels: {{backup-window.exclude: /data/cache/**}}\n\
         volumes: [\"data:/data\", \"./config:/config\"]",
        obedient()
    );
    host.project("shop", &[("app", &body)], &["data"]);
    let volume = host.docker(&["volume", "inspect", "--format={{.Mountpoint}}", "shop_data"]);
    let volume = PathBuf::from(volume.trim());
    fs::create_dir(volume.join("cache")).unwrap();
    fs::write(volume.join("cache/film"), "not worth a backup").unwrap();
    fs::write(volume.join("orders"), "three").unwrap();
    fs::write(bind.join("app.conf"), "right").unwrap();
    (volume, bind)
}

fn ruin(volume: &Path, bind: &Path) {
    fs::write(volume.join("orders"), "ruined").unwrap();
    fs::write(volume.join("ransom note"), "pay").unwrap();
    fs::remove_file(bind.join("app.conf")).unwrap();
}

/// What a restore in place works with lies beside the data only while it works.
fn nothing_is_left(host: &DockerHost, places: &[&Path]) {
    for place in places {
        for folder in [*place, place.parent().unwrap()] {
            for entry in fs::read_dir(folder).unwrap() {
                let name = entry.unwrap().file_name();
                let name = name.to_string_lossy();
                assert!(
                    !name.starts_with(".backup-window"),
                    "{name} in {}",
                    folder.display()
                );
            }
        }
    }
    assert!(!host.dir.join("state/restore.json").exists());
    assert!(!host.journal().exists());
}

#[test]
fn a_stack_is_restored_in_place_and_back_again() {
    isolated(|| {
        let host = host();
        let (volume, bind) = shop(&host);
        host.run("docker-backup", &["run"]).expect_code(0);
        ruin(&volume, &bind);

        let dry = host.run("docker-backup", &["restore", "shop", "--dry-run"]);
        dry.expect_code(0);
        println!("{}", dry.out);
        for (change, path) in [
            ("different", volume.join("orders")),
            ("removed", volume.join("ransom note")),
            ("new", bind.join("app.conf")),
        ] {
            let path = path.to_str().unwrap();
            let mut lines = dry.out.lines();
            let line = lines.find(|line| line.ends_with(path));
            assert!(
                line.is_some_and(|line| line.trim_start().starts_with(change)),
                "{}",
                dry.out
            );
        }
        assert!(!dry.out.contains("film"), "{}", dry.out);
        assert_eq!(fs::read(volume.join("orders")).unwrap(), b"ruined");

        let restored = host.run("docker-backup", &["restore", "shop"]);
        restored.expect_code(0);
        println!("{}", restored.out);
        // What the container sees, and not only what lies on the disk.
        let seen = host.docker(&[
            "exec",
            "shop_app_1",
            "cat",
            "/data/orders",
            "/config/app.conf",
        ]);
        assert_eq!(seen.trim(), "threeright");
        assert!(!volume.join("ransom note").exists());
        assert_eq!(
            fs::read(volume.join("cache/film")).unwrap(),
            b"not worth a backup"
        );
        nothing_is_left(&host, &[&volume, &bind]);

        // What was there before can be had again, but is not the newest that a restore takes.
        let snapshots = host
            .run("docker-backup", &["snapshots", "shop", "--json"])
            .json();
        let safety = snapshots.as_array().unwrap().last().unwrap();
        assert_eq!(safety["tags"], serde_json::json!(["safety"]));
        let again = host.run("docker-backup", &["restore", "shop", "--dry-run", "--json"]);
        assert_eq!(again.json()["snapshot"], snapshots[0]["id"]);
        let id = safety["id"].as_str().unwrap();
        let only = ["restore", "shop", "--snapshot", id, "--only", "shop_data"];
        host.run("docker-backup", &only).expect_code(0);
        assert_eq!(fs::read(volume.join("orders")).unwrap(), b"ruined");
        assert_eq!(fs::read(bind.join("app.conf")).unwrap(), b"right");
        assert_eq!(host.states().unwrap()["shop_app_1"], "running");
    });
}

#[test]
fn a_restore_that_cannot_be_made_changes_nothing() {
    isolated(|| {
        let host = host();
        let (volume, bind) = shop(&host);
        host.run("docker-backup", &["run"]).expect_code(0);
        ruin(&volume, &bind);
        // Another file system within the data: neither moved nor removed with it.
        let inner = volume.join("inner");
        fs::create_dir(&inner).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("none", &inner, "tmpfs", flags, None).unwrap();
        let ended = host.run("docker-backup", &["restore", "shop"]);
        ended.expect_code(4);
        assert!(ended.err.contains("inner"), "{ended:?}");
        rustix::mount::unmount(&inner, rustix::mount::UnmountFlags::empty()).unwrap();
        // Data that is gone from the repository is missed before anything is stopped.
        let started = host.docker(&["inspect", "--format={{.State.StartedAt}}", "shop_app_1"]);
        let packs = host.nas.repository().join("data");
        let away = host.nas.mount_point().join("away");
        fs::rename(&packs, &away).unwrap();
        host.run("docker-backup", &["restore", "shop"])
            .expect_code(1);
        fs::rename(&away, &packs).unwrap();
        let still = host.docker(&["inspect", "--format={{.State.StartedAt}}", "shop_app_1"]);
        assert_eq!(started, still);
        assert_eq!(fs::read(volume.join("orders")).unwrap(), b"ruined");
        assert!(!bind.join("app.conf").exists());
        nothing_is_left(&host, &[&volume, &bind]);
    });
}

/// After which parts of an undisturbed restore's time the process is killed.
const MOMENTS: u32 = 6;

#[test]
fn a_restore_that_is_killed_leaves_the_old_data_or_the_new() {
    isolated(|| {
        let host = host();
        let (volume, bind) = shop(&host);
        for number in 0..200 {
            fs::write(volume.join(format!("file {number}")), [7; 3000]).unwrap();
        }
        host.run("docker-backup", &["run"]).expect_code(0);
        let begun = Instant::now();
        host.run("docker-backup", &["restore", "shop"])
            .expect_code(0);
        let whole = begun.elapsed();
        let (mut old, mut new) = (0, 0);
        for moment in 1..=MOMENTS {
            fs::write(volume.join("orders"), "ruined").unwrap();
            fs::write(volume.join("ransom note"), "pay").unwrap();
            fs::write(bind.join("app.conf"), "ruined").unwrap();
            let restore = ["restore", "shop", "--only", "shop_data"];
            let restore = if moment % 2 == 0 {
                &restore[..]
            } else {
                &restore[..2]
            };
            let mut run = host
                .command("docker-backup", restore)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            host.sleep(whole * moment / MOMENTS);
            // One that was quicker than expected has ended well.
            let pid = Pid::from_child(&run);
            if run.try_wait().unwrap().is_none() {
                kill_process(pid, Signal::KILL).unwrap();
            }
            run.wait().unwrap();
            // Whoever comes first, the process that watches or this, the other finds nothing to do.
            let recovered = host.run("docker-backup", &["recover"]);
            assert!(matches!(recovered.code, Some(0 | 5)), "{recovered:?}");
            wait_for_the_end(&host);
            let orders = fs::read_to_string(volume.join("orders")).unwrap();
            let note = volume.join("ransom note").exists();
            match (orders.as_str(), note) {
                ("ruined", true) => old += 1,
                ("three", false) => new += 1,
                mixed => panic!("{mixed:?} at moment {moment}"),
            }
            for number in 0..200 {
                let file = volume.join(format!("file {number}"));
                assert_eq!(
                    fs::metadata(file).unwrap().size(),
                    3000,
                    "at moment {moment}"
                );
            }
            assert_eq!(host.states().unwrap()["shop_app_1"], "running");
            assert!(volume.join("cache/film").exists(), "at moment {moment}");
            nothing_is_left(&host, &[&volume, &bind]);
        }
        println!("killed {MOMENTS} times: {old} times the old data was there, {new} times the new");
        assert!(old > 0, "no kill came early enough");
    });
}

/// Recovers until there is nothing to recover: the process that watches may hold the lock.
fn wait_for_the_end(host: &DockerHost) {
    let journals = [host.journal(), host.dir.join("state/restore.json")];
    let begun = Instant::now();
    while journals.iter().any(|path| path.exists()) {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "it is not recovered"
        );
        let _ = host.run("docker-backup", &["recover"]);
        host.sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_stack_comes_back_onto_a_machine_that_lost_it() {
    isolated(|| {
        let host = host();
        let (volume, bind) = shop(&host);
        host.run("docker-backup", &["run"]).expect_code(0);
        host.docker(&["rm", "--force", "shop_app_1"]);
        host.docker(&["volume", "rm", "shop_data"]);
        host.docker(&["network", "rm", "shop_default"]);
        fs::remove_dir_all(host.dir.join("stacks")).unwrap();

        let ended = host.run("docker-backup", &["restore", "shop"]);
        ended.expect_code(4);
        assert!(ended.err.contains("--recreate"), "{ended:?}");
        host.run("docker-backup", &["restore", "shop", "--dry-run"])
            .expect_code(0);
        assert!(!host.dir.join("stacks").exists());

        let ended = host.run("docker-backup", &["restore", "shop", "--recreate"]);
        ended.expect_code(0);
        println!("{}", ended.out);
        assert!(
            ended.out.contains("docker compose --project-name shop"),
            "{ended:?}"
        );
        let labels = host.docker(&[
            "volume",
            "inspect",
            "--format={{json .Labels}}",
            "shop_data",
        ]);
        assert!(
            labels.contains(r#""com.docker.compose.project":"shop""#),
            "{labels}"
        );
        let project = host.dir.join("stacks/shop");
        let up = host.docker.compose_up(&project);
        host.wait(up).unwrap();
        let seen = host.docker(&[
            "exec",
            "shop_app_1",
            "cat",
            "/data/orders",
            "/config/app.conf",
        ]);
        assert_eq!(seen.trim(), "threeright");
        nothing_is_left(&host, &[&volume, &bind]);

        // A second time there is something in the way, and nothing is touched.
        host.docker(&["rm", "--force", "shop_app_1"]);
        fs::write(volume.join("orders"), "four").unwrap();
        let ended = host.run("docker-backup", &["restore", "shop", "--recreate"]);
        ended.expect_code(4);
        assert!(ended.err.contains("is not empty"), "{ended:?}");
        assert_eq!(fs::read(volume.join("orders")).unwrap(), b"four");
    });
}

#[test]
fn a_hostile_tree_comes_back_as_it_was_by_us_by_restic_and_from_an_archive() {
    isolated(|| {
        let host = host();
        let body = format!("{}\nvolumes: [\"data:/data\"]", obedient());
        host.project("shop", &[("app", &body)], &["data"]);
        let volume = host.docker(&["volume", "inspect", "--format={{.Mountpoint}}", "shop_data"]);
        let volume = PathBuf::from(volume.trim());
        lab::hostile_tree::fill(&volume).unwrap();
        host.run("docker-backup", &["run"]).expect_code(0);
        let is_same = |restored: &Path, expected: &[&str]| {
            let differences = compare_trees(&volume, &restored.join("volumes/shop_data"));
            let mut paths: Vec<_> = differences
                .iter()
                .map(|it| it.path.to_str().unwrap())
                .collect();
            paths.dedup();
            assert_eq!(paths, expected, "{differences:#?}");
            let sparse = fs::metadata(restored.join("volumes/shop_data/sparse")).unwrap();
            assert_eq!(sparse.size(), lab::hostile_tree::SPARSE_FILE_BYTES);
            println!("{}: {} blocks", restored.display(), sparse.blocks());
        };
        let ours = host.dir.join("ours");
        host.run(
            "docker-backup",
            &["restore", "shop", "--to", ours.to_str().unwrap()],
        )
        .expect_code(0);
        is_same(&ours, &[]);
        let sparse = fs::metadata(ours.join("volumes/shop_data/sparse")).unwrap();
        assert!(sparse.blocks() * 512 < 1 << 20, "a hole was filled");

        let theirs = host.dir.join("theirs");
        let output = Command::new("restic")
            .args(["--no-cache", "--repo"])
            .arg(host.nas.repository())
            .arg("--password-file")
            .arg(host.dir.join("password"))
            .args(["restore", "latest", "--target"])
            .arg(&theirs)
            .env("HOME", &host.dir)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        println!("restic: {said}");
        is_same(&theirs, RESTIC_DIFFERS);
        fs::remove_dir_all(&theirs).unwrap();

        let archive = host.dir.join("shop.tar.zst");
        let archive = archive.to_str().unwrap();
        let exported = host.run("docker-backup", &["export", "shop", archive]);
        exported.expect_code(0);
        println!("{}", exported.out);
        host.run("docker-backup", &["export", "shop", archive])
            .expect_code(4);
        let extracted = host.dir.join("extracted");
        extract(Path::new(archive), &extracted);
        is_same(&extracted, &["socket"]);
    });
}

/// In what Debian's restic 0.14 leaves a tree otherwise than it was saved: it makes no sockets, and
/// knows targets of links as UTF-8 only.
const RESTIC_DIFFERS: &[&str] = &["link that is not UTF-8", "socket"];

fn extract(archive: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--same-permissions", "--numeric-owner"])
        .args(["--xattrs", "--xattrs-include=*", "--acls", "--directory"])
        .arg(to)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    let mut tar = tar.spawn().unwrap();
    let packed = fs::File::open(archive).unwrap();
    zstd::stream::copy_decode(packed, tar.stdin.take().unwrap()).unwrap();
    let output = tar.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    assert_eq!(complaints, "");
}
