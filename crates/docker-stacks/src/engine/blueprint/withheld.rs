//! What a copy does not get.

use std::fmt;

use bollard::models::HostConfig;
use serde::{Deserialize, Serialize};

use super::NO_NEW_PRIVILEGES;
use crate::model::{Container, MountKind, RestartPolicy};

/// Runtimes that do with a container what any other of them does.
const USUAL_RUNTIMES: [&str; 4] = ["", "runc", "io.containerd.runc.v2", "crun"];

/// Log drivers that keep on the machine what is logged.
const LOCAL_LOGS: [&str; 5] = ["", "json-file", "local", "journald", "none"];

/// Something that a container had, and its copy does not get.
///
/// ```
/// use docker_stacks::Withheld;
///
/// let ports = Withheld { what: "published ports".into(), matters: false };
/// assert_eq!(ports.to_string(), "published ports");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Withheld {
    /// What, for people.
    pub what: String,
    /// A container may not work without it: that it does not, says nothing about its data.
    pub matters: bool,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

pub(super) fn withheld(container: &Container, host: &HostConfig) -> Vec<Withheld> {
    let mut all = Vec::new();
    let mut note = |is_there: bool, matters: bool, what: &str| {
        if is_there {
            all.push(Withheld {
                what: what.to_owned(),
                matters,
            });
        }
    };
    let some = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let is = |mode: &Option<String>, what: &str| mode.as_deref() == Some(what);
    let yes = |flag: Option<bool>| flag == Some(true);

    note(yes(host.privileged), true, "privileged mode");
    note(some(&host.cap_add), true, "added capabilities");
    let devices = host.devices.as_ref().is_some_and(|all| !all.is_empty())
        || host
            .device_requests
            .as_ref()
            .is_some_and(|all| !all.is_empty())
        || some(&host.device_cgroup_rules);
    note(devices, true, "devices");
    let network = is(&host.network_mode, "host");
    note(network, true, "the machine's network");
    note(is(&host.pid_mode, "host"), true, "the machine's processes");
    let memory = is(&host.ipc_mode, "host");
    note(memory, true, "the machine's shared memory");
    note(is(&host.userns_mode, "host"), true, "the machine's users");
    note(is(&host.uts_mode, "host"), false, "the machine's host name");
    note(
        container.pid_mode.is_some(),
        true,
        "the processes of another container",
    );
    note(
        container.ipc_mode.is_some(),
        true,
        "the shared memory of another container",
    );
    let options = host.security_opt.iter().flatten();
    let mut others = options.filter(|option| !NO_NEW_PRIVILEGES.contains(&option.as_str()));
    note(others.next().is_some(), true, "security options");
    note(
        host.sysctls.as_ref().is_some_and(|all| !all.is_empty()),
        true,
        "kernel parameters",
    );
    let runtime = host.runtime.as_deref().unwrap_or_default();
    note(!USUAL_RUNTIMES.contains(&runtime), true, "another runtime");
    let links = !container.links.is_empty();
    note(links, true, "links to other containers");
    let mut attachments = container.networks.values();
    note(
        attachments.any(|attachment| !attachment.wanted_addresses.is_empty()),
        true,
        "addresses of its own choice",
    );
    let mut mounts = container.mounts.iter();
    note(
        mounts.any(|mount| matches!(mount.kind, MountKind::Other(_))),
        true,
        "mounts that are neither volumes nor folders of the machine",
    );

    let ports = host
        .port_bindings
        .as_ref()
        .is_some_and(|all| !all.is_empty());
    note(
        ports || yes(host.publish_all_ports),
        false,
        "published ports",
    );
    note(
        some(&host.extra_hosts),
        false,
        "names of other machines (extra_hosts)",
    );
    let dns = some(&host.dns) || some(&host.dns_search) || some(&host.dns_options);
    note(dns, false, "settings of DNS");
    note(
        container.restart_policy != RestartPolicy::No,
        false,
        "the restart policy",
    );
    let logs = host
        .log_config
        .as_ref()
        .and_then(|logs| logs.typ.as_deref());
    note(
        !LOCAL_LOGS.contains(&logs.unwrap_or_default()),
        false,
        "the log driver",
    );
    all
}
