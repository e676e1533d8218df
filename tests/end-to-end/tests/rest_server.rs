//! A night to a repository on a REST server, and back from there.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use backup_store::testing::compare_trees;
use end_to_end::{DockerHost, DockerHostOptions, obedient};
use lab::isolation::isolated;
use lab::rest_server::{Reply, RestServer};

const LOGIN: (&str, &str) = ("docker01", "let me in");

/// A Docker host whose configuration knows a server, and no NAS path.
struct Far {
    host: DockerHost,
    server: RestServer,
}

impl Far {
    fn build() -> Self {
        let host = DockerHost::build(&DockerHostOptions {
            docker: "settle = \"200ms\"\nstop_timeout = \"1s\"".to_owned(),
            ..DockerHostOptions::default()
        });
        let folder = host.dir.join("served");
        fs::create_dir(&folder).unwrap();
        let server = host.wait(RestServer::start_with_tls(&folder, Some(LOGIN)));
        let server = server.unwrap();
        let password = host.dir.join("server.password");
        fs::write(&password, format!("{}\n", LOGIN.1)).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(host.dir.join("server.pem"), server.certificate().unwrap()).unwrap();
        let text = fs::read_to_string(&host.config).unwrap();
        let lines = text.lines().flat_map(|line| {
            if line.starts_with("path = ") {
                vec![
                    format!("url = \"{}\"", server.url()),
                    format!("user = \"{}\"", LOGIN.0),
                    format!("server_password_file = \"{}\"", password.display()),
                    format!("ca_file = \"{}\"", host.dir.join("server.pem").display()),
                    "keep = { last = 1 }\nprune = \"nightly\"".to_owned(),
                ]
            } else if line.starts_with("mount = ") {
                Vec::new()
            } else {
                vec![line.to_owned()]
            }
        });
        let text: Vec<String> = lines.collect();
        fs::write(&host.config, text.join("\n")).unwrap();
        Self { host, server }
    }

    fn restic(&self, arguments: &[&str]) -> String {
        let address = self.server.url();
        let address = address.strip_prefix("https://").unwrap();
        let output = Command::new("restic")
            .arg("--no-cache")
            .arg("--cacert")
            .arg(self.host.dir.join("server.pem"))
            .args(arguments)
            .env(
                "RESTIC_REPOSITORY",
                format!("rest:https://docker01:let%20me%20in@{address}"),
            )
            .env("RESTIC_PASSWORD_FILE", self.host.dir.join("password"))
            .env("HOME", &self.host.dir)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn a_night_goes_to_a_server_and_comes_back() {
    isolated(|| {
        let far = Far::build();
        let host = &far.host;
        let body = format!("{}\nvolumes: [\"data:/data\"]", obedient());
        host.project("wiki", &[("app", &body)], &["data"]);
        let volume = host.docker(&["volume", "inspect", "--format={{.Mountpoint}}", "wiki_data"]);
        let volume = PathBuf::from(volume.trim());
        fs::write(volume.join("page"), "as it was").unwrap();

        // Nothing is stopped for a server that has no repository.
        let early = host.run("docker-backup", &["run", "--now"]);
        println!("{}{}", early.out, early.err);
        assert_ne!(early.code, Some(0));
        assert!(early.out.contains("initialised"), "{}", early.out);
        assert!(!host.journal().exists());

        host.run("docker-backup", &["init"]).expect_code(0);
        host.run("docker-backup", &["run", "--now"]).expect_code(0);
        fs::write(volume.join("page"), "changed since").unwrap();
        let ran = host.run("docker-backup", &["run", "--now"]);
        ran.expect_code(0);
        assert!(!ran.out.contains(LOGIN.1) && !ran.err.contains(LOGIN.1));
        let checked = far.restic(&["check", "--read-data"]);
        assert!(checked.contains("no errors were found"), "{checked}");
        let listed = far.restic(&["snapshots", "--json"]);
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), 1, "one is kept: {listed}");

        // The process that writes is confined, and reads from the server all the same.
        let to = host.dir.join("restored");
        let to = to.to_str().unwrap();
        host.run("docker-backup", &["restore", "wiki", "--to", to])
            .expect_code(0);
        let differences = compare_trees(&volume, &PathBuf::from(to).join("volumes/wiki_data"));
        assert!(differences.is_empty(), "{differences:#?}");
        fs::write(volume.join("page"), "ruined").unwrap();
        host.run("docker-backup", &["restore", "wiki"])
            .expect_code(0);
        assert_eq!(fs::read(volume.join("page")).unwrap(), b"changed since");
        host.run("docker-backup", &["verify", "--read-data", "100"])
            .expect_code(0);

        // A server that is away stops nothing; one that fails on the way does not keep a stack down.
        far.server.on_request(|_| Reply::Status(503));
        let away = host.run("docker-backup", &["run", "--now"]);
        println!("{}{}", away.out, away.err);
        assert_ne!(away.code, Some(0));
        far.server.on_request(|asked| {
            if asked.method == "POST" && asked.path.starts_with("snapshots/") {
                Reply::Status(507)
            } else {
                Reply::Serve
            }
        });
        let full = host.run("docker-backup", &["run", "--now"]);
        println!("{}{}", full.out, full.err);
        assert_ne!(full.code, Some(0));
        assert_eq!(host.states().unwrap()["wiki_app_1"], "running");
        far.server.on_request(|_| Reply::Serve);
        host.run("docker-backup", &["run", "--now"]).expect_code(0);
    });
}
