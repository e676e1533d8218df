//! Web servers, and which of them is believed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reachability::{Answer, BuildError, CertificateFingerprint, ProbeSpec};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use crate::servers::listen;

const LONG: Duration = Duration::from_secs(20);

/// A web server that gives one answer to everybody, with a certificate of its own.
pub(crate) struct Web {
    port: u16,
    pem: String,
    sha256: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// Serves this line, with `Location: https://127.0.0.1:1/` after it.
    pub(crate) async fn serve(status_line: &'static str) -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let der = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![der.clone()], key.into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        let port = listen(move |stream| {
            let (acceptor, notes) = (acceptor.clone(), Arc::clone(&notes));
            async move {
                // A client that does not believe the certificate hangs up.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => request.push(byte),
                        Err(_) => return,
                    }
                }
                notes
                    .lock()
                    .unwrap()
                    .push(String::from_utf8(request).unwrap());
                let answer = format!(
                    "{status_line}\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
                );
                // As above.
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        })
        .await;
        Self {
            port,
            pem: made.cert.pem(),
            sha256: CertificateFingerprint::of_der(&der).to_string(),
            asked,
        }
    }

    /// The address, without saying which certificate is believed.
    pub(crate) fn unpinned(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.port)
    }

    /// The address, with the certificate.
    pub(crate) fn pinned(&self, path: &str) -> String {
        format!("{}#sha256={}", self.unpinned(path), self.sha256)
    }
}

async fn ask(spec: &str) -> Answer {
    let spec: ProbeSpec = spec.parse().unwrap();
    spec.build().unwrap().probe(LONG).await
}

#[tokio::test]
async fn any_status_below_500_is_up_and_no_redirect_is_followed() {
    for (line, expected) in [
        ("HTTP/1.1 200 OK", "up (status 200)"),
        ("HTTP/1.1 302 Found", "up (status 302)"),
        ("HTTP/1.1 401 Unauthorized", "up (status 401)"),
        ("HTTP/1.1 499 X", "up (status 499)"),
        ("HTTP/1.1 500 X", "not ready (status 500)"),
        ("HTTP/1.1 503 Service Unavailable", "not ready (status 503)"),
    ] {
        let web = Web::serve(line).await;
        // At the place that is named nobody listens: whoever followed it would be refused.
        assert_eq!(ask(&web.pinned("/")).await.to_string(), expected);
    }
}

#[tokio::test]
async fn it_asks_for_the_page_and_says_nothing_of_who_asks() {
    let web = Web::serve("HTTP/1.1 200 OK").await;
    assert!(ask(&web.pinned("/ui/?ready=1")).await.is_up());
    let asked = web.asked.lock().unwrap().join("");
    let port = web.port;
    let expected = format!(
        "GET /ui/?ready=1 HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nuser-agent: reachability\r\n"
    );
    assert!(asked.starts_with(&expected), "{asked}");
    for secret in ["authorization", "cookie", "sha256"] {
        assert!(!asked.to_lowercase().contains(secret), "{asked}");
    }
}

#[tokio::test]
async fn a_certificate_is_believed_by_its_fingerprint_or_its_authority_alone() {
    let web = Web::serve("HTTP/1.1 200 OK").await;
    let other = Web::serve("HTTP/1.1 200 OK").await;
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (own, others) = (file("own.pem", &web.pem), file("other.pem", &other.pem));

    assert!(ask(&web.pinned("/")).await.is_up());
    let by_file = ask(&format!("{}#ca={own}", web.unpinned("/"))).await;
    assert!(by_file.is_up(), "{by_file}");

    let pinned_to_another = format!("{}#sha256={}", web.unpinned("/"), other.sha256);
    match ask(&pinned_to_another).await {
        Answer::Failed { reason } => assert!(reason.contains(&web.sha256), "{reason}"),
        answer => panic!("{answer}"),
    }
    for nobody in [
        web.unpinned("/"),
        format!("{}#ca={others}", web.unpinned("/")),
    ] {
        let answer = ask(&nobody).await;
        assert!(
            matches!(answer, Answer::Failed { .. }),
            "{nobody}: {answer}"
        );
    }
    // Not even a request was sent to a server that was not believed.
    assert_eq!(web.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_file_that_holds_no_certificate_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    for file in [empty, dir.path().join("missing.pem")] {
        let spec: ProbeSpec = format!("https://nas/#ca={}", file.display())
            .parse()
            .unwrap();
        match spec.build() {
            Err(error @ BuildError::CaFile { .. }) => {
                assert!(
                    error.to_string().contains(&file.display().to_string()),
                    "{error}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn something_that_speaks_no_tls_is_not_a_web_server() {
    let port = crate::servers::say(b"SSH-2.0-x\r\n", crate::servers::Then::KeepOpen).await;
    let answer = ask(&format!("https://127.0.0.1:{port}/")).await;
    assert!(matches!(answer, Answer::Failed { .. }), "{answer}");
}
