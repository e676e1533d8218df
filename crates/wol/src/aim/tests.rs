use proptest::prelude::*;

use super::*;
use crate::InterfaceKind;

/// A Docker host: two networks of the house, and everything that containers and VPNs bring.
fn machine() -> Vec<InterfaceFacts> {
    let card = |name: &str, index| {
        let mut facts = InterfaceFacts::card(name, index);
        facts.hardware = Some([2, 0, 0, 0, 0, u8::try_from(index).unwrap()]);
        facts
    };
    let bridge = |name: &str, index| card(name, index).of_kind(InterfaceKind::Bridge);
    let tunnel = |kind: &str| InterfaceKind::Tunnel(kind.to_owned());
    let mut down = card("eno3", 4).with_address([192, 168, 3, 2], 24);
    down.up = false;
    let mut unplugged = card("eno4", 5).with_address([192, 168, 4, 2], 24);
    unplugged.carrier = false;
    let mut lo = card("lo", 1).of_kind(InterfaceKind::Loopback);
    lo.can_broadcast = false;
    vec![
        lo.with_address([127, 0, 0, 1], 8),
        card("eno1", 2)
            .with_address([192, 168, 0, 137], 24)
            .with_address([192, 168, 0, 138], 24)
            .with_address([10, 9, 0, 1], 16)
            .with_address([0xfe80, 0, 0, 0, 0, 0, 0, 1], 64),
        card("eno2", 3)
            .of_kind(InterfaceKind::Other("vlan".to_owned()))
            .with_address([192, 168, 7, 2], 24),
        down,
        unplugged,
        bridge("docker0", 6).with_address([172, 17, 0, 1], 16),
        bridge("br-0123456789ab", 7).with_address([172, 18, 0, 1], 16),
        bridge("virbr0", 8).with_address([192, 168, 122, 1], 24),
        card("vethc0ffee0", 9)
            .of_kind(InterfaceKind::Veth)
            .in_master(6),
        card("vnet0", 10).of_kind(tunnel("tun")).in_master(8),
        card("wg0", 11)
            .of_kind(tunnel("wireguard"))
            .with_address([10, 8, 0, 2], 24),
        bridge("br0", 12).with_address([192, 168, 9, 2], 24),
        card("eno5", 13).in_master(12),
        card("eno6", 14),
    ]
}

fn shown(targets: &Targets) -> Vec<String> {
    let destinations = targets.destinations.iter();
    destinations
        .map(|destination| match destination.from {
            Some(from) => format!("{destination} from {from}"),
            None => destination.to_string(),
        })
        .collect()
}

fn decision<'a>(decisions: &'a [Decision], name: &str) -> &'a Verdict {
    let found = decisions.iter().find(|decision| decision.interface == name);
    &found.unwrap_or_else(|| panic!("{name} is missing")).verdict
}

fn at(text: &str) -> Aim {
    Aim::at(vec![text.parse().unwrap()])
}

fn named(names: &[&str]) -> Aim {
    Aim {
        interfaces: names.iter().map(ToString::to_string).collect(),
        ..Aim::default()
    }
}

#[test]
fn by_default_every_network_of_the_house_is_used_and_no_other() {
    let targets = Aim::default().take(&machine()).unwrap();
    assert_eq!(
        shown(&targets),
        [
            "192.168.0.255:9 on eno1 from 192.168.0.137",
            "10.9.255.255:9 on eno1 from 10.9.0.1",
            "192.168.7.255:9 on eno2 from 192.168.7.2",
            "192.168.9.255:9 on br0 from 192.168.9.2",
        ]
    );
    let decisions: Vec<String> = targets.decisions.iter().map(ToString::to_string).collect();
    assert_eq!(
        decisions,
        [
            "lo is not used: it leads back to this machine",
            "eno1 is used: it is up and on a network",
            "eno2 is used: it is up and on a network",
            "eno3 is not used: it is down",
            "eno4 is not used: no cable is plugged in",
            "docker0 is not used: it is a bridge of Docker",
            "br-0123456789ab is not used: it is a bridge of Docker",
            "virbr0 is not used: it is a bridge without a network card",
            "vethc0ffee0 is not used: it leads to a container",
            "vnet0 is not used: it is a tunnel (tun)",
            "wg0 is not used: it is a tunnel (wireguard)",
            "br0 is used: it is up and on a network",
            "eno5 is not used: it is a part of br0",
            "eno6 is not used: it has no IPv4 broadcast address",
        ]
    );
}

#[test]
fn an_interface_that_is_named_is_used_whatever_it_is_and_no_other_is() {
    let targets = named(&["docker0"]).take(&machine()).unwrap();
    assert_eq!(
        shown(&targets),
        ["172.17.255.255:9 on docker0 from 172.17.0.1"]
    );
    let verdict = |name| decision(&targets.decisions, name).clone();
    assert_eq!(verdict("docker0"), Verdict::Used(Used::Named));
    assert_eq!(verdict("eno1"), Verdict::NotUsed(NotUsed::NotNamed));
}

#[test]
fn an_address_goes_through_the_interface_whose_network_it_is() {
    let targets = at("192.168.7.255:7").take(&machine()).unwrap();
    assert_eq!(
        shown(&targets),
        ["192.168.7.255:7 on eno2 from 192.168.7.2"]
    );
    let verdict = |name| decision(&targets.decisions, name).clone();
    assert_eq!(verdict("eno2"), Verdict::Used(Used::HasTheNetwork));
    assert_eq!(verdict("eno1"), Verdict::NotUsed(NotUsed::OtherNetwork));

    let elsewhere = at("203.0.113.255").take(&machine()).unwrap();
    assert_eq!(shown(&elsewhere), ["203.0.113.255:9"], "by the routes");
}

#[test]
fn the_broadcast_to_everybody_leaves_by_each_network_of_the_house() {
    let targets = at("255.255.255.255").take(&machine()).unwrap();
    assert_eq!(
        shown(&targets),
        [
            "255.255.255.255:9 on eno1 from 192.168.0.137",
            "255.255.255.255:9 on eno2 from 192.168.7.2",
            "255.255.255.255:9 on br0 from 192.168.9.2",
        ]
    );
    let none = at("255.255.255.255").take(&machine()[..1]).unwrap();
    assert_eq!(shown(&none), ["255.255.255.255:9"]);
}

#[test]
fn a_multicast_address_leaves_by_the_interface_behind_it_or_by_each_that_suits() {
    let targets = at("ff02::1%docker0").take(&machine()).unwrap();
    assert_eq!(shown(&targets), ["[ff02::1]:9 on docker0"]);
    let verdict = decision(&targets.decisions, "docker0");
    assert_eq!(*verdict, Verdict::Used(Used::Named));

    let targets = at("ff02::1").take(&machine()).unwrap();
    assert_eq!(
        shown(&targets),
        [
            "[ff02::1]:9 on eno1",
            "[ff02::1]:9 on eno2",
            "[ff02::1]:9 on br0"
        ]
    );
    let error = at("ff02::1").take(&machine()[..1]).unwrap_err();
    assert!(
        error.to_string().contains("such as ff02::1%eno1"),
        "{error}"
    );
}

#[test]
fn addresses_and_interfaces_that_are_both_named_are_all_combined() {
    let aim = Aim {
        interfaces: vec!["eno1".to_owned(), "eno2".to_owned()],
        ..at("255.255.255.255:7")
    };
    assert_eq!(
        shown(&aim.take(&machine()).unwrap()),
        [
            "255.255.255.255:7 on eno1 from 192.168.0.137",
            "255.255.255.255:7 on eno2 from 192.168.7.2",
        ]
    );
}

#[test]
fn frames_need_no_address_and_go_in_place_of_datagrams_unless_addresses_are_named() {
    let aim = Aim {
        ethernet: true,
        ..Aim::default()
    };
    let targets = aim.take(&machine()).unwrap();
    assert_eq!(
        shown(&targets),
        [
            "Ethernet broadcast on eno1",
            "Ethernet broadcast on eno2",
            "Ethernet broadcast on br0",
            "Ethernet broadcast on eno6",
        ]
    );
    let both = Aim {
        ethernet: true,
        interfaces: vec!["eno2".to_owned()],
        ..at("192.168.7.255")
    };
    assert_eq!(
        shown(&both.take(&machine()).unwrap()),
        [
            "Ethernet broadcast on eno2",
            "192.168.7.255:9 on eno2 from 192.168.7.2"
        ]
    );
}

#[test]
fn an_own_address_is_refused_with_the_right_one() {
    for (given, expected) in [
        ("192.168.0.138", "192.168.0.255"),
        ("192.168.3.2", "192.168.3.255"),
        ("127.0.0.1", "the sleeping machine's network"),
        ("fe80::1", "the sleeping machine's network"),
    ] {
        let error = at(given).take(&machine()).unwrap_err();
        assert!(error.is_a_mistake());
        let text = error.to_string();
        assert!(text.contains("this machine's own"), "{text}");
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn the_address_of_another_machine_is_remarked_upon_with_the_right_one() {
    let targets = at("192.168.0.11").take(&machine()).unwrap();
    let [remark] = &targets.remarks[..] else {
        panic!("{:?}", targets.remarks);
    };
    assert!(remark.to_string().contains("192.168.0.255"), "{remark}");
    for fine in ["192.168.0.255", "255.255.255.255", "203.0.113.9"] {
        assert_eq!(at(fine).take(&machine()).unwrap().remarks, [], "{fine}");
    }
}

#[test]
fn an_interface_that_is_not_there_is_named_with_those_that_are() {
    for aim in [named(&["eth0"]), at("ff02::1%eth0")] {
        let error = aim.take(&machine()).unwrap_err();
        assert!(error.is_a_mistake());
        let text = error.to_string();
        assert!(text.contains("\"eth0\""), "{text}");
        assert!(text.contains("lo, eno1, eno2"), "{text}");
    }
}

#[test]
fn when_nothing_is_left_each_interface_is_named_with_its_reason() {
    let error = named(&["eno3"]).take(&machine()).unwrap_err();
    assert!(!error.is_a_mistake(), "it may come up");
    let text = error.to_string();
    assert!(text.contains("eno3 is not used: it is down"), "{text}");
    assert_eq!(error.decisions().len(), machine().len());
}

#[test]
fn in_a_container_its_end_of_the_pair_is_the_way_out() {
    let lo = machine().remove(0);
    let veth = |name| InterfaceFacts::card(name, 2).of_kind(InterfaceKind::Veth);
    let container = [lo, veth("eth0").with_address([172, 17, 0, 2], 16)];
    let targets = Aim::default().take(&container).unwrap();
    assert_eq!(
        shown(&targets),
        ["172.17.255.255:9 on eth0 from 172.17.0.2"]
    );
    assert_eq!(
        *decision(&targets.decisions, "eth0"),
        Verdict::Used(Used::OnlyWayOut)
    );
    // On the machine itself it has no address.
    assert!(Aim::default().take(&[veth("vethc0ffee0")]).is_err());
}

#[test]
fn without_facts_what_is_named_has_to_do() {
    let error = Aim::default().take_blindly().unwrap_err();
    assert!(error.to_string().contains("or a broadcast address"));
    let targets = at("192.0.2.255").take_blindly().unwrap();
    assert_eq!(shown(&targets), ["192.0.2.255:9"]);
    let aim = Aim {
        interfaces: vec!["em0".to_owned()],
        ..at("192.0.2.255")
    };
    assert_eq!(
        shown(&aim.take_blindly().unwrap()),
        ["192.0.2.255:9 on em0"]
    );
}

fn kinds() -> impl Strategy<Value = InterfaceKind> {
    prop_oneof![
        Just(InterfaceKind::Card),
        Just(InterfaceKind::Loopback),
        Just(InterfaceKind::Bridge),
        Just(InterfaceKind::Veth),
        Just(InterfaceKind::Tunnel("tun".to_owned())),
        Just(InterfaceKind::Other("vlan".to_owned())),
    ]
}

prop_compose! {
    fn interfaces()(
        facts in prop::collection::vec(
            (
                kinds(),
                any::<[bool; 4]>(),
                prop::option::of(1_u32..6),
                prop::collection::vec((any::<[u8; 4]>(), 0_u8..=32), 0..3),
            ),
            0..6,
        )
    ) -> Vec<InterfaceFacts> {
        facts
            .into_iter()
            .zip(1_u32..)
            .map(|((kind, [up, carrier, can_broadcast, card], master, addresses), index)| {
                let mut facts = InterfaceFacts::card(format!("if{index}"), index).of_kind(kind);
                facts.up = up;
                facts.carrier = carrier;
                facts.can_broadcast = can_broadcast;
                facts.hardware = card.then_some([2, 0, 0, 0, 0, 1]);
                facts.master = master;
                for (address, prefix) in addresses {
                    facts = facts.with_address(address, prefix);
                }
                facts
            })
            .collect()
    }
}

proptest! {
    /// Whatever the machine: a destination is on an interface that is said to be used, and an
    /// interface that is said to be used has a destination.
    #[test]
    fn decisions_and_destinations_agree(
        machine in interfaces(),
        ethernet: bool,
        names in prop::collection::vec(1_usize..6, 0..3),
        everybody: bool,
    ) {
        let aim = Aim {
            interfaces: names.iter().map(|number| format!("if{number}")).collect(),
            broadcasts: everybody
                .then(|| "255.255.255.255".parse().unwrap())
                .into_iter()
                .collect(),
            ethernet,
        };
        match aim.take(&machine) {
            Ok(targets) => {
                prop_assert!(!targets.destinations.is_empty());
                prop_assert_eq!(targets.decisions.len(), machine.len());
                for decision in &targets.decisions {
                    let has_one = targets.destinations.iter().any(|destination| {
                        destination.interface.as_ref() == Some(&decision.interface)
                    });
                    let is_used = matches!(decision.verdict, Verdict::Used(_));
                    prop_assert_eq!(has_one, is_used, "{}", decision);
                }
            }
            Err(AimError::NoSuchInterface { name, .. }) => {
                prop_assert!(!machine.iter().any(|facts| facts.name == name));
            }
            Err(AimError::NothingToSendThrough { decisions }) => {
                prop_assert!(decisions.iter().all(|decision| !decision.is_used()));
            }
            Err(AimError::OwnAddress { .. }) => prop_assert!(everybody),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    /// Unless it is named, nothing ever leaves by what leads to containers, tunnels or back.
    #[test]
    fn what_leads_nowhere_is_never_chosen(machine in interfaces(), ethernet: bool) {
        let aim = Aim { ethernet, ..Aim::default() };
        let Ok(targets) = aim.take(&machine) else { return Ok(()); };
        for facts in &machine {
            let verdict = decision(&targets.decisions, &facts.name);
            if let Verdict::Used(why) = verdict {
                prop_assert!(facts.up && facts.carrier);
                match facts.kind {
                    InterfaceKind::Loopback | InterfaceKind::Tunnel(_) => prop_assert!(false),
                    InterfaceKind::Veth => prop_assert_eq!(*why, Used::OnlyWayOut),
                    _ => prop_assert_eq!(*why, Used::OnANetwork),
                }
            }
        }
    }
}
