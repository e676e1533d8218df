//! `nas-shutdown check`: what it proves, what it names as unproven, and that it switches nothing off.

use std::fmt::Write as _;

use lab::isolation::isolated;

use crate::nas::{Nas, Ran, keygen};

/// The verdict of each finding, by name.
fn verdicts(ran: &Ran) -> Vec<(String, String)> {
    let report = ran.json();
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap().to_owned();
            (text("what"), text("verdict"))
        })
        .collect()
}

fn with(ran: &Ran, verdict: &str) -> Vec<String> {
    let all = verdicts(ran).into_iter();
    all.filter_map(|(what, found)| (found == verdict).then_some(what))
        .collect()
}

/// `check --json`.
fn check(nas: &Nas, settings: &crate::nas::Settings) -> Ran {
    let config = nas.config(settings);
    let ran = nas.run(
        &["check", "--json", "--config", config.to_str().unwrap()],
        None,
    );
    assert!(
        ran.pressed.is_empty(),
        "a check switches nothing off: {ran:#?}"
    );
    ran
}

#[test]
fn behind_the_dispatcher_everything_is_proven_and_the_trap_is_seen() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &["--from", "127.0.0.1"]);
        let settings = nas.settings();
        let proven = check(&nas, &settings);
        assert_eq!(proven.code, Some(0), "{proven:#?}");
        assert_eq!(with(&proven, "proven").len(), 11, "{proven:#?}");
        nas.check(&settings).expect(
            0,
            "The account can switch the NAS off, and do nothing else.",
        );

        // A rule is missing, or asks for a password.
        nas.sudoers("");
        let refused = check(&nas, &settings);
        assert_eq!(refused.code, Some(1), "{refused:#?}");
        assert_eq!(with(&refused, "broken"), ["sudo_rule"]);
        nas.sudoers(&format!("shutdown ALL=(root) {}", &nas.command()[8..]));
        let asks = check(&nas, &settings);
        assert_eq!(with(&asks, "broken"), ["sudo_rule"], "{asks:#?}");
        nas.sudoers("shutdown ALL=(root) NOPASSWD: ALL");
        let more = check(&nas, &settings);
        assert_eq!(more.code, Some(4), "{more:#?}");
        assert_eq!(with(&more, "too_much"), ["sudo_rule"]);
        nas.install_kit(&[]);

        // The dispatcher without `restrict`.
        let forced = format!(
            "command=\"/bin/sh {}/kit/backup-window-dispatch\"",
            nas.dir.display()
        );
        nas.authorize(&forced);
        let loose = check(&nas, &settings);
        assert_eq!(loose.code, Some(4), "{loose:#?}");
        assert_eq!(
            with(&loose, "too_much"),
            [
                "local_forwarding",
                "remote_forwarding",
                "agent_forwarding",
                "terminal"
            ]
        );

        // A program that says that it is the dispatcher, and runs whatever it is told.
        let liar = nas.file("liar", "case $SSH_ORIGINAL_COMMAND in status) echo backup-window-dispatch 1 ready;; check-sudo) echo backup-window-dispatch 1 sudo-allowed;; *) eval \"$SSH_ORIGINAL_COMMAND\";; esac\n");
        nas.host.shell(&format!("chmod 644 {liar}")).unwrap();
        nas.authorize(&format!("restrict,command=\"/bin/sh {liar}\""));
        let lied = check(&nas, &settings);
        assert_eq!(lied.code, Some(4), "{lied:#?}");
        assert_eq!(with(&lied, "too_much"), ["shell", "other_command", "sftp"]);

        // No dispatcher at all, although the configuration says so: nothing more is asked.
        nas.authorize("restrict");
        let before = nas.sshd.log().matches("Starting session").count();
        let none = check(&nas, &settings);
        assert_eq!(none.code, Some(1), "{none:#?}");
        assert_eq!(with(&none, "broken"), ["dispatcher"]);
        let after = nas.sshd.log().matches("Starting session").count();
        assert_eq!(after - before, 1, "one session, and then no more");

        // Another version.
        let other = nas.file("other", "echo backup-window-dispatch 2 ready\n");
        nas.host.shell(&format!("chmod 644 {other}")).unwrap();
        nas.authorize(&format!("restrict,command=\"/bin/sh {other}\""));
        nas.check(&settings)
            .expect(1, "speaks version 2 of the protocol");
    });
}

#[test]
fn behind_a_plain_command_no_session_is_opened_and_what_is_unproven_is_named() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &["--plain"]);
        let mut settings = nas.settings();
        settings.dispatcher = false;
        let ran = check(&nas, &settings);
        assert_eq!(ran.code, Some(6), "{ran:#?}");
        assert_eq!(
            with(&ran, "proven"),
            ["host_key", "key", "local_forwarding", "remote_forwarding"]
        );
        assert_eq!(with(&ran, "unproven").len(), 7);
        assert!(
            !nas.sshd.log().contains("Starting session"),
            "{}",
            nas.sshd.log()
        );
        nas.check(&settings)
            .expect(6, "What is marked with ? is not proven");

        nas.authorize(&format!("command=\"{}\"", nas.command()));
        let loose = check(&nas, &settings);
        assert_eq!(loose.code, Some(4), "{loose:#?}");
        assert_eq!(
            with(&loose, "too_much"),
            ["local_forwarding", "remote_forwarding"]
        );
        assert!(
            !nas.sshd.log().contains("Starting session"),
            "{}",
            nas.sshd.log()
        );
    });
}

#[test]
fn keys_of_every_type_from_files_and_from_an_agent_let_the_user_in() {
    isolated(|| {
        let nas = Nas::build(&["ed25519", "ecdsa", "rsa"], &[]);
        let mut ways = 0;
        let dir = nas.dir.display().to_string();
        let socket = format!("{dir}/agent");
        let _agent = nas.agent();
        for key_type in ["ed25519", "ecdsa", "rsa"] {
            for passphrase in ["", "open sesame"] {
                for file in ["key", "key.pub"] {
                    std::fs::remove_file(nas.dir.join(file)).unwrap();
                }
                keygen(&nas.dir.join("key"), key_type, passphrase);
                nas.install_kit(&[]);
                let mut settings = nas.settings();
                if !passphrase.is_empty() {
                    let file = nas.file("passphrase", &format!("{passphrase}\n"));
                    let _ = write!(settings.key, "\npassphrase_file = \"{file}\"");
                }
                nas.check(&settings).expect(0, "and do nothing else");
                ways += 1;
                if passphrase.is_empty() {
                    let held = format!("SSH_AUTH_SOCK={socket} ssh-add -q {dir}/key");
                    nas.host.shell(&held).unwrap();
                    let listed = nas
                        .host
                        .shell(&format!("ssh-keygen -lf {dir}/key.pub"))
                        .unwrap();
                    let fingerprint = listed.split_whitespace().nth(1).unwrap();
                    settings.key =
                        format!("agent_socket = \"{socket}\"\nagent_key = \"{fingerprint}\"");
                    nas.check(&settings).expect(0, "and do nothing else");
                    ways += 1;
                }
                // The host's key of the same type, known by a hashed name.
                let host_key = nas.sshd.host_key(key_type).unwrap();
                let port = settings.port;
                let hashed = nas.file("hashed", &format!("[127.0.0.1]:{port} {host_key}\n"));
                nas.host
                    .shell(&format!("ssh-keygen -q -H -f {hashed}"))
                    .unwrap();
                settings.host_key = format!("known_hosts = \"{hashed}\"");
                nas.check(&settings).expect(0, "and do nothing else");
                ways += 1;
            }
        }
        println!("{ways} ways to log in");
        assert_eq!(ways, 15);
    });
}
