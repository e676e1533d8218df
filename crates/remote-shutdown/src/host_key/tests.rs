use proptest::prelude::*;

use super::*;

/// A published key, and the fingerprint published beside it.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
const FINGERPRINT: &str = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU";
/// Two throw-away keys of ssh-keygen, and what `ssh-keygen -l` says of them.
const OTHER_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFj9pEBm8ozEJzyrVwV350A2bJcRkR9OYEZnvIh3jTQA";
const OTHER_FINGERPRINT: &str = "SHA256:P9nYhf1yK9p1X0O6dVYp/4NP8M2fKJFLC2QX0SX0bJQ";
const ECDSA_KEY: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAZK3BcJjTGtQKIE7KSP99FDGY76FaDM84u3hn3pgwNaNCytY/YRrKRFgxOVyYd7FIrGN8b4KYhbMUA6b9joMGk=";
const ECDSA_FINGERPRINT: &str = "SHA256:GYlZbCLVzrgvK3id+HA1bTudO2orsVV59UDNteOUCEA";
/// What `ssh-keygen -H` made of `nas.lan` and of `[10.0.0.5]:2222`.
const HASHED_NAS: &str = "|1|8CkAJ388XmeqCEr/UVDUoJ1Rgmw=|b+uMQsSF3Xmn3U9VpHrCqBgWiG4=";
const HASHED_PORT: &str = "|1|1PsJx0h6vcEooGFxr6WiziAK6co=|I97LxJTGQizXMASaud/W9aHq9OU=";

fn fingerprint(text: &str) -> Fingerprint {
    text.parse().unwrap()
}

fn trust(lines: &str, target: &SshTarget) -> Trust {
    Trust::from_text(lines, target, Path::new("/kh"))
}

fn nas() -> SshTarget {
    SshTarget::new("nas.lan", "off")
}

#[test]
fn plain_and_hashed_lines_are_found_with_their_port() {
    let cases = [
        (format!("nas.lan {KEY}"), nas(), true),
        (format!("10.0.0.5,nas.lan {KEY} a comment"), nas(), true),
        (format!("{HASHED_NAS} {KEY}"), nas(), true),
        (format!("[nas.lan]:2222 {KEY}"), nas().with_port(2222), true),
        (format!("[nas.lan]:2222 {KEY}"), nas(), false),
        (
            format!("{HASHED_PORT} {KEY}"),
            SshTarget::new("10.0.0.5", "off").with_port(2222),
            true,
        ),
        (
            format!("{HASHED_PORT} {KEY}"),
            SshTarget::new("10.0.0.5", "off").with_port(22),
            false,
        ),
        (
            format!("{HASHED_NAS} {KEY}"),
            SshTarget::new("nas", "off"),
            false,
        ),
        (format!("other.lan {KEY}"), nas(), false),
        (format!("*.lan {KEY}"), nas(), true),
        (format!("*.lan,!nas.lan {KEY}"), nas(), false),
        // A host on another port that has no line of its own.
        (format!("nas.lan {KEY}"), nas().with_port(2222), true),
        (
            format!("nas.lan {KEY}\n[nas.lan]:2222 {OTHER_KEY}"),
            nas().with_port(2222),
            false,
        ),
        (format!("@cert-authority nas.lan {KEY}"), nas(), false),
        (format!("# nas.lan {KEY}"), nas(), false),
        (String::new(), nas(), false),
    ];
    for (lines, target, known) in cases {
        let expected = if known {
            KeyVerdict::Trusted
        } else {
            KeyVerdict::Other
        };
        let found = trust(&lines, &target).verdict(&fingerprint(FINGERPRINT));
        assert_eq!(found, expected, "{lines} for {target}");
    }
}

#[test]
fn a_host_may_have_keys_of_several_types() {
    let lines = format!("nas.lan {KEY}\nnas.lan {ECDSA_KEY}\nother.lan {OTHER_KEY}\n");
    let trust = trust(&lines, &nas());
    assert_eq!(
        trust.verdict(&fingerprint(FINGERPRINT)),
        KeyVerdict::Trusted
    );
    assert_eq!(
        trust.verdict(&fingerprint(ECDSA_FINGERPRINT)),
        KeyVerdict::Trusted
    );
    assert_eq!(
        trust.verdict(&fingerprint(OTHER_FINGERPRINT)),
        KeyVerdict::Other
    );
}

#[test]
fn a_revoked_key_is_refused_even_if_another_line_has_it() {
    let lines = format!("nas.lan {KEY}\n@revoked nas.lan {KEY}\n");
    let trust = trust(&lines, &nas());
    assert_eq!(
        trust.verdict(&fingerprint(FINGERPRINT)),
        KeyVerdict::Revoked
    );
    let error = trust.refusal("off@nas.lan:22", vec![fingerprint(FINGERPRINT)]);
    assert!(
        matches!(error, ShutdownError::HostKeyRevoked { .. }),
        "{error:?}"
    );
}

#[test]
fn unknown_and_changed_are_told_apart() {
    let found = || vec![fingerprint(OTHER_FINGERPRINT)];
    let error = trust("", &nas()).refusal("off@nas.lan:22", found());
    match error {
        ShutdownError::HostKeyUnknown {
            known_hosts, found, ..
        } => {
            assert_eq!(known_hosts, Path::new("/kh"));
            assert_eq!(found, fingerprint(OTHER_FINGERPRINT));
        }
        other => panic!("{other:?}"),
    }
    let error = trust(&format!("nas.lan {KEY}"), &nas()).refusal("off@nas.lan:22", found());
    match error {
        ShutdownError::HostKeyChanged {
            expected, found, ..
        } => {
            assert_eq!(expected, [fingerprint(FINGERPRINT)]);
            assert_eq!(found, [fingerprint(OTHER_FINGERPRINT)]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_authority_is_not_taken_for_a_key_and_not_passed_over_in_silence() {
    let lines = format!("# hosts\n@cert-authority *.lan {KEY}\n");
    let error = trust(&lines, &nas()).refusal("off@nas.lan:22", vec![fingerprint(FINGERPRINT)]);
    match error {
        ShutdownError::HostKeyAuthority { line, found, .. } => {
            assert_eq!((line, found), (2, fingerprint(FINGERPRINT)));
        }
        other => panic!("{other:?}"),
    }
    // Beside the host's own key it does no harm.
    let both = format!("{lines}nas.lan {OTHER_KEY}\n");
    let verdict = trust(&both, &nas()).verdict(&fingerprint(OTHER_FINGERPRINT));
    assert_eq!(verdict, KeyVerdict::Trusted);
}

#[test]
fn the_types_that_are_known_are_asked_for_and_no_others() {
    let offers = |lines: &str| trust(lines, &nas()).offers().join(" / ");
    insta::assert_snapshot!(offers(&format!("nas.lan {ECDSA_KEY}")), @"ecdsa-sha2-nistp256");
    insta::assert_snapshot!(offers(&format!("nas.lan {ECDSA_KEY}\nnas.lan {KEY}\nnas.lan {OTHER_KEY}")), @"ecdsa-sha2-nistp256,ssh-ed25519");
    insta::assert_snapshot!(offers(""), @"ssh-ed25519 / ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521 / rsa-sha2-512,rsa-sha2-256");
    let pinned = Trust::new(&HostKeyPolicy::Sha256(fingerprint(FINGERPRINT)), &nas()).unwrap();
    assert_eq!(pinned.offers().len(), 3, "a pin says nothing of its type");
}

#[test]
fn a_host_with_another_type_of_key_only_is_no_changed_host() {
    let known = trust(&format!("nas.lan {ECDSA_KEY}"), &nas());
    let error = known.other_type("off@nas.lan:22", "ssh-ed25519", fingerprint(FINGERPRINT));
    insta::assert_snapshot!(error, @"trust off@nas.lan:22: /kh has only keys of the type ecdsa-sha2-nistp256 for it, and it shows one of the type ssh-ed25519, SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU; if the host itself shows that fingerprint too, add the line that `ssh-keyscan` prints");
}

#[test]
fn a_missing_file_is_no_empty_file() {
    let policy = HostKeyPolicy::KnownHosts("/nonexistent/known_hosts".into());
    let error = Trust::new(&policy, &nas()).unwrap_err();
    assert!(
        matches!(error, ShutdownError::KnownHosts { .. }),
        "{error:?}"
    );
}

#[test]
fn damaged_lines_do_not_hide_the_good_ones() {
    let lines = format!("nas.lan\nnas.lan ssh-ed25519 !!!\n\0\n|1|x|y {KEY}\nnas.lan {KEY}\n");
    let verdict = trust(&lines, &nas()).verdict(&fingerprint(FINGERPRINT));
    assert_eq!(verdict, KeyVerdict::Trusted);
}

#[test]
fn policies_have_a_form_for_configuration_files() {
    let policy: HostKeyPolicy =
        serde_json::from_str(&format!(r#"{{"sha256": "{FINGERPRINT}"}}"#)).unwrap();
    assert_eq!(policy, HostKeyPolicy::Sha256(fingerprint(FINGERPRINT)));
    let policy: HostKeyPolicy = serde_json::from_str(r#"{"known_hosts": "/kh"}"#).unwrap();
    assert_eq!(policy, HostKeyPolicy::KnownHosts("/kh".into()));
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(lines in ".*", host in ".*") {
        let _ = Trust::from_text(&lines, &SshTarget::new(host, "off"), Path::new("/kh"));
    }

    #[test]
    fn no_line_without_the_key_makes_it_trusted(name in "[a-z.*?!,|]{0,12}", rest in ".{0,20}") {
        let lines = format!("{name} {OTHER_KEY}\n{name} {rest}\n");
        let verdict = trust(&lines, &nas()).verdict(&fingerprint(FINGERPRINT));
        prop_assert_eq!(verdict, KeyVerdict::Other);
    }
}
