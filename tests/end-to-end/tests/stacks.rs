//! What `docker-backup` says and does of stacks on a real engine: its plan, commands in containers,
//! and containers that misbehave.

use end_to_end::{
    DockerHost, DockerHostOptions, Ended, NO_SPOOL, Restless, obedient, seven_containers,
};
use lab::isolation::isolated;

/// A Docker host on which nothing is waited for longer than need be.
fn host() -> DockerHost {
    DockerHost::build(&DockerHostOptions {
        docker: "settle = \"500ms\"\nstop_timeout = \"1s\"\nhealthy_within = \"4s\"".to_owned(),
        ..DockerHostOptions::default()
    })
}

#[test]
fn the_plan_of_three_groups_and_seven_containers() {
    isolated(|| {
        let host = host();
        seven_containers(&host);
        let plan = host.run("docker-backup", &["plan", "--json"]);
        plan.expect_code(0);
        let dir = host.dir.to_str().unwrap();
        let mut plan = plan.json();
        // How each is read depends on the file system that the tests run on.
        let reads = plan.as_object_mut().unwrap().remove("reads").unwrap();
        assert_eq!(reads.as_array().unwrap().len(), 5, "{reads}");
        let text = serde_json::to_string_pretty(&plan).unwrap();
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(dir, "[LAB]");
        settings.add_filter("[0-9a-f]{64}", "[ID]");
        settings.bind(|| insta::assert_snapshot!("plan_of_seven_containers", text));
    });
}

/// Runs a backup of one project with one service, which may not do as it is told.
fn backup_of(service: &str) -> (DockerHost, Ended) {
    let host = host();
    host.project("shop", &[("app", service)], &["data"]);
    host.run("docker-backup", &["init"]).expect_code(0);
    let ended = host.run("docker-backup", &["run"]);
    (host, ended)
}

/// The line that names the container.
fn line_about<'a>(ended: &'a Ended, container: &str, what: &str) -> &'a str {
    let lines = ended.out.lines();
    let line = lines
        .map(str::trim)
        .find(|line| line.contains(container) && line.contains(what));
    line.unwrap_or_else(|| panic!("nothing about {container} and {what}: {ended:?}"))
}

#[test]
fn who_ignores_its_stop_signal_is_spoken_of() {
    isolated(|| {
        let (host, ended) = backup_of("command: [\"sleep\", \"1000\"]\nvolumes: [\"data:/data\"]");
        ended.expect_code(6);
        let line = line_about(&ended, "shop_app_1", "was killed");
        assert!(line.contains("stop_grace_period"), "{line}");
        assert!(line.contains("backup-window.stop-timeout"), "{line}");
        println!("{line}");
        assert_eq!(host.states().unwrap()["shop_app_1"], "running");
    });
}

#[test]
fn who_crashes_at_its_start_is_spoken_of() {
    isolated(|| {
        // Its first start makes the mark that lets every other one fail.
        let script = "if [ -e /data/mark ]; then echo broken; exit 7; fi; touch /data/mark; \
                      trap 'exit 0' TERM; sleep 1000 & wait";
        let service = format!(
            "command: [\"sh\", \"-c\", \"{script}\"]\nrestart: \"no\"\nvolumes: [\"data:/data\"]"
        );
        let (host, ended) = backup_of(&service);
        ended.expect_code(6);
        let line = line_about(&ended, "shop_app_1", "does not run");
        assert!(line.contains("exited with code 7"), "{line}");
        assert!(line.contains("docker logs shop_app_1"), "{line}");
        println!("{line}");
        // It is still owed: the next run tries again before all else.
        assert!(host.journal().exists());
        let data = "--volume=shop_data:/data";
        let image = lab::docker::BUSYBOX_IMAGE;
        host.docker(&["run", "--rm", data, image, "rm", "/data/mark"]);
        host.run("docker-backup", &["recover"]).expect_code(0);
        assert_eq!(host.states().unwrap()["shop_app_1"], "running");
        assert!(!host.journal().exists());
    });
}

#[test]
fn who_never_becomes_healthy_is_spoken_of() {
    isolated(|| {
        let check = "healthcheck: {test: [\"CMD\", \"false\"], interval: 1s, retries: 1}";
        let service = format!("{}\n{check}\nvolumes: [\"data:/data\"]", obedient());
        let (host, ended) = backup_of(&service);
        ended.expect_code(6);
        let line = line_about(&ended, "shop_app_1", "is not healthy");
        assert!(line.contains("docker inspect shop_app_1"), "{line}");
        println!("{line}");
        assert_eq!(host.states().unwrap()["shop_app_1"], "running");
        assert!(!host.journal().exists());
    });
}

#[test]
fn commands_run_in_a_container_around_its_copy() {
    isolated(|| {
        let labels = "labels:\n  \
             backup-window.exec-pre: \"id -u > /data/dump && echo dumped >> /data/dump\"\n  \
             backup-window.exec-pre-user: \"1000\"\n  \
             backup-window.exec-post: '[\"rm\", \"/data/dump\"]'";
        let service = format!("{}\n{labels}\nvolumes: [\"data:/data\"]", obedient());
        let host = host();
        host.project("shop", &[("app", &service)], &["data"]);
        host.docker(&["exec", "shop_app_1", "chmod", "777", "/data"]);
        host.run("docker-backup", &["init"]).expect_code(0);
        let ended = host.run("docker-backup", &["run"]);
        ended.expect_code(0);
        // The dump is in the copy, and gone from the volume.
        let to = host.dir.join("restored");
        let arguments = ["restore", "shop", "--to", to.to_str().unwrap()];
        host.run("docker-backup", &arguments).expect_code(0);
        let dump = std::fs::read_to_string(to.join("volumes/shop_data/dump")).unwrap();
        assert_eq!(dump, "1000\ndumped\n");
        let left = host.docker(&["exec", "shop_app_1", "ls", "/data"]);
        assert_eq!(left, "");
    });
}

#[test]
fn a_command_that_fails_is_spoken_of_and_the_copy_is_made() {
    isolated(|| {
        let label = "labels:\n  backup-window.exec-pre: \"echo no such database >&2; exit 4\"";
        let service = format!("{}\n{label}\nvolumes: [\"data:/data\"]", obedient());
        let (_host, ended) = backup_of(&service);
        ended.expect_code(6);
        let line = line_about(&ended, "shop_app_1", "backup-window.exec-pre");
        assert!(line.contains("ended with code 4"), "{line}");
        assert!(line.contains("no such database"), "{line}");
        assert!(ended.out.contains("1 stack saved"), "{}", ended.out);
    });
}

#[test]
fn what_something_else_starts_meanwhile_is_copied_again() {
    isolated(|| {
        let host = DockerHost::build(&DockerHostOptions {
            docker: format!("settle = \"500ms\"\n{NO_SPOOL}"),
            ..DockerHostOptions::default()
        });
        let service = format!("{}\nvolumes: [\"data:/data\"]", obedient());
        host.project("shop", &[("app", &service)], &["data"]);
        host.run("docker-backup", &["init"]).expect_code(0);
        let folder = host.docker(&["volume", "inspect", "--format={{.Mountpoint}}", "shop_data"]);
        let file = std::path::Path::new(&folder).join("sparse");
        let _restless = Restless::begin(&[file], 1 << 30);
        let run = host
            .command("docker-backup", &["run"])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while host.states().unwrap()["shop_app_1"] == "running" {
            host.sleep(std::time::Duration::from_millis(5));
        }
        // Somebody's updater, or a person who wonders why it is down.
        host.docker(&["start", "shop_app_1"]);
        let output = run.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(6), "{said}");
        assert!(said.contains("something else started shop_app_1"), "{said}");
        assert!(said.contains("shop copied again"), "{said}");
        assert_eq!(host.states().unwrap()["shop_app_1"], "running");
        let snapshots = host.run("docker-backup", &["snapshots", "--json"]).json();
        assert_eq!(snapshots.as_array().unwrap().len(), 2, "{snapshots}");
    });
}
