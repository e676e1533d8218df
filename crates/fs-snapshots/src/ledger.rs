//! The list of the snapshots that must be removed, kept where a crash cannot take it.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::{error::LedgerError, model::SnapshotId};

/// The format that this release writes, and the only one that it reads.
const FORMAT: u32 = 1;

/// Which snapshots are owed their removal, in one JSON file.
///
/// A snapshot is in it, synced, before it is made, and until it is gone. The file is replaced as a
/// whole, so that there is never half a list, and is not there while nothing is owed. One process
/// may use it at a time.
///
/// ```
/// use fs_snapshots::{Ledger, SnapshotId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fs_snapshots::LedgerError> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("snapshots.json");
/// let ledger = Ledger::new(&path);
/// let snapshot = SnapshotId::Zfs { snapshot: "tank/apps@backup-window-nas-…".to_owned() };
/// ledger.add(&[snapshot.clone()]).await?;
/// // … and if the process is killed here, the next one knows:
/// assert_eq!(Ledger::new(&path).owed().await?, [snapshot.clone()]);
/// ledger.strike(&[snapshot]).await?;
/// assert!(!path.exists());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Ledger {
    path: PathBuf,
    /// Held from the reading to the writing of a change.
    one_change: Arc<Mutex<()>>,
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    snapshots: &'a [SnapshotId],
}

#[derive(Deserialize)]
struct Read {
    snapshots: Vec<SnapshotId>,
}

/// Read before anything else is expected of the file.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Ledger {
    /// A ledger at `path`. Its folder is made with the first write.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            one_change: Arc::default(),
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The snapshots that are owed their removal, the oldest first.
    ///
    /// # Errors
    ///
    /// If there is a list that cannot be read or understood.
    pub async fn owed(&self) -> Result<Vec<SnapshotId>, LedgerError> {
        self.blocking(read).await
    }

    /// Adds snapshots that are about to be made. When this has returned, they survive the end of
    /// this process and of the machine.
    ///
    /// # Errors
    ///
    /// If the list cannot be read or kept for good; it is then as it was.
    pub async fn add(&self, snapshots: &[SnapshotId]) -> Result<(), LedgerError> {
        self.change(snapshots, |owed, snapshots| {
            for snapshot in snapshots {
                if !owed.contains(&snapshot) {
                    owed.push(snapshot);
                }
            }
        })
        .await
    }

    /// Strikes out snapshots that are gone.
    ///
    /// # Errors
    ///
    /// If the list cannot be read or kept for good; it is then as it was.
    pub async fn strike(&self, snapshots: &[SnapshotId]) -> Result<(), LedgerError> {
        self.change(snapshots, |owed, snapshots| {
            owed.retain(|snapshot| !snapshots.contains(snapshot));
        })
        .await
    }

    async fn change(
        &self,
        snapshots: &[SnapshotId],
        change: impl FnOnce(&mut Vec<SnapshotId>, Vec<SnapshotId>) + Send + 'static,
    ) -> Result<(), LedgerError> {
        if snapshots.is_empty() {
            return Ok(());
        }
        // The file's work goes on in its thread when this future is dropped, and so must the lock.
        let guard = Arc::clone(&self.one_change).lock_owned().await;
        let snapshots = snapshots.to_vec();
        self.blocking(move |path| {
            let _guard = guard;
            let mut owed = read(path)?;
            change(&mut owed, snapshots);
            write(path, &owed)
        })
        .await
    }

    /// Runs file work where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let path = self.path.clone();
        match tokio::task::spawn_blocking(move || work(&path)).await {
            Ok(done) => done,
            // The runtime is going down, or the work panicked: either way nothing is known of it.
            Err(error) => Err(failed(
                "finish the work on the list of snapshots",
                &self.path,
            )(io::Error::other(error))),
        }
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::Io {
        operation,
        path,
        source,
    }
}

/// The folder that holds the file: a bare name is in the current one.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn sync_folder(path: &Path) -> Result<(), LedgerError> {
    File::open(folder(path))
        .and_then(|folder| folder.sync_all())
        .map_err(failed("sync the folder of the list of snapshots", path))
}

fn read(path: &Path) -> Result<Vec<SnapshotId>, LedgerError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read the list of snapshots", path)(error)),
    };
    let damaged = |source| LedgerError::Damaged {
        path: path.to_owned(),
        source,
    };
    let Format { format } = serde_json::from_slice(&text).map_err(damaged)?;
    if format != FORMAT {
        return Err(LedgerError::OtherFormat {
            path: path.to_owned(),
            found: format,
            expected: FORMAT,
        });
    }
    let Read { snapshots } = serde_json::from_slice(&text).map_err(damaged)?;
    Ok(snapshots)
}

fn write(path: &Path, owed: &[SnapshotId]) -> Result<(), LedgerError> {
    if owed.is_empty() {
        return match fs::remove_file(path) {
            Ok(()) => sync_folder(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("remove the list of snapshots", path)(error)),
        };
    }
    let written = Written {
        format: FORMAT,
        snapshots: owed,
    };
    // A path that is not UTF-8 has no place in JSON; none of ours is made beneath one (`survey`).
    let mut text = serde_json::to_vec_pretty(&written)
        .map_err(|error| failed("turn into JSON the list of snapshots", path)(error.into()))?;
    text.push(b'\n');
    let mut new: OsString = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    fs::create_dir_all(folder(path))
        .map_err(failed("make the folder of the list of snapshots", path))?;
    let mut file = File::create(&new).map_err(failed("create the list of snapshots", &new))?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .map_err(failed("write the list of snapshots", &new))?;
    fs::rename(&new, path).map_err(failed("put in place the list of snapshots", path))?;
    sync_folder(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> SnapshotId {
        SnapshotId::Zfs {
            snapshot: name.to_owned(),
        }
    }

    #[tokio::test]
    async fn changes_at_the_same_time_are_all_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/snapshots.json");
        let ledger = Ledger::new(&path);
        let added: Vec<_> = (0..20)
            .map(|number| {
                let ledger = ledger.clone();
                tokio::spawn(async move { ledger.add(&[id(&number.to_string())]).await })
            })
            .collect();
        for added in added {
            added.await.unwrap().unwrap();
        }
        assert_eq!(ledger.owed().await.unwrap().len(), 20);
        ledger.add(&[id("3")]).await.unwrap();
        assert_eq!(ledger.owed().await.unwrap().len(), 20, "once is enough");
        ledger.strike(&[id("3"), id("unknown")]).await.unwrap();
        assert_eq!(ledger.owed().await.unwrap().len(), 19);
    }

    #[tokio::test]
    async fn what_is_not_understood_is_never_taken_for_nothing_owed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshots.json");
        let ledger = Ledger::new(&path);
        for text in [
            "",
            "[]",
            "{\"format\":1}",
            "{\"format\":1,\"snapshots\":[{\"kind\":\"lvm\"}]}",
        ] {
            fs::write(&path, text).unwrap();
            let error = ledger.add(&[id("a")]).await.unwrap_err();
            assert!(matches!(error, LedgerError::Damaged { .. }), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(&path, "{\"format\":2}").unwrap();
        let error = ledger.owed().await.unwrap_err();
        assert!(error.to_string().contains("it has format 2, expected 1"));
    }

    #[test]
    fn the_file_is_readable_for_people() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshots.json");
        let btrfs = SnapshotId::Btrfs {
            path: "/.backup-window-nas-20260301T030000Z-0".into(),
        };
        write(&path, &[btrfs]).unwrap();
        let expected = r#"{
  "format": 1,
  "snapshots": [
    {
      "kind": "btrfs",
      "path": "/.backup-window-nas-20260301T030000Z-0"
    }
  ]
}
"#;
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
