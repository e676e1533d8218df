//! Which container this program runs in: pure, from what the kernel tells a process of itself.

mod process;

use serde::{Deserialize, Serialize};

use crate::model::ContainerId;

pub use process::detect_own_container;

/// How many hexadecimal digits an identifier has.
const ID_DIGITS: usize = 64;

/// How many of them an engine makes the hostname of.
const HOSTNAME_DIGITS: usize = 12;

/// The files that an engine writes for a container, and mounts into it.
const ENGINE_FILES: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// The container that this program runs in, as well as it could be told from the inside.
///
/// ```
/// use docker_stacks::{ContainerId, OwnContainer, PlanRules};
///
/// let rules = PlanRules {
///     own_container: Some(OwnContainer::This(ContainerId::new("5f1c0b2d9a6e"))),
///     ..PlanRules::default()
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OwnContainer {
    /// This one.
    This(ContainerId),
    /// This one, or one that uses its network. The hostname and the files in `/etc` that the engine
    /// mounts belong to the container that owns the network. The identifier may be its beginning.
    InNetworkOf(ContainerId),
}

/// Tells the own container from the texts of `/proc/self/mountinfo`, `/proc/self/cgroup` and
/// `/proc/sys/kernel/hostname` (formats: proc(5), cgroups(7)).
///
/// The control group has the identifier wherever the group's namespace is the host's. Elsewhere,
/// the paths of the files that the engine mounts into `/etc` have the identifier of the network's
/// owner, and so has the hostname, unless one was given. On a machine that is no container, nothing
/// is found; a hostname of twelve hexadecimal digits is taken for a container's there as well,
/// which no container then answers to.
///
/// ```
/// use docker_stacks::{ContainerId, OwnContainer, own_container};
///
/// let id = "5f1c0b2d9a6e4f7788990011223344556677889900aabbccddeeff0011223344";
/// let cgroup = format!("0::/system.slice/docker-{id}.scope\n");
/// let own = own_container("", &cgroup, "nas-tools");
/// assert_eq!(own, Some(OwnContainer::This(ContainerId::new(id))));
/// ```
#[must_use]
pub fn own_container(mountinfo: &str, cgroup: &str, hostname: &str) -> Option<OwnContainer> {
    if let Some(id) = from_cgroup(cgroup) {
        return Some(OwnContainer::This(id));
    }
    let id = from_mountinfo(mountinfo).or_else(|| {
        let hostname = hostname.trim();
        (hostname.len() == HOSTNAME_DIGITS && is_hexadecimal(hostname))
            .then(|| ContainerId::new(hostname))
    })?;
    Some(OwnContainer::InNetworkOf(id))
}

/// Lines are `HIERARCHY:CONTROLLERS:PATH`, and the path's last part with an identifier is ours:
/// `/docker/ID`, `/system.slice/docker-ID.scope`, `/machine.slice/libpod-ID.scope`. A container
/// within a container has the inner one last.
fn from_cgroup(text: &str) -> Option<ContainerId> {
    text.lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .find_map(|path| {
            path.rsplit('/').find_map(|part| {
                let part = part.strip_suffix(".scope").unwrap_or(part);
                let id = part.rsplit_once('-').map_or(part, |(_, id)| id);
                is_id(id).then(|| ContainerId::new(id))
            })
        })
}

/// Lines are `NUMBER PARENT DEVICE ROOT MOUNT_POINT …`, and the root of what is mounted on
/// `/etc/hostname` is `/var/lib/docker/containers/ID/hostname`, or less of the beginning where the
/// engine's directory is a file system of its own.
fn from_mountinfo(text: &str) -> Option<ContainerId> {
    text.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(3);
        let (root, mount_point) = (fields.next()?, fields.next()?);
        if !ENGINE_FILES.contains(&mount_point) {
            return None;
        }
        root.rsplit('/')
            .find(|part| is_id(part))
            .map(ContainerId::new)
    })
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && is_hexadecimal(text)
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
