use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use std::time::Duration;

use super::*;
use crate::{CertificateFingerprint, ErrorKind, RestClient, TrueNas, fetch_certificate};

const KEY: &str = "1-aSecretApiKeyThatNobodyMaySee";

fn pin() -> Trust {
    Trust::Certificate(CertificateFingerprint::of_der(b"no certificate"))
}

fn options(url: &str) -> NasOptions {
    NasOptions::new(Url::parse(url).unwrap(), KEY.to_owned().into(), pin())
}

#[test]
fn only_https_addresses_of_a_host_are_taken() {
    for url in [
        "https://nas",
        "https://nas:8443/",
        "https://nas/ui/",
        "https://nas/ui/sessions/signin",
        "https://[::1]",
        "https://nas/api/v2.0/",
        "https://nas/?a=b#c",
    ] {
        let client = RestClient::new(options(url)).unwrap();
        assert!(
            ["https://nas", "https://nas:8443", "https://[::1]"].contains(&client.url().as_str()),
            "{url}"
        );
    }
    for url in [
        "http://nas",
        "ws://nas",
        "wss://nas",
        "http://user:hush@nas/",
        "file:///etc",
        "mailto:hush@nas",
    ] {
        let error = RestClient::new(options(url)).unwrap_err();
        assert!(
            matches!(error, TrueNasError::NotHttps { .. }),
            "{url}: {error}"
        );
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
    for url in [
        "https://user:hush@nas",
        "https://hush@nas",
        "https://nas/other",
        "https://nas/uix",
    ] {
        let error = RestClient::new(options(url)).unwrap_err();
        assert!(
            matches!(error, TrueNasError::InvalidUrl { .. }),
            "{url}: {error}"
        );
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}

#[test]
fn keys_that_cannot_be_keys_are_refused_at_once_and_not_shown() {
    for key in [
        "",
        "  ",
        "1-abc def",
        "1-abc\u{1}",
        "1-abc\ndef",
        "<html>\n1-abc</html>",
    ] {
        let mut options = options("https://nas");
        options.api_key = key.to_owned().into();
        let error = RestClient::new(options).unwrap_err();
        assert!(
            matches!(error, TrueNasError::InvalidKey { .. }),
            "{key:?}: {error}"
        );
        assert!(!format!("{error} {error:?}").contains("abc"), "{error:?}");
    }
    let mut with_newline = options("https://nas");
    with_newline.api_key = format!("{KEY}\n").into();
    assert!(RestClient::new(with_newline).is_ok());
}

#[test]
fn the_key_is_never_shown() {
    let options = options("https://nas");
    let shown = format!(
        "{options:?} {:?}",
        RestClient::new(options.clone()).unwrap()
    );
    assert!(!shown.contains("aSecret"), "{shown}");
}

#[test]
fn a_file_of_certificates_must_be_there_and_hold_some() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for path in ["/nonexistent/ca.pem", file] {
        let mut options = options("https://nas");
        options.trust = Trust::CaFile(path.into());
        let error = RestClient::new(options).unwrap_err();
        assert!(matches!(error, TrueNasError::TrustFile { .. }), "{error}");
        assert!(error.to_string().contains(path), "{error}");
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
}

/// A port of this machine at which nobody listens.
fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("https://{}", listener.local_addr().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_question_is_asked_five_times_when_nobody_answers() {
    let client = RestClient::new(options(&closed_port())).unwrap();
    let before = tokio::time::Instant::now();
    let error = client.pools().await.unwrap_err();
    assert!(matches!(error, TrueNasError::Connect { .. }), "{error}");
    // The pauses: a quarter, a half, one and two seconds.
    assert_eq!(before.elapsed().as_millis() / 10, 375);
}

#[tokio::test(start_paused = true)]
async fn what_changes_something_is_asked_once() {
    let client = RestClient::new(options(&closed_port())).unwrap();
    let before = tokio::time::Instant::now();
    let error = client.run_snapshot_task(1).await.unwrap_err();
    assert!(matches!(error, TrueNasError::Connect { .. }), "{error}");
    assert!(before.elapsed() < Duration::from_millis(200));
}

#[tokio::test]
async fn the_deadline_ends_the_tries_and_names_what_they_met() {
    let mut options = options(&closed_port());
    options.timeouts.total = Duration::from_millis(100);
    let error = RestClient::new(options).unwrap().pools().await.unwrap_err();
    let TrueNasError::Timeout { source, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        matches!(source.as_deref(), Some(TrueNasError::Connect { .. })),
        "{error:?}"
    );
    assert_eq!(error.kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn silence_is_a_timeout() {
    // The system accepts the connection, nobody ever answers on it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = options(&format!("https://{}", listener.local_addr().unwrap()));
    options.timeouts.total = Duration::from_millis(100);
    let error = RestClient::new(options).unwrap().pools().await.unwrap_err();
    assert!(matches!(error, TrueNasError::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn what_does_not_speak_tls_gets_no_key() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut received = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .unwrap();
            // Whether it ends in an error does not matter, only what came before.
            let _ = stream.read_to_end(&mut received);
        }
        received
    });
    let error = RestClient::new(options(&url))
        .unwrap()
        .pools()
        .await
        .unwrap_err();
    assert!(matches!(error, TrueNasError::Tls { .. }), "{error:?}");
    let error = fetch_certificate(&Url::parse(&url).unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, TrueNasError::Tls { .. }), "{error:?}");
    let received = server.join().unwrap();
    assert!(!received.is_empty());
    assert!(!String::from_utf8_lossy(&received).contains("aSecret"));
}

#[tokio::test]
async fn a_certificate_is_not_fetched_without_tls() {
    let error = fetch_certificate(&Url::parse("http://nas").unwrap())
        .await
        .unwrap_err();
    assert!(matches!(error, TrueNasError::NotHttps { .. }), "{error}");
}
