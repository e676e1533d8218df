//! The contract of [`Waker`], as checks.

use std::fmt;

use crate::{Destination, MacAddr, MagicPacket, SecureOn, WakeError, WakeRequest, Waker};

/// What a waker under test can and cannot send to.
pub struct Fixture<'a> {
    /// Two places that packets reach.
    pub reachable: [Destination; 2],
    /// One that they cannot be sent to.
    pub unreachable: Destination,
    /// The magic packets that have arrived since the last call, without what carried them, in their
    /// order. It waits for those that are on their way.
    pub arrived: Box<dyn FnMut() -> Vec<Vec<u8>> + 'a>,
}

impl fmt::Debug for Fixture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture")
            .field("reachable", &self.reachable)
            .field("unreachable", &self.unreachable)
            .finish_non_exhaustive()
    }
}

/// Runs every check, one after the other.
///
/// # Panics
///
/// If one fails.
pub fn conformance(waker: &dyn Waker, fixture: &mut Fixture<'_>) {
    refuses_a_request_without_destinations(waker, fixture);
    sends_one_packet_to_each_in_order(waker, fixture);
    goes_on_after_a_failure(waker, fixture);
    says_when_nothing_was_sent(waker, fixture);
    appends_the_password_and_never_shows_it(waker, fixture);
    looks_at_interfaces_without_sending(waker, fixture);
}

fn mac() -> MacAddr {
    let octets = [0x02, 0x00, 0x5e, 0x10, 0x20, 0x30];
    MacAddr::new(octets).expect("it is the address of a host")
}

fn refuses_a_request_without_destinations(waker: &dyn Waker, fixture: &mut Fixture<'_>) {
    let result = waker.wake(&WakeRequest::new(mac(), Vec::new()));
    assert!(
        matches!(result, Err(WakeError::NoDestination)),
        "{result:?}"
    );
    assert_eq!((fixture.arrived)(), Vec::<Vec<u8>>::new());
}

fn sends_one_packet_to_each_in_order(waker: &dyn Waker, fixture: &mut Fixture<'_>) {
    let request = WakeRequest::new(mac(), fixture.reachable.to_vec());
    let report = waker.wake(&request).expect("both can be reached");
    let sent: Vec<&Destination> = report.sent.iter().map(|sent| &sent.destination).collect();
    assert_eq!(sent, fixture.reachable.iter().collect::<Vec<_>>());
    assert!(report.sent.iter().all(|sent| sent.bytes == 102));
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    let packet = MagicPacket::new(mac()).as_bytes().to_vec();
    assert_eq!((fixture.arrived)(), vec![packet; 2]);
}

fn goes_on_after_a_failure(waker: &dyn Waker, fixture: &mut Fixture<'_>) {
    let [first, last] = fixture.reachable.clone();
    let request = WakeRequest::new(mac(), vec![first, fixture.unreachable.clone(), last]);
    let report = waker.wake(&request).expect("two of three can be reached");
    assert_eq!(report.sent.len(), 2, "{report:?}");
    let failed: Vec<&Destination> = report.failed.iter().map(|(failed, _)| failed).collect();
    assert_eq!(failed, [&fixture.unreachable]);
    assert_eq!((fixture.arrived)().len(), 2);
}

fn says_when_nothing_was_sent(waker: &dyn Waker, fixture: &mut Fixture<'_>) {
    let request = WakeRequest::new(mac(), vec![fixture.unreachable.clone()]);
    let result = waker.wake(&request);
    assert!(
        matches!(&result, Err(WakeError::NothingSent { failed }) if failed.len() == 1),
        "{result:?}"
    );
    assert_eq!((fixture.arrived)(), Vec::<Vec<u8>>::new());
}

fn appends_the_password_and_never_shows_it(waker: &dyn Waker, fixture: &mut Fixture<'_>) {
    let four = SecureOn::from([211, 212, 213, 214]);
    let six = SecureOn::from([211, 212, 213, 214, 215, 216]);
    for password in [four, six] {
        let destinations = vec![fixture.reachable[0].clone(), fixture.unreachable.clone()];
        let request = WakeRequest::new(mac(), destinations).with_password(Some(password.clone()));
        let report = waker.wake(&request).expect("one can be reached");
        let arrived = (fixture.arrived)();
        let [packet] = &arrived[..] else {
            panic!("expected one packet: {arrived:?}");
        };
        assert!(packet.ends_with(password.as_bytes()), "{packet:?}");
        assert_eq!(packet.len(), 102 + password.as_bytes().len());
        assert_eq!(report.sent[0].bytes, packet.len());
        let shown = format!("{request:?} {report:?}").to_lowercase();
        for part in ["211, 212", "d3:d4", "d3, d4", "d3, 0xd4"] {
            assert!(!shown.contains(part), "the password is shown: {shown}");
        }
    }
}

fn looks_at_interfaces_without_sending(waker: &dyn Waker, fixture: &mut Fixture<'_>) {
    if let Ok(interfaces) = waker.interfaces() {
        for (position, facts) in interfaces.iter().enumerate() {
            assert!(!facts.name.is_empty(), "{facts:?}");
            let others = interfaces.iter().skip(position + 1);
            for other in others {
                assert_ne!(facts.name, other.name, "each is there once");
            }
        }
    }
    assert_eq!((fixture.arrived)(), Vec::<Vec<u8>>::new());
}
