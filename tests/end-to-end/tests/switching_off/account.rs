//! The account that the kit makes, attacked with OpenSSH's own clients and from within.

use std::process::Output;

use lab::isolation::isolated;

use crate::nas::{Nas, USER};

/// An attempt, and what shows that it was refused.
struct Attempt {
    name: &'static str,
    program: &'static str,
    arguments: Vec<String>,
    /// What the client says.
    said: &'static str,
    /// What sshd writes down.
    logged: &'static str,
}

fn attempt(
    name: &'static str,
    arguments: &[&str],
    said: &'static str,
    logged: &'static str,
) -> Attempt {
    Attempt {
        name,
        program: "ssh",
        arguments: arguments.iter().map(|&part| part.to_owned()).collect(),
        said,
        logged,
    }
}

const HOST: &str = "shutdown@127.0.0.1";

/// What is forbidden by the key, whatever its forced command is.
fn forbidden_by_the_key(nas: &Nas) -> Vec<Attempt> {
    let port = nas.sshd.address().port();
    vec![
        attempt(
            "forwarding with -L",
            &["-W", &format!("127.0.0.1:{port}"), HOST],
            "administratively prohibited",
            "",
        ),
        attempt(
            "forwarding with -R",
            &[
                "-N",
                "-o",
                "ExitOnForwardFailure=yes",
                "-R",
                "0:127.0.0.1:1",
                HOST,
            ],
            "remote port forwarding failed",
            "",
        ),
        attempt(
            "forwarding a socket with -R",
            &[
                "-N",
                "-o",
                "ExitOnForwardFailure=yes",
                "-R",
                "/tmp/gone:127.0.0.1:1",
                HOST,
            ],
            "remote port forwarding failed",
            "",
        ),
    ]
}

/// What needs a session, which runs the forced command and nothing else.
fn in_a_session() -> Vec<Attempt> {
    vec![
        attempt("a shell", &["-T", HOST], "", ""),
        attempt(
            "a terminal",
            &["-tt", HOST, "id"],
            "PTY allocation request failed",
            "",
        ),
        attempt(
            "the agent",
            &["-A", HOST, "id"],
            "",
            "agent forwarding disabled",
        ),
        attempt("another command", &[HOST, "id"], "", ""),
        attempt(
            "another sudo command",
            &[HOST, "sudo -n /usr/bin/id"],
            "",
            "",
        ),
        attempt(
            "an allowed word with more behind it",
            &[HOST, "poweroff; id"],
            "",
            "",
        ),
        attempt(
            "an allowed word with a line behind it",
            &[HOST, "status\nid"],
            "",
            "",
        ),
        Attempt {
            program: "sftp",
            ..attempt("SFTP", &["-b", "/dev/null", HOST], "", "")
        },
        attempt(
            "a variable for the environment",
            &["-o", "SetEnv=SSH_ORIGINAL_COMMAND=poweroff", HOST, "id"],
            "",
            "",
        ),
    ]
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn made(nas: &Nas, attempt: &Attempt) -> Output {
    let arguments: Vec<&str> = attempt.arguments.iter().map(String::as_str).collect();
    // Another address than the log's lines of before.
    let before = nas.sshd.log().len();
    let output = nas.client(attempt.program, &arguments);
    let said = text(&output);
    let name = attempt.name;
    assert!(!said.contains("uid="), "{name}: {said}");
    assert!(said.contains(attempt.said), "{name}: {said}");
    assert!(
        !said.contains("Permission denied"),
        "{name}: it was not even logged in: {said}"
    );
    nas.until(
        &format!("{name}: {:?} is written down", attempt.logged),
        || nas.sshd.log()[before..].contains(attempt.logged),
    );
    output
}

/// What somebody tries who got hold of the key, and what the line of the key forbids.
fn by_the_key(nas: &Nas) -> usize {
    let attempts = forbidden_by_the_key(nas);
    for attempt in &attempts {
        let output = made(nas, attempt);
        assert!(!output.status.success(), "{}: {output:?}", attempt.name);
    }
    attempts.len()
}

/// What somebody tries who got hold of the account itself: sudo allows one command.
fn by_sudo(nas: &Nas) -> usize {
    let program = format!("{}/power-off", nas.dir.display());
    let refused: [&[&str]; 9] = [
        &["/usr/bin/id"],
        &["-s"],
        &["-i"],
        &[&program],
        &[&program, "later"],
        &[&program, "now", "later"],
        &[&program, "now later"],
        &["-u", "nobody", &program, "now"],
        &["/bin/sh", &program, "now"],
    ];
    for arguments in refused {
        let mut line = vec!["sudo", "-n"];
        line.extend(arguments);
        let output = nas.host.as_account(USER, &line).unwrap();
        assert!(!output.status.success(), "{line:?}: {output:?}");
        assert!(text(&output).contains("sudo: "), "{line:?}: {output:?}");
    }
    assert!(nas.take_pressed().is_empty());
    // So that the refusals mean something: the one command is allowed.
    let output = nas
        .host
        .as_account(USER, &["sudo", "-n", &program, "now"])
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(nas.take_pressed(), ["root now"]);
    refused.len()
}

#[test]
fn the_account_with_the_dispatcher_can_do_nothing_else() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &["--from", "127.0.0.0/8"]);
        nas.settings();
        let _agent = nas.agent();
        let mut count = by_the_key(&nas);
        for attempt in in_a_session() {
            let output = made(&nas, &attempt);
            let said = text(&output);
            assert!(!output.status.success(), "{}: {output:?}", attempt.name);
            // Without its terminal, this client leaves before anything is said; and sshd lets nobody
            // see what a subsystem complains of.
            assert!(
                matches!(attempt.name, "a terminal" | "SFTP")
                    || said.contains("backup-window-dispatch 1 refused"),
                "{}: {said}",
                attempt.name
            );
            count += 1;
        }
        assert!(nas.take_pressed().is_empty());
        count += by_sudo(&nas);

        // What it can do: the protocol, by its words.
        let said = |word: &str| text(&nas.client("ssh", &[HOST, word]));
        assert_eq!(said("status"), "backup-window-dispatch 1 ready\n");
        assert!(said("check-sudo").contains("backup-window-dispatch 1 sudo-allowed\n"));
        assert!(nas.take_pressed().is_empty());
        nas.then("echo 'Shutdown NOW!'");
        assert_eq!(said("poweroff"), "Shutdown NOW!\n");
        assert_eq!(nas.take_pressed(), ["root now"]);
        println!("with the dispatcher: {count} attempts, all refused");
        assert_eq!(count, 21);
    });
}

#[test]
fn the_account_with_the_plain_command_can_do_nothing_else() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &["--plain"]);
        nas.settings();
        let _agent = nas.agent();
        let mut count = by_the_key(&nas);
        assert!(nas.take_pressed().is_empty(), "no session, no command");
        nas.then("echo 'Shutdown NOW!'");
        for attempt in in_a_session() {
            let said = text(&made(&nas, &attempt));
            // The trap: whatever was asked for, the command ran, and nothing but the command.
            if attempt.name != "a terminal" {
                nas.until(attempt.name, || nas.dir.join("pressed").exists());
            }
            for ran in nas.take_pressed() {
                assert_eq!(ran, "root now", "{}: {said}", attempt.name);
            }
            count += 1;
        }
        count += by_sudo(&nas);
        println!("with the plain command: {count} attempts, none got more than the command");
        assert_eq!(count, 21);
    });
}

#[test]
fn the_key_is_of_no_use_elsewhere() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &["--from", "192.0.2.1"]);
        nas.settings();
        let said = text(&nas.client("ssh", &[HOST, "status"]));
        assert!(said.contains("Permission denied"), "{said}");
    });
}

#[test]
fn the_rule_comes_back_at_boot_and_only_once() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &[]);
        let kit = nas
            .run(&["kit", "--system", "truenas-core", "--json"], None)
            .json();
        let steps = kit["steps"].as_array().unwrap();
        let script = steps
            .iter()
            .find(|step| {
                step["file"]["path"]
                    .as_str()
                    .unwrap_or_default()
                    .ends_with("-sudoers")
            })
            .unwrap();
        let file = nas.file("init", script["file"]["content"].as_str().unwrap());
        let sudoers = nas.file("sudoers", "root ALL=(ALL) ALL\n");
        let rule = kit["sudoers"].as_str().unwrap();
        let shells = ["dash", "busybox sh", "bash --posix"];
        for shell in shells {
            // As CORE writes it: without a rule for the account.
            std::fs::write(&sudoers, "root ALL=(ALL) ALL").unwrap();
            for _boot in 0..2 {
                nas.host
                    .shell(&format!("{shell} {file} {sudoers}"))
                    .unwrap();
                let text = std::fs::read_to_string(&sudoers).unwrap();
                assert_eq!(text.matches(rule).count(), 1, "{shell}: {text}");
                nas.host.shell(&format!("visudo -cf {sudoers}")).unwrap();
            }
        }
        // A file that is damaged already is not made the system's.
        std::fs::write(&sudoers, "root ALL=(ALL\n").unwrap();
        let damaged = nas.host.shell(&format!("sh {file} {sudoers}"));
        assert!(damaged.is_err());
        assert_eq!(
            std::fs::read_to_string(&sudoers).unwrap(),
            "root ALL=(ALL\n"
        );
        let left = nas.host.shell(&format!("ls {sudoers}*")).unwrap();
        assert_eq!(left.trim(), sudoers, "nothing is left lying about");
    });
}

#[test]
fn every_systems_rule_is_one_that_visudo_understands_and_every_shell_runs_the_dispatcher() {
    isolated(|| {
        let nas = Nas::build(&["ed25519"], &[]);
        let systems = [
            "truenas-core",
            "truenas-scale",
            "truenas-scale-24.10",
            "linux-systemd",
            "synology",
        ];
        for system in systems {
            let kit = nas.run(&["kit", "--system", system, "--json"], None).json();
            let rule = nas.file("rule", &format!("{}\n", kit["sudoers"].as_str().unwrap()));
            nas.host.shell(&format!("visudo -cf {rule}")).unwrap();
            let dispatcher = kit["steps"]
                .as_array()
                .unwrap()
                .iter()
                .find_map(|step| {
                    let path = step["file"]["path"].as_str()?;
                    let content = step["file"]["content"].as_str()?;
                    path.ends_with("-dispatch").then_some(content)
                })
                .unwrap();
            let file = nas.file("dispatch", dispatcher);
            for shell in ["dash", "busybox sh", "bash --posix"] {
                let ask = |word: &str| {
                    let line =
                        format!("SSH_ORIGINAL_COMMAND='{word}' {shell} {file} 2>&1; echo $?");
                    nas.host.shell(&line).unwrap()
                };
                assert_eq!(
                    ask("status"),
                    "backup-window-dispatch 1 ready\n0\n",
                    "{shell}"
                );
                for other in ["", "status ", "Status", "poweroff now", "*", "stat?s"] {
                    let said = ask(other);
                    assert_eq!(
                        said, "backup-window-dispatch 1 refused\n126\n",
                        "{shell}: {other}"
                    );
                }
            }
        }
    });
}
