//! What a check of a repository asks and tells.

use serde::Serialize;

/// How closely to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckDepth {
    /// That the index, the snapshots and their trees are there and readable, and that every file
    /// they need is there with the right size.
    Structure,
    /// The same, and that the data decrypts to what it was named after.
    ReadData {
        /// How much of the data to read, from 1 to 100, by size; below 100, which part is random.
        percent: u8,
    },
    /// The same, with one of several shares of the data. Which data files are in a share depends on
    /// their names alone, so whoever reads all shares one after the other has read every file that
    /// was there all the time, whatever was added meanwhile. The shares are of about the same size
    /// where there are many files.
    ReadShare {
        /// Which share, from 0.
        share: u32,
        /// How many there are, at least 1.
        of: u32,
    },
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The snapshots that could be read.
    pub snapshots: u64,
    /// How many bytes of data files were read and verified, of everything the check read. With
    /// [`CheckDepth::Structure`], that is what the trees take.
    pub read_bytes: u64,
    /// Everything that is not as it should be.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// Whether no damage was found. Warnings may still be there.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity == Severity::Warning)
    }
}

/// Something in a repository that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub message: String,
}

/// How bad a [`Finding`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Odd, but nothing is lost: unused data left by a backup that was broken off, for instance.
    Warning,
    /// Damage: something may not be restorable.
    Error,
}
