//! Real datagrams, on the loopback interface only.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use wol::{
    Destination, MacAddr, MagicPacket, UdpWaker, WakeError, WakeErrorKind, WakeRequest, Waker,
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
    let SocketAddr::V4(address) = socket.local_addr().unwrap() else {
        panic!("bound to an IPv4 address");
    };
    (socket, Destination::new(address))
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
