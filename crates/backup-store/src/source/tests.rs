use std::{
    fs,
    io::Read,
    os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
};

use rustic_core::{ReadSourceOpen, repofile::NodeType};

use super::*;

fn sources(dir: &Path, sources: Vec<Source>) -> (Sources, Arc<Account>) {
    let account = Arc::new(Account::default());
    let started_at = "2026-03-01T03:00:00Z".parse().unwrap();
    let resolved = sources
        .into_iter()
        .map(|source| match source {
            Source::Path {
                name,
                path,
                exclude,
            } => Source::path(name, dir.join(path)).excluding(exclude),
            other @ (Source::Archive { .. } | Source::Bytes { .. }) => other,
        })
        .collect();
    (
        Sources::find(resolved, started_at, Arc::clone(&account)).unwrap(),
        account,
    )
}

fn place(path: &str) -> SnapshotPath {
    SnapshotPath::new(path).unwrap()
}

fn entries(sources: &Sources) -> Vec<Entry> {
    sources.entries().map(Result::unwrap).collect()
}

fn paths(entries: &[Entry]) -> Vec<&str> {
    entries
        .iter()
        .map(|entry| entry.path.to_str().unwrap())
        .collect()
}

fn reasons(account: &Account) -> Vec<String> {
    account
        .take_unreadable()
        .into_iter()
        .map(|unreadable| unreadable.reason)
        .collect()
}

#[test]
fn the_tree_starts_at_the_root_of_each_source_and_is_in_order() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("data/b")).unwrap();
    fs::write(dir.path().join("data/b/x"), "x").unwrap();
    fs::write(dir.path().join("data/b-"), "sorts after what is in b").unwrap();
    fs::write(dir.path().join("compose.yaml"), "services:").unwrap();
    let (sources, account) = sources(
        dir.path(),
        vec![
            Source::path(place("compose/project.yaml"), "compose.yaml"),
            Source::path(place("volumes/data"), "data"),
            Source::path(place("volumes/more"), "data"),
        ],
    );
    let entries = entries(&sources);
    assert_eq!(
        paths(&entries),
        [
            "compose",
            "compose/project.yaml",
            "volumes",
            "volumes/data",
            "volumes/data/b",
            "volumes/data/b/x",
            "volumes/data/b-",
            "volumes/more",
            "volumes/more/b",
            "volumes/more/b/x",
            "volumes/more/b-",
        ]
    );
    assert_eq!(
        &*entries[1].node.name(),
        "project.yaml",
        "it is called as the request says"
    );
    assert_eq!(&*entries[3].node.name(), "data");
    let counted = [Kind::File, Kind::Directory, Kind::Other].map(|kind| account.saved(kind));
    assert_eq!(
        counted,
        [5, 4, 0],
        "directories above the sources are not counted"
    );
    assert_eq!(sources.places()[0], Path::new("/compose/project.yaml"));
}

#[test]
fn a_missing_source_is_an_error_before_anything_else() {
    let missing = Source::path(place("volumes/gone"), "/nonexistent/volume");
    let error = Sources::find(vec![missing], Timestamp::UNIX_EPOCH, Arc::default()).unwrap_err();
    assert!(matches!(
        error,
        StoreError::SourceMissing { name, .. } if name == place("volumes/gone")
    ));
}

#[test]
fn a_link_is_followed_at_the_top_and_kept_below() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("real")).unwrap();
    symlink("nowhere", dir.path().join("real/link")).unwrap();
    symlink("real", dir.path().join("top")).unwrap();
    let (sources, _) = sources(dir.path(), vec![Source::path(place("data"), "top")]);
    let entries = entries(&sources);
    assert_eq!(paths(&entries), ["data", "data/link"]);
    assert!(entries[0].node.is_dir());
    assert_eq!(entries[1].node.node_type.to_link(), Path::new("nowhere"));
}

#[test]
fn a_socket_is_noted_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let _listener = UnixListener::bind(dir.path().join("s")).unwrap();
    let (sources, account) = sources(dir.path(), vec![Source::path(place("data"), "")]);
    let entries = entries(&sources);
    assert_eq!(entries[1].node.node_type, NodeType::Socket);
    assert_eq!(
        account.take_sockets(),
        [dir.path().canonicalize().unwrap().join("s")]
    );
}

#[test]
fn a_file_that_vanishes_between_walk_and_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "content").unwrap();
    let (sources, account) = sources(dir.path(), vec![Source::path(place("data"), "")]);
    let mut entries = entries(&sources);
    fs::remove_file(dir.path().join("f")).unwrap();
    assert!(entries.remove(1).open.unwrap().open().is_err());
    assert_eq!(account.saved(Kind::File), 0);
    assert_eq!(reasons(&account), ["it vanished while the backup ran"]);
}

#[test]
fn a_directory_that_vanishes_during_the_walk_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    let (sources, account) = sources(dir.path(), vec![Source::path(place("data"), "")]);
    let mut entries = sources.entries();
    entries.next().unwrap().unwrap();
    fs::remove_dir(dir.path().join("d")).unwrap();
    assert_eq!(entries.count(), 0);
    assert_eq!(reasons(&account), ["it vanished while the backup ran"]);
}

#[test]
fn a_file_that_was_replaced_is_named_and_never_followed() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a", "b"] {
        fs::write(dir.path().join(name), "content").unwrap();
    }
    let (sources, account) = sources(dir.path(), vec![Source::path(place("data"), "")]);
    let mut entries = entries(&sources);
    fs::write(dir.path().join("new"), "another file").unwrap();
    fs::rename(dir.path().join("new"), dir.path().join("a")).unwrap();
    fs::remove_file(dir.path().join("b")).unwrap();
    symlink("/etc/hostname", dir.path().join("b")).unwrap();
    for entry in entries.drain(1..) {
        assert!(entry.open.unwrap().open().is_err());
    }
    let reasons = reasons(&account);
    assert_eq!(
        reasons[0],
        "another file took its place while the backup ran"
    );
    assert_eq!(reasons.len(), 2);
}

#[test]
fn a_file_that_grows_is_read_as_far_as_it_went() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log"), "one\n").unwrap();
    let (sources, account) = sources(dir.path(), vec![Source::path(place("data"), "")]);
    let mut entries = entries(&sources);
    fs::write(dir.path().join("log"), "one\ntwo\n").unwrap();
    let mut read = String::new();
    entries
        .remove(1)
        .open
        .unwrap()
        .open()
        .unwrap()
        .read_to_string(&mut read)
        .unwrap();
    assert_eq!(read, "one\n");
    assert_eq!(reasons(&account).len(), 0);
}

#[test]
fn a_file_that_shrinks_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("log"), "one\ntwo\n").unwrap();
    let (sources, account) = sources(dir.path(), vec![Source::path(place("data"), "")]);
    let mut entries = entries(&sources);
    fs::write(dir.path().join("log"), "one\n").unwrap();
    let mut read = String::new();
    entries
        .remove(1)
        .open
        .unwrap()
        .open()
        .unwrap()
        .read_to_string(&mut read)
        .unwrap();
    assert_eq!(read, "one\n");
    assert_eq!(
        reasons(&account),
        ["it shrank while it was read: 4 of 8 bytes are saved"]
    );
}

#[test]
fn a_cancelled_run_reads_no_further() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "content").unwrap();
    let (sources, account) = sources(dir.path(), vec![Source::path(place("data"), "")]);
    let mut entries = entries(&sources);
    let mut reader = entries.remove(1).open.unwrap().open().unwrap();
    drop(crate::account::CancelOnDrop(Arc::clone(&account)));
    assert!(reader.read(&mut [0]).is_err());
    assert_eq!(sources.entries().count(), 0);
    assert_eq!(
        reasons(&account).len(),
        0,
        "a cancelled read is no loss to report"
    );
}

#[test]
fn names_need_not_be_unicode() {
    let dir = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9\n\\x");
    fs::write(dir.path().join(name), "").unwrap();
    let (sources, _) = sources(dir.path(), vec![Source::path(place("data"), "")]);
    assert_eq!(entries(&sources)[1].node.name(), name);
}

#[test]
fn bytes_of_the_same_length_are_not_taken_for_the_same() {
    let bytes = |contents: &str| {
        let time = "2026-03-01T03:00:00Z".parse().unwrap();
        let (sources, _) = sources(
            Path::new(""),
            vec![Source::bytes(place("a.json"), contents, time)],
        );
        entries(&sources).remove(0)
    };
    let (one, two) = (bytes("1"), bytes("2"));
    assert_eq!(
        (one.node.meta.size, one.node.meta.mtime),
        (two.node.meta.size, two.node.meta.mtime)
    );
    assert_ne!(one.node.meta.ctime, two.node.meta.ctime);
    let mut read = String::new();
    two.open
        .unwrap()
        .open()
        .unwrap()
        .read_to_string(&mut read)
        .unwrap();
    assert_eq!(read, "2");
}

#[test]
fn what_is_left_out_is_not_opened_and_only_counted() {
    let dir = tempfile::tempdir().unwrap();
    for folder in [
        "cache/deep",
        "keep/cache",
        "node_modules/a",
        "x/node_modules/b",
    ] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    for file in ["a.log", "keep/b.log", "keep/c", "cache/d"] {
        fs::write(dir.path().join(file), "").unwrap();
    }
    let patterns = ["/cache", "*.log", "node_modules"].map(|text| text.parse().unwrap());
    let source = Source::path(place("data"), "").excluding(patterns);
    let (sources, account) = sources(dir.path(), vec![source]);
    assert_eq!(
        paths(&entries(&sources)),
        [
            "data",
            "data/keep",
            "data/keep/c",
            "data/keep/cache",
            "data/x"
        ]
    );
    assert_eq!(account.left_out(), 5, "a folder counts once");
    assert_eq!(account.saved(Kind::File), 1);
    assert_eq!(reasons(&account).len(), 0);
}

#[test]
fn the_top_stays_whatever_the_patterns_say() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "").unwrap();
    let source = Source::path(place("data"), "").excluding(["*".parse().unwrap()]);
    let (all_out, account) = sources(dir.path(), vec![source]);
    assert_eq!(paths(&entries(&all_out)), ["data"]);
    assert_eq!(account.left_out(), 1);

    let source = Source::path(place("data"), "f").excluding(["f".parse().unwrap()]);
    let (file, _) = sources(dir.path(), vec![source]);
    assert_eq!(paths(&entries(&file)), ["data"]);
}

#[test]
fn a_folder_without_permission_is_named_unless_it_is_left_out() {
    use std::os::unix::fs::PermissionsExt;

    // Root may open everything: for root, this only shows that nothing is complained of.
    let dir = tempfile::tempdir().unwrap();
    let closed = dir.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::write(closed.join("secret"), "").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let source = Source::path(place("data"), "").excluding(["closed".parse().unwrap()]);
    let (sources, account) = sources(dir.path(), vec![source]);
    assert_eq!(paths(&entries(&sources)), ["data"]);
    assert_eq!(reasons(&account), Vec::<String>::new());
    assert_eq!(account.left_out(), 1);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
}
