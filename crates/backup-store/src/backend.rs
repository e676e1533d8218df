//! What the library reads and writes a repository through, wherever the repository lies.

use std::{
    fmt, io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use rustic_core::{
    BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend,
};

use crate::{
    StoreError,
    account::{Account, locked},
    error::again,
};

/// The files of a repository, in a folder or on a server.
///
/// # Contract
///
/// - A listing that fails is an error, and never empty: an index that seems empty makes a backup
///   that stores everything again, and a list of snapshots that seems empty is worse.
/// - A file that was written is there whole, or it is an error.
/// - Every error names the file.
pub(crate) trait Files: fmt::Debug + Send + Sync + 'static {
    /// Where the repository lies, for people.
    fn location(&self) -> String;
    /// The path or the address of a file, for people.
    fn name(&self, kind: FileType, id: &Id) -> String;
    /// Whether there is a repository.
    fn has_config(&self) -> Result<bool, FileError>;
    fn list(&self, kind: FileType) -> Result<Vec<Id>, FileError>;
    fn list_with_size(&self, kind: FileType) -> Result<Vec<(Id, u32)>, FileError>;
    fn read(&self, kind: FileType, id: &Id) -> Result<Bytes, FileError>;
    fn read_part(
        &self,
        kind: FileType,
        id: &Id,
        offset: u32,
        length: u32,
    ) -> Result<Bytes, FileError>;
    /// Makes what the files are going to lie in.
    fn create(&self) -> Result<(), FileError>;
    fn write(&self, kind: FileType, id: &Id, content: BytesList) -> Result<(), FileError>;
    fn remove(&self, kind: FileType, id: &Id) -> Result<(), FileError>;
}

/// Why a file of the repository could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {}", path.display())]
pub(crate) struct FileError {
    pub(crate) operation: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

impl FileError {
    pub(crate) fn to_store_error(&self) -> StoreError {
        StoreError::Repository {
            operation: self.operation,
            path: self.path.clone(),
            source: again(&self.source),
        }
    }
}

/// A repository's files, and the account of what is done with them.
#[derive(Debug)]
pub(crate) struct Backend {
    files: Arc<dyn Files>,
    account: Mutex<Option<Arc<Account>>>,
    read_bytes: AtomicU64,
}

impl Backend {
    pub(crate) fn new(files: Arc<dyn Files>) -> Self {
        Self {
            files,
            account: Mutex::default(),
            read_bytes: AtomicU64::new(0),
        }
    }

    /// Puts what is written from now on down to an account. Only one run writes at a time.
    pub(crate) fn keep_account(&self, account: Option<Arc<Account>>) {
        *locked(&self.account) = account;
    }

    /// How many bytes of data files were read so far.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes.load(Relaxed)
    }

    /// Whether there is a repository.
    pub(crate) fn has_config(&self) -> Result<bool, FileError> {
        self.files.has_config()
    }

    /// The account of what is going on, unless nothing may be changed any more.
    fn may_change(&self) -> RusticResult<Option<Arc<Account>>> {
        let account = locked(&self.account).clone();
        match &account {
            Some(account) if !account.may_go_on() => Err(RusticError::new(
                ErrorKind::Backend,
                "nothing is written any more: the work was cancelled, or a write failed",
            )),
            _ => Ok(account),
        }
    }

    /// Whether anybody still waits for what is read.
    fn may_read(&self) -> RusticResult<()> {
        let account = locked(&self.account);
        match &*account {
            Some(account) if account.is_cancelled() => Err(RusticError::new(
                ErrorKind::Backend,
                "nothing is read any more: the work was cancelled",
            )),
            _ => Ok(()),
        }
    }
}

/// Hands an error to the library, which passes it back as the cause of its own.
fn to_library(error: FileError) -> Box<RusticError> {
    RusticError::with_source(
        ErrorKind::InputOutput,
        "a file of the repository failed",
        error,
    )
}

/// The same of what was to be changed, which is put down as well: the library goes on after most
/// errors, and a snapshot is the promise that all is well.
fn put_down(account: Option<Arc<Account>>) -> impl FnOnce(FileError) -> Box<RusticError> {
    move |error| {
        if let Some(account) = account {
            account.fail(error.to_store_error());
        }
        to_library(error)
    }
}

impl ReadBackend for Backend {
    fn location(&self) -> String {
        self.files.location()
    }

    fn list(&self, tpe: FileType) -> RusticResult<Vec<Id>> {
        self.files.list(tpe).map_err(to_library)
    }

    fn list_with_size(&self, tpe: FileType) -> RusticResult<Vec<(Id, u32)>> {
        self.files.list_with_size(tpe).map_err(to_library)
    }

    fn read_full(&self, tpe: FileType, id: &Id) -> RusticResult<Bytes> {
        self.may_read()?;
        self.files.read(tpe, id).map_err(to_library)
    }

    fn read_partial(
        &self,
        tpe: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        self.may_read()?;
        let bytes = self
            .files
            .read_part(tpe, id, offset, length)
            .map_err(to_library)?;
        if tpe == FileType::Pack {
            self.read_bytes.fetch_add(length.into(), Relaxed);
        }
        Ok(bytes)
    }

    fn warmup_path(&self, tpe: FileType, id: &Id) -> String {
        self.files.name(tpe, id)
    }
}

impl WriteBackend for Backend {
    fn create(&self) -> RusticResult<()> {
        self.files.create().map_err(to_library)
    }

    fn write_bytes(
        &self,
        tpe: FileType,
        id: &Id,
        _cacheable: bool,
        content: BytesList,
    ) -> RusticResult<()> {
        // This is the one place through which every snapshot must pass.
        let account = self.may_change()?;
        self.files
            .write(tpe, id, content)
            .map_err(put_down(account))
    }

    fn remove(&self, tpe: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        // What was to take the place of this file may not be there.
        let account = self.may_change()?;
        self.files.remove(tpe, id).map_err(put_down(account))
    }
}
