//! Magic packets as they leave a Docker host, beside those of Debian's tools.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::net::UdpSocket;
use std::process::Command;

use lab::isolation::isolated;
use lab::lans::{self, BROADCASTS, Capture, Frame};
use wol::testing::{Fixture, conformance};
use wol::{
    Aim, Decision, Destination, LanWaker, MacAddr, SecureOn, Targets, WakeErrorKind, WakeRequest,
    Waker as _,
};

const MAC: &str = "d0:94:66:12:34:af";

fn mac() -> MacAddr {
    MAC.parse().unwrap()
}

/// What an aim comes to here.
fn take(aim: &Aim) -> Targets {
    aim.take(&LanWaker.interfaces().unwrap()).unwrap()
}

/// Sends to what an aim comes to, and gives what has left.
fn wake(capture: &Capture, aim: &Aim, password: Option<&str>) -> Vec<Frame> {
    let password = password.map(|text| text.parse::<SecureOn>().unwrap());
    let request = WakeRequest::new(mac(), take(aim).destinations).with_password(password);
    let report = LanWaker.wake(&request).unwrap();
    assert!(report.failed.is_empty(), "{report:?}");
    capture.magic(mac()).unwrap()
}

/// What has left after a program of Debian has run.
fn debian(capture: &Capture, program: &str, arguments: &[&str]) -> Vec<Frame> {
    let output = Command::new(program)
        .args(arguments)
        .arg(MAC)
        .env("PATH", "/usr/bin:/usr/sbin:/bin:/sbin")
        .output()
        .unwrap_or_else(|error| panic!("{program} (apt-get install {program}): {error}"));
    assert!(output.status.success(), "{program}: {output:?}");
    let frames = capture.magic(mac()).unwrap();
    assert!(!frames.is_empty(), "{program} sent nothing: {output:?}");
    frames
}

/// The interface that each left by, and where each went.
fn ways(frames: &[Frame]) -> Vec<(String, String)> {
    let way = |frame: &Frame| {
        let (_, to, _) = frame.udp().unwrap();
        (frame.interface.clone(), to)
    };
    frames.iter().map(way).collect()
}

/// All of a frame but what is drawn for each: the identification and checksum of its IP header, the
/// port it comes from, and the checksum over that.
fn without_what_is_drawn(frame: &Frame) -> (Vec<u8>, Vec<u8>) {
    let mut bytes = frame.bytes.clone();
    for drawn in [18..20, 24..26, 34..36, 40..42] {
        bytes[drawn].fill(0);
    }
    let (header, payload) = bytes.split_at(42);
    (header.to_vec(), payload.to_vec())
}

#[test]
fn a_datagram_is_byte_for_byte_that_of_wakeonlan() {
    isolated(|| {
        lans::lay().unwrap();
        let capture = Capture::begin().unwrap();
        for (address, port) in [
            (BROADCASTS[0], "9"),
            (BROADCASTS[1], "7"),
            ("10.201.0.255", "40000"),
        ] {
            let theirs = debian(&capture, "wakeonlan", &["-i", address, "-p", port]);
            let to = format!("{address}:{port}").parse().unwrap();
            let ours = wake(&capture, &Aim::at(vec![to]), None);
            let [ours, theirs] = [&ours[..], &theirs[..]].map(|frames| match frames {
                [frame] => frame.clone(),
                _ => panic!("expected one frame: {frames:?}"),
            });
            assert_eq!(ours.interface, theirs.interface);
            assert_eq!(without_what_is_drawn(&ours), without_what_is_drawn(&theirs));
        }

        // To everybody: theirs leaves by the default route alone.
        let theirs = debian(&capture, "wakeonlan", &[]);
        let everybody = "255.255.255.255:9".to_owned();
        assert_eq!(ways(&theirs), [("lan0".to_owned(), everybody.clone())]);
        let aim = Aim::at(vec!["255.255.255.255".parse().unwrap()]);
        let ours = wake(&capture, &aim, None);
        let expected = ["lan0", "lan1"].map(|name| (name.to_owned(), everybody.clone()));
        assert_eq!(ways(&ours), expected);
        assert_eq!(
            without_what_is_drawn(&ours[0]),
            without_what_is_drawn(&theirs[0])
        );
    });
}

#[test]
fn a_frame_is_byte_for_byte_that_of_etherwake() {
    isolated(|| {
        lans::lay().unwrap();
        let capture = Capture::begin().unwrap();
        for interface in ["lan0", "lan1", "docker0"] {
            for password in [None, Some("192.168.1.1"), Some("00:22:44:66:88:aa")] {
                let mut arguments = vec!["-b", "-i", interface];
                arguments.extend(password.iter().flat_map(|password| ["-p", password]));
                let theirs = debian(&capture, "etherwake", &arguments);
                let aim = Aim {
                    interfaces: vec![interface.to_owned()],
                    ethernet: true,
                    ..Aim::default()
                };
                let ours = wake(&capture, &aim, password);
                assert_eq!(ours.len(), 1);
                assert_eq!(ours, theirs, "{interface}, {password:?}");

                // A datagram carries the same bytes.
                let aim = Aim {
                    ethernet: false,
                    ..aim
                };
                let datagram = wake(&capture, &aim, password);
                let (_, _, payload) = datagram[0].udp().unwrap();
                assert_eq!(payload, &theirs[0].bytes[14..]);
            }
        }
    });
}

#[test]
fn by_default_packets_leave_by_the_networks_of_the_house_alone() {
    isolated(|| {
        lans::lay().unwrap();
        let capture = Capture::begin().unwrap();
        let frames = wake(&capture, &Aim::default(), None);
        let expected = [("lan0", BROADCASTS[0]), ("lan1", BROADCASTS[1])]
            .map(|(interface, to)| (interface.to_owned(), format!("{to}:9")));
        assert_eq!(ways(&frames), expected);
        let sources: Vec<String> = frames.iter().map(|frame| frame.udp().unwrap().0).collect();
        assert_eq!(sources, ["10.201.0.137", "10.201.1.137"]);

        let decisions = take(&Aim::default()).decisions;
        let said = |name: &str| -> String {
            let found = decisions.iter().find(|decision| decision.interface == name);
            found.map(Decision::to_string).unwrap_or_default()
        };
        for (name, why) in [
            ("lo", "it leads back to this machine"),
            ("docker0", "it is a bridge of Docker"),
            ("veth0", "it leads to a container"),
            ("veth1", "it leads to a container"),
            ("tun0", "it is a tunnel (tun)"),
        ] {
            assert_eq!(said(name), format!("{name} is not used: {why}"));
        }
        assert!(said("lan1").contains("lan1 is used"), "{decisions:?}");
    });
}

#[test]
fn an_interface_that_is_named_is_the_only_one_and_so_is_that_of_an_ipv6_link() {
    isolated(|| {
        lans::lay().unwrap();
        let capture = Capture::begin().unwrap();
        let named = |name: &str| Aim {
            interfaces: vec![name.to_owned()],
            ..Aim::default()
        };
        let frames = wake(&capture, &named("docker0"), None);
        let expected = ("docker0".to_owned(), "172.17.255.255:9".to_owned());
        assert_eq!(ways(&frames), [expected]);

        for name in ["lan1", "docker0"] {
            let to = format!("ff02::1%{name}").parse().unwrap();
            let frames = wake(&capture, &Aim::at(vec![to]), None);
            let [frame] = &frames[..] else {
                panic!("expected one frame: {frames:?}");
            };
            assert_eq!(frame.interface, name);
            // To the Ethernet group of all nodes, as IPv6, to ff02::1.
            assert_eq!(frame.bytes[..6], [0x33, 0x33, 0, 0, 0, 1]);
            assert_eq!(frame.bytes[12..14], [0x86, 0xdd]);
            assert_eq!(frame.bytes[38..40], [0xff, 0x02]);
            assert_eq!(frame.bytes[53], 1);
        }
    });
}

#[test]
fn the_address_of_the_machine_itself_is_refused_before_anything_is_sent() {
    isolated(|| {
        lans::lay().unwrap();
        let machine = LanWaker.interfaces().unwrap();
        for (given, expected) in [
            (
                "10.201.1.137",
                "expected the broadcast address of that network, 10.201.1.255",
            ),
            ("172.17.0.1", "172.17.255.255"),
            ("fd00:201::137", "this machine's own, on lan1"),
        ] {
            let aim = Aim::at(vec![given.parse().unwrap()]);
            let error = aim.take(&machine).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    });
}

#[test]
fn the_real_waker_keeps_the_contract_with_frames_too() {
    isolated(|| {
        lans::lay().unwrap();
        let capture = Capture::begin().unwrap();
        let mac = "02:00:5e:10:20:30".parse().unwrap();
        let mut fixture = Fixture {
            reachable: [
                Destination::ethernet("lan0"),
                "10.201.1.255".parse().unwrap(),
            ],
            unreachable: Destination::ethernet("no-such-card"),
            arrived: Box::new(|| {
                let frames = capture.magic(mac).unwrap();
                let packets = frames.iter().map(|frame| match frame.udp() {
                    Some((_, _, payload)) => payload.to_vec(),
                    None => frame.bytes[14..].to_vec(),
                });
                packets.collect()
            }),
        };
        conformance(&LanWaker, &mut fixture);
    });
}

#[test]
fn frames_are_refused_where_they_cannot_be_sent_with_a_reason() {
    isolated(|| {
        lans::lay().unwrap();
        for (interface, hint) in [("tun0", "send by UDP"), ("no-such-card", "`ip link`")] {
            let request = WakeRequest::new(mac(), vec![Destination::ethernet(interface)]);
            let error = LanWaker.wake(&request).unwrap_err();
            assert_eq!(error.kind(), WakeErrorKind::Interface, "{error}");
            assert!(error.to_string().contains(hint), "{error}");
        }
    });
}

#[test]
fn a_neighbour_that_was_spoken_to_is_known_by_its_mac_address() {
    isolated(|| {
        lans::lay().unwrap();
        let ip = |arguments: &str| {
            let status = Command::new("ip").args(arguments.split(' ')).status();
            assert!(status.unwrap().success(), "ip {arguments}");
        };
        ip("neigh replace 10.201.0.11 lladdr 18:66:da:0a:0b:0c dev lan0");
        ip("neigh replace fd00:201::11 lladdr 18:66:da:0a:0b:0d dev lan1");
        let look = |address: &str| {
            let found = wol::lookup_neighbour(address.parse().unwrap()).unwrap();
            found.map(|mac| mac.to_string())
        };
        assert_eq!(look("10.201.0.11").as_deref(), Some("18:66:da:0a:0b:0c"));
        assert_eq!(look("fd00:201::11").as_deref(), Some("18:66:da:0a:0b:0d"));
        assert_eq!(look("10.201.0.12"), None);
        // Somebody who was asked for, and has not answered.
        let socket = UdpSocket::bind("10.201.0.137:0").unwrap();
        socket.send_to(b"?", "10.201.0.13:9").unwrap();
        assert_eq!(look("10.201.0.13"), None);
    });
}
