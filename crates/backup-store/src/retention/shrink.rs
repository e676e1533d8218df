//! A backup that is suddenly much smaller is a volume that was lost more often than one that was
//! tidied up, and the snapshots from before are then the only ones worth anything.

use jiff::Timestamp;
use serde::Serialize;

use super::RetentionRules;
use crate::{Snapshot, SnapshotId};

/// A stack whose backups shrank by more than is normal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shrunk {
    /// The stack.
    pub stack: String,
    /// The last snapshot of the usual size.
    pub before: SnapshotId,
    /// What it held.
    pub before_bytes: u64,
    /// The newest snapshot.
    pub after: SnapshotId,
    /// When its backup was started.
    pub after_time: Timestamp,
    /// What it holds.
    pub after_bytes: u64,
}

/// Each snapshot is compared with the last one before it that was not found too small, so that the
/// second small one does not pass for normal. It is over when one is large enough again, or when
/// somebody accepts it.
pub(super) fn shrunk(
    stack: &str,
    oldest_first: &[&Snapshot],
    rules: &RetentionRules,
) -> Option<Shrunk> {
    let accepted_until = rules.accepted.get(stack);
    let left_percent = u128::from(100_u8.saturating_sub(rules.shrink_alarm_percent));
    let mut usual: Option<(&Snapshot, u64)> = None;
    let mut alarm = None;
    for snapshot in oldest_first {
        let Some(bytes) = snapshot.processed_bytes else {
            continue;
        };
        let is_accepted = accepted_until.is_some_and(|until| snapshot.time <= *until);
        alarm = usual
            .filter(|(_, usual)| {
                !is_accepted && u128::from(bytes) * 100 < u128::from(*usual) * left_percent
            })
            .map(|(before, before_bytes)| Shrunk {
                stack: stack.to_owned(),
                before: before.id,
                before_bytes,
                after: snapshot.id,
                after_time: snapshot.time,
                after_bytes: bytes,
            });
        if alarm.is_none() {
            usual = Some((snapshot, bytes));
        }
    }
    alarm
}
