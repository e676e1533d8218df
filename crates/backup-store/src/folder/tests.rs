use std::{error::Error, ops::Deref, sync::Arc};

use rustic_core::{ReadBackend, RusticError, WriteBackend};

use super::*;
use crate::{StoreError, account::Account, backend::Backend};

fn id(first: &str) -> Id {
    format!("{first}{}", "0".repeat(64 - first.len()))
        .parse()
        .unwrap()
}

/// A folder as the library sees it.
struct Seen {
    root: PathBuf,
    backend: Backend,
}

impl Deref for Seen {
    type Target = Backend;

    fn deref(&self) -> &Backend {
        &self.backend
    }
}

fn folder() -> (tempfile::TempDir, Seen) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("repository");
    let backend = Backend::new(Arc::new(Folder::new(root.clone())));
    backend.create().unwrap();
    (dir, Seen { root, backend })
}

fn cause(error: &RusticError) -> &FileError {
    error.source().unwrap().downcast_ref().unwrap()
}

#[test]
fn objects_are_written_listed_read_and_removed() {
    let (_dir, folder) = folder();
    for kind in ALL_FILE_TYPES {
        folder
            .write_bytes(
                kind,
                &id("ab"),
                false,
                Bytes::from_static(b"content").into(),
            )
            .unwrap();
        assert_eq!(folder.list(kind).unwrap(), [id("ab")]);
        assert_eq!(folder.list_with_size(kind).unwrap(), [(id("ab"), 7)]);
        assert_eq!(folder.read_full(kind, &id("ab")).unwrap(), "content");
        assert_eq!(
            folder.read_partial(kind, &id("ab"), false, 3, 4).unwrap(),
            "tent"
        );
        folder.remove(kind, &id("ab"), false).unwrap();
        assert_eq!(folder.list(kind).unwrap(), []);
    }
    assert_eq!(folder.read_bytes(), 4, "only packs count as data");
}

#[test]
fn packs_lie_where_the_format_wants_them() {
    let (_dir, folder) = folder();
    folder
        .write_bytes(FileType::Pack, &id("ab"), false, BytesList::default())
        .unwrap();
    assert!(
        folder
            .root
            .join("data/ab")
            .join(id("ab").to_hex().as_str())
            .is_file()
    );
}

#[test]
fn other_files_are_no_objects() {
    let (_dir, folder) = folder();
    fs::write(folder.root.join("snapshots/notes.txt"), "").unwrap();
    fs::write(
        folder
            .root
            .join("snapshots")
            .join(format!("{}-tmp-", &*id("ab").to_hex())),
        "",
    )
    .unwrap();
    assert_eq!(folder.list(FileType::Snapshot).unwrap(), []);
}

#[test]
fn a_listing_that_fails_is_an_error_and_not_empty() {
    let (_dir, folder) = folder();
    for kind in ALL_FILE_TYPES {
        let path = folder.root.join(kind.dirname());
        fs::remove_dir_all(&path).unwrap();
        let error = folder.list(kind).unwrap_err();
        assert_eq!(cause(&error).path, path);
        assert_eq!(cause(&error).source.kind(), io::ErrorKind::NotFound);
    }
}

#[test]
fn a_part_beyond_the_end_is_an_error() {
    let (_dir, folder) = folder();
    let content = Bytes::from_static(b"content");
    folder
        .write_bytes(FileType::Pack, &id("ab"), false, content.into())
        .unwrap();
    let error = folder
        .read_partial(FileType::Pack, &id("ab"), false, 6, u32::MAX)
        .unwrap_err();
    assert_eq!(cause(&error).source.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_failed_write_is_put_down_and_stops_all_others() {
    let (_dir, folder) = folder();
    let account = Arc::new(Account::default());
    folder.keep_account(Some(Arc::clone(&account)));
    fs::remove_dir_all(folder.root.join("data/ab")).unwrap();
    fs::write(folder.root.join("data/ab"), "a file in the way").unwrap();

    folder
        .write_bytes(FileType::Pack, &id("ab"), false, BytesList::default())
        .unwrap_err();
    folder
        .write_bytes(FileType::Snapshot, &id("cd"), false, BytesList::default())
        .unwrap_err();
    assert_eq!(folder.list(FileType::Snapshot).unwrap(), []);
    assert!(matches!(
        account.take_failure(),
        Some(StoreError::Repository { path, .. }) if path.ends_with("data/ab")
    ));
}

#[test]
fn files_of_the_repository_are_private() {
    use std::os::unix::fs::PermissionsExt;

    let (_dir, folder) = folder();
    folder
        .write_bytes(FileType::Key, &id("ab"), false, BytesList::default())
        .unwrap();
    let mode = |path: &str| {
        fs::metadata(folder.root.join(path))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!(mode("") & 0o777, 0o700);
    assert_eq!(
        mode(&format!("keys/{}", &*id("ab").to_hex())) & 0o777,
        0o600
    );
}
