//! The command line of `nas-shutdown`: its help, and what it says of bad input.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

const HOMELAB: &str = include_str!("../../../examples/homelab.toml");

fn nas_shutdown(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nas-shutdown"))
        .args(arguments)
        .env_remove("BACKUP_WINDOW_CONFIG")
        .output()
        .unwrap()
}

/// Writes the example configuration with all its files in `folder`.
fn configure(folder: &Path) -> String {
    let text = HOMELAB.replace("/etc/backup-window", folder.to_str().unwrap());
    let file = folder.join("config.toml");
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

fn write_secret(path: &Path, mode: u32) {
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, b"1-secret\n"))
        .unwrap();
}

/// What it says, with the folder's name made the same every time.
#[track_caller]
fn complaint(folder: &Path, config: &str) -> String {
    let state = folder.join("state");
    let arguments = [
        "run",
        "--config",
        config,
        "--state-dir",
        state.to_str().unwrap(),
    ];
    let output = nas_shutdown(&arguments);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    said.replace(folder.to_str().unwrap(), "/etc/backup-window")
}

#[test]
fn help_is_understood_by_a_newcomer() {
    let help = nas_shutdown(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    insta::assert_snapshot!(String::from_utf8(help.stdout).unwrap());
}

#[test]
fn there_is_no_way_around_the_guard() {
    let help = String::from_utf8(nas_shutdown(&["run", "--help"]).stdout).unwrap();
    assert!(!help.contains("force"), "{help}");
    for flag in ["--force", "--now", "--yes"] {
        assert_eq!(nas_shutdown(&["run", flag]).status.code(), Some(2));
    }
}

#[test]
fn a_missing_key_file_is_named_with_its_line_and_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path());
    insta::assert_snapshot!(complaint(folder.path(), &config), @"ERROR /etc/backup-window/config.toml:83: api_key_file: /etc/backup-window/sth-prd-01.key does not exist; expected a file there: create it, or correct the path");
    for key in ["sth-prd-01.key", "sth-bckp-01.key"] {
        write_secret(&folder.path().join(key), 0o600);
    }
    insta::assert_snapshot!(complaint(folder.path(), &config), @"ERROR /etc/backup-window/config.toml:118: key_file: /etc/backup-window/shutdown_ed25519 does not exist; expected a file there: create it, or correct the path");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path());
    write_secret(&folder.path().join("sth-prd-01.key"), 0o644);
    insta::assert_snapshot!(complaint(folder.path(), &config), @"ERROR /etc/backup-window/config.toml:83: api_key_file: /etc/backup-window/sth-prd-01.key holds a secret and has mode 0644, so that others can read it; expected 0600: `chmod 600` it");
}

/// What `kit` says with these arguments, and its exit code.
fn kit(arguments: &[&str]) -> (Option<i32>, String) {
    let mut all = vec!["kit"];
    all.extend(arguments);
    let output = nas_shutdown(&all);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn the_kit_needs_no_configuration_and_is_json_for_programs() {
    let (code, text) = kit(&["--system", "linux-systemd", "--from", "192.168.0.137"]);
    assert_eq!(code, Some(0), "{text}");
    let line = "restrict,command=\"/bin/sh /usr/local/libexec/backup-window-dispatch\",from=\"192.168.0.137\" PUBLIC-KEY";
    assert!(text.contains(line), "{text}");
    let (code, text) = kit(&["--system", "truenas-core", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("\"sudoers\": \"shutdown ALL=(root) NOPASSWD: /sbin/shutdown -p now\""));
}

#[test]
fn a_kit_that_would_not_hold_is_refused_with_what_was_expected() {
    let complaint = |arguments: &[&str]| {
        let (code, text) = kit(arguments);
        assert_eq!(code, Some(2), "{text}");
        text
    };
    insta::assert_snapshot!(complaint(&["--system", "truenas-core", "--user", "a b"]), @r#"ERROR failed to use "a b" as the name of an account: expected small letters, digits, - and _, such as shutdown"#);
    insta::assert_snapshot!(complaint(&["--command", "poweroff"]), @r#"ERROR failed to allow "poweroff" by a sudo rule: it does not begin with sudo -n; expected sudo -n /PATH ARGUMENT…, without quotes"#);
    insta::assert_snapshot!(complaint(&["--system", "linux-systemd", "--public-key", "/nonexistent.pub"]), @"ERROR failed to read the public key /nonexistent.pub: No such file or directory (os error 2); expected the .pub file of ssh-keygen");
    assert!(complaint(&["--system", "windows"]).contains("expected truenas-core"));
    assert!(complaint(&[]).contains("--system"));
}

#[test]
fn the_exit_codes_of_a_check_are_said() {
    let help = String::from_utf8(nas_shutdown(&["check", "--help"]).stdout).unwrap();
    for line in [
        "0  proven",
        "4  refused as unsafe",
        "6  what could be tried is right",
        "opens no session",
    ] {
        assert!(help.contains(line), "{line}: {help}");
    }
}
