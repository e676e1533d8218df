//! The containers through which this program reaches the engine: stopping one would leave nobody who
//! could start anything.

use std::path::Path;

use super::data;
use crate::{
    engine::EngineAddress,
    find::COMPOSE_SERVICE,
    model::{Container, ContainerId},
};

/// Sockets that engines make themselves; at any other, somebody else may listen.
const ENGINES_OWN: [&str; 3] = [
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/podman/podman.sock",
];

/// What the sockets of engines are called, wherever they lie.
const SOCKET_NAMES: [&str; 2] = ["docker.sock", "podman.sock"];

/// The containers that run and that the way to the engine may lead through.
///
/// At a `tcp://` address, that is who has its host as name or address; or, if nobody has (a port of
/// this machine was published, or the name is another's), everyone who has an engine's socket. At
/// a Unix socket that is not an engine's own, it is who can make sockets where that one lies.
pub(super) fn gateways(all: &[&Container], engine: &EngineAddress) -> Vec<ContainerId> {
    let running: Vec<&Container> = all
        .iter()
        .copied()
        .filter(|container| container.state.is_active())
        .collect();
    let those = |is_one: &dyn Fn(&Container) -> bool| -> Vec<ContainerId> {
        running
            .iter()
            .filter(|container| is_one(container))
            .map(|container| container.id.clone())
            .collect()
    };
    if let Some(socket) = engine.socket() {
        if ENGINES_OWN.iter().any(|own| socket == Path::new(own)) {
            return Vec::new();
        }
        return those(&|container| makes_sockets_at(container, socket));
    }
    let Some(host) = engine.tcp_host() else {
        return Vec::new();
    };
    let named = those(&|container| answers_to(container, host));
    if named.is_empty() {
        those(&has_engines_socket)
    } else {
        named
    }
}

fn makes_sockets_at(container: &Container, socket: &Path) -> bool {
    container.mounts.iter().any(|mount| {
        let source = data::normal(&mount.source);
        // A whole machine is mounted by those who look at it, not by those who listen.
        !mount.read_only
            && source != Path::new("/")
            && source != socket
            && socket.starts_with(source)
    })
}

fn answers_to(container: &Container, host: &str) -> bool {
    container.name == host
        || container.label(COMPOSE_SERVICE) == Some(host)
        || container.networks.values().any(|attachment| {
            let mut names = attachment.aliases.iter().chain(&attachment.addresses);
            names.any(|name| name == host)
        })
}

fn has_engines_socket(container: &Container) -> bool {
    container.mounts.iter().any(|mount| {
        let name = mount.source.file_name();
        SOCKET_NAMES
            .iter()
            .any(|socket| name == Some(socket.as_ref()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{bind, container, in_project};

    /// A proxy, a manager of containers, and a stack that has nothing to do with the engine.
    fn found(engine: &str) -> Vec<String> {
        let mut proxy = in_project(container("tools-proxy-1"), "tools", "socket-proxy");
        proxy.mounts = vec![
            bind("/var/run/docker.sock", "/var/run/docker.sock"),
            bind("/run/proxy", "/out"),
        ];
        let mut manager = container("manager");
        manager.mounts = vec![
            bind("/var/run/docker.sock", "/var/run/docker.sock"),
            bind("/", "/host"),
        ];
        let mut wiki = container("wiki");
        wiki.mounts = vec![bind("/srv/wiki", "/data")];
        let address = engine.parse().unwrap();
        let all = [&proxy, &manager, &wiki];
        let gateways = gateways(&all, &address);
        all.iter()
            .filter(|container| gateways.contains(&container.id))
            .map(|container| container.name.clone())
            .collect()
    }

    #[test]
    fn who_listens_in_the_engines_place_is_found() {
        assert_eq!(found("tcp://socket-proxy:2375"), ["tools-proxy-1"]);
        assert_eq!(found("tcp://tools-proxy-1:2375"), ["tools-proxy-1"]);
        assert_eq!(found("unix:///run/proxy/docker.sock"), ["tools-proxy-1"]);
        assert_eq!(
            found("tcp://127.0.0.1:2375"),
            ["tools-proxy-1", "manager"],
            "a published port is anybody's who has the socket"
        );
    }

    #[test]
    fn an_engines_own_socket_is_nobody_elses() {
        for own in ["unix:///var/run/docker.sock", "ssh://root@host"] {
            assert_eq!(found(own), Vec::<String>::new(), "{own}");
        }
    }
}
