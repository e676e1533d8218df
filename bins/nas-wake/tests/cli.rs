//! The command line of `nas-wake`: its help, and what it says of bad input.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

const HOMELAB: &str = include_str!("../../../examples/homelab.toml");

fn nas_wake(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nas-wake"))
        .args(arguments)
        .env_remove("BACKUP_WINDOW_CONFIG")
        .output()
        .unwrap()
}

/// What it says of the example configuration with `from` replaced by `to`.
#[track_caller]
fn complaint(from: &str, to: &str) -> String {
    assert!(HOMELAB.contains(from), "{from}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, HOMELAB.replace(from, to)).unwrap();
    said_of(&file)
}

#[track_caller]
fn said_of(file: &Path) -> String {
    let output = nas_wake(&["--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    let folder = file.parent().unwrap().to_str().unwrap();
    String::from_utf8(output.stderr)
        .unwrap()
        .replace(folder, "/etc/backup-window")
}

#[test]
fn help_is_understood_by_a_newcomer() {
    let help = nas_wake(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    insta::assert_snapshot!(String::from_utf8(help.stdout).unwrap());
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_what_was_expected() {
    insta::assert_snapshot!(complaint("broadcast = ", "brodcast = "), @"ERROR /etc/backup-window/config.toml:101: unknown field `brodcast`, expected one of `address`, `mac`, `broadcast`, `interface`, `interfaces`, `ethernet`, `secure_on_file`, `ready`, `wake_deadline`, `wake_interval`, `url`, `user`, `api_key_file`, `certificate_sha256`, `ca_file`, `silent_for`, `off_deadline`, `shutdown`; correct the key or remove the line");
}

#[test]
fn a_bad_mac_address_is_named_with_its_line_and_what_was_expected() {
    insta::assert_snapshot!(complaint("18:66:da:0a:0b:0c", "18:66:da:0a:0b"), @r#"ERROR /etc/backup-window/config.toml:100: mac: cannot use "18:66:da:0a:0b" as a MAC address: expected six pairs of hexadecimal digits, such as d0:94:66:12:34:56, D0-94-66-12-34-56, d094.6612.3456 or d09466123456"#);
}

#[test]
fn a_missing_configuration_is_named_with_what_to_do() {
    insta::assert_snapshot!(said_of(Path::new("/etc/backup-window/no-such.toml")), @"ERROR /etc/backup-window/no-such.toml: the configuration cannot be read; create it, or name another with --config: No such file or directory (os error 2)");
}

#[test]
fn bad_arguments_end_with_code_2_and_say_what_was_expected() {
    for (arguments, expected) in [
        (["--mac", "18:66"], "six pairs of hexadecimal digits"),
        (["--deadline", "soon"], "expected a number with its unit"),
        (["--until", "smoke:signal"], "expected"),
        (
            ["--broadcast", "nowhere"],
            "expected the IPv4 broadcast address",
        ),
    ] {
        let output = nas_wake(&arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn with_json_a_failure_is_a_document_too() {
    let output = nas_wake(&["--config", "/no/such/config.toml", "--json"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("\"code\": 2"), "{said}");
    assert!(said.contains("/no/such/config.toml"), "{said}");
}

#[test]
fn an_own_address_is_refused_at_once() {
    let flags = ["--mac", "02:00:5e:00:53:01", "--until", "tcp:127.0.0.1:9"];
    let output = nas_wake(&[&flags[..], &["--broadcast", "127.0.0.1"]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("use 127.0.0.1 as a broadcast address: it is this machine's own"),
        "{said}"
    );
}

#[test]
fn a_password_file_that_cannot_be_used_is_named_without_what_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secure-on");
    let said_of = |contents: &str, mode: u32| {
        fs::write(&file, contents).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let flags = ["--mac", "02:00:5e:00:53:01", "--until", "tcp:127.0.0.1:9"];
        let output = nas_wake(&[&flags[..], &["--secure-on", file.to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("sesame"), "{said}");
        said
    };
    assert!(said_of("sesame", 0o600).contains("six as hexadecimals with colons"));
    assert!(said_of("1.2.3.4", 0o604).contains("`chmod 600` it"));
}

/// A listener on the loopback interface is a NAS that is already up.
#[test]
fn flags_alone_say_enough() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let probe = format!("tcp:{}", listener.local_addr().unwrap());
    let output = nas_wake(&[
        "--mac",
        "02:00:5e:00:53:01",
        "--broadcast",
        "127.255.255.255",
        "--until",
        &probe,
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("\"found_off\": false"), "{said}");
}
