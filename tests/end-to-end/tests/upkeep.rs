//! How the repository is kept: verified each night, forgotten by rules, and never beside a damage.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use end_to_end::{DockerHost, DockerHostOptions, obedient};
use lab::isolation::isolated;
use serde_json::Value;

/// A Docker host with one stack, a repository, and these keys of `[repository]`.
fn host(keys: &str) -> DockerHost {
    let host = DockerHost::build(&DockerHostOptions {
        docker: "settle = \"200ms\"\nstop_timeout = \"1s\"".to_owned(),
        ..DockerHostOptions::default()
    });
    let config = fs::read_to_string(&host.config).unwrap();
    fs::write(&host.config, config + keys).unwrap();
    let service = format!("{}\nvolumes: [\"pages:/data\"]", obedient());
    host.project("wiki", &[("app", &service)], &["pages"]);
    host.run("docker-backup", &["init"]).expect_code(0);
    host
}

fn run(host: &DockerHost, code: i32) -> Vec<Value> {
    let ended = host.run("docker-backup", &["run", "--now", "--json"]);
    ended.expect_code(code);
    ended.json()["steps"].as_array().unwrap().clone()
}

/// Fills the stack's volume with so many bytes, which differ from one mark to the other.
fn fill(host: &DockerHost, mark: &str, kibibytes: u32) {
    let script = format!("yes {mark} | head -c {kibibytes}k > /data/page");
    host.docker(&["exec", "wiki_app_1", "sh", "-c", &script]);
}

fn ends(steps: &[Value]) -> Vec<(&str, &str)> {
    steps
        .iter()
        .map(|step| {
            let [name, end] = ["step", "end"].map(|key| step[key].as_str().unwrap());
            (name, end)
        })
        .collect()
}

fn objects(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(objects(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn nights_forget_what_the_rules_do_not_keep() {
    isolated(|| {
        let host = host("keep = { last = 2 }\nread_all_within_nights = 2\n");
        for mark in ["a", "b", "c"] {
            fill(&host, mark, 400);
            let steps = run(&host, 0);
            let all_done = [("stacks", "done"), ("verify", "done"), ("retain", "done")];
            assert_eq!(ends(&steps), all_done, "{steps:#?}");
        }
        let shown = host.run("docker-backup", &["retain", "--dry-run"]);
        shown.expect_code(0);
        assert_eq!(
            shown.out.matches("last, last good").count(),
            1,
            "{}",
            shown.out
        );
        assert!(!shown.out.contains("to be forgotten"), "{}", shown.out);
        let listed = host.run("docker-backup", &["snapshots", "--json"]);
        assert_eq!(listed.json().as_array().unwrap().len(), 2);

        // A volume that lost nearly all it had: attention, and nothing is forgotten any more.
        fill(&host, "d", 1);
        let steps = run(&host, 6);
        assert_eq!(ends(&steps)[2], ("retain", "attention"), "{steps:#?}");
        let why = steps[2]["attention"][0].as_str().unwrap();
        assert!(why.contains("wiki shrank from"), "{why}");
        let listed = host.run("docker-backup", &["snapshots", "--json"]);
        assert_eq!(listed.json().as_array().unwrap().len(), 3);
        let accepted = host.run("docker-backup", &["retain", "--accept", "wiki", "--prune"]);
        accepted.expect_code(0);
        let listed = host.run("docker-backup", &["snapshots", "--json"]);
        assert_eq!(listed.json().as_array().unwrap().len(), 2);
        let verify = ["verify", "--read-data", "100"];
        let verified = host.run("docker-backup", &verify);
        verified.expect_code(0);
        assert_eq!(verified.err, "", "nobody needs a bar in a log");

        let shown = on_a_terminal(&host, &verify);
        let bar = "reading the repository's data [";
        assert!(shown.contains(bar) && shown.contains("/s, "), "{shown}");
        let quiet = on_a_terminal(&host, &[&verify[..], &["--quiet"]].concat());
        assert!(
            quiet.contains("no errors") && !quiet.contains(bar),
            "{quiet}"
        );
    });
}

/// What a command shows on a terminal.
fn on_a_terminal(host: &DockerHost, arguments: &[&str]) -> String {
    let command = host.command("docker-backup", arguments);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<&str> = words.map(|word| word.to_str().unwrap()).collect();
    let output = Command::new("script")
        .args([
            "--quiet",
            "--return",
            "--command",
            &words.join(" "),
            "/dev/null",
        ])
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_damage_is_found_and_nothing_is_forgotten_beside_it() {
    isolated(|| {
        let host = host("keep = { last = 1 }\nread_all_within_nights = 1\n");
        fill(&host, "a", 400);
        run(&host, 0);
        let packs = objects(&host.nas.repository().join("data"));
        let largest = packs
            .iter()
            .max_by_key(|pack| fs::metadata(pack).unwrap().len())
            .unwrap();
        let mut bytes = fs::read(largest).unwrap();
        bytes[40] ^= 0x40;
        fs::write(largest, bytes).unwrap();

        let steps = run(&host, 1);
        assert_eq!(
            ends(&steps),
            [
                ("stacks", "done"),
                ("verify", "failed"),
                ("retain", "not_reached")
            ],
            "{steps:#?}"
        );
        let summary = steps[1]["summary"].as_str().unwrap();
        assert!(summary.contains("the repository is damaged"), "{summary}");
        let listed = host.run("docker-backup", &["snapshots", "--json"]);
        assert_eq!(listed.json().as_array().unwrap().len(), 2);
        assert_eq!(host.states().unwrap()["wiki_app_1"], "running");
    });
}
