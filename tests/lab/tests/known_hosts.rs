//! What a `known_hosts` file says of a host, beside what `ssh-keygen -F` says of it.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use remote_shutdown::{KnownHosts, Marker};

const KEYS: [&str; 2] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl",
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAZK3BcJjTGtQKIE7KSP99FDGY76FaDM84u3hn3pgwNaNCytY/YRrKRFgxOVyYd7FIrGN8b4KYhbMUA6b9joMGk=",
];

/// The lines that `ssh-keygen` finds for a name, and what they say of their key:
/// `# Host nas.lan found: line 3 REVOKED`.
fn by_ssh_keygen(file: &Path, name: &str) -> Vec<(usize, Marker)> {
    let output = Command::new("ssh-keygen")
        // With -l it reads the keys as well, and leaves out what is none.
        .args(["-l", "-F", name, "-f"])
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .filter_map(|line| line.strip_prefix("# Host ")?.split_once(" found: line "))
        .map(|(_, rest)| {
            let (number, marker) = rest.split_once(' ').unwrap_or((rest, ""));
            let marker = match marker.trim() {
                "" => Marker::None,
                "REVOKED" => Marker::Revoked,
                "CA" => Marker::CertAuthority,
                other => panic!("{other}"),
            };
            (number.parse().unwrap(), marker)
        })
        .collect()
}

fn by_us(text: &str, name: &str) -> Vec<(usize, Marker)> {
    let known_hosts = KnownHosts::parse(text);
    let found = known_hosts.matching(name);
    found.map(|known| (known.line, known.marker)).collect()
}

/// A line as people and programs write them, and as they do not.
fn line() -> impl Strategy<Value = String> {
    let pattern = "!?(nas|\\*|n\\?s|NAS|\\[nas\\]:2222|\\[\\*\\]:\\*)(\\.lan)?";
    let names = prop::collection::vec(pattern, 1..4).prop_map(|names| names.join(","));
    let marker = prop_oneof![
        6 => Just(""),
        1 => Just("@revoked "),
        1 => Just("@cert-authority "),
        1 => Just("@other "),
    ];
    let blank = prop_oneof![3 => Just(" "), 1 => Just("\t"), 1 => Just("  ")];
    let key = prop_oneof![
        4 => Just(KEYS[0].to_owned()),
        2 => Just(KEYS[1].to_owned()),
        1 => Just(KEYS[0].replace("ssh-ed25519 ", "ssh-rsa ")),
        1 => Just("ssh-ed25519 AAAA".to_owned()),
        1 => Just("ssh-ed25519".to_owned()),
        1 => Just(format!("{} a comment", KEYS[0])),
    ];
    let whole = (marker, names, blank, key)
        .prop_map(|(marker, names, blank, key)| format!("{marker}{names}{blank}{key}"));
    prop_oneof![
        12 => whole,
        1 => Just(String::new()),
        1 => Just("# nas.lan".to_owned()),
        1 => "[ -~]{0,20}",
    ]
}

const NAMES: [&str; 6] = [
    "nas",
    "nas.lan",
    "[nas]:2222",
    "[nas.lan]:2222",
    "nus.lan",
    "other",
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 192,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_line_is_taken_as_ssh_keygen_takes_it(lines in prop::collection::vec(line(), 1..6)) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        let text = format!("{}\n", lines.join("\n"));
        fs::write(&file, &text).unwrap();
        for name in NAMES {
            prop_assert_eq!(by_us(&text, name), by_ssh_keygen(&file, name), "{} in:\n{}", name, text);
        }
    }

    /// Hashed by `ssh-keygen -H`, names are found as before. It hashes no patterns.
    #[test]
    fn what_ssh_keygen_hashes_is_found(names in prop::collection::vec("(nas|nas\\.lan|\\[nas\\]:2222)", 1..3)) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        fs::write(&file, format!("{} {}\n", names.join(","), KEYS[0])).unwrap();
        let hashed = Command::new("ssh-keygen")
            .args(["-q", "-H", "-f"])
            .arg(&file)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        prop_assert!(hashed.status.success(), "{:?}", hashed);
        let text = fs::read_to_string(&file).unwrap();
        prop_assert!(text.starts_with("|1|"), "{}", text);
        for name in NAMES {
            let found = by_us(&text, name);
            prop_assert_eq!(!found.is_empty(), names.iter().any(|known| known == name));
            prop_assert_eq!(found, by_ssh_keygen(&file, name));
        }
    }
}
