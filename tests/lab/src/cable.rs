//! The cable between the lab and the backup NAS, whatever that is made of.
//!
//! ```text
//! lab: lan0 10.202.7.137/24 ═══ veth ═══ the other end, in a namespace of its own
//! ```

use std::fs::File;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use wol::MacAddr;

use crate::isolation::{MissingProgram, find_program};

/// The address of the backup NAS on the lab's network.
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 202, 7, 11);
/// The broadcast address of that network.
pub(crate) const BROADCAST: Ipv4Addr = Ipv4Addr::new(10, 202, 7, 255);
/// How many bits of an address on it are the network's.
pub(crate) const PREFIX: u8 = 24;
/// The lab's address on it, as `ip` takes it.
const LAB: &str = "10.202.7.137/24";
/// The name of the namespace at the other end. There is one backup NAS at a time.
const NAMESPACE: &str = "backup-nas";
/// Where `ip netns` keeps them.
const NAMESPACES: &str = "/run/netns";

/// Why the lab's network could not be built or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CableError {
    /// A program is not installed.
    #[error("build the lab's network")]
    Missing {
        /// Which one.
        #[from]
        source: MissingProgram,
    },
    /// There is a backup NAS already.
    #[error("build the lab's network: there is a backup NAS on it already")]
    Occupied,
    /// A program failed.
    #[error("build the lab's network: `{command}` says {said:?}")]
    Command {
        /// Its command line.
        command: String,
        /// Its standard error.
        said: String,
    },
    /// The operating system refused something.
    #[error("{what}")]
    System {
        /// What was wanted.
        what: String,
        /// Its answer.
        source: io::Error,
    },
}

fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> CableError {
    let what = what.into();
    move |source| CableError::System { what, source }
}

/// A veth pair: `lan0` in the lab, and an end in a namespace of its own. Taken away when dropped.
#[derive(Debug)]
pub(crate) struct Cable {
    ip: PathBuf,
    /// The file of the namespace.
    namespace: PathBuf,
    end: &'static str,
}

impl Cable {
    /// Lays the cable: its other end gets this name and, if one is given, this address. Both ends
    /// are up, and only the lab's has an IP address.
    pub(crate) fn lay(end: &'static str, mac: Option<MacAddr>) -> Result<Self, CableError> {
        let namespace = Path::new(NAMESPACES).join(NAMESPACE);
        if namespace.exists() {
            return Err(CableError::Occupied);
        }
        let cable = Self {
            namespace,
            ip: find_program("ip", "iproute2")?,
            end,
        };
        cable.ip(&format!("netns add {NAMESPACE}"))?;
        let address = mac.map_or_else(String::new, |mac| format!("address {mac} "));
        cable.ip(&format!(
            "link add lan0 type veth peer name {end} {address}netns {NAMESPACE}"
        ))?;
        cable.without_ipv6(end)?;
        cable.ip(&format!("addr add {LAB} brd {BROADCAST} dev lan0"))?;
        cable.ip("link set lan0 up")?;
        cable.there("link set lo up")?;
        cable.there(&format!("link set {end} up"))?;
        Ok(cable)
    }

    /// Keeps the kernel from giving a device an address of its own: a host that is asleep must not
    /// answer over IPv6 either.
    pub(crate) fn without_ipv6(&self, device: &str) -> Result<(), CableError> {
        if Path::new("/proc/sys/net/ipv6").exists() {
            self.there(&format!("link set {device} addrgenmode none"))?;
        }
        Ok(())
    }

    /// Moves the calling thread to the other end. Threads and processes that it starts from then on
    /// are there too.
    pub(crate) fn enter(&self) -> Result<(), CableError> {
        File::open(&self.namespace)
            .and_then(|namespace| {
                let kind = Some(LinkNameSpaceType::Network);
                Ok(move_into_link_name_space(namespace.as_fd(), kind)?)
            })
            .map_err(system(format!("enter {}", self.namespace.display())))
    }

    /// Runs `ip` for the other end, and gives what it prints.
    pub(crate) fn there(&self, arguments: &str) -> Result<String, CableError> {
        self.ip(&format!("-netns {NAMESPACE} {arguments}"))
    }

    /// Runs another program at the other end with this as its standard input, and gives what it
    /// prints.
    pub(crate) fn run_there(
        &self,
        program: &Path,
        arguments: &str,
        input: &str,
    ) -> Result<String, CableError> {
        let program = program.display();
        self.run(
            &format!("netns exec {NAMESPACE} {program} {arguments}"),
            input,
        )
    }

    fn ip(&self, arguments: &str) -> Result<String, CableError> {
        self.run(arguments, "")
    }

    fn run(&self, arguments: &str, input: &str) -> Result<String, CableError> {
        let failed = || system(format!("run {}", self.ip.display()));
        let mut child = Command::new(&self.ip)
            .args(arguments.split_ascii_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed())?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends without reading says why by itself.
            let _ = stdin.write_all(input.as_bytes());
        }
        let Output {
            status,
            stdout,
            stderr,
        } = child.wait_with_output().map_err(failed())?;
        if status.success() {
            return Ok(String::from_utf8_lossy(&stdout).into_owned());
        }
        Err(CableError::Command {
            command: format!("ip {arguments}"),
            said: String::from_utf8_lossy(&stderr).trim().to_owned(),
        })
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // The namespace itself ends with the last thread in it; the pair would end with it, but
        // later, and a new host needs the names at once. From the other end, because this may run on
        // a thread that is there. Nothing can be done about an error, and the lab's end takes both
        // away in any case.
        let _ = self.there(&format!("link del {}", self.end));
        let _ = self.ip(&format!("netns del {NAMESPACE}"));
    }
}
