//! Which mounts hold data of their own on this machine.

use std::path::{Component, Path, PathBuf};

use super::{Exclusion, MountDecision, PlanRules, labels, mounts::stays_mounted};
use crate::{
    host::{self, FileKind},
    model::{Container, Mount, MountKind, Volume},
};

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

/// Why something is copied against the rules.
const BECAUSE_CONFIGURED: &str = "because the configuration includes it";
const BECAUSE_LABELLED: &str = "because its container's label backup-window.include names it";

/// What happens to one mount, before anything else is known of its stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) decision: MountDecision,
    pub(super) reason: String,
    /// Where the data is.
    pub(super) source: PathBuf,
    /// The data is this machine's, and still is not copied: somebody should know.
    pub(super) uncovered: bool,
    /// Somebody said that it stays out: not even what holds it is copied with it.
    pub(super) left_out: bool,
    /// The configuration said that it is copied: no label says otherwise.
    pub(super) configured: bool,
}

impl Verdict {
    fn copy(source: &Path, reason: impl Into<String>) -> Self {
        Self {
            decision: MountDecision::Copy,
            reason: reason.into(),
            source: normal(source),
            uncovered: false,
            left_out: false,
            configured: false,
        }
    }

    fn skip(source: &Path, reason: impl Into<String>) -> Self {
        Self {
            decision: MountDecision::Skip,
            reason: reason.into(),
            source: normal(source),
            uncovered: false,
            left_out: false,
            configured: false,
        }
    }

    fn excluded(source: &Path, exclusion: &Exclusion) -> Self {
        Self {
            left_out: true,
            ..Self::skip(
                source,
                format!("excluded by the configuration ('{exclusion}')"),
            )
        }
    }

    fn uncovered(source: &Path, reason: impl Into<String>) -> Self {
        Self {
            uncovered: true,
            ..Self::skip(source, reason)
        }
    }
}

/// Decides about one mount of a container.
pub(super) fn judge(
    mount: &Mount,
    container: &Container,
    working_dir: Option<&Path>,
    volumes: &[Volume],
    rules: &PlanRules,
) -> Verdict {
    let configured = rules.include.iter().any(|wanted| wanted.matches(mount));
    let included = if configured {
        Some(BECAUSE_CONFIGURED)
    } else {
        labels::is_named(container, mount).then_some(BECAUSE_LABELLED)
    };
    let verdict = match &mount.kind {
        MountKind::Volume { name, driver } => {
            if let Some(exclusion) = rules.exclude.iter().find(|e| e.matches_volume(name)) {
                return Verdict::excluded(&mount.source, exclusion);
            }
            let known = volumes.iter().find(|volume| volume.name == *name);
            let stays_mounted = stays_mounted(container);
            judge_volume(mount, driver, known, (included, stays_mounted), rules)
        }
        MountKind::Bind => judge_bind(mount, working_dir, volumes, included, rules),
        MountKind::Tmpfs => Verdict::skip(&mount.source, "in memory: nothing of it is kept"),
        MountKind::Other(kind) => Verdict::skip(
            &mount.source,
            format!("a mount of type '{kind}' holds no data of its own"),
        ),
    };
    Verdict {
        configured: configured && verdict.decision == MountDecision::Copy,
        ..verdict
    }
}

fn judge_volume(
    mount: &Mount,
    driver: &str,
    known: Option<&Volume>,
    (included, stays_mounted): (Option<&'static str>, bool),
    rules: &PlanRules,
) -> Verdict {
    // For what is mounted only while a container uses it: after a stop, an empty directory is left.
    let unless_included = |verdict: Verdict| match (included, stays_mounted) {
        (None, _) => verdict,
        (Some(why), true) => Verdict::copy(&mount.source, why),
        (Some(_), false) => Verdict::skip(
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
    if host::is_remote_type(kind) {
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
        let device = normal(device);
        if let Some(skip) = why_never(&device, rules).or_else(|| why_excluded(&device, rules)) {
            return skip;
        }
        return match (included, why_elsewhere(&device, rules)) {
            (Some(why), _) => Verdict::copy(&device, why),
            (None, Some(skip)) => skip,
            (None, None) => Verdict::copy(
                &device,
                "a volume whose data is a directory of this machine",
            ),
        };
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
    included: Option<&'static str>,
    rules: &PlanRules,
) -> Verdict {
    let source = normal(&mount.source);
    if let Some(skip) = why_never(&source, rules).or_else(|| why_excluded(&source, rules)) {
        return skip;
    }
    if let Some(why) = included {
        return Verdict::copy(&source, why);
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
    if let Some(skip) = why_elsewhere(&source, rules) {
        return skip;
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

/// What no configuration can have copied: there is nothing in it to keep, no end to it, or it is
/// where the copies go.
fn why_never(source: &Path, rules: &PlanRules) -> Option<Verdict> {
    let real = rules.host.real(source);
    let why = if [source, real].contains(&Path::new("/")) {
        "the whole machine"
    } else if let Some(why) = not_a_file(source, rules.host.kind(source)) {
        why
    } else if KERNEL_PATHS
        .iter()
        .any(|path| source.starts_with(path) || real.starts_with(path))
    {
        "belongs to the system"
    } else if rules
        .copies_go_to
        .as_ref()
        .is_some_and(|target| source.starts_with(target) || real.starts_with(target))
    {
        "belongs to the repository, which is not copied into itself"
    } else {
        return None;
    };
    Some(Verdict::skip(source, why))
}

/// Files that are no place for data. Where nobody looked at the file, its name has to do.
fn not_a_file(source: &Path, kind: Option<FileKind>) -> Option<&'static str> {
    match kind {
        Some(FileKind::Socket) => Some("a socket"),
        Some(FileKind::Fifo) => Some("a named pipe"),
        Some(FileKind::Device) => Some("a device"),
        Some(FileKind::File | FileKind::Directory) => None,
        None => source
            .extension()
            .is_some_and(|ending| ending == "sock")
            .then_some("a socket"),
    }
}

/// What the configuration excludes by its path.
fn why_excluded(source: &Path, rules: &PlanRules) -> Option<Verdict> {
    let mut exclusions = rules.exclude.iter();
    let exclusion = exclusions
        .find(|exclusion| exclusion.holds(source) || exclusion.holds(rules.host.real(source)))?;
    Some(Verdict::excluded(source, exclusion))
}

/// What is not this machine's to copy.
fn why_elsewhere(source: &Path, rules: &PlanRules) -> Option<Verdict> {
    let real = rules.host.real(source);
    let what = rules.host.remote(real)?;
    let why = format!("its data is on the NAS already: {what}");
    Some(Verdict::skip(source, why))
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
