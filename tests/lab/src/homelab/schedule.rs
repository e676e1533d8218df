//! The hours of the night, for a lab that has no patience: TrueNAS's snapshot task runs when the
//! stacks have been backed up, as its schedule in a house would have it do some time later.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::truenas::Control;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long after the backup the snapshot is taken. Snapshots carry whole seconds, so one that is
/// to be later than the backup for sure needs some.
const AFTER: Duration = Duration::from_secs(2);

/// Runs the snapshot task once after every backup that the history in `history` tells of.
pub(super) async fn snapshot_after_every_backup(history: &Path, nas: Control, snapshot_task: i64) {
    let mut seen = 0;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let ended = backups_in(history);
        if ended > seen {
            seen = ended;
            tokio::time::sleep(AFTER).await;
            nas.run_snapshot_task(snapshot_task);
        }
    }
}

/// How many records of backups the history has.
fn backups_in(history: &Path) -> usize {
    let Ok(files) = fs::read_dir(history) else {
        return 0;
    };
    files
        .filter_map(Result::ok)
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .map(|text| text.matches("\"step\":\"stacks\"").count())
        .sum()
}
