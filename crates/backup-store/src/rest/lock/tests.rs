use super::*;

fn me() -> Me {
    Me {
        host: "docker01".to_owned(),
        pid: 7,
        uid: 0,
        gid: 0,
    }
}

fn note(host: &str, pid: u32) -> Note {
    Note {
        time: "2026-03-01T03:00:00Z".parse().unwrap(),
        exclusive: false,
        hostname: host.to_owned(),
        username: "root".to_owned(),
        pid,
        uid: 0,
        gid: 0,
    }
}

#[test]
fn a_lock_is_of_nobody_when_it_is_old_or_its_process_is_gone() {
    let at = |time: &str| time.parse::<Timestamp>().unwrap();
    let soon = at("2026-03-01T03:30:00Z");
    let late = at("2026-03-01T03:30:01Z");
    let gone = |_| false;
    let there = |_| true;
    assert_eq!(note("docker01", 8).is_of_nobody(soon, &me(), there), None);
    assert!(
        note("docker01", 8)
            .is_of_nobody(late, &me(), there)
            .is_some()
    );
    assert!(
        note("docker01", 8)
            .is_of_nobody(soon, &me(), gone)
            .is_some()
    );
    // What runs on another machine is not known here.
    assert_eq!(note("docker02", 8).is_of_nobody(soon, &me(), gone), None);
    assert!(
        note("docker02", 8)
            .is_of_nobody(late, &me(), gone)
            .is_some()
    );
    // Another store of this very process.
    assert_eq!(note("docker01", 7).is_of_nobody(soon, &me(), gone), None);
    // A clock that went back makes nothing old.
    let before = at("2026-03-01T01:00:00Z");
    assert_eq!(note("docker02", 8).is_of_nobody(before, &me(), gone), None);
}

#[test]
fn what_restic_writes_is_understood() {
    // As restic prints it with `cat lock`, with a time zone and without what is zero.
    let text = r#"{"time":"2026-03-01T04:00:00.123456789+01:00","exclusive":true,
        "hostname":"docker02","username":"root","pid":4711}"#;
    let read: Note = serde_json::from_str(text).unwrap();
    assert_eq!((read.exclusive, read.pid), (true, 4711));
    assert_eq!(read.time.to_string(), "2026-03-01T03:00:00.123456789Z");
    assert!(read.holder().contains("process 4711 of root on docker02"));
}

#[test]
fn what_is_sealed_opens_with_its_key_only() {
    let key = [7; 64];
    let sealed = seal::seal(&key, b"{}").unwrap();
    assert_eq!(seal::open(&key, &sealed).unwrap(), b"{}");
    assert_ne!(
        seal::seal(&key, b"{}").unwrap(),
        sealed,
        "no nonce comes twice"
    );
    let packed = [&[2][..], &zstd::bulk::compress(b"{}", 3).unwrap()].concat();
    let packed = seal::seal(&key, &packed).unwrap();
    assert_eq!(seal::open(&key, &packed).unwrap(), b"{}");

    seal::open(&[8; 64], &sealed).unwrap_err();
    for length in 0..sealed.len() {
        seal::open(&key, &sealed[..length]).unwrap_err();
    }
}
