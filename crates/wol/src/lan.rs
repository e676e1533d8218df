//! Magic packets by whatever carries them.

use crate::{Carrier, InterfaceFacts, WakeError, WakeReport, WakeRequest, Waker, system, udp};

/// Sends magic packets in UDP datagrams and in Ethernet frames, as each
/// [destination](crate::Destination) says.
///
/// Datagrams go as [`UdpWaker`](crate::UdpWaker) sends them. Frames go to the broadcast address of
/// the network that the interface is on, with `EtherType` 0x0842; they need Linux and
/// `CAP_NET_RAW`, and no IP address.
#[derive(Debug, Clone, Copy, Default)]
pub struct LanWaker;

impl Waker for LanWaker {
    fn interfaces(&self) -> Result<Vec<InterfaceFacts>, WakeError> {
        system::interfaces()
    }

    fn wake(&self, request: &WakeRequest) -> Result<WakeReport, WakeError> {
        request.send_each(|packet, destination| match destination.carrier {
            Carrier::Udp(address) => udp::send(packet, destination, address),
            Carrier::Ethernet => system::send_frame(packet, destination),
        })
    }
}
