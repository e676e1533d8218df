use super::*;

fn spool(folder: &Path, limit_bytes: u64) -> Arc<Spool> {
    Arc::new(Spool::new(SpoolOptions {
        folder: folder.join("spool"),
        limit_bytes,
    }))
}

fn read_back(contents: &Contents, extents: &[Extent], size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    for extent in extents {
        let at = usize::try_from(extent.at).unwrap();
        let length = usize::try_from(extent.bytes).unwrap();
        let part = &mut bytes[at..at + length];
        assert_eq!(
            read_at(&contents.file, part, extent.spooled_at).unwrap(),
            length
        );
    }
    bytes
}

fn put(contents: &mut Contents, file: &File) -> Vec<Extent> {
    let size = file.metadata().unwrap().len();
    match contents.put_from(file, 0, size).unwrap() {
        Put::Spooled(extents) => extents,
        Put::Full => panic!("there is room"),
    }
}

#[test]
fn what_is_put_in_can_be_read_and_has_no_name() {
    let dir = tempfile::tempdir().unwrap();
    let spool = spool(dir.path(), 1 << 30);
    let mut contents = spool.contents().unwrap();
    for size in [0_usize, 1, 4096, 300_000, 3 << 20] {
        let bytes: Vec<u8> = (0..size)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect();
        fs::write(dir.path().join("from"), &bytes).unwrap();
        let from = File::open(dir.path().join("from")).unwrap();
        let extents = put(&mut contents, &from);
        assert_eq!(read_back(&contents, &extents, size), bytes, "{size} bytes");
    }
    assert_eq!(fs::read_dir(dir.path().join("spool")).unwrap().count(), 0);
    let mode = fs::metadata(dir.path().join("spool")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn holes_take_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let spool = spool(dir.path(), 8 << 20);
    let from = File::create_new(dir.path().join("sparse")).unwrap();
    from.set_len(1 << 30).unwrap();
    from.write_all_at(b"here", 512 << 20).unwrap();
    let from = File::open(dir.path().join("sparse")).unwrap();
    let mut contents = spool.contents().unwrap();
    let extents = put(&mut contents, &from);
    let spooled: u64 = extents.iter().map(|extent| extent.bytes).sum();
    assert!(spooled < 1 << 20, "{spooled} bytes for four");
    assert!(extents.iter().any(|extent| {
        let within = (512 << 20) - extent.at;
        let mut bytes = [0; 4];
        read_at(&contents.file, &mut bytes, extent.spooled_at + within).unwrap();
        &bytes == b"here"
    }));
    assert!(!is_dense(&from, 1 << 30));
}

#[test]
fn the_limit_is_for_all_and_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let spool = spool(dir.path(), 100);
    fs::write(dir.path().join("from"), [7; 60]).unwrap();
    let from = File::open(dir.path().join("from")).unwrap();
    let mut first = spool.contents().unwrap();
    let mut second = spool.contents().unwrap();
    put(&mut first, &from);
    assert_eq!(second.room(), 40);
    assert!(matches!(second.put_from(&from, 0, 60).unwrap(), Put::Full));
    drop(first);
    put(&mut second, &from);
}

#[test]
fn a_file_that_is_shorter_than_it_was_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let spool = spool(dir.path(), 1 << 30);
    fs::write(dir.path().join("from"), [7; 60]).unwrap();
    let from = File::open(dir.path().join("from")).unwrap();
    for said in [61, 200_000] {
        let mut contents = spool.contents().unwrap();
        match contents.put_from(&from, 0, said) {
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof),
            // Beyond its end there is nothing but a hole, which the size in the snapshot makes
            // zeros of: that it shrank is seen by its times.
            Ok(Put::Spooled(extents)) => {
                assert!(extents.iter().all(|extent| extent.at + extent.bytes <= 60));
            }
            Ok(Put::Full) => panic!("there is room"),
        }
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let spool = spool(&dir.path().join("file"), 1);
    let error = spool.contents().unwrap_err();
    assert!(error.to_string().contains("file/spool"), "{error}");
}
