//! Names for what a lab leaves on the machine, which tell whose it is.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use super::processes;

const PREFIX: &str = "backup-window-lab-";

/// One lab: the process that owns it, told from later ones with the same number by when it
/// started, and a number for each lab of that process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LabId {
    pid: u32,
    /// In clock ticks since the machine booted.
    started: u64,
    number: u32,
}

impl LabId {
    /// A new lab of this process.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);

        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            ..Self::of_this_process()
        }
    }

    pub(super) fn of_this_process() -> Self {
        let pid = std::process::id();
        Self {
            pid,
            started: processes::started(pid).unwrap_or_default(),
            number: 0,
        }
    }

    /// The name of the lab's directory and control groups.
    pub(super) fn name(self) -> String {
        format!("{PREFIX}{self}")
    }

    /// Whether the process that made the lab is still there.
    pub(super) fn owner_lives(self) -> bool {
        processes::started(self.pid) == Some(self.started)
    }

    /// The lab that this directory or control group belongs to, if any.
    pub(super) fn of_path(path: &Path) -> Option<Self> {
        path.file_name()?
            .to_str()?
            .strip_prefix(PREFIX)?
            .parse()
            .ok()
    }
}

impl fmt::Display for LabId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.pid, self.started, self.number)
    }
}

impl FromStr for LabId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('-');
        let mut next = || parts.next().ok_or(());
        let id = Self {
            pid: next()?.parse().map_err(|_| ())?,
            started: next()?.parse().map_err(|_| ())?,
            number: next()?.parse().map_err(|_| ())?,
        };
        parts.next().is_none().then_some(id).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::LabId;

    #[test]
    fn a_name_says_whose_it_is() {
        let id = LabId::new();
        assert_ne!(id, LabId::new());
        assert!(id.owner_lives());
        assert_eq!(LabId::of_path(&Path::new("/tmp").join(id.name())), Some(id));

        let earlier = LabId { started: 1, ..id };
        assert!(!earlier.owner_lives(), "the same number, another process");
    }

    #[test]
    fn other_names_are_nobodys() {
        for name in [
            "/tmp/backup-window-lab-",
            "/tmp/backup-window-lab-1-2",
            "/tmp/backup-window-lab-1-2-3-4",
            "/tmp/backup-window-lab-1-2-x",
            "/tmp/1-2-3",
            "/",
        ] {
            assert_eq!(LabId::of_path(Path::new(name)), None, "{name}");
        }
    }
}
