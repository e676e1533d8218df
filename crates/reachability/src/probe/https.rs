//! Does a web server answer?

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hyper::client::conn::http1;
use hyper::header::{HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tls_trust::{RefusedCertificate, TrustError};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use url::{Host, Position, Url};

use super::connect::connect;
use crate::{Answer, BuildError, Probe, ProbeSpec, Trust};

/// Asks a web server for a page, and looks at the status of the answer alone.
///
/// A status below 500 is up: a server that redirects, or wants to know who asks, works. It goes no
/// further: no redirect is followed, nothing is sent that says who asks, and the page is not read.
/// The certificate is judged as [`Trust`] says; one that is not believed is
/// [`Answer::Failed`], since what answers is not known to be the server that was meant.
#[derive(Clone)]
pub struct HttpsProbe {
    url: Url,
    trust: Trust,
    host: String,
    port: u16,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
}

impl std::fmt::Debug for HttpsProbe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HttpsProbe").field(&self.target()).finish()
    }
}

impl HttpsProbe {
    /// A probe of this address. The files and certificates that `trust` takes are read now.
    ///
    /// # Errors
    /// When they cannot be, or when the address is none of a web server with TLS.
    pub fn new(mut url: Url, trust: Trust) -> Result<Self, BuildError> {
        url.set_fragment(None);
        let bad = |why: &str| BuildError::Tls {
            url: format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()),
            why: why.to_owned(),
        };
        if url.scheme() != "https" {
            return Err(bad("expected an address that begins with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("expected no user and no password in the address"));
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(bad("expected an address with a host"));
        };
        let (host, name) = match host {
            Host::Domain(name) => (
                name.to_owned(),
                ServerName::try_from(name.to_owned())
                    .map_err(|_| bad("its host is no name that a certificate can have"))?,
            ),
            Host::Ipv4(address) => (address.to_string(), ServerName::from(address).to_owned()),
            Host::Ipv6(address) => (address.to_string(), ServerName::from(address).to_owned()),
        };
        let tls = trust.client_config().map_err(|error| match error {
            TrustError::CaFile { file, source, .. } => BuildError::CaFile { file, source },
            error => bad(&error.to_string()),
        })?;
        Ok(Self {
            url,
            trust,
            host,
            port,
            name,
            tls: Arc::new(tls),
        })
    }

    async fn ask(&self, stream: TcpStream) -> Result<StatusCode, Answer> {
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector
            .connect(self.name.clone(), stream)
            .await
            .map_err(|error| broken(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| not_http(&error))?;
        let request = Request::get(&self.url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, &self.url[Position::BeforeHost..Position::AfterPort])
            .header(USER_AGENT, "reachability")
            .body(String::new())
            .map_err(|error| Answer::Failed {
                reason: format!("the address cannot be asked for: {error}"),
            })?;
        let response = sender.send_request(request);
        tokio::pin!(response, connection);
        // The connection makes the response come; when it ends, it has said why.
        tokio::select! {
            response = &mut response => response,
            ended = connection => match ended {
                Ok(()) => response.await,
                Err(error) => Err(error),
            },
        }
        .map(|response| response.status())
        .map_err(|error| not_http(&error))
    }
}

#[async_trait]
impl Probe for HttpsProbe {
    fn target(&self) -> String {
        ProbeSpec::Https {
            url: self.url.clone(),
            trust: self.trust.clone(),
        }
        .to_string()
    }

    async fn probe(&self, timeout: Duration) -> Answer {
        let deadline = Instant::now() + timeout;
        let stream = match connect(&self.host, self.port, deadline).await {
            Ok(stream) => stream,
            Err(answer) => return answer,
        };
        match timeout_at(deadline, self.ask(stream)).await {
            Ok(Ok(status)) if status.as_u16() < 500 => Answer::Up {
                detail: format!("status {}", status.as_u16()),
            },
            Ok(Ok(status)) => Answer::NotReady {
                detail: format!("status {}", status.as_u16()),
            },
            Ok(Err(answer)) => answer,
            // It took the connection, and then did not get to an answer.
            Err(_) => Answer::Mute,
        }
    }
}

/// What a failed handshake says.
fn broken(error: &io::Error) -> Answer {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionAborted => Answer::Refused,
        _ => Answer::Failed {
            reason: match refused(error) {
                Some(refused) => format!(
                    "the server shows another certificate than the one that is believed, {}",
                    refused.fingerprint()
                ),
                None => format!("no trustworthy connection: {error}"),
            },
        },
    }
}

/// The certificate that was shown in place of the one that is believed, if that is what an error is
/// about.
fn refused(error: &io::Error) -> Option<&RefusedCertificate> {
    RefusedCertificate::of(error.get_ref()?.downcast_ref()?)
}

/// What a failed request says.
fn not_http(error: &hyper::Error) -> Answer {
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return Answer::Refused;
    }
    Answer::Failed {
        reason: format!("something that is not a web server answered: {error}"),
    }
}
