//! Real datagrams, on the loopback interface only.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::net::{SocketAddrV4, UdpSocket};
use std::time::Duration;

#[cfg(feature = "mock")]
use wol::testing::MemoryWaker;
use wol::testing::{Fixture, conformance};
use wol::{
    Destination, LanWaker, MacAddr, MagicPacket, Tie, UdpWaker, WakeError, WakeErrorKind,
    WakeRequest, Waker,
};

fn mac() -> MacAddr {
    "02:00:5e:10:20:30".parse().unwrap()
}

/// A socket that hears what is sent to this loopback address, and the destination that it is.
fn listener(address: &str) -> (UdpSocket, Destination) {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let destination = Destination::new(socket.local_addr().unwrap());
    (socket, destination)
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2048];
    let (length, _) = socket.recv_from(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

#[test]
fn a_broadcast_arrives_byte_for_byte() {
    let (socket, destination) = listener("127.255.255.255");

    let report = UdpWaker
        .wake(&WakeRequest::new(mac(), vec![destination.clone()]))
        .unwrap();

    assert_eq!(receive(&socket), MagicPacket::new(mac()).as_bytes());
    assert!(report.failed.is_empty());
    let texts: Vec<String> = report.sent.iter().map(ToString::to_string).collect();
    assert_eq!(texts, [format!("102 bytes to {destination}")]);
}

#[test]
fn every_destination_gets_one_packet() {
    let (first, first_destination) = listener("127.255.255.255");
    let (second, second_destination) = listener("127.0.0.1");

    let request = WakeRequest::new(mac(), vec![first_destination, second_destination]);
    let report = UdpWaker.wake(&request).unwrap();

    assert_eq!(report.sent.len(), 2);
    for socket in [&first, &second] {
        assert_eq!(receive(socket), MagicPacket::new(mac()).as_bytes());
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        assert!(socket.recv_from(&mut [0; 8]).is_err(), "a second packet");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_named_interface_is_used() {
    let (socket, destination) = listener("127.255.255.255");
    let request = WakeRequest::new(mac(), vec![destination.on_interface("lo")]);
    let report = UdpWaker.wake(&request).unwrap();
    assert!(report.sent[0].to_string().ends_with(" on lo"));
    assert_eq!(receive(&socket), MagicPacket::new(mac()).as_bytes());
}

#[cfg(target_os = "linux")]
#[test]
fn a_destination_that_fails_does_not_stop_the_others() {
    let (socket, destination) = listener("127.0.0.1");
    let nowhere = destination.clone().on_interface("no-such-card");

    let request = WakeRequest::new(mac(), vec![nowhere.clone(), destination.clone()]);
    let report = UdpWaker.wake(&request).unwrap();

    assert_eq!(receive(&socket), MagicPacket::new(mac()).as_bytes());
    assert_eq!(report.sent.len(), 1);
    let [(failed, error)] = &report.failed[..] else {
        panic!("one failure expected: {:?}", report.failed);
    };
    assert_eq!(failed, &nowhere);
    assert_eq!(error.kind(), WakeErrorKind::Interface);
    assert!(error.to_string().contains("no-such-card"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn when_nothing_goes_out_the_error_says_so_for_each() {
    let address: SocketAddrV4 = "127.0.0.1:9".parse().unwrap();
    for interface in ["no-such-card", "", "a-name-longer-than-linux-allows"] {
        let destination = Destination::new(address).on_interface(interface);
        let error = UdpWaker
            .wake(&WakeRequest::new(mac(), vec![destination]))
            .unwrap_err();
        assert!(
            matches!(&error, WakeError::NothingSent { failed } if failed.len() == 1),
            "{interface:?}: {error}"
        );
        assert_eq!(error.kind(), WakeErrorKind::Interface, "{error}");
        assert!(error.to_string().contains("`ip link`"), "{error}");
    }
}

#[test]
fn a_request_without_destinations_is_an_error() {
    let error = UdpWaker
        .wake(&WakeRequest::new(mac(), Vec::new()))
        .unwrap_err();
    assert_eq!(error.kind(), WakeErrorKind::Request);
}

#[test]
fn a_packet_comes_from_the_address_that_is_named() {
    let (socket, destination) = listener("127.255.255.255");
    let here = destination.clone().from_address([127, 0, 0, 7]);
    let report = UdpWaker.wake(&WakeRequest::new(mac(), vec![here])).unwrap();
    assert_eq!(report.sent[0].tie, Tie::Route);
    let (_, from) = socket.recv_from(&mut [0; 2048]).unwrap();
    assert_eq!(from.ip().to_string(), "127.0.0.7");

    let elsewhere = destination.from_address([203, 0, 113, 9]);
    let error = UdpWaker
        .wake(&WakeRequest::new(mac(), vec![elsewhere]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("send from 203.0.113.9"), "{error}");
}

#[test]
fn a_waker_of_datagrams_says_that_it_sends_no_frames() {
    let request = WakeRequest::new(mac(), vec![Destination::ethernet("eno1")]);
    let error = UdpWaker.wake(&request).unwrap_err();
    assert_eq!(error.kind(), WakeErrorKind::Interface);
    assert!(error.to_string().contains("send by UDP"), "{error}");
}

/// What has come to the sockets since the last call. Over loopback a packet is there as soon as it
/// has been sent.
fn drain(sockets: [&UdpSocket; 2]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for socket in sockets {
        socket.set_nonblocking(true).unwrap();
        let mut buffer = [0; 2048];
        while let Ok((length, _)) = socket.recv_from(&mut buffer) {
            all.push(buffer[..length].to_vec());
        }
    }
    all
}

#[test]
fn both_wakers_keep_the_contract() {
    for waker in [&UdpWaker as &dyn Waker, &LanWaker] {
        let (first, first_destination) = listener("127.255.255.255");
        let (second, second_destination) = listener("127.0.0.1");
        let mut fixture = Fixture {
            unreachable: first_destination.clone().on_interface("no-such-card"),
            reachable: [first_destination, second_destination],
            arrived: Box::new(|| drain([&first, &second])),
        };
        conformance(waker, &mut fixture);
    }
}

#[cfg(feature = "mock")]
#[test]
fn the_mock_keeps_the_contract_when_it_is_told_to_do_as_one_that_does() {
    let memory = std::sync::Arc::new(MemoryWaker::on(Vec::new()));
    let mut mock = wol::MockWaker::new();
    let (asked, looked) = (memory.clone(), memory.clone());
    mock.expect_wake()
        .returning(move |request| asked.wake(request));
    mock.expect_interfaces()
        .returning(move || looked.interfaces());
    let mut seen = 0;
    let mut fixture = Fixture {
        reachable: ["192.0.2.255", "192.0.2.11"].map(|text| text.parse().unwrap()),
        unreachable: Destination::ethernet("no-such-card"),
        arrived: Box::new(|| {
            let sent = memory.sent();
            let new = sent[seen..].iter();
            let new = new.map(|(_, packet)| packet.as_bytes().to_vec()).collect();
            seen = sent.len();
            new
        }),
    };
    conformance(&mock, &mut fixture);
}

#[cfg(feature = "mock")]
#[test]
fn the_mock_stands_in_for_a_waker() {
    let mut mock = wol::MockWaker::new();
    mock.expect_wake()
        .times(1)
        .returning(|_| Err(WakeError::NoDestination));
    let waker: Box<dyn Waker> = Box::new(mock);
    assert!(waker.wake(&WakeRequest::new(mac(), Vec::new())).is_err());
}
