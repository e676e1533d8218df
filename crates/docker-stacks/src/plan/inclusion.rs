//! What the configuration has copied although the rules would not.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{GroupPlan, MountDecision, PlanRules, data};
use crate::model::{Mount, MountKind};

/// Something to copy although the rules say otherwise: `volume:NAME` or `bind:/PATH`.
///
/// It overrules what the rules make of a mount (kept by another driver, on the NAS already,
/// read-only, the system's, the engine's own), not what somebody said: what is excluded stays out.
/// What holds no data that a copy could keep (sockets, devices, `/proc` and `/sys`, the whole
/// machine, memory) stays out as well. A volume that is mounted only while its container runs (a
/// network file system, another driver's) is copied only if that container runs and its label
/// `backup-window.stop` is `false`: after a stop, there is an empty directory in its place. The path
/// may also be where a network file system is mounted within something that is copied, which is
/// left out otherwise.
///
/// ```
/// use docker_stacks::Inclusion;
///
/// assert_eq!("volume:nfs_data".parse(), Ok(Inclusion::Volume("nfs_data".into())));
/// assert_eq!("bind:/etc/ssl/".parse(), Ok(Inclusion::Bind("/etc/ssl".into())));
/// assert!("nfs_data".parse::<Inclusion>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum Inclusion {
    /// A volume, by its name.
    Volume(String),
    /// A directory or file of this machine, by the absolute path that is mounted somewhere.
    Bind(PathBuf),
}

impl Inclusion {
    pub(super) fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::Bind(path) => Some(path),
            Self::Volume(_) => None,
        }
    }

    pub(super) fn matches(&self, mount: &Mount) -> bool {
        match (self, &mount.kind) {
            (Self::Volume(wanted), MountKind::Volume { name, .. }) => wanted == name,
            (Self::Bind(path), MountKind::Bind) => *path == data::normal(&mount.source),
            _ => false,
        }
    }
}

impl fmt::Display for Inclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(name) => write!(f, "volume:{name}"),
            Self::Bind(path) => write!(f, "bind:{}", path.display()),
        }
    }
}

impl FromStr for Inclusion {
    type Err = InclusionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("volume", name))
                if !name.is_empty()
                    && name
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')) =>
            {
                Ok(Self::Volume(name.to_owned()))
            }
            Some(("bind", path)) if path.starts_with('/') => {
                Ok(Self::Bind(data::normal(path.as_ref())))
            }
            _ => Err(InclusionError {
                text: text.to_owned(),
            }),
        }
    }
}

impl TryFrom<String> for Inclusion {
    type Error = InclusionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Inclusion> for String {
    fn from(inclusion: Inclusion) -> Self {
        inclusion.to_string()
    }
}

/// A text that includes nothing.
///
/// ```
/// let error = "web".parse::<docker_stacks::Inclusion>().unwrap_err();
/// assert!(error.to_string().contains("expected volume:NAME"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read '{text}' as an inclusion: expected volume:NAME or bind:/ABSOLUTE/PATH")]
pub struct InclusionError {
    text: String,
}

/// Warns of the inclusions that bring nothing into the copy, with the reason.
pub(super) fn without_effect(rules: &PlanRules, groups: &[GroupPlan]) -> Vec<String> {
    rules
        .include
        .iter()
        .filter(|inclusion| !is_within_a_copy(inclusion, rules, groups))
        .filter_map(|inclusion| {
            let mut reasons: Vec<&str> = Vec::new();
            for stack in groups.iter().flat_map(|group| &group.stacks) {
                let copied = |mount: &Mount| {
                    stack.mounts.iter().any(|plan| {
                        plan.decision == MountDecision::Copy
                            && mount.source.starts_with(&plan.mount.source)
                    })
                };
                for plan in &stack.mounts {
                    if !inclusion.matches(&plan.mount) {
                        continue;
                    }
                    if copied(&plan.mount) {
                        return None;
                    }
                    reasons.push(&plan.reason);
                }
            }
            Some(match reasons.first() {
                Some(reason) => {
                    format!("the inclusion '{inclusion}' has no effect: {reason}")
                }
                None => format!("the inclusion '{inclusion}' matches nothing that is mounted"),
            })
        })
        .collect()
}

/// Is it a network file system within something that is copied?
fn is_within_a_copy(inclusion: &Inclusion, rules: &PlanRules, groups: &[GroupPlan]) -> bool {
    let Some(path) = inclusion.path() else {
        return false;
    };
    let mut mounts = groups
        .iter()
        .flat_map(|group| &group.stacks)
        .flat_map(|stack| &stack.mounts);
    rules.host.is_remote_mount_point(path)
        && mounts.any(|plan| {
            let source = &plan.mount.source;
            plan.decision == MountDecision::Copy && path.starts_with(source) && path != source
        })
}
