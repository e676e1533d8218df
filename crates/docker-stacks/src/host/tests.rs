use std::{fs, io, os::unix::fs::symlink, os::unix::net::UnixListener};

use proptest::prelude::*;

use super::{look::*, *};

const MOUNTS: &[u8] = b"\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /proc rw - proc proc rw
30 22 0:40 / /mnt/nas rw,relatime shared:7 - nfs4 192.0.2.10:/mnt/tank rw,vers=4.2
31 22 0:41 / /mnt/with\\040space rw - cifs //nas/share rw
32 22 0:42 / /mnt/pool rw - fuse.mergerfs a:b rw
33 22 0:43 / /home/me/remote rw - fuse.sshfs me@nas: rw
34 30 0:44 / /mnt/nas/local rw - ext4 /dev/sdb1 rw
35 22 0:45 / /srv/app/media rw - nfs nas:/media rw
36 22 0:46 / /srv/app/tmp rw - tmpfs tmpfs rw
37 22 0:47 / /srv/old rw - nfs nas:/old rw
38 22 0:48 / /srv/old rw - ext4 /dev/sdc1 rw
this is no line
";

#[test]
fn the_file_system_of_a_path_is_the_deepest_and_the_last() {
    let facts = HostFacts::from_mountinfo(MOUNTS);
    for (path, expected) in [
        ("/srv/app", None),
        (
            "/mnt/nas/x",
            Some("192.0.2.10:/mnt/tank (nfs4), mounted on /mnt/nas"),
        ),
        ("/mnt/nas2", None),
        ("/mnt/nas/local/x", None),
        (
            "/mnt/with space/x",
            Some("//nas/share (cifs), mounted on /mnt/with space"),
        ),
        ("/mnt/pool/x", None),
        (
            "/home/me/remote",
            Some("me@nas: (fuse.sshfs), mounted on /home/me/remote"),
        ),
        ("/srv/old/x", None),
    ] {
        assert_eq!(facts.remote(path.as_ref()).as_deref(), expected, "{path}");
    }
    assert!(facts.is_remote_mount_point("/mnt/nas".as_ref()));
    assert!(!facts.is_remote_mount_point("/srv/old".as_ref()));
}

#[test]
fn what_is_mounted_within_is_found() {
    let facts = HostFacts::from_mountinfo(MOUNTS);
    let within = |path: &str| -> Vec<String> {
        let found = facts.foreign_within(path.as_ref());
        found
            .map(|(point, _)| point.display().to_string())
            .collect()
    };
    assert_eq!(within("/srv"), ["/srv/app/media", "/srv/app/tmp"]);
    assert_eq!(within("/srv/app/media"), [""; 0]);
    assert_eq!(HostFacts::default().remote("/".as_ref()), None);
}

#[test]
fn links_are_followed_but_never_onto_a_network_file_system() {
    let facts = HostFacts::from_mountinfo(MOUNTS);
    let look = |path: &Path| {
        assert!(!path.starts_with("/mnt/nas"), "{}", path.display());
        Ok(match path.to_str().unwrap() {
            "/srv/media" => Entry::Link("../mnt/nas/media".into()),
            "/srv/loop" => Entry::Link("/srv/loop".into()),
            "/srv/agent" => Entry::Link("/opt/sockets/agent".into()),
            "/opt/sockets/agent" => Entry::Other(Some(FileKind::Socket)),
            "/srv/gone" => return Err(io::ErrorKind::NotFound.into()),
            _ => Entry::Other(Some(FileKind::Directory)),
        })
    };
    let follow = |path: &str| {
        let (real, kind) = resolved(path, &facts, &look);
        (real.display().to_string(), kind)
    };
    assert_eq!(
        follow("/srv/media/films"),
        ("/mnt/nas/media/films".into(), None)
    );
    assert_eq!(
        follow("/srv/agent"),
        ("/opt/sockets/agent".into(), Some(FileKind::Socket))
    );
    assert_eq!(follow("/srv/loop"), ("/srv/loop".into(), None));
    assert_eq!(follow("/srv/gone/x"), ("/srv/gone/x".into(), None));
    assert_eq!(follow("/srv"), ("/srv".into(), Some(FileKind::Directory)));
}

#[test]
fn real_files_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().canonicalize().unwrap();
    let _listener = UnixListener::bind(top.join("agent")).unwrap();
    fs::write(top.join("data.sock"), "no socket").unwrap();
    symlink("agent", top.join("link")).unwrap();
    let at = |name: &str| top.join(name);
    let paths = ["agent", "data.sock", "link", "gone"].map(at).to_vec();
    let facts = looked_at([paths, vec!["/dev/null".into()]].concat());
    assert_eq!(facts.kind(&at("agent")), Some(FileKind::Socket));
    assert_eq!(facts.kind(&at("data.sock")), Some(FileKind::File));
    assert_eq!(facts.kind(&at("link")), Some(FileKind::Socket));
    assert_eq!(facts.real(&at("link")), at("agent"));
    assert_eq!(facts.kind(&at("gone")), None);
    assert_eq!(facts.kind("/dev/null".as_ref()), Some(FileKind::Device));
}

proptest! {
    #[test]
    fn any_text_is_read(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let facts = HostFacts::from_mountinfo(&text);
        let _ = facts.remote("/a".as_ref());
    }

    #[test]
    fn escapes_are_undone(name in "[a-z \\t\\n\\\\]{1,8}") {
        let escaped: String = name
            .chars()
            .map(|c| if c.is_ascii_lowercase() { c.to_string() } else { format!("\\{:03o}", c as u32) })
            .collect();
        let line = format!("1 0 0:1 / /mnt/{escaped} rw - nfs4 nas:/x rw");
        let facts = HostFacts::from_mountinfo(line.as_bytes());
        let path = format!("/mnt/{name}");
        prop_assert!(facts.is_remote_mount_point(path.as_ref()));
    }
}
