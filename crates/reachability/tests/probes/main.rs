//! The real probes against real listeners, on the loopback interface only.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

#[cfg(all(feature = "https", feature = "mock", feature = "testing"))]
mod conformance;
#[cfg(feature = "https")]
mod https;
mod servers;

use std::time::Duration;

use reachability::{Answer, Probe, ProbeSpec, SshProbe, TcpProbe};
use servers::{Then, closed_port, listen, say};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

/// Long enough for anything on the loopback interface.
const LONG: Duration = Duration::from_secs(20);
/// For what is expected to take the whole timeout.
const SHORT: Duration = Duration::from_millis(300);

async fn ssh(port: u16, timeout: Duration) -> Answer {
    SshProbe::new("127.0.0.1", port).probe(timeout).await
}

#[tokio::test]
async fn a_listening_port_is_up() {
    let port = say(b"", Then::KeepOpen).await;
    let answer = TcpProbe::new("127.0.0.1", port).probe(LONG).await;
    assert!(answer.is_up(), "{answer}");
}

#[tokio::test]
async fn a_name_is_resolved() {
    // It may resolve to ::1 as well, where nobody listens: one address that is up is enough.
    let port = say(b"", Then::KeepOpen).await;
    let answer = TcpProbe::new("localhost", port).probe(LONG).await;
    assert!(answer.is_up(), "{answer}");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_refused() {
    let port = closed_port().await;
    let answer = TcpProbe::new("127.0.0.1", port).probe(LONG).await;
    assert_eq!(answer, Answer::Refused);
    assert_eq!(ssh(port, LONG).await, Answer::Refused);
}

#[tokio::test]
async fn an_ssh_server_is_up_with_its_identification() {
    let port = say(
        b"A line before it.\r\nSSH-2.0-OpenSSH_9.2p1 Debian-2\r\n\0\0binary",
        Then::KeepOpen,
    )
    .await;
    assert_eq!(
        ssh(port, LONG).await,
        Answer::Up {
            detail: "SSH-2.0-OpenSSH_9.2p1 Debian-2".to_owned()
        }
    );
}

#[tokio::test]
async fn an_identification_in_pieces_is_put_together() {
    let port = listen(|mut stream| async move {
        for piece in [&b"SSH-2"[..], b".0-slow", b"\r", b"\n"] {
            stream.write_all(piece).await.unwrap();
            stream.flush().await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    })
    .await;
    assert_eq!(
        ssh(port, LONG).await,
        Answer::Up {
            detail: "SSH-2.0-slow".to_owned()
        }
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_mute_and_takes_no_longer_than_the_timeout() {
    let port = say(b"", Then::KeepOpen).await;
    let begin = Instant::now();
    assert_eq!(ssh(port, SHORT).await, Answer::Mute);
    let took = begin.elapsed();
    assert!(
        took >= SHORT && took < SHORT + Duration::from_secs(2),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_server_that_hangs_up_without_a_word_is_refused() {
    let port = say(b"", Then::Close).await;
    assert_eq!(ssh(port, LONG).await, Answer::Refused);
}

#[tokio::test]
async fn something_that_is_not_ssh_is_told_from_one_that_is() {
    for (words, then, expected) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            Then::Close,
            "HTTP/1.1 400 Bad Request",
        ),
        (b"220 mail ESMTP\r\n", Then::KeepOpen, "220 mail ESMTP"),
        (b"\x00\x01\x02", Then::KeepOpen, "\\x00\\x01\\x02"),
        (b"SSH-2.0-cut off", Then::Close, "SSH-2.0-cut off"),
    ] {
        let port = say(words, then).await;
        let timeout = match then {
            Then::Close => LONG,
            Then::KeepOpen => SHORT,
        };
        match ssh(port, timeout).await {
            Answer::Failed { reason } => assert!(reason.contains(expected), "{reason}"),
            answer => panic!("{words:?}: {answer}"),
        }
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let port =
        listen(|mut stream| async move { while stream.write_all(&[b'a'; 4096]).await.is_ok() {} })
            .await;
    let begin = Instant::now();
    let answer = ssh(port, LONG).await;
    assert!(matches!(answer, Answer::Failed { .. }), "{answer}");
    assert!(begin.elapsed() < LONG / 2, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_spec_builds_the_probe_it_names() {
    let port = say(b"SSH-2.0-x\r\n", Then::KeepOpen).await;
    for (text, detail) in [
        (format!("ssh:127.0.0.1:{port}"), "SSH-2.0-x".to_owned()),
        (
            format!("tcp:127.0.0.1:{port}"),
            format!("accepts connections on port {port}"),
        ),
    ] {
        let probe = text.parse::<ProbeSpec>().unwrap().build().unwrap();
        assert_eq!(probe.target(), text);
        assert_eq!(probe.probe(LONG).await, Answer::Up { detail });
    }
}
