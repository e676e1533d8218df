use proptest::prelude::*;

use super::{BuildError, ProbeSpec};
use crate::Trust;

fn tcp(host: &str, port: u16) -> ProbeSpec {
    ProbeSpec::Tcp {
        host: host.to_owned(),
        port,
    }
}

fn ssh(host: &str, port: u16) -> ProbeSpec {
    ProbeSpec::Ssh {
        host: host.to_owned(),
        port,
    }
}

#[test]
fn both_schemes_take_names_and_addresses() {
    for (text, expected) in [
        ("tcp:192.168.0.11:443", tcp("192.168.0.11", 443)),
        ("tcp:nas.local:1", tcp("nas.local", 1)),
        ("tcp:[fd00::11]:443", tcp("fd00::11", 443)),
        ("ssh:nas_2", ssh("nas_2", 22)),
        ("ssh:nas-2:2222", ssh("nas-2", 2222)),
        ("ssh:[FD00:0::11]", ssh("fd00::11", 22)),
        ("ssh:[::1]:65535", ssh("::1", 65535)),
    ] {
        assert_eq!(text.parse::<ProbeSpec>().unwrap(), expected, "{text}");
    }
}

#[test]
fn what_is_no_probe_is_refused_with_what_was_expected() {
    for (text, expected) in [
        ("", "icmp:HOST, tcp:HOST:PORT, ssh:HOST[:PORT]"),
        ("192.168.0.11", "icmp:HOST, tcp:HOST:PORT, ssh:HOST[:PORT]"),
        ("http://nas/", "https://HOST"),
        (
            "TCP:192.168.0.11:1",
            "icmp:HOST, tcp:HOST:PORT, ssh:HOST[:PORT]",
        ),
        ("tcp:", "a host name or an IP address"),
        ("tcp::443", "a host name or an IP address"),
        ("ssh:user@nas", "a host name or an IP address"),
        ("ssh:nas /etc", "a host name or an IP address"),
        ("ssh://nas", "a host name or an IP address"),
        ("tcp:nas", "tcp:HOST:443"),
        ("tcp:[::1]", "tcp:HOST:443"),
        ("tcp:nas:", "from 1 to 65535"),
        ("tcp:nas:0", "from 1 to 65535"),
        ("tcp:nas:+1", "from 1 to 65535"),
        ("tcp:nas:65536", "from 1 to 65535"),
        ("tcp:nas:https", "from 1 to 65535"),
        ("ssh:[::1]22", "from 1 to 65535"),
        ("ssh:fd00::11", "[fd00::11]"),
        ("tcp:::1:22", "[fd00::11]"),
        ("ssh:[::1", "[fd00::11]"),
        ("ssh:[nas]", "[fd00::11]"),
        ("icmp:", "a host name or an IP address"),
        ("icmp:fd00::11", "[fd00::11]"),
        ("icmp:nas:7", "no port"),
        ("https:nas", "https://192.168.0.11/"),
        ("https://", "https://192.168.0.11/"),
        ("https://nas:70000/", "https://192.168.0.11/"),
        ("https://user@nas/", "no user"),
        ("https://nas/#insecure", "#sha256="),
        ("https://nas/#sha256=AB", "#sha256="),
        ("truenas:nas", "https://192.168.0.11/"),
        ("truenas:http://nas", "https://192.168.0.11/"),
    ] {
        let error = text.parse::<ProbeSpec>().expect_err(text).to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
    }
}

#[test]
fn servers_are_believed_as_the_end_of_the_address_says() {
    let pin = ["AB"; 32].join(":");
    for (text, written) in [
        ("https://nas", "https://nas/".to_owned()),
        (
            "https://nas:8443/ui?x=1",
            "https://nas:8443/ui?x=1".to_owned(),
        ),
        ("https://[fd00::11]/", "https://[fd00::11]/".to_owned()),
        (
            "https://nas#ca=/etc/ca.pem",
            "https://nas/#ca=/etc/ca.pem".to_owned(),
        ),
        (
            &format!("https://nas/#sha256={}", "ab".repeat(32)),
            format!("https://nas/#sha256={pin}"),
        ),
        ("truenas:https://nas", "truenas:https://nas/".to_owned()),
        (
            &format!("truenas:https://nas#sha256={pin}"),
            format!("truenas:https://nas/#sha256={pin}"),
        ),
    ] {
        let spec: ProbeSpec = text.parse().unwrap();
        assert_eq!(spec.to_string(), written);
        assert_eq!(written.parse::<ProbeSpec>().unwrap(), spec);
    }
    let ProbeSpec::Https { url, trust } = "https://nas#ca=ca.pem".parse().unwrap() else {
        panic!("no web server");
    };
    assert_eq!(url.fragment(), None);
    assert_eq!(trust, Trust::CaFile("ca.pem".into()));
}

#[test]
fn a_password_in_an_address_is_not_repeated() {
    let error = "https://root:secret@nas/".parse::<ProbeSpec>().unwrap_err();
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(error.to_string().contains("nas"), "{error}");
}

#[test]
fn whoever_builds_the_probe_of_a_truenas_is_told_which() {
    let spec: ProbeSpec = "truenas:https://nas".parse().unwrap();
    match spec.build().unwrap_err() {
        BuildError::NeedsBuilder { spec: named } => assert_eq!(*named, spec),
        other => panic!("{other}"),
    }
}

#[test]
fn serde_uses_the_text() {
    let spec: ProbeSpec = serde_json::from_str("\"ssh:nas\"").unwrap();
    assert_eq!(serde_json::to_string(&spec).unwrap(), "\"ssh:nas:22\"");
    let error = serde_json::from_str::<ProbeSpec>("\"nas\"").unwrap_err();
    assert!(error.to_string().contains("tcp:HOST:PORT"), "{error}");
}

fn spec() -> impl Strategy<Value = ProbeSpec> {
    let host = prop_oneof![
        "[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?",
        any::<std::net::Ipv4Addr>().prop_map(|address| address.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|address| address.to_string()),
    ];
    (any::<bool>(), host, 1..=u16::MAX).prop_map(|(is_tcp, host, port)| {
        if is_tcp {
            tcp(&host, port)
        } else {
            ssh(&host, port)
        }
    })
}

proptest! {
    #[test]
    fn display_parses_back(spec in spec()) {
        prop_assert_eq!(spec.to_string().parse::<ProbeSpec>().unwrap(), spec);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "(icmp:|tcp:|ssh:|https://|truenas:https://)?\\PC{0,24}") {
        if let Ok(spec) = text.parse::<ProbeSpec>() {
            prop_assert_eq!(spec.to_string().parse::<ProbeSpec>().unwrap(), spec);
        }
    }
}
