use proptest::prelude::*;

use super::*;

#[test]
fn every_notation_is_read_and_written_back() {
    for (text, kind) in [
        ("unix:///run/user/1000/docker.sock", AddressKind::Unix),
        ("tcp://proxy", AddressKind::Tcp),
        ("tcp://10.0.0.1:2376", AddressKind::Tcp),
        ("tcp://[fd00::1]:2376", AddressKind::Tcp),
        ("tcp://[::1]", AddressKind::Tcp),
        ("ssh://docker.lan", AddressKind::Ssh),
        ("ssh://root@docker.lan", AddressKind::Ssh),
        ("ssh://backup@[fd00::1]:2222", AddressKind::Ssh),
        ("ssh://me@pi/run/user/1000/docker.sock", AddressKind::Ssh),
    ] {
        let address: EngineAddress = text.parse().unwrap();
        assert_eq!(address.to_string(), text);
        assert_eq!(address.kind(), kind);
        let json = serde_json::to_string(&address).unwrap();
        assert_eq!(json, format!("{text:?}"));
        assert_eq!(
            serde_json::from_str::<EngineAddress>(&json).unwrap(),
            address
        );
    }
    let default = EngineAddress::default();
    assert_eq!(default.to_string(), "unix:///var/run/docker.sock");
    assert_eq!(default.socket(), Some(Path::new("/var/run/docker.sock")));
    let slash: EngineAddress = "tcp://proxy:2375/".parse().unwrap();
    assert_eq!(slash.to_string(), "tcp://proxy:2375");
    assert_eq!(slash.socket(), None);
}

#[test]
fn everything_else_is_refused_with_what_was_expected() {
    for bad in [
        "npipe:////./pipe/docker_engine",
        "http://10.0.0.1:2375",
        "",
        "/var/run/docker.sock",
        "unix://docker.sock",
        "unix://",
        "tcp://",
        "tcp://:2375",
        "tcp://host:0",
        "tcp://host:docker",
        "tcp://host:65536",
        "tcp://host:2375/v1.41",
        "tcp://user@host:2375",
        "tcp://fd00::1:2376",
        "tcp://[host]:2376",
        "ssh://",
        "ssh://@host",
        "ssh://-oProxyCommand=id@host",
        "ssh://-oProxyCommand=id",
        "ssh://ho st",
        "ssh://host/sock?x",
    ] {
        let error = bad.parse::<EngineAddress>().unwrap_err();
        assert!(error.to_string().contains("expected"), "{error}");
        assert!(error.to_string().contains(bad), "{error}");
    }
    let open = "tcp://[::1:2375".parse::<EngineAddress>().unwrap_err();
    assert!(open.to_string().contains("not closed"), "{open}");
    assert!(serde_json::from_str::<EngineAddress>(r#""docker.sock""#).is_err());
}

#[test]
fn a_password_is_refused_and_not_repeated() {
    let error = "ssh://root:hunter2@host"
        .parse::<EngineAddress>()
        .unwrap_err();
    assert_eq!(error, AddressError::HasPassword);
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

proptest! {
    /// Whatever is read has one way to be written, and nothing in it can be an option of `ssh`.
    #[test]
    fn what_is_read_is_written_back_the_same(text in "(unix|tcp|ssh)://[a-z@:/.\\[\\]0-9-]{0,20}") {
        if let Ok(address) = text.parse::<EngineAddress>() {
            let written = address.to_string();
            prop_assert_eq!(&written.parse::<EngineAddress>().unwrap(), &address);
            if let Place::Ssh { user, host, .. } = address.place() {
                prop_assert!(!host.starts_with('-'));
                prop_assert!(!user.as_deref().unwrap_or_default().starts_with('-'));
            }
        }
    }
}
