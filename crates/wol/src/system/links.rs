//! What the kernel says of interfaces and neighbours beyond their addresses.

use std::io;
use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkInfo, LinkLayerType, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};

use super::netlink::dump;
use crate::{InterfaceKind, MacAddr, Neighbour, WakeError};

/// What an interface is, and what it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) index: u32,
    pub(super) kind: InterfaceKind,
    pub(super) master: Option<u32>,
}

/// All interfaces.
pub(super) fn links() -> io::Result<Vec<Link>> {
    let entries = dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    Ok(entries
        .iter()
        .filter_map(|entry| match entry {
            RouteNetlinkMessage::NewLink(link) => Some(read_link(link)),
            _ => None,
        })
        .collect())
}

fn read_link(message: &LinkMessage) -> Link {
    let mut master = None;
    let mut kind = None;
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Controller(index) => master = Some(*index),
            LinkAttribute::LinkInfo(infos) => {
                kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    Link {
        index: message.header.index,
        kind: kind_of(kind, message.header.link_layer_type),
        master,
    }
}

/// The kernel names the kind of what it makes itself; a network card has none.
fn kind_of(kind: Option<&InfoKind>, layer: LinkLayerType) -> InterfaceKind {
    let tunnel = |what: &dyn std::fmt::Display| InterfaceKind::Tunnel(what.to_string());
    match (kind, layer) {
        (_, LinkLayerType::Loopback) => InterfaceKind::Loopback,
        (Some(InfoKind::Bridge), _) => InterfaceKind::Bridge,
        (Some(InfoKind::Veth | InfoKind::Netkit), _) => InterfaceKind::Veth,
        (
            Some(
                kind @ (InfoKind::Tun
                | InfoKind::Wireguard
                | InfoKind::Vxlan
                | InfoKind::Geneve
                | InfoKind::GreTap
                | InfoKind::GreTap6
                | InfoKind::GreTun
                | InfoKind::GreTun6
                | InfoKind::IpIp
                | InfoKind::Ip6Tnl
                | InfoKind::SitTun
                | InfoKind::Vti
                | InfoKind::Vti6
                | InfoKind::Xfrm
                | InfoKind::Gtp
                | InfoKind::Amt
                | InfoKind::BareUdp
                | InfoKind::ErSpan
                | InfoKind::Ip6ErSpan),
            ),
            _,
        ) => tunnel(kind),
        // These have no Ethernet beneath them, whatever calls itself so above.
        (kind, LinkLayerType::None | LinkLayerType::Ppp) => match kind {
            Some(kind) => tunnel(kind),
            None => tunnel(&"point to point"),
        },
        (Some(kind), _) => InterfaceKind::Other(kind.to_string()),
        (None, _) => InterfaceKind::Card,
    }
}

/// Whom this machine knows on its networks.
pub(crate) fn neighbours() -> Result<Vec<Neighbour>, WakeError> {
    let entries = dump(RouteNetlinkMessage::GetNeighbour(
        NeighbourMessage::default(),
    ))
    .map_err(|source| WakeError::Neighbours { source })?;
    Ok(entries
        .iter()
        .filter_map(|entry| match entry {
            RouteNetlinkMessage::NewNeighbour(neighbour) => read_neighbour(neighbour),
            _ => None,
        })
        .collect())
}

/// `None` for entries without an address that a host has, such as those of multicast groups, and
/// for those that nobody has answered for.
fn read_neighbour(message: &NeighbourMessage) -> Option<Neighbour> {
    if matches!(
        message.header.state,
        NeighbourState::Incomplete | NeighbourState::Failed | NeighbourState::Noarp
    ) {
        return None;
    }
    let mut address = None;
    let mut mac = None;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => {
                address = Some(IpAddr::V4(*v4));
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => {
                address = Some(IpAddr::V6(*v6));
            }
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                let octets = <[u8; 6]>::try_from(bytes.as_slice()).ok()?;
                mac = Some(MacAddr::new(octets).ok()?);
            }
            _ => {}
        }
    }
    Some(Neighbour {
        address: address?,
        mac: mac?,
        interface_index: message.header.ifindex,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_card_is_what_has_no_kind() {
        let kind = |kind: Option<InfoKind>, layer| kind_of(kind.as_ref(), layer).to_string();
        let ether = LinkLayerType::Ether;
        assert_eq!(kind(None, ether), "network card");
        assert_eq!(kind(None, LinkLayerType::Loopback), "loopback");
        assert_eq!(kind(Some(InfoKind::Bridge), ether), "bridge");
        assert_eq!(kind(Some(InfoKind::Veth), ether), "veth");
        assert_eq!(kind(Some(InfoKind::Vlan), ether), "vlan");
        assert_eq!(kind(None, LinkLayerType::Ppp), "point to point");
        for (info, layer) in [
            (InfoKind::Tun, ether),
            (InfoKind::Wireguard, LinkLayerType::None),
            (InfoKind::Other("ovpn".to_owned()), LinkLayerType::None),
        ] {
            let kind = kind_of(Some(&info), layer);
            assert_eq!(kind, InterfaceKind::Tunnel(info.to_string()));
        }
    }

    #[test]
    fn every_machine_has_a_loopback_interface() {
        let links = links().unwrap();
        assert!(
            links
                .iter()
                .any(|link| link.kind == InterfaceKind::Loopback),
            "{links:?}"
        );
    }
}
