//! What proves a step. A step without evidence has not happened (I3).

mod watch;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use watch::{Reboot, Watched};

/// Something that was observed, when, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// When it was observed, by this machine's clock.
    pub at: Timestamp,
    /// Who says so: a probe, an engine, a repository, a NAS.
    pub source: String,
    /// What was observed.
    pub fact: Fact,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.fact)
    }
}

/// An observation, typed so that programs can read it and worded so that people can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fact {
    /// A service of the host answered.
    Answered {
        /// What it said.
        detail: String,
    },
    /// The host did not answer.
    NoAnswer {
        /// What was seen instead.
        detail: String,
    },
    /// What a probe said last, of a host that was not ready in time.
    LastAnswer {
        /// What it said.
        detail: String,
        /// How long after the beginning that was.
        after_seconds: u64,
    },
    /// Which network interfaces magic packets leave by.
    InterfacesChosen {
        /// Those that they leave by.
        used: Vec<InterfaceReason>,
        /// The others.
        not_used: Vec<InterfaceReason>,
    },
    /// Magic packets left this machine.
    PacketsSent {
        /// How often they were sent.
        rounds: u32,
        /// How many those were in all; zero in records of former versions.
        #[serde(default)]
        packets: u32,
        /// Where the last round went.
        destinations: Vec<String>,
    },
    /// A snapshot of a stack is in the repository.
    SnapshotSaved {
        /// The stack.
        stack: String,
        /// The snapshot's identifier in the repository.
        snapshot: String,
        /// Files in it.
        files: u64,
        /// Their size.
        processed_bytes: u64,
        /// What the repository grew by.
        added_bytes: u64,
    },
    /// The repository was checked, and no damage was found.
    RepositoryChecked {
        /// How much of it was read.
        what: String,
        /// The snapshots in it.
        snapshots: u64,
        /// What was read.
        read_bytes: u64,
    },
    /// The snapshots that the rules do not keep are gone.
    SnapshotsForgotten {
        /// How many those are.
        forgotten: usize,
        /// How many stay, of this host and made by this program.
        kept: usize,
    },
    /// Data that no snapshot needs was taken away.
    RepositoryPruned {
        /// What was deleted.
        deleted_bytes: u64,
        /// What is deleted at the next time.
        marked_bytes: u64,
    },
    /// A stack runs on what was restored of its snapshot.
    Drilled {
        /// The stack.
        stack: String,
        /// The snapshot's identifier in the repository.
        snapshot: String,
        /// What was seen, for people.
        seen: String,
    },
    /// Everything that ran before the outages of this step runs after them (I1).
    RunningAsBefore {
        /// How many containers that are.
        containers: usize,
    },
    /// A replication task has brought over a snapshot that is new enough.
    Replicated {
        /// The task.
        task: String,
        /// The snapshot, as `dataset@name`.
        snapshot: String,
    },
    /// The source holds a snapshot that was taken after the backup ended.
    SnapshotOnSource {
        /// `dataset@name`.
        snapshot: String,
        /// When it was taken, by the clock of the NAS.
        created: Timestamp,
        /// When the backup ended, by the same clock.
        backup_ended: Timestamp,
    },
    /// The target holds that same snapshot.
    SnapshotOnTarget {
        /// `dataset@name`.
        snapshot: String,
        /// How it was recognised: by GUID, or by name and time.
        recognised_by: String,
    },
    /// This night woke the NAS, which was off before.
    WokenByThisNight {
        /// When it was found to be off.
        found_off_at: Timestamp,
    },
    /// No replication task runs or waits.
    NoReplicationRuns {
        /// How many tasks were looked at.
        tasks: usize,
    },
    /// No scrub and no resilver runs.
    NoScanRuns {
        /// The pools that were looked at.
        pools: Vec<String>,
    },
    /// The host took the command to switch itself off.
    ShutdownAccepted {
        /// How the command ended.
        detail: String,
    },
    /// A probe of the host was answered so, once or several times in a row.
    Watched(Watched),
    /// The host was silent, and then answered again.
    Rebooted(Reboot),
    /// The host was sent the command to switch itself off, and how that ended is not known.
    ShutdownSent {
        /// What was seen.
        detail: String,
    },
    /// The host has been silent long enough to be off and not restarting.
    Silent {
        /// How long it was watched being silent.
        seconds: u64,
    },
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { detail } => write!(f, "answered: {detail}"),
            Self::NoAnswer { detail } => write!(f, "no answer: {detail}"),
            Self::LastAnswer {
                detail,
                after_seconds,
            } => write!(f, "last answer, after {after_seconds} s: {detail}"),
            Self::InterfacesChosen { used, not_used } => {
                write!(f, "interfaces used: {}", all_of(used))?;
                match not_used[..] {
                    [] => Ok(()),
                    _ => write!(f, "; not used: {}", all_of(not_used)),
                }
            }
            Self::PacketsSent {
                rounds,
                destinations,
                ..
            } => {
                let destinations = destinations.join(", ");
                match rounds {
                    1 => write!(f, "magic packet sent once to {destinations}"),
                    _ => write!(f, "magic packet sent {rounds} times to {destinations}"),
                }
            }
            Self::Drilled {
                stack,
                snapshot,
                seen,
            } => write!(f, "{stack} runs from the snapshot {snapshot:.8}: {seen}"),
            Self::SnapshotSaved {
                stack,
                snapshot,
                files,
                processed_bytes,
                added_bytes,
            } => write!(
                f,
                "{stack} saved as {}: {files} files, {}, {} added",
                snapshot.get(..8).unwrap_or(snapshot),
                Bytes(*processed_bytes),
                Bytes(*added_bytes),
            ),
            Self::RepositoryChecked {
                what,
                snapshots,
                read_bytes,
            } => write!(
                f,
                "{what} of {snapshots} snapshots read without an error, {}",
                Bytes(*read_bytes)
            ),
            Self::SnapshotsForgotten { forgotten, kept } => {
                write!(f, "{forgotten} snapshots forgotten, {kept} kept")
            }
            Self::RepositoryPruned {
                deleted_bytes,
                marked_bytes,
            } => write!(
                f,
                "{} of unused data deleted, {} marked for the next time",
                Bytes(*deleted_bytes),
                Bytes(*marked_bytes)
            ),
            Self::RunningAsBefore { containers } => {
                write!(f, "all {containers} containers that ran before run again")
            }
            Self::Replicated { task, snapshot } => write!(f, "\"{task}\" brought over {snapshot}"),
            Self::SnapshotOnSource {
                snapshot,
                created,
                backup_ended,
            } => write!(
                f,
                "{snapshot} taken at {created:.0}, after the backup ended at {backup_ended:.0} by the same clock"
            ),
            Self::SnapshotOnTarget {
                snapshot,
                recognised_by,
            } => write!(f, "{snapshot} is there, recognised by {recognised_by}"),
            Self::WokenByThisNight { found_off_at } => {
                write!(f, "this night woke it: it was off at {found_off_at:.0}")
            }
            Self::NoReplicationRuns { tasks } => {
                write!(f, "none of {tasks} replication tasks runs or waits")
            }
            Self::NoScanRuns { pools } if pools.is_empty() => {
                f.write_str("no pools, so no scrub or resilver runs")
            }
            Self::NoScanRuns { pools } => {
                write!(f, "no scrub or resilver runs on {}", pools.join(", "))
            }
            Self::ShutdownAccepted { detail } => write!(f, "accepted: {detail}"),
            Self::Watched(watched) => watched.fmt(f),
            Self::Rebooted(reboot) => reboot.fmt(f),
            Self::ShutdownSent { detail } => write!(f, "sent, and not known: {detail}"),
            Self::Silent { seconds } => write!(f, "silent for {seconds} s"),
        }
    }
}

/// A network interface, and why it was used or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceReason {
    /// The interface.
    pub name: String,
    /// Why.
    pub why: String,
}

fn all_of(reasons: &[InterfaceReason]) -> String {
    if reasons.is_empty() {
        return "none".to_owned();
    }
    let texts: Vec<String> = reasons
        .iter()
        .map(|reason| format!("{} ({})", reason.name, reason.why))
        .collect();
    texts.join(", ")
}

/// A number of bytes in the binary units that file systems use.
#[derive(Debug, Clone, Copy)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    #[expect(
        clippy::cast_precision_loss,
        reason = "three significant digits are shown"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        if unit == 0 {
            write!(f, "{} B", self.0)
        } else {
            write!(f, "{value:.1} {}", UNITS[unit])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_in_the_largest_unit_that_they_fill() {
        assert_eq!(Bytes(0).to_string(), "0 B");
        assert_eq!(Bytes(1023).to_string(), "1023 B");
        assert_eq!(Bytes(1024).to_string(), "1.0 KiB");
        assert_eq!(Bytes(5 * 1024 * 1024 + 512 * 1024).to_string(), "5.5 MiB");
    }
}
