use proptest::prelude::*;

use super::*;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
/// What `ssh-keygen -H` made of `nas.lan` and of `[10.0.0.5]:2222`.
const HASHED_NAS: &str = "|1|8CkAJ388XmeqCEr/UVDUoJ1Rgmw=|b+uMQsSF3Xmn3U9VpHrCqBgWiG4=";
const HASHED_PORT: &str = "|1|1PsJx0h6vcEooGFxr6WiziAK6co=|I97LxJTGQizXMASaud/W9aHq9OU=";

/// The numbers of the lines that are for a name.
fn lines(text: &str, name: &str) -> Vec<usize> {
    let known_hosts = KnownHosts::parse(text);
    known_hosts.matching(name).map(|known| known.line).collect()
}

#[test]
fn names_are_patterns_with_exceptions_and_no_case() {
    let cases = [
        ("nas.lan", "nas.lan", true),
        ("NAS.Lan", "nas.lan", true),
        ("10.0.0.5,nas.lan", "nas.lan", true),
        ("*.lan", "nas.lan", true),
        ("*", "nas.lan", true),
        ("n?s.lan", "nas.lan", true),
        ("na?.lan", "na.lan", false),
        ("*a*", "nas.lan", true),
        ("*.lan,!nas.lan", "nas.lan", false),
        ("!nas.lan,*.lan", "nas.lan", false),
        ("!other.lan", "nas.lan", false),
        ("!other.lan,*", "nas.lan", true),
        ("nas.lan", "[nas.lan]:2222", false),
        ("[nas.lan]:2222", "[nas.lan]:2222", true),
        ("[*.lan]:2222", "[nas.lan]:2222", true),
        ("[nas.lan]:*", "[nas.lan]:2222", true),
        ("*", "[nas.lan]:2222", true),
        ("nas", "nas.lan", false),
        ("nas.lan.evil.example", "nas.lan", false),
        (HASHED_NAS, "nas.lan", true),
        (HASHED_NAS, "nas", false),
        (HASHED_PORT, "[10.0.0.5]:2222", true),
        (HASHED_PORT, "10.0.0.5", false),
    ];
    for (names, name, expected) in cases {
        let found = !lines(&format!("{names} {KEY}"), name).is_empty();
        assert_eq!(found, expected, "{names} for {name}");
    }
}

#[test]
fn a_name_is_looked_up_with_its_port_unless_that_is_the_usual_one() {
    assert_eq!(lookup_name("NAS.lan", 22), "nas.lan");
    assert_eq!(lookup_name("nas.lan", 2222), "[nas.lan]:2222");
    assert_eq!(lookup_name("fd00::11", 22), "fd00::11");
    assert_eq!(lookup_name("fd00::11", 2222), "[fd00::11]:2222");
}

#[test]
fn what_cannot_be_understood_is_left_out_and_the_rest_counted_on() {
    let text = format!(
        "# nas.lan {KEY}\n\nnas.lan\nnas.lan ssh-ed25519\nnas.lan ssh-ed25519 !!!\n\
         nas.lan ssh-rsa {}\n@unknown nas.lan {KEY}\n|2|a|b {KEY}\n|1|x|y {KEY}\n\0\n\
         \t nas.lan\t{KEY} a comment\r\n@revoked  nas.lan {KEY}\n@cert-authority *.lan {KEY}\n",
        KEY.split_once(' ').unwrap().1
    );
    assert_eq!(lines(&text, "nas.lan"), [11, 12, 13]);
    let known_hosts = KnownHosts::parse(&text);
    let markers: Vec<Marker> = known_hosts
        .matching("nas.lan")
        .map(|known| known.marker)
        .collect();
    assert_eq!(
        markers,
        [Marker::None, Marker::Revoked, Marker::CertAuthority]
    );
}

#[test]
fn many_asterisks_cost_little() {
    let pattern = "*a".repeat(400);
    let name = "a".repeat(399);
    assert!(!matches(name.as_bytes(), pattern.as_bytes()));
    assert!(!matches_list("nas", &"*".repeat(LONGEST_PATTERN + 1)));
}

/// What the pattern means, by its definition.
fn matches_by_definition(name: &[u8], pattern: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            (0..=name.len()).any(|swallowed| matches_by_definition(&name[swallowed..], rest))
        }
        (Some((b'?', rest)), Some((_, name))) => matches_by_definition(name, rest),
        (Some((expected, rest)), Some((found, name))) => {
            expected == found && matches_by_definition(name, rest)
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}", name in ".{0,20}") {
        let _ = lines(&text, &name);
        let line = format!("{text} {KEY}\n@{text} {KEY}\nnas {text}\n|1|{text}|{text} {KEY}");
        let _ = lines(&line, &name);
    }

    #[test]
    fn patterns_mean_what_they_say(name in "[ab.]{0,8}", pattern in "[ab.*?]{0,8}") {
        prop_assert_eq!(
            matches(name.as_bytes(), pattern.as_bytes()),
            matches_by_definition(name.as_bytes(), pattern.as_bytes())
        );
    }

    #[test]
    fn a_hashed_name_is_that_name_alone(name in "[a-z.]{1,12}", other in "[a-z.]{1,12}", salt in any::<[u8; 20]>()) {
        let mac = Hmac::<Sha1>::new_from_slice(&salt).unwrap().chain_update(&name);
        let hash = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let line = format!("|1|{}|{hash} {KEY}", BASE64_STANDARD.encode(salt));
        prop_assert_eq!(lines(&line, &name), [1]);
        prop_assert_eq!(lines(&line, &other).len(), usize::from(name == other));
    }
}
