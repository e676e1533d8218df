//! The journal in a file.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Journal, JournalError, OutageRecord};

/// The format that this release writes, and the only one that it reads.
const FORMAT: u32 = 1;

/// A journal in one JSON file, readable with `less`.
///
/// A write goes to a second file next to it (the same name with `.new`), is synced, and takes the
/// first one's place, after which the folder is synced too: at no time is there half a record.
///
/// ```
/// use docker_stacks::FileJournal;
///
/// let journal = FileJournal::new("/var/lib/my-backup/outage.json");
/// assert!(journal.path().ends_with("outage.json"));
/// ```
#[derive(Debug, Clone)]
pub struct FileJournal {
    path: PathBuf,
}

#[derive(Serialize)]
struct Written<'a> {
    format: u32,
    #[serde(flatten)]
    record: &'a OutageRecord,
}

/// Read before anything else is expected of the file.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl FileJournal {
    /// A journal at `path`. Its folder is made with the first write.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs file work where it may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let path = self.path.clone();
        let in_thread = path.clone();
        match tokio::task::spawn_blocking(move || work(&in_thread)).await {
            Ok(done) => done,
            // The runtime is going down, or the work panicked: either way nothing is known of it.
            Err(error) => Err(failed("finish the work on the outage journal", &path)(
                io::Error::other(error),
            )),
        }
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io {
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

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn write(path: &Path, text: &[u8]) -> Result<(), JournalError> {
    let mut new: OsString = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    fs::create_dir_all(folder(path))
        .map_err(failed("make the folder of the outage journal", path))?;
    let mut file = File::create(&new).map_err(failed("create the outage journal", &new))?;
    file.write_all(text)
        .and_then(|()| file.sync_all())
        .map_err(failed("write the outage journal", &new))?;
    fs::rename(&new, path).map_err(failed("put in place the outage journal", path))?;
    sync_folder(path).map_err(failed("sync the folder of the outage journal", path))
}

fn clear(path: &Path) -> Result<(), JournalError> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path).map_err(failed("sync the folder of the outage journal", path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("remove the outage journal", path)(error)),
    }
}

fn read(path: &Path) -> Result<Option<OutageRecord>, JournalError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read the outage journal", path)(error)),
    };
    let damaged = |source| JournalError::Damaged {
        path: path.to_owned(),
        source,
    };
    let Format { format } = serde_json::from_slice(&text).map_err(damaged)?;
    if format != FORMAT {
        return Err(JournalError::OtherFormat {
            path: path.to_owned(),
            found: format,
            expected: FORMAT,
        });
    }
    serde_json::from_slice(&text).map(Some).map_err(damaged)
}

#[async_trait]
impl Journal for FileJournal {
    async fn write(&self, record: &OutageRecord) -> Result<(), JournalError> {
        let written = Written {
            format: FORMAT,
            record,
        };
        let mut text = serde_json::to_vec_pretty(&written).map_err(|source| JournalError::Io {
            operation: "turn into JSON the outage journal",
            path: self.path.clone(),
            source: source.into(),
        })?;
        text.push(b'\n');
        self.blocking(move |path| write(path, &text)).await
    }

    async fn clear(&self) -> Result<(), JournalError> {
        self.blocking(clear).await
    }

    async fn read(&self) -> Result<Option<OutageRecord>, JournalError> {
        self.blocking(read).await
    }
}

#[cfg(test)]
mod tests;
