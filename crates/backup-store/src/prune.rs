//! What a prune asks and tells.

use std::time::Duration;

use serde::Serialize;

/// How data that no snapshot needs is taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneOptions {
    /// How much unused data may stay, in percent of what is used: data files that are only partly
    /// used are written anew until no more than that is left.
    pub max_unused_percent: u8,
    /// How much of the repository may be written anew at once, in percent. What is not done goes on
    /// with the next prune.
    pub max_repack_percent: u8,
    /// How long a data file that was marked stays, so that nobody who read the index before loses
    /// what he is reading. By the clock of this machine, which the library reads by itself.
    pub keep_marked: Duration,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self {
            max_unused_percent: 5,
            max_repack_percent: 10,
            keep_marked: Duration::from_hours(23),
        }
    }
}

/// What a prune did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct PruneSummary {
    /// What was deleted: data files that an earlier prune had marked, and those that no index
    /// knows, as a backup leaves them that was killed.
    pub deleted_bytes: u64,
    /// What was found to be unused, and is deleted later.
    pub marked_bytes: u64,
    /// What is used, and was written anew because its data file was partly unused.
    pub repacked_bytes: u64,
    /// What is unused, and stays.
    pub unused_bytes: u64,
}
