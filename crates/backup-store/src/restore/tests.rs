use std::{fs, sync::Arc};

use rustic_core::{
    BackupOptions, ConfigOptions, Credentials, KeyOptions, ReadSource, ReadSourceEntry,
    RepositoryBackends, RepositoryOptions, RusticResult, SnapshotOptions,
    repofile::{MasterKey, Metadata},
};

use super::*;
use crate::{backend::Backend, folder::Folder};

fn unsafe_among(names: &[&str]) -> Option<OsString> {
    let node = |name: &&str| Node::new_node(name.as_ref(), NodeType::File, Metadata::default());
    first_unsafe(&names.iter().map(node).collect::<Vec<_>>())
}

#[test]
fn names_that_lead_elsewhere_are_found() {
    for name in ["", ".", "..", "a/b", "/etc/passwd", "../x", "a\0b"] {
        assert_eq!(unsafe_among(&["a", name]).unwrap(), name);
    }
    assert_eq!(unsafe_among(&["a", "b", "a"]).unwrap(), "a");
    assert_eq!(unsafe_among(&["a", "b", "...", "a\nb", "-rf"]), None);
}

#[test]
fn an_escaped_slash_is_a_slash() {
    // The format escapes names; `\x2f` must not get past the check as four harmless letters.
    let mut node = Node::new_node("x".as_ref(), NodeType::File, Metadata::default());
    node.name = r"..\x2fetc".to_owned();
    assert_eq!(first_unsafe(&[node]).unwrap(), "../etc");
}

/// A snapshot as only someone who knows the password could make it: directories by their place,
/// and nodes with names that have nothing to do with it.
struct Forged(Vec<(PathBuf, Node)>);

impl ReadSource for Forged {
    type Open = &'static [u8];
    type Iter = std::vec::IntoIter<RusticResult<ReadSourceEntry<Self::Open>>>;

    fn size(&self) -> RusticResult<Option<u64>> {
        Ok(None)
    }

    fn entries(&self) -> Self::Iter {
        let entry = |(path, node): &(PathBuf, Node)| {
            let open = node.is_file().then_some(&b"evil"[..]);
            Ok(ReadSourceEntry {
                path: path.clone(),
                node: node.clone(),
                open,
            })
        };
        self.0.iter().map(entry).collect::<Vec<_>>().into_iter()
    }
}

/// Tries to restore a forged snapshot to `target` in a folder, and returns what came of it.
fn restore_forged(folder: &Path, nodes: &[(&str, &str, NodeType)]) -> Result<(), StoreError> {
    let repository = folder.join("repository");
    let options = RepositoryOptions::default().no_cache(true);
    let files = Arc::new(Folder::new(repository.clone()));
    let backends = RepositoryBackends::new(Arc::new(Backend::new(files)), None);
    let opened = Repository::new(&options, &backends)
        .and_then(|closed| {
            let key = Credentials::Masterkey(MasterKey::new());
            closed.init(&key, &KeyOptions::default(), &ConfigOptions::default())
        })
        .and_then(Repository::to_indexed_ids)
        .unwrap();
    let nodes = nodes.iter().map(|(place, name, kind)| {
        let node = Node::new_node(name.as_ref(), kind.clone(), Metadata::default());
        (PathBuf::from(place), node)
    });
    let template = SnapshotOptions::default().to_snapshot().unwrap();
    let snapshot = opened
        .archive(
            &BackupOptions::default().no_scan(true),
            &Forged(nodes.collect()),
            template,
            &["/".into()],
        )
        .unwrap();
    let indexed = opened.drop_index().to_indexed().unwrap();
    let request = RestoreRequest {
        snapshot: SnapshotId::new(*snapshot.id),
        only: None,
        to: folder.join("target"),
    };
    run(&repository, &indexed, &request, &Account::default()).map(|_| ())
}

#[test]
fn a_forged_name_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = dir.path().join("elsewhere");
    for (number, name) in ["../evil", "..", "sub/evil", elsewhere.to_str().unwrap()]
        .into_iter()
        .enumerate()
    {
        let folder = dir.path().join(number.to_string());
        fs::create_dir(&folder).unwrap();
        let nodes = [("a", "a", NodeType::File), ("dir/b", name, NodeType::File)];
        let error = restore_forged(&folder, &nodes).unwrap_err();
        assert!(
            matches!(&error, StoreError::UnsafeName { name: named, directory, .. }
                if named == name && directory == Path::new("dir")),
            "{error:?}"
        );
        assert!(!folder.join("target").exists());
    }
    assert!(!elsewhere.exists());
}

#[test]
fn a_link_and_a_directory_of_one_name_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let nodes = [
        ("a", "a", NodeType::from_link(&outside)),
        ("a", "a", NodeType::Dir),
        ("a/evil", "evil", NodeType::File),
    ];
    let error = restore_forged(dir.path(), &nodes).unwrap_err();
    assert!(matches!(error, StoreError::UnsafeName { .. }), "{error:?}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn an_honest_forgery_is_restored() {
    // That the refusals above are refusals of the names.
    let dir = tempfile::tempdir().unwrap();
    let nodes = [("a", "a", NodeType::File), ("dir/b", "b", NodeType::File)];
    restore_forged(dir.path(), &nodes).unwrap();
    assert_eq!(fs::read(dir.path().join("target/dir/b")).unwrap(), b"evil");
}
