//! Which mounts hold data of their own on this machine.

use std::path::{Component, Path, PathBuf};

use super::{MountDecision, PlanRules};
use crate::model::{Mount, MountKind, Volume};

/// Host paths that are remade at every boot.
const SYSTEM_PATHS: [&str; 2] = ["/run", "/var/run"];

/// Host paths whose files are the kernel's words and devices.
const KERNEL_PATHS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Host files that containers see so as to agree with the host.
const SYSTEM_FILES: [&str; 7] = [
    "/etc/localtime",
    "/etc/timezone",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/machine-id",
    "/usr/share/zoneinfo",
];

/// File systems of the `local` driver's `type` option whose data is on another machine.
const REMOTE_TYPES: [&str; 6] = ["nfs", "nfs4", "cifs", "smb3", "smbfs", "sshfs"];

/// Why something is copied against the rules.
const BECAUSE_INCLUDED: &str = "because the configuration includes it";

/// What happens to one mount, before anything else is known of its stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) decision: MountDecision,
    pub(super) reason: String,
    /// Where the data is.
    pub(super) source: PathBuf,
    /// The data is this machine's, and still is not copied: somebody should know.
    pub(super) uncovered: bool,
}

impl Verdict {
    fn copy(source: &Path, reason: impl Into<String>) -> Self {
        Self {
            decision: MountDecision::Copy,
            reason: reason.into(),
            source: normal(source),
            uncovered: false,
        }
    }

    fn skip(source: &Path, reason: impl Into<String>) -> Self {
        Self {
            decision: MountDecision::Skip,
            reason: reason.into(),
            source: normal(source),
            uncovered: false,
        }
    }

    fn uncovered(source: &Path, reason: impl Into<String>) -> Self {
        Self {
            uncovered: true,
            ..Self::skip(source, reason)
        }
    }
}

/// Decides about one mount. `stays_mounted` says that its container runs on during the copy.
pub(super) fn judge(
    mount: &Mount,
    working_dir: Option<&Path>,
    volumes: &[Volume],
    rules: &PlanRules,
    stays_mounted: bool,
) -> Verdict {
    let included = rules.include.iter().any(|wanted| wanted.matches(mount));
    match &mount.kind {
        MountKind::Volume { name, driver } => {
            if let Some(exclusion) = rules.exclude.iter().find(|e| e.matches_volume(name)) {
                return Verdict::skip(
                    &mount.source,
                    format!("excluded by the configuration ('{exclusion}')"),
                );
            }
            let known = volumes.iter().find(|volume| volume.name == *name);
            judge_volume(mount, driver, known, (included, stays_mounted))
        }
        MountKind::Bind => judge_bind(mount, working_dir, volumes, included),
        MountKind::Tmpfs => Verdict::skip(&mount.source, "in memory: nothing of it is kept"),
        MountKind::Other(kind) => Verdict::skip(
            &mount.source,
            format!("a mount of type '{kind}' holds no data of its own"),
        ),
    }
}

fn judge_volume(
    mount: &Mount,
    driver: &str,
    known: Option<&Volume>,
    (included, stays_mounted): (bool, bool),
) -> Verdict {
    // For what is mounted only while a container uses it: after a stop, an empty directory is left.
    let unless_included = |verdict: Verdict| match (included, stays_mounted) {
        (false, _) => verdict,
        (true, true) => Verdict::copy(&mount.source, BECAUSE_INCLUDED),
        (true, false) => Verdict::skip(
            &mount.source,
            "it is mounted only while its container runs: the label backup-window.stop must be \
             false, so that it is copied live",
        ),
    };
    if driver != "local" {
        return unless_included(Verdict::uncovered(
            &mount.source,
            format!("kept by the volume driver '{driver}', which this backup cannot read"),
        ));
    }
    let option = |key: &str| {
        known
            .and_then(|volume| volume.options.get(key))
            .map(String::as_str)
            .unwrap_or_default()
    };
    let kind = option("type");
    if REMOTE_TYPES.contains(&kind) {
        return unless_included(Verdict::skip(
            &mount.source,
            format!("its data is on the NAS already (type={kind})"),
        ));
    }
    if kind == "tmpfs" {
        return Verdict::skip(&mount.source, "in memory: nothing of it is kept");
    }
    // What `device` names is mounted only while a container uses the volume, so that after a stop
    // the mount point is an empty directory.
    let device = Path::new(option("device"));
    let is_bind = option("o")
        .split(',')
        .any(|flag| matches!(flag, "bind" | "rbind"));
    if is_bind && device.is_absolute() {
        return Verdict::copy(device, "a volume whose data is a directory of this machine");
    }
    if !device.as_os_str().is_empty() {
        return unless_included(Verdict::uncovered(
            &mount.source,
            format!(
                "its file system ('{}') is mounted only while a container runs",
                device.display()
            ),
        ));
    }
    Verdict::copy(&mount.source, "a volume on this machine")
}

fn judge_bind(
    mount: &Mount,
    working_dir: Option<&Path>,
    volumes: &[Volume],
    included: bool,
) -> Verdict {
    let source = normal(&mount.source);
    if let Some(why) = holds_nothing(&source) {
        return Verdict::skip(&source, why);
    }
    if included {
        return Verdict::copy(&source, BECAUSE_INCLUDED);
    }
    if let Some(why) = belongs_to_system(&source) {
        return Verdict::skip(&source, why);
    }
    // Monitors and managers mount the engine's own directories; the volumes in them are copied
    // where they belong.
    if volumes
        .iter()
        .any(|volume| volume.driver == "local" && normal(&volume.mount_point).starts_with(&source))
    {
        return Verdict::skip(&source, "holds the engine's own volumes");
    }
    if working_dir.is_some_and(|directory| source.starts_with(normal(directory))) {
        Verdict::copy(&source, "in the project's own directory")
    } else if mount.read_only {
        Verdict::skip(
            &source,
            "read-only, and outside of the project's own directory",
        )
    } else {
        Verdict::copy(&source, "a directory or file that it can write to")
    }
}

/// What no configuration can have copied: there is nothing in it to keep, or no end to it.
fn holds_nothing(source: &Path) -> Option<&'static str> {
    if source == Path::new("/") {
        return Some("the whole machine");
    }
    if source.extension().is_some_and(|ending| ending == "sock") {
        return Some("a socket");
    }
    KERNEL_PATHS
        .iter()
        .any(|path| source.starts_with(path))
        .then_some("belongs to the system")
}

fn belongs_to_system(source: &Path) -> Option<&'static str> {
    // Desktops mount removable disks beneath /run/media: somebody's data after all.
    let system = (SYSTEM_PATHS.iter().any(|path| source.starts_with(path))
        && !source.starts_with("/run/media"))
        || SYSTEM_FILES.iter().any(|file| source.starts_with(file));
    system.then_some("belongs to the system")
}

/// The same path without `.`, doubled slashes, and `..` where it can be resolved without looking.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// Two copies of these would copy something twice.
pub(crate) fn overlap(a: &Path, b: &Path) -> bool {
    a.starts_with(b) || b.starts_with(a)
}
