//! From an address to a WebSocket: TCP, TLS, and the handshake, in which no key is sent.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{LOCATION, USER_AGENT};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error as WsError};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::address::NasAddress;
use crate::https::ANSWER_LIMIT_BYTES;
use crate::https::answer::Answer;
use crate::{Timeouts, TrueNasError, Trust, cause, tls};

pub(super) type WebSocket = WebSocketStream<TlsStream<TcpStream>>;

/// The address of the API's newest version.
const PATH: &str = "/api/current";

/// Where to connect to, and what to believe there.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) address: NasAddress,
    trust: Trust,
    tls: Arc<ClientConfig>,
    timeouts: Timeouts,
}

impl Connector {
    pub(super) fn new(
        address: NasAddress,
        trust: Trust,
        timeouts: Timeouts,
    ) -> Result<Self, TrueNasError> {
        // Nothing is offered by ALPN: with HTTP/2, there would be no WebSocket.
        let tls = Arc::new(tls::client_config(&trust, &address)?);
        Ok(Self {
            address,
            trust,
            tls,
            timeouts,
        })
    }

    /// What connecting is, for errors.
    pub(super) fn request(&self) -> String {
        format!("GET {}", self.address.web_socket(PATH))
    }

    pub(super) async fn connect(&self) -> Result<WebSocket, TrueNasError> {
        let after = self.timeouts.connect;
        let request = self.request();
        let connected = tokio::time::timeout(after, self.connect_now(&request)).await;
        connected.unwrap_or(Err(TrueNasError::Timeout {
            request,
            after,
            source: None,
        }))
    }

    async fn connect_now(&self, request: &str) -> Result<WebSocket, TrueNasError> {
        let url = self.address.to_string();
        let unreachable = |error: io::Error| TrueNasError::Connect {
            url: url.clone(),
            source: error.into(),
        };
        let host = self.address.host();
        let stream = TcpStream::connect((host, self.address.port()))
            .await
            .map_err(unreachable)?;
        // A message is one small packet, which must not wait for the next.
        stream.set_nodelay(true).map_err(unreachable)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TrueNasError::InvalidUrl {
            url: url.clone(),
            reason: "its host is neither a name nor an address",
        })?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await
            .map_err(|error| self.untrusted(&error, request))?;
        let setup = |error: WsError| TrueNasError::Setup {
            url: url.clone(),
            source: error.into(),
        };
        let mut handshake = self
            .address
            .web_socket(PATH)
            .into_client_request()
            .map_err(setup)?;
        handshake.headers_mut().insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("truenas-client/", env!("CARGO_PKG_VERSION"))),
        );
        let limits = WebSocketConfig::default()
            .max_message_size(Some(ANSWER_LIMIT_BYTES))
            .max_frame_size(Some(ANSWER_LIMIT_BYTES));
        let (socket, _) = client_async_with_config(handshake, stream, Some(limits))
            .await
            .map_err(|error| refused(error, request))?;
        Ok(socket)
    }

    /// The meaning of a TLS handshake that failed.
    fn untrusted(&self, error: &io::Error, request: &str) -> TrueNasError {
        let url = self.address.to_string();
        match (
            &self.trust,
            tls::refused_certificate(error),
            cause::rustls_error(error),
        ) {
            (Trust::Certificate(pin), Some(refused), _) => TrueNasError::CertificateMismatch {
                url,
                expected: *pin,
                found: refused.fingerprint(),
            },
            (_, _, Some(tls)) => TrueNasError::Tls {
                url,
                source: tls.clone().into(),
            },
            (_, _, None) => TrueNasError::Broken {
                request: request.to_owned(),
                source: cause::root(error),
            },
        }
    }
}

/// The meaning of an HTTP answer that is no WebSocket.
fn refused(error: WsError, request: &str) -> TrueNasError {
    match error {
        WsError::Http(response) => {
            let location = response.headers().get(LOCATION);
            let answer = Answer {
                status: response.status().as_u16(),
                location: location.map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned()),
                body: response.body().clone().unwrap_or_default(),
            };
            match answer.document(request) {
                Err(error) => error,
                Ok(_) => TrueNasError::Shape {
                    request: request.to_owned(),
                    what: "expected a WebSocket, found a page".to_owned(),
                    at: "the handshake".to_owned(),
                },
            }
        }
        error => broken(&error, request),
    }
}

/// The meaning of a WebSocket that fails.
pub(super) fn broken(error: &WsError, request: &str) -> TrueNasError {
    match error {
        WsError::Capacity(tungstenite::error::CapacityError::MessageTooLong { .. }) => {
            TrueNasError::TooLong {
                request: request.to_owned(),
                limit_bytes: ANSWER_LIMIT_BYTES,
            }
        }
        error => TrueNasError::Broken {
            request: request.to_owned(),
            source: cause::root(error),
        },
    }
}
