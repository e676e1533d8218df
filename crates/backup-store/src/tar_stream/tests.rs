use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use proptest::{prelude::*, test_runner::RngSeed};

use super::*;

/// Writes archives as Go's `archive/tar` does, which Docker uses: pax records for all that the old
/// header has no place for.
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn add(&mut self, kind: u8, name: &[u8], fields: &[(usize, &str)], contents: &[u8]) {
        let mut block = [0; BLOCK_BYTES];
        let shown = &name[..name.len().min(100)];
        block[..shown.len()].copy_from_slice(shown);
        let mut put = |at: usize, text: &str| {
            block[at..at + text.len()].copy_from_slice(text.as_bytes());
        };
        put(100, "0100644\0");
        put(108, "0000106\0");
        put(116, "0000107\0");
        put(124, &format!("{:011o}\0", contents.len()));
        put(136, "14371577000\0");
        put(257, "ustar\u{0}00");
        put(148, "        ");
        for (at, text) in fields {
            put(*at, text);
        }
        block[156] = kind;
        let sum: u32 = block.iter().copied().map(u32::from).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend_from_slice(&block);
        self.0.extend_from_slice(contents);
        let padded = self.0.len().next_multiple_of(BLOCK_BYTES);
        self.0.resize(padded, 0);
    }

    fn records(&mut self, kind: u8, records: &[(&str, &[u8])]) {
        let mut text = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut length = rest + 1;
            while rest + length.to_string().len() != length {
                length = rest + length.to_string().len();
            }
            text.extend_from_slice(format!("{length} {key}=").as_bytes());
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        self.add(kind, b"PaxHeaders.0/x", &[], &text);
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 2 * BLOCK_BYTES]);
        self.0
    }
}

/// Everything in an archive.
fn read(archive: &[u8]) -> io::Result<Vec<(TarEntry, Vec<u8>)>> {
    let mut stream = TarStream::new(archive);
    let mut all = Vec::new();
    while let Some(entry) = stream.next_entry()? {
        let mut contents = Vec::new();
        stream.contents().read_to_end(&mut contents)?;
        all.push((entry, contents));
    }
    Ok(all)
}

#[test]
fn every_kind_of_file_is_read_with_what_belongs_to_it() {
    let mut writer = Writer::default();
    writer.add(b'5', b"data/", &[(100, "0040700\0")], b"");
    writer.add(b'0', b"data/file", &[(100, "0104755\0")], b"contents");
    writer.add(b'1', b"data/again", &[(157, "data/file")], b"");
    writer.add(b'2', b"data/link", &[(157, "../nowhere")], b"");
    let device = [(329, "0000010\0"), (337, "0000021\0")];
    writer.add(b'3', b"data/char", &device, b"");
    writer.add(b'4', b"data/block", &device, b"");
    writer.add(b'6', b"data/fifo", &[], b"");
    writer.add(0, b"data/old/", &[], b"");
    writer.add(b'0', b"name", &[(345, "prefix/of/it")], b"");
    let all = read(&writer.end()).unwrap();
    let device = (8, 17);
    let kinds: Vec<_> = all.iter().map(|(entry, _)| entry.kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            TarKind::Directory,
            TarKind::File,
            TarKind::HardLink {
                target: "data/file".into()
            },
            TarKind::Symlink {
                target: "../nowhere".into()
            },
            TarKind::CharacterDevice {
                major: device.0,
                minor: device.1
            },
            TarKind::BlockDevice {
                major: device.0,
                minor: device.1
            },
            TarKind::Fifo,
            TarKind::Directory,
            TarKind::File,
        ]
    );
    let (folder, _) = &all[0];
    assert_eq!(folder.path, Path::new("data"));
    assert_eq!((folder.mode, folder.uid, folder.gid), (0o700, 70, 71));
    let (file, contents) = &all[1];
    assert_eq!((file.mode, file.size_bytes), (0o4755, 8));
    assert_eq!(contents, b"contents");
    assert_eq!(file.modified, Timestamp::from_second(0o14_371_577_000).ok());
    assert_eq!(all[8].0.path, Path::new("prefix/of/it/name"));
}

#[test]
fn extended_headers_beat_the_old_ones() {
    let mut writer = Writer::default();
    writer.records(b'g', &[("uid", b"9"), ("comment", b"of no use")]);
    let name = b"data/\xff\nname \xfe";
    writer.records(
        b'x',
        &[
            ("path", name),
            ("gid", b"4294967295"),
            ("mtime", b"1700000000.123456789"),
            ("SCHILY.xattr.security.capability", b"\x01\n\n\0="),
            ("SCHILY.xattr.user.empty", b""),
            ("SCHILY.acl.access", b"user::rw-"),
        ],
    );
    writer.add(b'0', b"data/__name _", &[], b"x");
    writer.records(b'x', &[("linkpath", &[b'l'; 300]), ("size", b"0")]);
    writer.add(b'2', b"link", &[], b"");
    let all = read(&writer.end()).unwrap();
    let (file, contents) = &all[0];
    assert_eq!(file.path, Path::new(OsStr::from_bytes(name)));
    assert_eq!((file.uid, file.gid), (9, u32::MAX));
    let modified = "2023-11-14T22:13:20.123456789Z".parse().unwrap();
    assert_eq!(file.modified, Some(modified));
    assert_eq!(
        file.attributes,
        [
            ("security.capability".into(), b"\x01\n\n\0=".to_vec()),
            ("user.empty".into(), Vec::new())
        ]
    );
    assert_eq!(file.not_understood, ["SCHILY.acl.access"]);
    assert_eq!(contents, b"x");
    let (link, _) = &all[1];
    let target = "l".repeat(300).into();
    assert_eq!(link.kind, TarKind::Symlink { target });
    assert_eq!((link.uid, link.gid), (9, 71), "only for the next one");
}

#[test]
fn the_long_names_of_gnu_are_read() {
    let long = "n".repeat(300);
    let mut writer = Writer::default();
    let ended = format!("{long}\0");
    writer.add(b'K', b"././@LongLink", &[], ended.as_bytes());
    writer.add(b'L', b"././@LongLink", &[], ended.as_bytes());
    writer.add(b'1', b"nnn", &[(157, "nnn")], b"");
    let all = read(&writer.end()).unwrap();
    assert_eq!(all[0].0.path, Path::new(&long));
    let target = long.into();
    assert_eq!(all[0].0.kind, TarKind::HardLink { target });
}

#[test]
fn the_archive_s_own_root_has_an_empty_path() {
    let mut writer = Writer::default();
    writer.add(b'5', b"./", &[], b"");
    writer.add(b'5', b"./a/./b/", &[], b"");
    let paths: Vec<_> = read(&writer.end())
        .unwrap()
        .into_iter()
        .map(|(entry, _)| entry.path)
        .collect();
    assert_eq!(paths, [Path::new(""), Path::new("a/b")]);
}

#[test]
fn nothing_leads_out_of_an_archive() {
    for (kind, name, link) in [
        (b'0', &b"/etc/passwd"[..], ""),
        (b'0', b"data/../../etc/passwd", ""),
        (b'5', b"..", ""),
        (b'1', b"data/link", "/etc/passwd"),
        (b'1', b"data/link", "../etc/passwd"),
    ] {
        let mut writer = Writer::default();
        writer.add(kind, name, &[(157, link)], b"");
        let error = read(&writer.end()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("leads out of it"), "{error}");
    }
}

#[test]
fn what_is_not_understood_is_an_error_and_ends_the_stream() {
    let sparse: &[(&str, &[u8])] = &[("GNU.sparse.major", b"1")];
    for (kind, records) in [(b'S', &[][..]), (b'0', sparse), (b'Z', &[])] {
        let mut writer = Writer::default();
        if !records.is_empty() {
            writer.records(b'x', records);
        }
        writer.add(kind, b"file", &[], b"x");
        writer.add(b'0', b"next", &[], b"x");
        let archive = writer.end();
        let mut stream = TarStream::new(&archive[..]);
        let error = stream.next_entry().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("\"file\""), "{error}");
        assert_eq!(stream.next_entry().unwrap(), None);
    }
    let mut writer = Writer::default();
    writer.add(b'x', b"x", &[(124, "77777777777\0")], b"");
    let error = read(&writer.end()).unwrap_err();
    assert!(error.to_string().contains("8589934591 bytes"), "{error}");
}

#[test]
fn contents_that_are_not_read_are_skipped() {
    let mut writer = Writer::default();
    writer.add(b'0', b"a", &[], &[7; 1500]);
    writer.add(b'0', b"b", &[], b"b");
    let archive = writer.end();
    let mut stream = TarStream::new(&archive[..]);
    stream.next_entry().unwrap().unwrap();
    let mut some = [0; 600];
    stream.contents().read_exact(&mut some).unwrap();
    assert_eq!(stream.next_entry().unwrap().unwrap().path, Path::new("b"));
    assert_eq!(stream.next_entry().unwrap(), None);
    assert_eq!(stream.next_entry().unwrap(), None);
}

fn config() -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(4),
        ..ProptestConfig::default()
    }
}

fn names() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_filter("no name has it", |byte| !matches!(byte, 0 | b'/' | b'.'));
    prop::collection::vec(byte, 1..120)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_name_and_contents_come_through(
        files in prop::collection::vec((names(), prop::collection::vec(any::<u8>(), 0..1200)), 1..5)
    ) {
        let mut writer = Writer::default();
        for (name, contents) in &files {
            writer.records(b'x', &[("path", name), ("SCHILY.xattr.user.copy", contents)]);
            writer.add(b'0', b"x", &[], contents);
        }
        let archive = writer.end();
        let all = read(&archive).unwrap();
        prop_assert_eq!(all.len(), files.len());
        for ((entry, read), (name, contents)) in all.iter().zip(&files) {
            prop_assert_eq!(entry.path.as_os_str().as_bytes(), &name[..]);
            prop_assert_eq!(read, contents);
            prop_assert_eq!(&entry.attributes, &[("user.copy".into(), contents.clone())]);
        }
    }

    #[test]
    fn an_archive_that_is_cut_anywhere_is_an_error(
        contents in prop::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..2000),
        at in any::<prop::sample::Index>(),
    ) {
        let mut writer = Writer::default();
        writer.records(b'x', &[("path", b"name")]);
        writer.add(b'0', b"x", &[], &contents);
        let archive = writer.end();
        // The first of the two blocks of zeros says it already.
        let whole = archive.len() - BLOCK_BYTES;
        let error = read(&archive[..at.index(whole)]).unwrap_err();
        prop_assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        prop_assert!(read(&archive[..whole]).is_ok());
    }

    #[test]
    fn no_bytes_end_in_a_panic(
        mut archive in prop::collection::vec(any::<u8>(), 0..2000),
        fix in any::<bool>(),
    ) {
        if fix && archive.len() >= BLOCK_BYTES {
            archive[148..156].copy_from_slice(b"        ");
            let sum: u32 = archive[..BLOCK_BYTES].iter().copied().map(u32::from).sum();
            archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let _ = read(&archive);
    }
}
