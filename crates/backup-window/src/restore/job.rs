//! What the process that restores is told, and what it answers.

use std::ffi::OsString;
use std::fmt::Debug;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use backup_store::{
    CompareRequest, RestoreRequest, RestoreSummary, SnapshotId, SnapshotPath, Store, StoreError,
    StoreErrorKind,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::JobRepository;
use crate::exit::Exit;
use crate::sentence;

/// How many differences are named where what was written is not what was wanted.
const NAMED_DIFFERENCES: usize = 5;

/// One restore into a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreJob {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What of it; everything if nothing is said.
    pub only: Option<SnapshotPath>,
    /// The folder, which is there, empty, and of mode 0700.
    pub to: PathBuf,
    /// What is read again afterwards and held against the snapshot.
    pub verify: Vec<SnapshotPath>,
}

/// What a restore came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What was written.
    pub summary: RestoreSummary,
    /// The kernel kept the process that wrote it to the folder.
    pub confined: bool,
}

/// Why there was no restore.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct RestoreFailure {
    /// What the run ends with because of it.
    pub exit: Exit,
    /// Why, as a whole sentence.
    pub message: String,
    /// What it says of the snapshot.
    #[serde(default)]
    pub cause: RestoreCause,
}

/// What a failed restore says of the snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RestoreCause {
    /// Nothing: the cause is elsewhere.
    #[default]
    Elsewhere,
    /// It does not hold what was asked for.
    NotInSnapshot,
    /// It is damaged, or holds a name that leads out of a folder.
    Bad,
}

impl RestoreFailure {
    /// A failure with this exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            cause: RestoreCause::default(),
        }
    }

    /// The same, with what it says of the snapshot.
    #[must_use]
    pub fn because(self, cause: RestoreCause) -> Self {
        Self { cause, ..self }
    }
}

/// Writes what a repository holds into folders.
///
/// # Contract
///
/// - Nothing is written but beneath [`RestoreJob::to`], and what could not be kept from doing so
///   says so ([`Restored::confined`]).
/// - A job that failed may leave a part of what it wrote.
/// - A future that is dropped ends the work soon.
#[async_trait]
pub trait Restorer: Debug + Send + Sync + 'static {
    /// Does one job.
    ///
    /// # Errors
    /// When it could not be done, or what was written is not what the snapshot says.
    async fn restore(&self, job: RestoreJob) -> Result<Restored, RestoreFailure>;
}

/// A job for another process, as one line of JSON: names need not be Unicode, and are bytes.
#[derive(Serialize, Deserialize)]
pub struct Job {
    /// The repository.
    pub repository: JobRepository,
    /// Its password. It goes through a pipe: what is in arguments or the environment, others read.
    pub password: String,
    /// [`RestoreJob::snapshot`].
    pub snapshot: SnapshotId,
    /// [`RestoreJob::only`].
    pub only: Option<Name>,
    /// [`RestoreJob::to`].
    #[serde(with = "bytes")]
    pub to: PathBuf,
    /// [`RestoreJob::verify`].
    pub verify: Vec<Name>,
    /// Whether to go on where the kernel cannot confine the process.
    pub allow_unconfined: bool,
}

impl Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The password is left out.
        f.debug_struct("Job")
            .field("repository", &self.repository)
            .field("snapshot", &self.snapshot)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

/// A path as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Name(#[serde(with = "bytes")] PathBuf);

impl Name {
    /// The name of a place in a snapshot.
    #[must_use]
    pub fn of(place: &SnapshotPath) -> Self {
        Self(place.as_path().to_owned())
    }

    fn place(&self) -> Result<SnapshotPath, RestoreFailure> {
        SnapshotPath::new(self.0.clone())
            .map_err(|error| RestoreFailure::new(Exit::Usage, sentence::failed_to(&error)))
    }
}

/// What the other process answers, as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The kernel keeps it to the target.
    pub confined: bool,
    /// What came of the job.
    pub result: Result<RestoreSummary, RestoreFailure>,
}

impl Job {
    /// The job without what it takes to open the repository.
    ///
    /// # Errors
    /// When a name in it is no place in a snapshot.
    pub fn to_job(&self) -> Result<RestoreJob, RestoreFailure> {
        Ok(RestoreJob {
            snapshot: self.snapshot,
            only: self.only.as_ref().map(Name::place).transpose()?,
            to: self.to.clone(),
            verify: self
                .verify
                .iter()
                .map(Name::place)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// Does a job in this process.
///
/// # Errors
/// As [`Restorer::restore`].
pub async fn restore_here(
    store: &dyn Store,
    job: &RestoreJob,
) -> Result<RestoreSummary, RestoreFailure> {
    let request = RestoreRequest {
        snapshot: job.snapshot,
        only: job.only.clone(),
        to: job.to.clone(),
    };
    let failed = |error: StoreError| {
        let exit = match error.kind() {
            StoreErrorKind::Refused => Exit::Refused,
            _ => Exit::Failed,
        };
        let cause = match error.kind() {
            _ if matches!(error, StoreError::PathNotInSnapshot { .. }) => {
                RestoreCause::NotInSnapshot
            }
            StoreErrorKind::Damaged | StoreErrorKind::Refused => RestoreCause::Bad,
            _ => RestoreCause::Elsewhere,
        };
        RestoreFailure::new(exit, sentence::failed_to(&error)).because(cause)
    };
    let summary = store.restore(request).await.map_err(failed)?;
    for place in &job.verify {
        let request = CompareRequest {
            snapshot: job.snapshot,
            place: place.clone(),
            path: job.to.join(place.as_path()),
            exclude: Vec::new(),
        };
        let comparison = store.compare(request).await.map_err(failed)?;
        if !comparison.is_same() {
            let differences = comparison.changes.iter().take(NAMED_DIFFERENCES);
            let differences: Vec<String> = differences
                .map(|change| {
                    let path = place.as_path().join(&change.path);
                    format!(
                        "{} ({:?}: {})",
                        path.display(),
                        change.kind,
                        change.what.join(", ")
                    )
                })
                .collect();
            return Err(RestoreFailure::new(
                Exit::Failed,
                format!(
                    "what was written is not what the snapshot says, in {} places: {}",
                    comparison.changes.len(),
                    differences.join("; ")
                ),
            ));
        }
    }
    Ok(summary)
}

/// Paths as bytes, for serde.
pub(super) mod bytes {
    use super::{Deserialize, Deserializer, OsStrExt, OsString, OsStringExt, Path, PathBuf};
    use super::{Serialize, Serializer};

    pub(in crate::restore) fn serialize<S: Serializer>(
        path: &Path,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        path.as_os_str().as_bytes().serialize(serializer)
    }

    pub(in crate::restore) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<PathBuf, D::Error> {
        Vec::<u8>::deserialize(from).map(|bytes| OsString::from_vec(bytes).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_keeps_every_name_and_tells_nobody_the_password() {
        let odd = || PathBuf::from(OsString::from_vec(b"/caf\xe9\n".to_vec()));
        let job = Job {
            repository: JobRepository::Folder(odd()),
            password: "hunter2".to_owned(),
            snapshot: "0".repeat(64).parse().unwrap(),
            only: Some(Name::of(&SnapshotPath::new("volumes/x").unwrap())),
            to: odd(),
            verify: Vec::new(),
            allow_unconfined: false,
        };
        assert!(!format!("{job:?}").contains("hunter2"));
        let line = serde_json::to_string(&job).unwrap();
        assert!(!line.contains('\n'));
        let read: Job = serde_json::from_str(&line).unwrap();
        assert_eq!(read.repository.folder(), Some(odd().as_path()));
        assert_eq!(read.to, odd());
        assert_eq!(job.to_job().unwrap().only.unwrap().to_string(), "volumes/x");
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let name = Name("../etc".into());
        assert_eq!(name.place().unwrap_err().exit, Exit::Usage);
    }
}
