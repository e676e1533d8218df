//! The repository's files in a folder: the only place that touches them.
//!
//! The layout is that of the [format]: `config`, and a file per object in `data/xx`, `index`,
//! `keys` and `snapshots`, each named after the SHA-256 of what it holds. This is a backend of our
//! own because the library's answers a listing that fails with an empty list: on a flaky network
//! mount, an index that seems empty makes a backup that stores everything again, and a list of
//! snapshots that seems empty is worse.
//!
//! [format]: https://restic.readthedocs.io/en/stable/100_references.html#repository-layout

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use rustic_core::{ALL_FILE_TYPES, BytesList, FileType, Id};

use crate::backend::{FileError, Files};

/// The file that makes a folder a repository.
pub(crate) const CONFIG: &str = "config";

/// A repository's folder.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
}

/// Turns an I/O error into one that names the operation and the path.
fn at<'a>(operation: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FileError + 'a {
    move |source| FileError {
        operation,
        path: path.to_owned(),
        source,
    }
}

impl Folder {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn folder_of(&self, kind: FileType, id: &Id) -> PathBuf {
        match kind {
            FileType::Config => self.root.clone(),
            FileType::Pack => self
                .root
                .join(kind.dirname())
                .join(&id.to_hex().as_str()[..2]),
            _ => self.root.join(kind.dirname()),
        }
    }

    fn file(&self, kind: FileType, id: &Id) -> PathBuf {
        let folder = self.folder_of(kind, id);
        match kind {
            FileType::Config => folder.join(CONFIG),
            _ => folder.join(id.to_hex().as_str()),
        }
    }

    /// Every object of a kind with the path of its file.
    fn objects(&self, kind: FileType) -> Result<Vec<(Id, PathBuf)>, FileError> {
        if kind == FileType::Config {
            let present = Files::has_config(self)?;
            let config = (Id::default(), self.root.join(CONFIG));
            return Ok(if present { vec![config] } else { Vec::new() });
        }
        let mut objects = Vec::new();
        // Packs lie one level further down than everything else.
        let mut folders = vec![(self.root.join(kind.dirname()), kind == FileType::Pack)];
        while let Some((folder, holds_folders)) = folders.pop() {
            let list = at("list", &folder);
            let entries = fs::read_dir(&folder).and_then(|entries| {
                entries
                    .map(|entry| {
                        let entry = entry?;
                        Ok((entry.file_name(), entry.path(), entry.file_type()?))
                    })
                    .collect::<io::Result<Vec<_>>>()
            });
            for (name, path, file_type) in entries.map_err(list)? {
                if holds_folders && file_type.is_dir() {
                    folders.push((path, false));
                } else if file_type.is_file()
                    && let Some(id) = name.to_str().and_then(|name| Id::parse_some(name, kind))
                {
                    objects.push((id, path));
                }
            }
        }
        Ok(objects)
    }

    fn sizes(&self, kind: FileType) -> Result<Vec<(Id, u32)>, FileError> {
        let size = |(id, path): (Id, PathBuf)| {
            let length = fs::metadata(&path).map_err(at("examine", &path))?.len();
            let length = u32::try_from(length)
                .map_err(|_| at("examine", &path)(io::ErrorKind::FileTooLarge.into()))?;
            Ok((id, length))
        };
        self.objects(kind)?.into_iter().map(size).collect()
    }

    fn read_bytes(path: &Path, offset: u32, length: u32) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        // The length comes from the index: a damaged one must not make us ask for gigabytes.
        if file.metadata()?.len() < u64::from(offset) + u64::from(length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact_at(&mut bytes, offset.into())?;
        Ok(bytes)
    }

    /// Writes a file so that it is there whole or not at all, whenever the power goes.
    fn save(&self, kind: FileType, id: &Id, content: BytesList) -> Result<(), FileError> {
        let path = self.file(kind, id);
        let folder = self.folder_of(kind, id);
        make_folder(&folder)?;
        let name = path.file_name().unwrap_or_default().to_owned();
        // restic names its own unfinished files like this, so its tools know what they see.
        let mut unfinished_name = name;
        unfinished_name.push("-tmp-");
        let unfinished = folder.join(unfinished_name);
        let fill = |content: BytesList| -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&unfinished)?;
            io::copy(&mut content.reader(), &mut file)?;
            file.sync_all()
        };
        if let Err(error) = fill(content) {
            // On a full disk, the half of a pack is the first thing that should go.
            let _ = fs::remove_file(&unfinished);
            return Err(at("write", &path)(error));
        }
        fs::rename(&unfinished, &path).map_err(at("write", &path))?;
        sync_folder(&folder).map_err(at("sync", &folder))
    }
}

/// Makes a folder that only its owner can enter, unless it is there.
fn make_folder(path: &Path) -> Result<(), FileError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        result => result.map_err(at("create the folder", path)),
    }
}

/// Makes a rename durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // Some network file systems cannot sync a folder, and need not.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}

impl Files for Folder {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn name(&self, kind: FileType, id: &Id) -> String {
        self.file(kind, id).display().to_string()
    }

    fn has_config(&self) -> Result<bool, FileError> {
        let path = self.root.join(CONFIG);
        path.try_exists().map_err(at("look for", &path))
    }

    fn list(&self, kind: FileType) -> Result<Vec<Id>, FileError> {
        let objects = self.objects(kind)?;
        Ok(objects.into_iter().map(|(id, _)| id).collect())
    }

    fn list_with_size(&self, kind: FileType) -> Result<Vec<(Id, u32)>, FileError> {
        self.sizes(kind)
    }

    fn read(&self, kind: FileType, id: &Id) -> Result<Bytes, FileError> {
        let path = self.file(kind, id);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|mut file| file.read_to_end(&mut bytes));
        read.map_err(at("read", &path))?;
        Ok(bytes.into())
    }

    fn read_part(
        &self,
        kind: FileType,
        id: &Id,
        offset: u32,
        length: u32,
    ) -> Result<Bytes, FileError> {
        let path = self.file(kind, id);
        let bytes = Self::read_bytes(&path, offset, length).map_err(at("read", &path))?;
        Ok(bytes.into())
    }

    fn create(&self) -> Result<(), FileError> {
        make_folder(&self.root)?;
        for kind in ALL_FILE_TYPES {
            make_folder(&self.root.join(kind.dirname()))?;
        }
        for first_byte in 0..=u8::MAX {
            let folder = self
                .root
                .join(FileType::Pack.dirname())
                .join(format!("{first_byte:02x}"));
            make_folder(&folder)?;
        }
        Ok(())
    }

    fn write(&self, kind: FileType, id: &Id, content: BytesList) -> Result<(), FileError> {
        self.save(kind, id, content)
    }

    fn remove(&self, kind: FileType, id: &Id) -> Result<(), FileError> {
        let path = self.file(kind, id);
        fs::remove_file(&path).map_err(at("remove", &path))
    }
}

#[cfg(test)]
mod tests;
