//! The interfaces of this machine.

use std::io;
use std::net::IpAddr;

use nix::ifaddrs::{InterfaceAddress as Entry, getifaddrs};
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::SockaddrStorage;

use super::links::links;
use crate::interface::{InterfaceAddress, InterfaceFacts};
use crate::{InterfaceKind, WakeError};

/// All interfaces of this process's network namespace, in the kernel's order.
pub(crate) fn interfaces() -> Result<Vec<InterfaceFacts>, WakeError> {
    let entries: Vec<Entry> = getifaddrs()
        .map_err(|error| WakeError::Interfaces {
            source: error.into(),
        })?
        .collect();
    let mut facts = gather(&entries);
    // Without the kinds, names and flags have to do.
    if let Ok(links) = links() {
        for facts in &mut facts {
            if let Some(link) = links.iter().find(|link| link.index == facts.index) {
                facts.kind = link.kind.clone();
                facts.master = link.master;
            }
        }
    }
    Ok(facts)
}

/// The number of an interface.
pub(crate) fn index_of(interface: &str) -> io::Result<u32> {
    Ok(if_nametoindex(interface)?)
}

fn gather(entries: &[Entry]) -> Vec<InterfaceFacts> {
    let mut all: Vec<InterfaceFacts> = Vec::new();
    for entry in entries {
        // An address may have a label in place of its interface's name: eth0:1.
        let name = entry
            .interface_name
            .split_once(':')
            .map_or(entry.interface_name.as_str(), |(name, _)| name);
        let position = all
            .iter()
            .position(|facts| facts.name == name)
            .unwrap_or_else(|| {
                all.push(begin(name, entry.flags));
                all.len() - 1
            });
        if let Some(facts) = all.get_mut(position) {
            add(facts, entry);
        }
    }
    all
}

fn begin(name: &str, flags: InterfaceFlags) -> InterfaceFacts {
    let kind = if flags.contains(InterfaceFlags::IFF_LOOPBACK) {
        InterfaceKind::Loopback
    } else if flags.contains(InterfaceFlags::IFF_POINTOPOINT) {
        InterfaceKind::Tunnel("point to point".to_owned())
    } else if name.starts_with("veth") {
        InterfaceKind::Veth
    } else if name.starts_with("br-") || name.starts_with("docker") {
        InterfaceKind::Bridge
    } else {
        InterfaceKind::Card
    };
    // One that is gone meanwhile has no number, and nothing is known of number 0.
    let index = index_of(name).unwrap_or_default();
    let mut facts = InterfaceFacts::card(name, index).of_kind(kind);
    facts.up = flags.contains(InterfaceFlags::IFF_UP);
    facts.carrier = flags.contains(InterfaceFlags::IFF_RUNNING);
    facts.can_broadcast = flags.contains(InterfaceFlags::IFF_BROADCAST);
    facts
}

fn add(facts: &mut InterfaceFacts, entry: &Entry) {
    let Some(address) = &entry.address else {
        return;
    };
    if let Some(link) = address.as_link_addr() {
        // Loopback has one of zeroes.
        facts.hardware = link
            .addr()
            .filter(|octets| link.halen() == octets.len() && *octets != [0; 6]);
        return;
    }
    let Some(ip) = ip_of(address) else {
        return;
    };
    let all_of_it = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = entry
        .netmask
        .as_ref()
        .and_then(ip_of)
        .map_or(all_of_it, |mask| match mask {
            IpAddr::V4(mask) => mask.to_bits().leading_ones(),
            IpAddr::V6(mask) => mask.to_bits().leading_ones(),
        });
    let mut address = InterfaceAddress::new(ip, u8::try_from(prefix).unwrap_or(u8::MAX));
    // Whoever gave the address may have said another one than what follows from the prefix.
    if let Some(IpAddr::V4(said)) = entry.broadcast.as_ref().and_then(ip_of)
        && !said.is_unspecified()
    {
        address.broadcast = Some(said);
    }
    facts.addresses.push(address);
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(v4.ip().into());
    }
    address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_seen_as_it_is() {
        let all = interfaces().unwrap();
        let lo = all
            .iter()
            .find(|facts| facts.kind == InterfaceKind::Loopback)
            .unwrap_or_else(|| panic!("no loopback interface in {all:?}"));
        assert_eq!(lo.index, index_of(&lo.name).unwrap());
        assert_eq!(lo.hardware, None);
        assert!(!lo.can_broadcast);
    }

    #[test]
    fn an_interface_that_is_not_there_has_no_number() {
        assert!(index_of("no-such-card").is_err());
    }
}
