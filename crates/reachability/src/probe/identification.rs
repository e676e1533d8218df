//! The first line of an SSH connection.

/// More than any server sends before its identification; RFC 4253 names no limit.
const MOST_BYTES: usize = 8 * 1024;

/// What the bytes received so far are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// The identification, without its line ending, in printable ASCII.
    Identified(String),
    /// Certainly not the beginning of an SSH connection.
    SomethingElse,
    /// More bytes are needed to tell.
    Incomplete,
}

/// Looks for the identification string of RFC 4253, section 4.2: `SSH-2.0-software comments`,
/// at most 255 bytes with its CR LF. A server may send other lines before it. The CR is not insisted
/// on, because old servers leave it out (section 5.1 of the same).
pub(super) fn scan(received: &[u8]) -> Scan {
    let mut rest = received;
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        if line.starts_with(b"SSH-") {
            return if end < 255 && line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
                Scan::Identified(String::from_utf8_lossy(line).into_owned())
            } else {
                Scan::SomethingElse
            };
        }
        if line.contains(&0) {
            return Scan::SomethingElse;
        }
        rest = &rest[end + 1..];
    }
    let too_long = rest.starts_with(b"SSH-") && rest.len() >= 255;
    if too_long || received.len() > MOST_BYTES || rest.contains(&0) {
        Scan::SomethingElse
    } else {
        Scan::Incomplete
    }
}

/// The beginning of what was received, quoted, in printable ASCII.
pub(super) fn heard(received: &[u8]) -> String {
    const MOST: usize = 60;
    let shown = received.get(..MOST).unwrap_or(received);
    let more = if shown.len() < received.len() {
        "…"
    } else {
        ""
    };
    format!("\"{}{more}\"", shown.escape_ascii())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Scan, heard, scan};

    fn identified(text: &str) -> Scan {
        Scan::Identified(text.to_owned())
    }

    #[test]
    fn the_identification_is_found() {
        assert_eq!(
            scan(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
            identified("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3")
        );
        assert_eq!(scan(b"SSH-1.99-old\n"), identified("SSH-1.99-old"));
        assert_eq!(
            scan(b"Welcome.\r\nSSH is spoken here\r\nSSH-2.0-x\r\nkey exchange"),
            identified("SSH-2.0-x")
        );
    }

    #[test]
    fn what_may_still_become_one_is_waited_for() {
        for beginning in [
            &b""[..],
            b"S",
            b"SSH-2.0-OpenSSH_9.2",
            b"SSH-2.0-OpenSSH_9.2\r",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"Not allowed at this time\r\n",
        ] {
            assert_eq!(scan(beginning), Scan::Incomplete, "{beginning:?}");
        }
    }

    #[test]
    fn what_cannot_become_one_is_told_early() {
        let endless = [b'a'; 9000];
        let mut too_long = b"SSH-2.0-".to_vec();
        too_long.extend([b'x'; 300]);
        for other in [
            &b"\0\0\0\x10binary"[..],
            b"SSH-2.0-\x1b[31mred\r\n",
            &endless,
            &too_long,
        ] {
            assert_eq!(scan(other), Scan::SomethingElse, "{}", heard(other));
        }
        too_long.extend(b"\r\n");
        assert_eq!(scan(&too_long), Scan::SomethingElse);
    }

    #[test]
    fn what_was_heard_is_quoted_and_bounded() {
        assert_eq!(heard(b"HTTP\r\n\x1b"), "\"HTTP\\r\\n\\x1b\"");
        assert!(heard(&[b'a'; 500]).ends_with("a…\""));
        assert!(heard(&[0xff; 500]).len() < 300);
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_printable_identification_or_none(bytes: Vec<u8>) {
            if let Scan::Identified(text) = scan(&bytes) {
                prop_assert!(text.starts_with("SSH-"));
                prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }

        #[test]
        fn more_bytes_never_change_a_verdict(bytes in "(.{0,9}\r?\n){0,3}(SSH-2.0-[a-z]{0,9}\r?\n)?", cut: usize) {
            let bytes = bytes.as_bytes();
            let first = scan(&bytes[..cut % (bytes.len() + 1)]);
            if first != Scan::Incomplete {
                prop_assert_eq!(first, scan(bytes));
            }
        }
    }
}
