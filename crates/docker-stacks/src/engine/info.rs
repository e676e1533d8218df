//! What an engine says of itself and of the machine that it runs on.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What an engine says of itself and of the machine that it runs on.
///
/// ```
/// use docker_stacks::{EngineInfo, SwarmRole};
///
/// fn can_scale_services(info: &EngineInfo) -> bool {
///     info.swarm == SwarmRole::Manager
/// }
/// assert!(!can_scale_services(&EngineInfo::new(SwarmRole::None)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EngineInfo {
    /// The host name of its machine, if it says so.
    pub machine: Option<String>,
    /// The release of the machine's kernel, as `uname -r` prints it.
    pub kernel: Option<String>,
    /// The machine's memory, as `/proc/meminfo` has it there.
    pub memory_bytes: Option<u64>,
    /// The folder that it keeps everything in: `/var/lib/docker`.
    pub root: Option<PathBuf>,
    /// It runs as an ordinary user.
    pub rootless: bool,
    /// Its part in a swarm.
    pub swarm: SwarmRole,
}

impl EngineInfo {
    /// An engine of which nothing is known but its part in a swarm.
    #[must_use]
    pub fn new(swarm: SwarmRole) -> Self {
        Self {
            machine: None,
            kernel: None,
            memory_bytes: None,
            root: None,
            rootless: false,
            swarm,
        }
    }
}

/// An engine's part in a swarm.
///
/// ```
/// use docker_stacks::SwarmRole;
///
/// let role: SwarmRole = serde_json::from_str("\"manager\"")?;
/// assert_eq!(role, SwarmRole::Manager);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SwarmRole {
    /// It is in none.
    None,
    /// It runs tasks that others give it, and answers no question about services.
    Worker,
    /// Its services can be listed and changed through it.
    Manager,
}
