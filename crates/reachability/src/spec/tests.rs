use proptest::prelude::*;

use super::ProbeSpec;

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
        ("", "tcp:HOST:PORT or ssh:HOST[:PORT]"),
        ("192.168.0.11", "tcp:HOST:PORT or ssh:HOST[:PORT]"),
        ("icmp:192.168.0.11", "tcp:HOST:PORT or ssh:HOST[:PORT]"),
        ("TCP:192.168.0.11:1", "tcp:HOST:PORT or ssh:HOST[:PORT]"),
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
    ] {
        let error = text.parse::<ProbeSpec>().expect_err(text).to_string();
        assert!(error.contains(expected), "{text:?}: {error}");
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
    fn any_text_is_parsed_or_refused(text in "(tcp:|ssh:)?\\PC{0,24}") {
        if let Ok(spec) = text.parse::<ProbeSpec>() {
            prop_assert_eq!(spec.to_string().parse::<ProbeSpec>().unwrap(), spec);
        }
    }
}
