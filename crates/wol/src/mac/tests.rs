use proptest::prelude::*;

use super::{MacAddr, MacAddrErrorKind};

const OCTETS: [u8; 6] = [0xd0, 0x94, 0x66, 0x12, 0x34, 0xaf];

fn kind(text: &str) -> MacAddrErrorKind {
    text.parse::<MacAddr>().expect_err(text).kind()
}

#[test]
fn the_four_notations_mean_the_same() {
    for text in [
        "d0:94:66:12:34:af",
        "D0:94:66:12:34:AF",
        "D0-94-66-12-34-AF",
        "d094.6612.34af",
        "d094661234aF",
    ] {
        assert_eq!(text.parse::<MacAddr>().unwrap().octets(), OCTETS, "{text}");
    }
}

#[test]
fn a_leading_zero_may_be_left_out_as_bsd_does() {
    for text in ["0:1e:c:5:0:7", "0-1E-C-5-0-7", "00:1e:0c:5:0:07"] {
        let octets = text.parse::<MacAddr>().unwrap().octets();
        assert_eq!(octets, [0, 0x1e, 0x0c, 5, 0, 7], "{text}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for text in [
        "",
        "d0",
        "d0:94:66:12:34",
        "d0:94:66:12:34:af:01",
        "d0:94:66:12:34:0af",
        "d0:94:66:12:34:",
        "d0::66:12:34:af",
        "+0:94:66:12:34:af",
        "d0:94:66:12:34:af:",
        ":d0:94:66:12:34:af",
        "d0:94-66:12-34:af",
        "d0:94:66:12:34:ag",
        "d0 94 66 12 34 af",
        " d0:94:66:12:34:af",
        "d09.466.123.4af",
        "d094661234a",
        "d094661234afb",
        "+094661234af",
        "0xd094661234",
        "ééé:ééé",
        "192.168.0.11",
    ] {
        assert_eq!(kind(text), MacAddrErrorKind::Syntax, "{text:?}");
    }
}

#[test]
fn what_no_host_has_is_refused() {
    assert_eq!(kind("00:00:00:00:00:00"), MacAddrErrorKind::Zero);
    assert_eq!(kind("FF-FF-FF-FF-FF-FF"), MacAddrErrorKind::Broadcast);
    assert_eq!(kind("01:00:5e:00:00:01"), MacAddrErrorKind::Group);
    assert_eq!(kind("333300000001"), MacAddrErrorKind::Group);
}

#[test]
fn the_error_says_what_was_given_and_what_is_expected() {
    let error = "nas.local".parse::<MacAddr>().unwrap_err();
    assert_eq!(error.input(), "nas.local");
    assert_eq!(
        error.to_string(),
        "use \"nas.local\" as a MAC address: expected six pairs of hexadecimal digits, such as \
         d0:94:66:12:34:56, D0-94-66-12-34-56, d094.6612.3456 or d09466123456"
    );
}

#[cfg(feature = "serde")]
#[test]
fn serde_takes_and_gives_a_string() {
    let mac: MacAddr = serde_json::from_str("\"D0-94-66-12-34-AF\"").unwrap();
    assert_eq!(
        serde_json::to_string(&mac).unwrap(),
        "\"d0:94:66:12:34:af\""
    );

    let error = serde_json::from_str::<MacAddr>("\"d0:94\"").unwrap_err();
    assert!(error.to_string().contains("d0:94:66:12:34:56"), "{error}");
    let error = serde_json::from_str::<MacAddr>("17").unwrap_err();
    assert!(error.to_string().contains("as a string"), "{error}");
}

fn host_octets() -> impl Strategy<Value = [u8; 6]> {
    any::<[u8; 6]>()
        .prop_map(|mut octets| {
            octets[0] &= 0xfe;
            octets
        })
        .prop_filter("all zeroes is no host", |octets| *octets != [0; 6])
}

proptest! {
    #[test]
    fn display_parses_back(octets in host_octets()) {
        let mac = MacAddr::new(octets).unwrap();
        prop_assert_eq!(mac.to_string().parse::<MacAddr>().unwrap(), mac);
        prop_assert_eq!(mac.octets(), octets);
    }

    #[test]
    fn every_notation_of_an_address_parses_to_it(octets in host_octets(), upper: bool) {
        let hex = MacAddr::new(octets).unwrap().to_string().replace(':', "");
        let hex = if upper { hex.to_uppercase() } else { hex };
        let grouped = |size: usize, separator: &str| {
            let groups: Vec<String> = hex
                .as_bytes()
                .chunks(size)
                .map(|group| String::from_utf8_lossy(group).into_owned())
                .collect();
            groups.join(separator)
        };
        let short: Vec<String> = octets.iter().map(|octet| format!("{octet:x}")).collect();
        for text in [
            grouped(2, ":"),
            grouped(2, "-"),
            grouped(4, "."),
            short.join(":"),
            hex.clone(),
        ] {
            prop_assert_eq!(text.parse::<MacAddr>().unwrap().octets(), octets);
        }
    }

    #[test]
    fn group_addresses_are_never_accepted(octets: [u8; 6]) {
        let mut octets = octets;
        octets[0] |= 1;
        prop_assert!(MacAddr::new(octets).is_err());
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,24}") {
        if let Ok(mac) = text.parse::<MacAddr>() {
            prop_assert_eq!(mac.to_string().parse::<MacAddr>().unwrap(), mac);
        }
    }
}
